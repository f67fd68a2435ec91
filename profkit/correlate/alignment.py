"""Alignment of two runs: every execution of either side and the group of executions that do the same work."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from profkit.correlate.aligner import Aligner
from profkit.correlate.cross_framework import FrameworkAligner
from profkit.correlate.executions import has_device_rows, paired_steps, working_rows
from profkit.correlate.hint_labels import HintedRows, shown_modules
from profkit.correlate.hinted_alignment import HintedAligner
from profkit.correlate.launched_alignment import LaunchedAligner, launches_known, share_kernels
from profkit.correlate.module_names import attribute_paths, with_attribute_paths
from profkit.correlate.placement import CONFIDENCE, NOT_PAIRED, Placement, Rows
from profkit.correlate.same_framework import SequenceAligner
from profkit.correlate.unit_facts import short_names
from profkit.parsers.alignment_hints import NO_HINTS, AlignmentHints
from profkit.progress import Progress, silent
from profkit.run import Run
from profkit.schema import ALIGNMENT


@dataclass(frozen=True)
class _Side:
    """One side of the comparison: its word, its ops, and the level of the rows that stand for its work."""

    word: str
    ops: pd.DataFrame
    level: str


@dataclass(frozen=True)
class _Placed:
    """Rows of one side with their units and groups, -1 where unmatched, and undecided sets, -1 where none."""

    rows: Rows
    unit: Rows
    group: Rows
    reason: Sequence[str]
    candidates: Rows


def align(ref: Run, run: Run, *, hints: AlignmentHints = NO_HINTS, progress: Progress = silent) -> pd.DataFrame:
    """Align the operators of two identified runs, step by step.

    Args:
        ref: The reference run.
        run: The run to be judged.
        hints: What the user knows: pairs and renamed modules win over everything. Classes are a matter of
            `identity.identify`.
        progress: Told which step is aligned; may raise CancelledError.

    Returns:
        Frame of schema.ALIGNMENT. One row an execution: a device kernel or, of a run without a device, an outermost
        host operator. `unit` names the same work in all steps, `group` the same work in one step. Sides are pt and ms
        across frameworks, ref and run within one. Modules have their attribute paths where those are known for sure,
        and the reference's names where they were renamed.
    """
    sides, aligner = _sides_and_aligner(ref, run)
    alignment = _aligned(sides, aligner, progress)
    # A hint may use the names that an alignment shows, and these are known only once there is one.
    names = attribute_paths(alignment, ref, run)
    if hints.modules or hints.pairs:
        left, right = sides
        hinted = HintedRows(
            hints,
            (left.ops, right.ops),
            left_is_ref=left.ops is ref.ops,
            names=names,
            shown=(
                shown_modules(alignment, left.word, len(left.ops)),
                shown_modules(alignment, right.word, len(right.ops)),
            ),
        )
        alignment = _aligned(sides, HintedAligner(aligner, hinted), progress, hinted)
    return with_attribute_paths(alignment, names)


def unaligned(run: Run, side: str, reason: str, *, first_unit: int = 0) -> pd.DataFrame:
    """Give the executions of one run by themselves, where there is nothing they could be aligned with.

    Args:
        run: The run.
        side: Whose executions they are: ref or run.
        reason: Why nothing was aligned.
        first_unit: Number of the first unit.

    Returns:
        Frame of schema.ALIGNMENT: no row has a group, and operators of one name, class, module and phase share a unit.
    """
    alone = _Side(side, run.ops, _level(run.ops))
    rows = _frame(alone, _with_unpaired(alone, []))
    keys = [short_names(rows["name"]), *(rows[name].astype(object) for name in ("op_class", "module", "phase"))]
    unit = rows.groupby(keys, dropna=False, sort=False).ngroup() + first_unit
    return ALIGNMENT.build(rows.assign(reason=reason, unit=unit)[ALIGNMENT.names])


def _aligned(
    sides: tuple[_Side, _Side], aligner: Aligner, progress: Progress, hinted: HintedRows | None = None
) -> pd.DataFrame:
    placed = _all_steps(aligner, sides, progress)
    frames = [_frame(side, placed[at]) for at, side in enumerate(sides)]
    if hinted is not None:
        frames = [frame.assign(module=hinted.in_words_of_ref(frame["module"], at)) for at, frame in enumerate(frames)]
    return _filled(pd.concat(frames, ignore_index=True))


def _sides_and_aligner(ref: Run, run: Run) -> tuple[tuple[_Side, _Side], Aligner]:
    if {ref.framework, run.framework} == {"pytorch", "mindspore"}:
        torch, mindspore = (ref, run) if ref.framework == "pytorch" else (run, ref)
        levels = (_level(torch.ops), _level(mindspore.ops))
        sides = (_Side("pt", torch.ops, levels[0]), _Side("ms", mindspore.ops, levels[1]))
        if not (torch.ops["level"] == "host").any():
            # Without operators there is nothing to name the work by; but two Ascend runs share their kernels.
            return sides, SequenceAligner(torch.ops, mindspore.ops, levels[0])
        return sides, FrameworkAligner(torch.ops, mindspore.ops, levels)
    levels = (_level(ref.ops), _level(run.ops))
    if _differ_in_device(ref.ops, run.ops, levels):
        sides = (_Side("ref", ref.ops, levels[0]), _Side("run", run.ops, levels[1]))
        return sides, LaunchedAligner(ref.ops, run.ops, levels)
    level = "device" if levels == ("device", "device") else "host"
    # A run of the other level alone has no counterparts, but it has work: unmatched, not left out.
    its_level = [level if (ops["level"] == level).any() else _level(ops) for ops in (ref.ops, run.ops)]
    sides = (_Side("ref", ref.ops, its_level[0]), _Side("run", run.ops, its_level[1]))
    return sides, SequenceAligner(ref.ops, run.ops, level)


def _differ_in_device(ref: pd.DataFrame, run: pd.DataFrame, levels: tuple[str, str]) -> bool:
    """Say whether the work of two runs of one framework has to be told by the operators that launched it."""
    if levels == ("host", "host") or (levels == ("device", "device") and share_kernels(ref, run)):
        return False
    return all(level == "host" or launches_known(ops) for ops, level in zip((ref, run), levels, strict=True))


def _level(ops: pd.DataFrame) -> str:
    return "device" if has_device_rows(ops) else "host"


def _all_steps(aligner: Aligner, sides: tuple[_Side, _Side], progress: Progress) -> tuple[_Placed, _Placed]:
    """Align each pair of steps, or copy from a pair of the same sequences, and add the rows that no pair covers."""
    known: dict[Hashable, tuple[Placement, Placement, int]] = {}
    first_units: dict[Hashable, int] = {}
    placed: tuple[list[_Placed], list[_Placed]] = ([], [])
    units = groups = 0
    pairs = paired_steps(sides[0].ops, sides[1].ops)
    for number, pair in enumerate(pairs):
        progress("aligning", f"step {pair.right_step}", number / len(pairs))
        rows = aligner.rows(pair)
        sequence = aligner.sequence(rows)
        if sequence not in known:
            known[sequence] = aligner.align(rows)
        left, right, count = known[sequence]
        if sequence[0] not in first_units:
            first_units[sequence[0]] = units
            units += count
        first_unit = first_units[sequence[0]]
        for parts, its_rows, placement in ((placed[0], rows.left, left), (placed[1], rows.right, right)):
            matched = placement.unit >= 0
            unit = np.where(matched, placement.unit + first_unit, -1)
            group = np.where(matched, placement.unit + groups, -1)
            candidates = np.where(placement.candidates >= 0, placement.candidates + groups, -1)
            parts.append(_Placed(its_rows, unit, group, placement.reason, candidates))
        groups += count
    return _with_unpaired(sides[0], placed[0]), _with_unpaired(sides[1], placed[1])


def _with_unpaired(side: _Side, parts: list[_Placed]) -> _Placed:
    covered = np.zeros(len(side.ops), dtype=bool)
    for part in parts:
        covered[part.rows] = True
    others = np.flatnonzero(working_rows(side.ops, side.level) & ~covered)
    nothing = np.full(len(others), -1, dtype=np.int64)
    parts = [*parts, _Placed(others, nothing, nothing, [NOT_PAIRED] * len(others), nothing)]
    return _Placed(
        rows=np.concatenate([part.rows for part in parts]).astype(np.int64),
        unit=np.concatenate([part.unit for part in parts]).astype(np.int64),
        group=np.concatenate([part.group for part in parts]).astype(np.int64),
        reason=[reason for part in parts for reason in part.reason],
        candidates=np.concatenate([part.candidates for part in parts]).astype(np.int64),
    )


def _frame(side: _Side, placed: _Placed) -> pd.DataFrame:
    taken = side.ops.iloc[placed.rows].reset_index(drop=True)
    columns = ["rank", "step", "start_ns", "dur_ns", "name", "op_class", "phase", "module"]
    kept_text = ("name", "op_class", "class_source", "phase", "module", "input_shapes")
    text = {name: taken[name].astype(object) for name in kept_text}
    lane = taken["stream" if side.level == "device" else "thread"].astype(object)
    return taken[columns].assign(
        **text,
        lane=lane,
        group=placed.group,
        side=side.word,
        confidence=[CONFIDENCE.get(reason, np.nan) for reason in placed.reason],
        reason=placed.reason,
        row=placed.rows,
        unit=placed.unit,
        candidates=placed.candidates,
    )


def _filled(rows: pd.DataFrame) -> pd.DataFrame:
    """Give every row of a group the module and phase its first side tells, where its own does not or cannot.

    Of a row whose group is undecided, what all of its candidates tell alike is known all the same.
    """
    matched = rows["group"] >= 0
    is_left = rows["side"].isin(["pt", "ref"])
    for column in ("module", "phase"):
        told = rows[matched & is_left].dropna(subset=[column]).drop_duplicates("group").set_index("group")[column]
        of_group = rows["group"].map(told)
        if (rows["side"] == "ms").any():
            rows[column] = of_group.where(matched & (rows["side"] == "ms") & of_group.notna(), rows[column])
            rows[column] = rows[column].where(matched | rows[column].notna(), _told_alike(rows, is_left, column))
        else:
            rows[column] = rows[column].where(rows[column].notna(), of_group)
    return ALIGNMENT.build(rows[ALIGNMENT.names])


def _told_alike(rows: pd.DataFrame, is_left: pd.Series[bool], column: str) -> pd.Series[Any]:
    """Give the rows of undecided sets what all left rows of the set say, NA where they differ or one says nothing."""
    left = rows[is_left & (rows["candidates"] >= 0)]
    of_set = left.groupby("candidates")[column].agg(
        lambda values: values.iloc[0] if values.nunique(dropna=False) == 1 else None
    )
    return rows["candidates"].map(of_set)
