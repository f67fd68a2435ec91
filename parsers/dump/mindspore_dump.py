"""MindSpore's synchronous dump (e2e, and kernel-by-kernel on Ascend), 1.3 to 2.10: one .npy file a tensor.

Layout: {dump}/rank_{r}/{net}/{graph}/{iteration}/*.npy, any of these directories may be named. A file whose name would
be too long has a number for a name, and its real one in mapping.csv. Only names and headers are read, no data.
Execution order comes from the time in the file names: the execution_order files number operators differently.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.dump.array_file import read_header
from profkit.parsers.dump.dump_statistics import STATISTICS_FILE, is_statistics_file, read_statistics
from profkit.parsers.dump.tensor_names import DumpName, dump_name, is_encodable, is_raw_dump_name
from profkit.progress import Progress
from profkit.safe_text import printable
from profkit.schema import TENSORS

_MAPPING_FILE = "mapping.csv"
_METADATA = ".dump_metadata"
_CONSTANTS = "constants"
_RANK_FOLDER = re.compile(r"rank_(\d{1,9})")
_NUMBER_FOLDER = re.compile(r"\d{1,9}")
_NET_FOLDER = re.compile(r"(?!graphs$|execution_order$|debug_files$)[^.].*")
_LOOKED_AT = 64
_LONGEST_METADATA = 1 << 20
_LONGEST_MAPPING = 1 << 28
_REPORT_EVERY = 512
_FILLED = (
    "rank", "iteration", "graph", "op", "op_type", "io", "slot", "time_ns", "dtype", "shape", "layout", "size_bytes",
    "path", "max", "min", "mean", "norm", "source", "nonfinite",
)  # fmt: skip


@dataclass(frozen=True)
class _IterationFolder:
    """One directory of tensors and what the directories above it tell."""

    path: Path
    rank: int
    graph: int
    iteration: int


class MindSporeDump:
    """Reads a MindSpore dump directory at any of its levels."""

    descriptor = Descriptor(
        name="mindspore-dump",
        title="MindSpore dump of operator inputs and outputs (MINDSPORE_DUMP_CONFIG)",
        framework="mindspore",
        clock="unix epoch",
        unit="us",
        frames=("tensors",),
        cacheable=False,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a directory by the first names of tensors found on the way down the layout's levels.

        A directory of several ranks, or of a rank and other things, is left to be looked into: each rank is a
        recording of its own.
        """
        if not path.is_dir() or _holds_more_than_one_rank(path):
            return None
        if _holds_tensors(path):
            return Recognition("it holds tensors named {op_type}.{operator}...{input|output}.{slot}...", ())
        for folder in _iteration_folders(path):
            if _holds_tensors(folder.path):
                below = folder.path.relative_to(path)
                return Recognition(
                    f"{below} holds tensors named {{op_type}}.{{operator}}...{{input|output}}.{{slot}}", ()
                )
        if any((rank / _METADATA).is_dir() for rank in (path, *_children(path, _RANK_FOLDER))):
            return Recognition(f"it holds {_METADATA}, but no tensor", ())
        return None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """List the dumped tensors, by rank, iteration and time.

        Raises:
            UnreadableInputError: The path is no text that can stand in a frame.
        """
        if not is_encodable(str(path)):
            raise UnreadableInputError(f"the name of {printable(path)} is no valid text", "rename it")
        issues: list[ImportIssue] = []
        folders = [_folder_by_parents(path)] if _holds_tensors(path) else _iteration_folders(path)
        rows: list[dict[str, Any]] = []
        for folder in folders:
            rows += _read_folder(folder, path, progress, issues)
        if rows:
            rows.sort(key=lambda row: (row["rank"], row["iteration"], row["time_ns"] or 0))
            tensors = TENSORS.build({name: [row.get(name) for row in rows] for name in _FILLED})
        else:
            tensors = TENSORS.empty()
            text = "no tensor was dumped: nothing ran, or the dump's configuration selected nothing"
            issues.append(ImportIssue(Severity.ERROR, str(path), "", text))
        facts = _metadata_facts(path)
        ranks = {folder.rank for folder in folders}
        return Parsed(
            {"tensors": tensors},
            issues,
            framework="mindspore",
            rank=ranks.pop() if len(ranks) == 1 else -1,
            writer_version=facts.pop("ms_version", None),
            facts=facts,
        )


def _read_folder(
    folder: _IterationFolder, dump: Path, progress: Progress, issues: list[ImportIssue]
) -> list[dict[str, Any]]:
    """Give the rows of one directory of tensors; what cannot be read becomes an issue."""
    files = _tensor_files(folder.path, issues)
    rows = []
    for number, (path, name) in enumerate(files):
        if number % _REPORT_EVERY == 0:
            progress("reading", str(folder.path), number / len(files))
        rows.append(_row(path, name, issues))
    statistics = folder.path / STATISTICS_FILE
    if is_statistics_file(statistics):
        kept = {(row["op"], row["io"], row["slot"]) for row in rows}
        recorded = read_statistics(statistics, issues)
        rows += [row for row in recorded if (row["op"], row["io"], row["slot"]) not in kept]
    elif statistics.exists():
        text = "the first line is not that of dump statistics: not read"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(statistics), "line 1", text))
    place = {"rank": folder.rank, "graph": folder.graph, "iteration": folder.iteration, "source": str(dump)}
    for row in rows:
        row.update(place)
    return rows


def _tensor_files(path: Path, issues: list[ImportIssue]) -> list[tuple[str, DumpName]]:
    """Give the tensor files of a directory with what their names say, real names first looked up."""
    originals = _original_names(path, issues)
    files: list[tuple[str, DumpName]] = []
    refused: dict[str, list[str]] = {}
    with os.scandir(path) as entries:
        for entry in entries:
            file_name = entry.name
            name = dump_name(originals.get(file_name, file_name))
            if name is not None and is_encodable(file_name) and not _leaves(entry, path):
                files.append((entry.path, name))
            elif why := _refusal(entry, name is not None):
                refused.setdefault(why, []).append(printable(file_name))
    for why, names in refused.items():
        text = f"{len(names):,} files were not read: {why} ({min(names)[:80]}{', ...' if len(names) > 1 else ''})"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    return files


def _leaves(entry: os.DirEntry[str], folder: Path) -> bool:
    return entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(folder.resolve())


def _refusal(entry: os.DirEntry[str], named_as_tensor: bool) -> str:
    """Say why an entry of a directory of tensors is not read; empty if it is no loss."""
    if named_as_tensor:
        return "a link that leaves the directory, or a name that is no valid text"
    if entry.name.endswith(".npy"):
        return f"not named like a tensor, and {_MAPPING_FILE} has no other name"
    if is_raw_dump_name(entry.name):
        return "raw dump of the device runtime, a format that profkit does not read yet"
    return ""


def _row(path: str, name: DumpName, issues: list[ImportIssue]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "op": name.op,
        "op_type": name.op_type,
        "io": name.io,
        "slot": name.slot,
        "time_ns": name.time_us * 1_000,
        "layout": name.layout,
        "path": path,
    }
    try:
        header = read_header(path)
    except UnreadableInputError as error:
        issues.append(ImportIssue(Severity.ERROR, path, "", error.message))
        return row
    row["dtype"] = header.dtype
    row["shape"] = ",".join(map(str, header.shape))
    row["size_bytes"] = header.size_bytes
    return row


def _original_names(path: Path, issues: list[ImportIssue]) -> Mapping[str, str]:
    """Read mapping.csv: the file's name and the name it was too long for, one pair a line, without header or quotes."""
    mapping = path / _MAPPING_FILE
    if not mapping.is_file():
        return {}
    with mapping.open(encoding="utf-8", errors="replace") as file:
        text = file.read(_LONGEST_MAPPING)
        if file.read(1):
            issue = f"only the first {_LONGEST_MAPPING:,} characters were read"
            issues.append(ImportIssue(Severity.DATA_LOSS, str(mapping), "", issue))
    pairs = (line.partition(",") for line in text.splitlines())
    return {number: original.strip() for number, comma, original in pairs if comma}


def _metadata_facts(path: Path) -> dict[str, str]:
    """Give device target and version from the .dump_metadata beside or above the named directory."""
    resolved = path.resolve()
    for folder in (*_children(resolved, _RANK_FOLDER)[:1], resolved, *islice(resolved.parents, 3)):
        path = folder / _METADATA / "config.json"
        if not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                config = json.loads(file.read(_LONGEST_METADATA))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(config, dict):
            return {
                key: str(config[key]) for key in ("device_target", "ms_version") if isinstance(config.get(key), str)
            }
    return {}


def _children(path: Path, name: re.Pattern[str]) -> list[Path]:
    """Give the directories in a directory whose whole names match, in the order of the numbers in them."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if name.fullmatch(entry.name) and entry.is_dir()]
    except OSError:
        return []
    return [path / name for name in sorted(names, key=lambda name: (len(name), name))]


def _number(folder: Path, pattern: re.Pattern[str]) -> int:
    match = pattern.fullmatch(folder.name)
    return int(match[match.lastindex or 0]) if match else -1


def _folder_by_parents(path: Path) -> _IterationFolder:
    """Take rank, graph and iteration of a directory of tensors from the names of the directories it lies in."""
    path_names = path.resolve()
    graph = path_names.parent
    return _IterationFolder(
        path,
        _number(graph.parent.parent, _RANK_FOLDER),
        _number(graph, _NUMBER_FOLDER),
        _number(path_names, _NUMBER_FOLDER),
    )


def _iteration_folders(path: Path) -> list[_IterationFolder]:
    """Give the directories of tensors below a dump, rank, net or graph directory."""
    root = path.resolve()
    ranks = _children(path, _RANK_FOLDER)
    if ranks:
        return [folder for rank in ranks for folder in _of_rank(rank, _number(rank, _RANK_FOLDER))]
    if _RANK_FOLDER.fullmatch(root.name) or (path / _METADATA).is_dir():
        return _of_rank(path, _number(root, _RANK_FOLDER))
    net = _of_net(path, _number(root.parent, _RANK_FOLDER))
    if net:
        return net
    return _of_graph(path, _number(root.parent.parent, _RANK_FOLDER), _number(root, _NUMBER_FOLDER))


def _of_rank(path: Path, rank: int) -> list[_IterationFolder]:
    return [folder for net in _children(path, _NET_FOLDER) for folder in _of_net(net, rank)]


def _of_net(path: Path, rank: int) -> list[_IterationFolder]:
    graphs = _children(path, _NUMBER_FOLDER)
    return [folder for graph in graphs for folder in _of_graph(graph, rank, int(graph.name))]


def _of_graph(path: Path, rank: int, graph: int) -> list[_IterationFolder]:
    iterations = [_IterationFolder(child, rank, graph, int(child.name)) for child in _children(path, _NUMBER_FOLDER)]
    constants = path / _CONSTANTS
    if constants.is_dir():
        iterations.append(_IterationFolder(constants, rank, graph, -1))
    return iterations


def _holds_more_than_one_rank(path: Path) -> bool:
    if not _children(path, _RANK_FOLDER):
        return False
    with os.scandir(path) as entries:
        return sum(not entry.name.startswith(".") for entry in entries) > 1


def _holds_tensors(path: Path) -> bool:
    """Tell by the first names in it whether a directory is one of tensors."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in islice(entries, _LOOKED_AT)]
    except OSError:
        return False
    if any(dump_name(name) is not None for name in names):
        return True
    return _is_mapping_file(path / _MAPPING_FILE) or is_statistics_file(path / STATISTICS_FILE)


def _is_mapping_file(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open(encoding="utf-8", errors="replace") as file:
            _, _, original = file.readline(4096).strip().partition(",")
    except OSError:
        return False
    return dump_name(original) is not None
