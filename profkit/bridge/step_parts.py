"""One step of one side, cut into pieces: whose time each instant is, and to which part of a difference it belongs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from profkit.bridge.data_loading import FETCHES, loading_intervals
from profkit.bridge.median_step import StepWindow
from profkit.bridge.sweep import Int64s, Segments, sweep
from profkit.correlate.placement import NO_COUNTERPART, NO_KERNEL, PARAMETER_GRADIENT
from profkit.correlate.unit_facts import short_names
from profkit.run import Run
from profkit.vocabulary.conversions import conversion_kinds

BEFORE_RECORDING = "launched before the recording began"
AFTER_THE_LAST = "after the last operator"
NOTHING_RAN = "nothing ran: the device or the thread waits for the host"
LOADER_RAN = "the data loader ran and nothing else did"
FETCH = "fetches the input data"
ONLY_CHANGES_STORAGE = "only changes how a tensor is stored"
UNCOVERED = "communication that no computation hides"
UPDATE = "updates parameters"

_ONE_SIDED = (NO_COUNTERPART, NO_KERNEL, PARAMETER_GRADIENT)
MATCHED = "matched"
ONE_SIDED = "one_sided"


class _Waiting(NamedTuple):
    """Time in which nothing ran: whose start it waited for, and how much of it was the data loader's."""

    next_row: Int64s
    ns: Int64s
    loading_ns: Int64s


def working_rows(alignment: pd.DataFrame, side: str, run: Run) -> pd.DataFrame:
    """Give the executions that stand for one side's work, as the bridge needs them.

    Args:
        alignment: Frame of schema.ALIGNMENT.
        side: The side's word in it.
        run: The run of that side.

    Returns:
        The alignment's rows of that side with `level` and `op_type`, and the device rows that were launched before the
        recording, which occupy the device all the same.
    """
    rows = alignment[alignment["side"] == side]
    ops = run.ops
    carried = np.flatnonzero(((ops["level"] == "device") & ops["carry_over"]).to_numpy())
    if len(carried):
        taken = ops.iloc[carried]
        columns = ["rank", "step", "start_ns", "dur_ns", "name", "op_class", "phase", "module"]
        more = taken[columns].astype(dict.fromkeys(columns[4:], object))
        more = more.assign(row=carried, unit=-1, reason=BEFORE_RECORDING)
        rows = pd.concat([rows.astype(dict.fromkeys((*columns[4:], "reason"), object)), more], ignore_index=True)
    at = rows["row"].to_numpy()
    return rows.assign(level=ops["level"].to_numpy()[at], op_type=ops["op_type"].astype(object).to_numpy()[at])


def step_pieces(rows: pd.DataFrame, window: StepWindow, run: Run) -> pd.DataFrame:
    """Cut a step into pieces that add up to its length.

    Args:
        rows: Frame of `working_rows`.
        window: The step's interval.
        run: The run.

    Returns:
        part (of schema.BRIDGE_PARTS, `matched` or `one_sided`), unit, op_class, module, phase, operator, reason,
        row (of ops; -1 none) and ns (int64); the sum of ns is the window's length.
    """
    end = rows["start_ns"] + rows["dur_ns"]
    inside = (rows["rank"] == window.rank) & (rows["start_ns"] < window.end_ns) & (end > window.begin_ns)
    rows = rows[inside].sort_values(["start_ns", "row"], kind="stable").reset_index(drop=True)
    start = rows["start_ns"].to_numpy(dtype=np.int64)
    stop = start + rows["dur_ns"].to_numpy(dtype=np.int64)
    communicates = (rows["op_class"].astype(object) == "communication").to_numpy()
    segments = sweep(window.begin_ns, window.end_ns, start, stop, communicates)
    loading = loading_intervals(run, window.rank)
    facts = _facts(rows, loading)
    parts = [_busy(facts, segments), *_idle(facts, _waiting(segments, loading))]
    pieces = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    assert int(pieces["ns"].sum()) == window.length_ns
    return pieces


def _facts(rows: pd.DataFrame, loading: tuple[Int64s, Int64s]) -> pd.DataFrame:
    facts = pd.DataFrame({name: rows[name].astype(object) for name in ("op_class", "module", "phase", "reason")})
    facts = facts.assign(operator=short_names(rows["name"]).astype(object), unit=rows["unit"], row=rows["row"])
    matched = (rows["unit"] >= 0).to_numpy()
    part = np.where(matched, MATCHED, np.where(facts["reason"].isin(_ONE_SIDED), ONE_SIDED, "not_aligned"))
    starts, ends = loading
    at = np.searchsorted(starts, rows["start_ns"].to_numpy(), side="right") - 1
    in_loader = (at >= 0) & (rows["level"] == "host").to_numpy()
    in_loader[in_loader] = rows["start_ns"].to_numpy()[in_loader] < ends[at[in_loader]]
    converts = conversion_kinds(rows["op_type"]).notna().to_numpy()
    updates = matched & (facts["phase"] == "optimizer").to_numpy()
    cases = (
        (converts, "layout_and_cast", ONLY_CHANGES_STORAGE),
        (updates, "optimizer", UPDATE),
        ((facts["op_class"] == "communication").to_numpy(), "communication", UNCOVERED),
        (in_loader | rows["op_type"].isin(FETCHES).to_numpy(), "data_waiting", FETCH),
    )
    reason = facts["reason"].to_numpy()
    for mask, name, why in cases:
        part = np.where(mask, name, part)
        reason = np.where(mask, why, reason)
    return facts.assign(part=part, reason=reason)


def _busy(facts: pd.DataFrame, segments: Segments) -> pd.DataFrame:
    owned = segments.owner >= 0
    ns = np.zeros(len(facts), dtype=np.int64)
    np.add.at(ns, segments.owner[owned], (segments.end - segments.start)[owned])
    return facts.assign(ns=ns)


def _waiting(segments: Segments, loading: tuple[Int64s, Int64s]) -> _Waiting:
    """Give the segments nothing ran in; an idle segment is followed by one that has an owner, or by nothing."""
    idle = np.flatnonzero(segments.owner < 0)
    following = np.append(segments.owner, -1)[idle + 1]
    start, end = segments.start[idle], segments.end[idle]
    return _Waiting(following, end - start, _covered(end, *loading) - _covered(start, *loading))


def _covered(time: Int64s, starts: Int64s, ends: Int64s) -> Int64s:
    """Give how much of all time before each instant the disjoint, ascending intervals cover."""
    before = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64)
    at = np.searchsorted(starts, time, side="right")
    last = np.concatenate([[0], ends])[at]
    return before[at] - np.where(at > 0, np.maximum(last - time, 0), 0)


def _idle(facts: pd.DataFrame, waiting: _Waiting) -> list[pd.DataFrame]:
    """Give the waiting before each row as pieces of that row, and what comes after the last."""
    last = {"op_class": None, "module": None, "phase": None, "operator": AFTER_THE_LAST, "unit": -1, "row": -1}
    with_last = pd.concat([facts, pd.DataFrame([last], dtype=object)], ignore_index=True)
    waiters = with_last.iloc[np.where(waiting.next_row >= 0, waiting.next_row, len(facts))].reset_index(drop=True)
    loading = waiters.assign(part="data_waiting", reason=LOADER_RAN, ns=waiting.loading_ns)
    waits = waiters.assign(part="host_gap", reason=NOTHING_RAN, ns=waiting.ns - waiting.loading_ns)
    return [waits[waits["ns"] > 0], loading[loading["ns"] > 0]]
