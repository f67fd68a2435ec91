"""A Run: one recorded run of one framework, as frames; and how a path becomes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from profkit.cache import Cache
from profkit.discovery import Discovery, Found, discover
from profkit.errors import AmbiguousInputError, ImportIssue, ProfkitError, Severity, UnreadableInputError
from profkit.file_state import FileState, file_states
from profkit.frame_spec import concatenate
from profkit.parsers.base import Framework, Parsed
from profkit.progress import Progress, silent
from profkit.schema import (
    ALLOCATIONS,
    API,
    COMM,
    DATA_PIPELINE,
    DEVICE_SAMPLES,
    GRAPH_EDGES,
    GRAPH_NODES,
    HOST_CALLS,
    LINKS,
    MEMORY,
    NODES,
    OPS,
    OVERFLOW_RECORDS,
    RECORDED_FRAMES,
    SPANS,
    STEPS,
    TENSORS,
)

_PATHS_NAMED = 5
_ROW_REFERENCES = ("parent", "launcher", "forward_op")


@dataclass(frozen=True)
class Source:
    """One file or directory that a run was read from.

    Attributes:
        path: The file or directory.
        format: Name of the parser.
        framework: Who wrote it.
        rank: Process number; -1 unknown.
        writer_version: Version of the writer as far as the file tells it.
        rows: Rows it gave, by frame.
        reason: Why it was taken for this format.
        issues: What was repaired, lost or refused while reading it.
        facts: Further facts of the recording.
    """

    path: Path
    format: str
    framework: Framework
    rank: int
    writer_version: str | None
    rows: Mapping[str, int]
    reason: str
    issues: tuple[ImportIssue, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One recorded run of one framework.

    Attributes:
        path: What the user named.
        framework: Who ran; "unknown" if no source tells it.
        ops, spans, steps, memory, allocations, comm, links, api, host_calls, device_samples, data_pipeline, nodes,
            tensors, overflow_records, graph_nodes, graph_edges: Frames of profkit.schema; empty if nothing of it was
            recorded.
        sources: Where each part came from.
    """

    path: Path
    framework: Framework
    ops: pd.DataFrame = field(default_factory=OPS.empty)
    spans: pd.DataFrame = field(default_factory=SPANS.empty)
    steps: pd.DataFrame = field(default_factory=STEPS.empty)
    memory: pd.DataFrame = field(default_factory=MEMORY.empty)
    allocations: pd.DataFrame = field(default_factory=ALLOCATIONS.empty)
    comm: pd.DataFrame = field(default_factory=COMM.empty)
    links: pd.DataFrame = field(default_factory=LINKS.empty)
    api: pd.DataFrame = field(default_factory=API.empty)
    host_calls: pd.DataFrame = field(default_factory=HOST_CALLS.empty)
    device_samples: pd.DataFrame = field(default_factory=DEVICE_SAMPLES.empty)
    data_pipeline: pd.DataFrame = field(default_factory=DATA_PIPELINE.empty)
    nodes: pd.DataFrame = field(default_factory=NODES.empty)
    tensors: pd.DataFrame = field(default_factory=TENSORS.empty)
    overflow_records: pd.DataFrame = field(default_factory=OVERFLOW_RECORDS.empty)
    graph_nodes: pd.DataFrame = field(default_factory=GRAPH_NODES.empty)
    graph_edges: pd.DataFrame = field(default_factory=GRAPH_EDGES.empty)
    sources: tuple[Source, ...] = ()

    @property
    def issues(self) -> tuple[ImportIssue, ...]:
        """The import issues of all sources."""
        return tuple(issue for source in self.sources for issue in source.issues)

    def with_tensors_of(self, other: Run) -> Run:
        """Give this run with another's tensors, and what was dumped beside them, added to its own."""
        return replace(
            self,
            framework=self.framework if self.framework != "unknown" else other.framework,
            tensors=concatenate(TENSORS, [self.tensors, other.tensors]),
            overflow_records=concatenate(OVERFLOW_RECORDS, [self.overflow_records, other.overflow_records]),
            graph_nodes=concatenate(GRAPH_NODES, [self.graph_nodes, other.graph_nodes]),
            graph_edges=concatenate(GRAPH_EDGES, [self.graph_edges, other.graph_edges]),
            sources=(*self.sources, *other.sources),
        )


def load(
    path: Path | str,
    *,
    cache: Cache | None = None,
    rank: int | None = None,
    progress: Progress = silent,
    discovery: Discovery | None = None,
) -> Run:
    """Read the run recorded at a path: a trace, a profiler directory, a dump, or a directory that holds such things.

    Args:
        path: File or directory.
        cache: Where parsed inputs are kept; None parses anew and keeps nothing.
        rank: Process number to read; None takes all, as long as each was recorded once.
        progress: Told what is being read.
        discovery: What lies at the path, where that was found before; a large directory takes long to look through.

    Raises:
        UnknownFormatError: Nothing at the path is recognised.
        AmbiguousInputError: It holds several recordings of one rank, or of several frameworks.
        UnreadableInputError: Nothing could be saved from it.
    """
    path = Path(path)
    discovery = discovery or discover(path)
    read = _read_all(path, discovery, rank, cache, progress)
    _refuse_ambiguity(path, [source for _, source in read])
    frames = {name: _stack(name, [parsed for parsed, _ in read]) for name in RECORDED_FRAMES}
    sources = [source for _, source in read]
    return Run(path=path, framework=_framework(sources), sources=_with_depth_issue(sources, discovery), **frames)


def read_source(found: Found, *, cache: Cache | None = None, progress: Progress = silent) -> tuple[Parsed, Source]:
    """Read one recognised recording, from the cache where it holds the same bytes.

    Raises:
        UnreadableInputError: Nothing could be saved from it.
    """
    parser, recognition = found.claim.parser, found.claim.recognition
    notes: list[ImportIssue | None] = []
    parsed: Parsed | None = None
    key, before = "", list[FileState]()
    try:
        if cache is not None and parser.descriptor.cacheable:
            before = file_states(recognition.files)
            key = cache.key(parser.descriptor, found.path, recognition.files, progress)
            parsed, note = cache.get(key)
            notes.append(note)
        if parsed is None:
            parsed = parser.read(found.path, progress)
            if cache is not None and key and file_states(recognition.files) == before:
                notes.append(cache.put(key, parsed, found.path))
    except OSError as error:
        raise UnreadableInputError(
            f"{found.path} cannot be read: {error.strerror}", "check the file and disk"
        ) from error
    source = Source(
        path=found.path,
        format=found.format,
        framework=parsed.framework,
        rank=parsed.rank,
        writer_version=parsed.writer_version,
        rows={name: len(frame) for name, frame in parsed.frames.items()},
        reason=recognition.reason,
        issues=(*parsed.issues, *(note for note in notes if note is not None)),
        facts=dict(parsed.facts),
    )
    return parsed, source


def _read_all(
    path: Path, discovery: Discovery, rank: int | None, cache: Cache | None, progress: Progress
) -> list[tuple[Parsed, Source]]:
    """Read every recording of a rank; what others gave is let go at once, so that memory is that of one rank.

    What tells no rank and has no operators of its own (an execution trace) stays with the rank it lies beside.
    """
    kept: list[tuple[Parsed, Source]] = []
    companions: list[tuple[Parsed, Source]] = []
    ranks: set[int] = set()
    refused: list[UnreadableInputError] = []
    for found in discovery.found:
        try:
            parsed, source = read_source(found, cache=cache, progress=progress)
        except UnreadableInputError as error:
            if found.path == path or not _is_beside_the_run(found):
                raise
            refused.append(error)
            parsed, source = _not_read(found, error)
        ranks.add(source.rank)
        if rank is None or source.rank == rank:
            kept.append((parsed, source))
        elif source.rank < 0 and not source.rows.get("ops"):
            companions.append((parsed, source))
    if kept and companions:
        chosen = [source.path for _, source in kept]
        kept += [one for one in companions if any(one[1].path.parent in path.parents for path in chosen)]
    if not kept:
        known = ", ".join(str(number) for number in sorted(ranks) if number >= 0) or "none is told by the files"
        raise ProfkitError(f"{path} has no recording of rank {rank}", f"ranks found: {known}")
    if len(refused) == len(discovery.found):
        raise refused[0]
    return kept


def _is_beside_the_run(found: Found) -> bool:
    """Tell whether a recording that is refused must not hide those that it lies beside.

    A checkpoint must not; nor must one without a single file, which a schedule of MindSpore leaves when the script ends
    in its next round.
    """
    return found.claim.parser.descriptor.frames == ("tensors",) or not found.claim.recognition.files


def _not_read(found: Found, error: UnreadableInputError) -> tuple[Parsed, Source]:
    """Give an empty recording that says why nothing was read."""
    text = error.message.removeprefix(f"{found.path}: ")
    issue = ImportIssue(Severity.ERROR, str(found.path), "", text)
    reason = found.claim.recognition.reason
    return Parsed({}, [issue]), Source(found.path, found.format, "unknown", -1, None, {}, reason, (issue,))


def _refuse_ambiguity(path: Path, sources: Sequence[Source]) -> None:
    timed = [source for source in sources if source.rows.get("ops")]
    by_rank: dict[int, list[Source]] = {}
    for source in timed:
        by_rank.setdefault(source.rank, []).append(source)
    if len({source.framework for source in timed} - {"unknown"}) > 1:
        raise AmbiguousInputError(
            f"{path} holds recordings of several frameworks: {_listed(timed)}", "name one of them instead"
        )
    rank, repeated = max(by_rank.items(), key=lambda item: len(item[1]), default=(-1, []))
    if len(repeated) > 1:
        whose = f"rank {rank}" if rank >= 0 else "a rank that the files do not tell"
        hint = "name one of them instead" + ("" if len(by_rank) == 1 else ", or choose another rank with --rank")
        raise AmbiguousInputError(f"{path} holds {len(repeated)} recordings of {whose}: {_listed(repeated)}", hint)


def _listed(sources: Sequence[Source]) -> str:
    more = len(sources) - _PATHS_NAMED
    return ", ".join(str(source.path) for source in sources[:_PATHS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _framework(sources: Sequence[Source]) -> Framework:
    for wanted in (True, False):
        for source in sources:
            if source.framework != "unknown" and bool(source.rows.get("ops")) is wanted:
                return source.framework
    return "unknown"


def _stack(name: str, parsed: Sequence[Parsed]) -> pd.DataFrame:
    frames = [one.frames[name] for one in parsed if name in one.frames]
    if name == "ops" and len(frames) > 1:
        starts = np.cumsum([0, *(len(frame) for frame in frames)])
        frames = [_move_references(frame, int(start)) for frame, start in zip(frames, starts, strict=False)]
    return concatenate(RECORDED_FRAMES[name], frames)


def _move_references(ops: pd.DataFrame, start: int) -> pd.DataFrame:
    moved = {column: ops[column].where(ops[column] < 0, ops[column] + start) for column in _ROW_REFERENCES}
    return ops.assign(**moved)


def _with_depth_issue(sources: list[Source], discovery: Discovery) -> tuple[Source, ...]:
    if not discovery.too_deep or not sources:
        return tuple(sources)
    text = f"{len(discovery.too_deep)} directories below it lie too deep and were not looked into"
    issue = ImportIssue(Severity.DATA_LOSS, str(discovery.too_deep[0]), "", text)
    first = sources[0]
    return (replace(first, issues=(*first.issues, issue)), *sources[1:])
