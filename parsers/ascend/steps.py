"""Steps of an Ascend run: the split of step_trace_time.csv, with the boundaries the trace marks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.errors import ImportIssue
from profkit.parsers.ascend.tables import read_table
from profkit.parsers.exact_time import MICROSECONDS
from profkit.progress import Progress

# Column of the file -> column of schema.STEPS. Stage and Bubble are left out: MindSpore and torch_npu mean different
# spans by Stage, and MindSpore writes 0 where the trace calls the lane Communication instead of HCCL.
_TIMES = {
    "computing": "computing_ns",
    "communication": "communication_ns",
    "overlapped": "overlapped_ns",
    "free": "free_ns",
}


def read_step_times(path: Path, progress: Progress) -> tuple[pd.DataFrame, list[ImportIssue]]:
    """Read step_trace_time.csv (us, although its header does not say so).

    Returns:
        step (-1 where the file leaves it empty) and the four times, Int64 ns; and what was refused.

    Raises:
        UnreadableInputError: The header lacks the step or the computing time.
    """
    table = read_table(path, "step_trace_time", progress)
    columns: dict[str, object] = {"step": table.small_numbers("step")}
    for recorded, column in _TIMES.items():
        times = table.times(recorded, MICROSECONDS)
        values = pd.array(times.ns, dtype="Int64")
        values[~times.known] = pd.NA
        columns[column] = values
    return pd.DataFrame(columns), table.issues


def join_steps(times: pd.DataFrame, marked: pd.DataFrame) -> pd.DataFrame:
    """Put the split and the boundaries of each step into one row, ordered by step.

    Args:
        times: As of read_step_times.
        marked: step, start_ns, dur_ns as of the trace; the first mark of a step counts.
    """
    boundaries = marked.drop_duplicates("step").astype({"start_ns": "Int64", "dur_ns": "Int64"})
    joined = times.astype({"step": "int64"}).merge(boundaries, on="step", how="outer")
    return joined.sort_values("step", ignore_index=True)


def step_at(times: NDArray[np.int64], steps: pd.DataFrame) -> NDArray[np.int32]:
    """Give the step whose boundaries hold each time, -1 outside all of them.

    Args:
        times: int64 (n,), ns.
        steps: step, start_ns, dur_ns (int64), ordered by start.
    """
    if steps.empty:
        return np.full(len(times), -1, dtype=np.int32)
    begins = steps["start_ns"].to_numpy()
    ends = begins + steps["dur_ns"].to_numpy()
    place = np.searchsorted(begins, times, side="right") - 1
    inside = (place >= 0) & (times < ends[place])
    return np.where(inside, steps["step"].to_numpy()[place], -1).astype(np.int32)
