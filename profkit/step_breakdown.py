"""Where the time of every step goes: computation, communication, what of it overlaps, and idle.

The figures are recomputed from the recorded rows as lengths of unions of intervals, exact in ns, and set beside the
split that the profiler itself wrote (step_trace_time.csv) where there is one.

A device row counts in the step that launched it. A row launched before the recording began (carry-over) counts in no
step and in no sum but its own: its work belongs to a step that was not recorded. As in the profilers' own tables, idle
(`free_ns`) is counted from the first start to the last end of the device rows concerned, not over the whole step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from profkit.correlate.intervals import Int64s, intersection_length, union_length
from profkit.run import Run

SPLIT = ("computing_ns", "communication_ns", "overlapped_ns", "free_ns")
"""The four parts; computing + communication - overlapped + free is the time from the first start to the last end."""

_WHOLE_NUMBERS = ("start_ns", "dur_ns", "busy_ns", *SPLIT, "carry_over_ns", *(f"recorded_{part}" for part in SPLIT))
_DTYPES = {
    "rank": "int32",
    "step": "int32",
    "rows": "int64",
    "span": "category",
    "level": "category",
    "difference": "category",
}
_COLUMNS = ("rank", "span", "step", "level", "rows", *_WHOLE_NUMBERS, "difference")
# The profilers split the time in a trace of its own, where every interval was rounded to whole ns once more (measured:
# at most 1 ns an interval); overlap is a difference of two such sums.
_ROUNDING_NS_A_ROW = 2


def break_down_steps(run: Run) -> pd.DataFrame:
    """Give one row a step and one for the whole run, of each rank.

    Args:
        run: A run whose operators are identified.

    Returns:
        rank, span (step | run), step (-1 for the run), level (device where the rank has device rows, else host), rows
        (executions concerned); Int64 ns: start and dur (of the step as recorded; of the run from the first start to the
        last end), busy (union of all rows, on the device of those launched within the recording), computing,
        communication, overlapped, free (device only), carry_over (union of rows launched before the recording, in the
        row of the run), recorded_* (as the profiler split it); difference (what recomputed and recorded values differ
        by and why; NA where nothing was recorded).
    """
    ranks = sorted({*run.ops["rank"].unique().tolist(), *run.steps["rank"].unique().tolist()})
    rows = [row for rank in ranks for row in _of_rank(run, rank)]
    # Column by column: a frame of rows would take integers beside a None through float64.
    columns = {
        name: pd.array([row.get(name) for row in rows], dtype=_DTYPES.get(name, "Int64"))  # type: ignore[call-overload]
        for name in _COLUMNS
    }
    return pd.DataFrame(columns)


def share_of_recorded(steps: pd.DataFrame) -> float:
    """Give the part of the device's busy time, as the profiler recorded it, for which there are rows.

    Args:
        steps: Rows of `break_down_steps`; those that the profiler recorded no split of are left out.

    Returns:
        0 to 1; 1 where the profiler recorded nothing.
    """
    recorded = steps["recorded_computing_ns"] + steps["recorded_communication_ns"]
    recorded = (recorded - steps["recorded_overlapped_ns"].fillna(0)).fillna(0)
    # Rows of the host are busy too, but not the device.
    busy = steps["busy_ns"].where(steps["computing_ns"].notna()).fillna(0)
    return min(int(busy.clip(upper=recorded).sum()) / int(recorded.sum()), 1.0) if recorded.sum() else 1.0


def _of_rank(run: Run, rank: int) -> Iterator[dict[str, Any]]:
    ops = run.ops[run.ops["rank"] == rank]
    steps = run.steps[run.steps["rank"] == rank]
    on_device = ops["level"] == "device"
    level = "device" if on_device.any() or ops.empty else "host"
    rows = ops[on_device] if level == "device" else ops
    carried = rows["carry_over"].to_numpy()
    launched = rows[~carried]
    common = {"rank": rank, "level": level}
    marks = {int(mark["step"]): mark for mark in steps.to_dict("records")}
    positions = launched.groupby("step").indices
    for step in sorted(number for number in {*marks, *map(int, positions)} if number >= 0):
        mark: dict[Any, Any] = marks.get(step, {})
        of_step = launched.iloc[positions[step]] if step in positions else launched.iloc[:0]
        boundaries = {"start_ns": mark.get("start_ns"), "dur_ns": mark.get("dur_ns")}
        figures = _figures(of_step, level)
        told = _compared(figures, mark, _starting_within(rows, mark), level)
        yield {**common, "span": "step", "step": step, **figures, **boundaries, **told}
    figures = _figures(launched, level)
    carry_over = _length(rows[carried]) if level == "device" and len(rows) else None
    told = _compared(figures, marks.get(-1, {}), rows.iloc[:0], level)
    yield {**common, "span": "run", "step": -1, **figures, "carry_over_ns": carry_over, **told}


def _bounds(rows: pd.DataFrame) -> tuple[Int64s, Int64s]:
    start = rows["start_ns"].to_numpy(np.int64)
    return start, start + rows["dur_ns"].to_numpy(np.int64)


def _length(rows: pd.DataFrame) -> int:
    return union_length(*_bounds(rows))


def _figures(rows: pd.DataFrame, level: str) -> dict[str, Any]:
    """Give count, extent and split of some rows; the split of host rows is not known: operators enclose each other."""
    if rows.empty:
        return {"rows": 0}
    start, end = _bounds(rows)
    first, busy = int(start.min()), union_length(start, end)
    extent = int(end.max()) - first
    figures = {"rows": len(rows), "start_ns": first, "dur_ns": extent, "busy_ns": busy}
    if level == "host":
        return figures
    of_communication = (rows["op_class"] == "communication").to_numpy(dtype=bool, na_value=False)
    computing = start[~of_communication], end[~of_communication]
    communication = start[of_communication], end[of_communication]
    return {
        **figures,
        "computing_ns": union_length(*computing),
        "communication_ns": union_length(*communication),
        "overlapped_ns": intersection_length(*computing, *communication),
        "free_ns": extent - busy,
    }


def _starting_within(rows: pd.DataFrame, mark: dict[Any, Any]) -> pd.DataFrame:
    """Give the device rows that start within a step, whoever launched them: what MindSpore's own split counts."""
    if pd.isna(mark.get("start_ns")) or pd.isna(mark.get("dur_ns")):
        return rows.iloc[:0]
    start, begin = rows["start_ns"].to_numpy(np.int64), int(mark["start_ns"])
    return rows[(start >= begin) & (start < begin + int(mark["dur_ns"]))]


def _compared(
    figures: dict[str, Any], mark: dict[Any, Any], starting_within: pd.DataFrame, level: str
) -> dict[str, Any]:
    recorded = {part: mark.get(part) for part in SPLIT}
    known = {part: int(value) for part, value in recorded.items() if not pd.isna(value)}
    told: dict[str, Any] = {f"recorded_{part}": value for part, value in recorded.items()}
    if known:
        told["difference"] = _explanation(figures, known, starting_within, level)
    return told


def _explanation(figures: dict[str, Any], recorded: dict[str, int], starting_within: pd.DataFrame, level: str) -> str:
    if "computing_ns" not in figures:
        return "not recomputed: no device rows were read"
    apart = _furthest(figures, recorded)
    if apart == 0:
        return "none"
    if apart <= _ROUNDING_NS_A_ROW * figures["rows"]:
        return f"up to {apart:,} ns: the profiler rounded every interval once more"
    by_start = _figures(starting_within, level)
    if by_start["rows"] and _furthest(by_start, recorded) <= _ROUNDING_NS_A_ROW * by_start["rows"]:
        return f"up to {apart:,} ns: the profiler counts rows that start in the step, profkit those launched in it"
    recorded_busy = sum(recorded.get(part, 0) for part in SPLIT[:2]) - recorded.get("overlapped_ns", 0)
    if figures["busy_ns"] < recorded_busy:
        part = figures["busy_ns"] / recorded_busy
        return f"up to {apart:,} ns: the rows that were read cover {part:.1%} of the recorded time, the rest is missing"
    return f"up to {apart:,} ns: unexplained"


def _furthest(figures: dict[str, Any], recorded: dict[str, int]) -> int:
    return max(abs(figures[part] - value) for part, value in recorded.items())
