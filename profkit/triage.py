"""Triage: everything two runs tell about each other, ranked: what to look at first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from profkit.bridge import NO_BRIDGE, bridge
from profkit.cache import Cache
from profkit.class_coverage import class_notes, rows_of_work
from profkit.compare import compare_tensors
from profkit.compare.canonical_names import canonical_name
from profkit.correlate import (
    ONE_NETWORK,
    TWO_NETWORKS,
    align,
    judged_units,
    noise_notes,
    operator_rows,
    shares_of_like_work,
    slow_findings,
    unaligned,
)
from profkit.correlate.hint_notes import hint_notes, module_notes
from profkit.correlate.identity import identify
from profkit.correlate.timing import side_words
from profkit.diseases import claimed_units, disease_findings, lost_rows, unjudged_step_lengths
from profkit.errors import CancelledError, ImportIssue, NothingRecordedError, ProfkitError, Severity
from profkit.findings import overflow_findings, parity_findings, rank_findings
from profkit.frame_spec import concatenate
from profkit.kernel_counters import load_counters
from profkit.overflow import hunt_run
from profkit.parsers.alignment_hints import NO_HINTS, AlignmentHints, read_alignment_hints
from profkit.parsers.module_renames import ModuleRenames
from profkit.progress import Progress, silent
from profkit.run import Run, load
from profkit.schema import ALIGNMENT, COUNTERS, OVERFLOW, PARITY, SESSION_BREAKDOWN, SESSION_STEPS
from profkit.session import Session
from profkit.session_resources import session_communication, session_memory, session_memory_curve
from profkit.sources import issue_table, sides, source_table
from profkit.step_breakdown import break_down_steps


@dataclass(frozen=True)
class Inputs:
    """What a triage is given.

    Attributes:
        ref: The reference run, usually PyTorch's; None to look at one run alone.
        run: The run to be judged.
        ref_dumps, run_dumps: Further places with tensors of either side.
        hints: File of what the user knows about the two runs; see profkit.parsers.alignment_hints.
    """

    run: Path
    ref: Path | None = None
    ref_dumps: Sequence[Path] = field(default=())
    run_dumps: Sequence[Path] = field(default=())
    hints: Path | None = None

    def by_role(self) -> dict[str, str]:
        """Give the paths by the role they play, as a session keeps them."""
        roles = {"ref": [self.ref] if self.ref else [], "run": [self.run]}
        roles |= {"ref dump": list(self.ref_dumps), "run dump": list(self.run_dumps)}
        roles |= {"hints": [self.hints] if self.hints else []}
        return {role: ", ".join(map(str, paths)) for role, paths in roles.items() if paths}


def triage(
    inputs: Inputs, *, cache: Cache | None = None, rank: int | None = None, progress: Progress = silent
) -> Session:
    """Read both sides, answer what can be answered and rank it.

    Args:
        inputs: What to read.
        cache: Where parsed inputs are kept; None keeps nothing.
        rank: Process to read; None takes all.
        progress: Told what is being done. It may raise CancelledError: what was not answered by then is left out, and
            said to be not judged.

    Raises:
        CancelledError: It was stopped before the run was read.
        ProfkitError: An input cannot be read, or the inputs hold nothing that can be judged.
    """
    hints = read_alignment_hints(inputs.hints) if inputs.hints else NO_HINTS
    run = _load_side(inputs.run, inputs.run_dumps, hints, cache, rank, progress)
    ref = None
    if inputs.ref:
        # A run that is read already is worth showing, with what can be told without the reference.
        with suppress(CancelledError):
            ref = _load_side(inputs.ref, inputs.ref_dumps, hints, cache, rank, progress)
    if run.ops.empty and run.tensors.empty and not lost_rows(run):
        raise NothingRecordedError(inputs.run, "neither operators nor tensors", run.issues)
    return judge(ref, run, inputs, progress, hints=hints)


def judge(
    ref: Run | None, run: Run, inputs: Inputs, progress: Progress = silent, *, hints: AlignmentHints = NO_HINTS
) -> Session:
    """Make the session of two runs that are loaded and identified.

    Where `progress` raises CancelledError, the question at hand and those after it are left out as not judged.
    """
    not_judged = _NotJudged()
    counters, counter_issues = _counters([one for one in (run, ref) if one is not None], not_judged, progress)
    if ref is None:
        why = "no reference run was given" if inputs.ref is None else "stopped while the reference was read"
        not_judged.add(f"nothing was aligned and nothing compared: {why}", "reference")
    alignment = _unless_stopped(
        lambda: _alignment(ref, run, hints, not_judged, progress),
        ALIGNMENT.empty(),
        ("what became slow was", "time"),
        not_judged,
    )
    for one in (ref, run):
        if one is not None:
            not_judged.sentences += [*filter(None, [lost_rows(one)]), *_unknown_classes(one)]
    parity = _unless_stopped(
        lambda: _parity(ref, run, hints, not_judged, progress), PARITY.empty(), ("parity was", "parity"), not_judged
    )
    not_judged.sentences += _unused_hints(hints, ref, run, alignment, parity)
    overflow = _unless_stopped(
        lambda: _overflow(run, not_judged, progress), OVERFLOW.empty(), ("overflow was", "overflow"), not_judged
    )
    units = judged_units(alignment, ref, run) if ref is not None and not alignment.empty else None
    is_comparable = units is not None and _is_one_network(alignment, not_judged)
    if units is not None and not is_comparable:
        units = units.assign(slow=False)
    executions = _unaligned(ref, run) if alignment.empty else alignment
    operators = operator_rows(executions, ref, run, units=units, parity=parity, overflow=overflow)
    difference = bridge(alignment, ref, run, units) if ref is not None and units is not None else NO_BRIDGE
    not_judged.sentences += difference.notes
    about_time = _time_findings(ref, run, alignment, units if is_comparable else None, counters, not_judged)
    return Session(
        title=f"{ref.path} against {run.path}" if ref is not None else str(run.path),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        inputs=inputs.by_role(),
        folder=str(Path.cwd()),
        operators=operators,
        alignment=executions,
        bridge=difference.parts,
        bridge_rows=difference.rows,
        parity=parity,
        overflow=overflow,
        findings=rank_findings([overflow_findings(overflow), parity_findings(parity), *about_time]),
        **_recorded(ref, run, counter_issues),
        sides=side_words(alignment, ref) if not alignment.empty else ("ref", "run"),
        not_judged=tuple(not_judged.sentences),
        unanswered=frozenset(not_judged.questions),
    )


def _time_findings(
    ref: Run | None,
    run: Run,
    alignment: pd.DataFrame,
    units: pd.DataFrame | None,
    counters: pd.DataFrame,
    not_judged: _NotJudged,
) -> list[pd.DataFrame]:
    not_judged.sentences += unjudged_step_lengths(run)
    if ref is None or ref.ops.empty or run.ops.empty:
        return [disease_findings(run, ref, alignment, None, counters)]
    if units is None:
        return []
    diseases = disease_findings(run, ref, alignment, units, counters)
    claimed = claimed_units(diseases, alignment, ref, run)
    not_judged.sentences += noise_notes(units)
    return [slow_findings(alignment, units, across=ref.framework != run.framework, claimed=claimed), diseases]


def _recorded(ref: Run | None, run: Run, counter_issues: Sequence[ImportIssue]) -> dict[str, pd.DataFrame]:
    """Give the frames of a session that tell what was recorded, whatever is made of it."""
    both = [(side, one) for side, one in (("ref", ref), ("run", run)) if one is not None]
    steps = [SESSION_STEPS.build(one.steps.assign(side=side)[SESSION_STEPS.names]) for side, one in both]
    issues = [*(issue for _, one in both for issue in (*one.issues, *_class_issues(one))), *counter_issues]
    return {
        "steps": concatenate(SESSION_STEPS, steps),
        "breakdown": concatenate(SESSION_BREAKDOWN, [_breakdown(side, one) for side, one in both]),
        "memory": session_memory(both),
        "memory_curve": session_memory_curve(both),
        "communication": session_communication(both),
        "sources": source_table(sides(ref=ref, run=run)),
        "issues": issue_table(issues),
    }


def _unaligned(ref: Run | None, run: Run) -> pd.DataFrame:
    """Give the executions of whichever sides recorded any: what there is to see without an alignment."""
    parts: list[pd.DataFrame] = []
    for side, one in (("ref", ref), ("run", run)):
        if one is not None and not one.ops.empty:
            why = "nothing was aligned: there is no reference" if ref is None else "nothing was aligned"
            first_unit = 1 + int(parts[-1]["unit"].max()) if parts else 0
            parts.append(unaligned(one, side, why, first_unit=first_unit))
    return concatenate(ALIGNMENT, parts)


def _breakdown(side: str, run: Run) -> pd.DataFrame:
    return SESSION_BREAKDOWN.build(break_down_steps(run).assign(side=side)[SESSION_BREAKDOWN.names])


class _NotJudged:
    """Collects what could not be answered.

    Attributes:
        sentences: For a reader, one each.
        questions: Which of schema.QUESTIONS stay without any answer.
    """

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.questions: set[str] = set()

    def add(self, sentence: str, question: str) -> None:
        """Add a question that stays without an answer, and why."""
        self.sentences.append(sentence)
        self.questions.add(question)


def _unless_stopped(
    answer: Callable[[], pd.DataFrame], nothing: pd.DataFrame, asked: tuple[str, str], not_judged: _NotJudged
) -> pd.DataFrame:
    """Give the answer, or nothing once stopped; `asked` is how a sentence names the question, and the question."""
    try:
        return answer()
    except CancelledError:
        not_judged.add(f"{asked[0]} not judged: it was stopped before", asked[1])
        return nothing


def _unknown_classes(run: Run) -> list[str]:
    notes = class_notes(rows_of_work(run.ops), "self_ns", ("unknown",))
    return [f"not compared with their like, in {run.path}: {note}" for note in notes]


def _class_issues(run: Run) -> list[ImportIssue]:
    """Tell as notes which operators have a guessed class: it decides what they are compared with."""
    notes = class_notes(rows_of_work(run.ops), "self_ns", ("rule",))
    return [ImportIssue(Severity.INFO, str(run.path), "", note) for note in notes]


def _counters(
    runs: Sequence[Run], not_judged: _NotJudged, progress: Progress
) -> tuple[pd.DataFrame, tuple[ImportIssue, ...]]:
    try:
        read = [load_counters(run, progress=progress) for run in runs]
    except (ProfkitError, OSError) as error:
        not_judged.add(f"memory-bound kernels were not judged: {error}", "counters")
        return COUNTERS.empty(), ()
    return concatenate(COUNTERS, [counters for counters, _ in read]), tuple(note for _, its in read for note in its)


def _load_side(
    path: Path,
    dumps: Sequence[Path],
    hints: AlignmentHints,
    cache: Cache | None,
    rank: int | None,
    progress: Progress,
) -> Run:
    side = load(path, cache=cache, rank=rank, progress=progress)
    for dump in dumps:
        side = side.with_tensors_of(load(dump, cache=cache, progress=progress))
    progress("identifying", path.name, None)
    return identify(side, hints.classes)


def _alignment(
    ref: Run | None, run: Run, hints: AlignmentHints, not_judged: _NotJudged, progress: Progress
) -> pd.DataFrame:
    if ref is None:
        return ALIGNMENT.empty()
    progress("aligning", run.path.name, None)
    without = [str(one.path) for one in (ref, run) if one.ops.empty]
    if without:
        not_judged.add(
            f"time was not compared: {' and '.join(without)} {'hold' if without[1:] else 'holds'} no operators", "time"
        )
        return ALIGNMENT.empty()
    return align(ref, run, hints=hints, progress=progress)


def _unused_hints(
    hints: AlignmentHints, ref: Run | None, run: Run, alignment: pd.DataFrame, parity: pd.DataFrame
) -> list[str]:
    compared = tuple(
        {canonical_name(str(name)) for name in parity[column].dropna().unique()} for column in ("name_a", "name_b")
    )
    if ref is not None and not alignment.empty:
        return hint_notes(hints, ref, run, alignment, (compared[0], compared[1]))
    notes = ["hints [[pairs]] were not used: no two runs were aligned"] if hints.pairs else []
    if hints.modules and parity.empty:
        return [*notes, "hints [modules] were not used: no two runs were aligned, and no tensors compared"]
    return [*notes, *module_notes(hints.modules, (compared[0], compared[1]))]


def _is_one_network(alignment: pd.DataFrame, not_judged: _NotJudged) -> bool:
    shares = shares_of_like_work(alignment)
    if not shares or min(shares.values()) >= ONE_NETWORK:
        return True
    told = " and ".join(f"{share:.0%} of {side}" for side, share in shares.items())
    doubt = f"only {told} of the operators that define a network have a counterpart of their kind"
    if min(shares.values()) < TWO_NETWORKS:
        why = "the two runs are not of one network"
        not_judged.add(f"what became slow was not judged: {doubt}; {why}", "time")
        return False
    not_judged.sentences.append(f"times are compared with doubt: {doubt}; check that both runs are of one network")
    return True


def _parity(
    ref: Run | None, run: Run, hints: AlignmentHints, not_judged: _NotJudged, progress: Progress
) -> pd.DataFrame:
    if ref is None:
        return PARITY.empty()
    ours, theirs = _saved_tensors(ref), _saved_tensors(run)
    for one, tensors in ((ref, ours), (run, theirs)):
        if tensors.empty:
            not_judged.add(f"parity was not judged: {one.path} holds no saved tensors", "parity")
    if ours.empty or theirs.empty:
        return PARITY.empty()
    return compare_tensors(ours, theirs, renames=ModuleRenames(hints.modules), progress=progress)


def _overflow(run: Run, not_judged: _NotJudged, progress: Progress) -> pd.DataFrame:
    dumped = _dumped_tensors(run)
    if dumped.empty and run.overflow_records.empty:
        not_judged.add("overflow was not judged: no dump of the run was given", "overflow")
        return OVERFLOW.empty()
    return hunt_run(run, progress, dumped)


# A dump tells when each tensor was written, or the order of its calls, hence what ran first; saved tensors do not.
def _dumped_tensors(run: Run) -> pd.DataFrame:
    tensors = run.tensors
    return tensors[tensors["time_ns"].notna() | tensors["argument"].notna()].reset_index(drop=True)


def _saved_tensors(run: Run) -> pd.DataFrame:
    return run.tensors[run.tensors["time_ns"].isna()].reset_index(drop=True)
