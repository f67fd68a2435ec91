"""The step of a run that stands for it: the one of median length, so that all figures are those of a real step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from profkit.correlate.intervals import union_length


class StepWindow(NamedTuple):
    """The wall interval of one step.

    Attributes:
        rank, step: Which step; step -1 where the run has none.
        begin_ns, end_ns: Its interval, half-open, ns.
        how: Where the interval comes from, in words.
    """

    rank: int
    step: int
    begin_ns: int
    end_ns: int
    how: str

    @property
    def length_ns(self) -> int:
        """Its length."""
        return self.end_ns - self.begin_ns


AS_RECORDED = "as recorded"
AS_INFERRED = "from its first to its last operator"
BY_DEVICE = "from its first to its last device row: most of its work ran outside the step that the host recorded"


def median_step(ops: pd.DataFrame, steps: pd.DataFrame, candidates: Iterable[tuple[int, int]]) -> StepWindow | None:
    """Choose the step of median length; of an even number the shorter of the middle two.

    Args:
        ops: Rows that stand for the run's work: rank, step, level, start_ns, dur_ns.
        steps: Frame of schema.STEPS.
        candidates: (rank, step) pairs to choose among.

    Returns:
        None if none of them has a length.
    """
    windows = [window for window in step_windows(ops, steps, candidates) if window.length_ns > 0]
    if not windows:
        return None
    windows.sort(key=lambda window: (window.length_ns, window.rank, window.step))
    return windows[(len(windows) - 1) // 2]


def step_windows(ops: pd.DataFrame, steps: pd.DataFrame, candidates: Iterable[tuple[int, int]]) -> Iterator[StepWindow]:
    """Give the interval of each step: as recorded, else as its rows tell; arguments as for `median_step`.

    A step whose device work mostly lies outside the interval that the host recorded is taken by its device rows.
    """
    marks: dict[tuple[int, int], dict[Any, Any]] = {
        (mark["rank"], mark["step"]): mark for mark in steps.to_dict("records")
    }
    positions = ops.groupby(["rank", "step"]).indices
    for rank, step in sorted(set(candidates)):
        at = positions.get((rank, step))
        if at is None:
            continue
        start = ops["start_ns"].to_numpy()[at]
        end = start + ops["dur_ns"].to_numpy()[at]
        first, last = int(start.min()), int(end.max())
        mark = marks.get((rank, step))
        if mark is None or pd.isna(mark["start_ns"]) or pd.isna(mark["dur_ns"]):
            yield StepWindow(rank, step, first, last, AS_INFERRED)
            continue
        begin, stop = int(mark["start_ns"]), int(mark["start_ns"]) + int(mark["dur_ns"])
        # A host that runs ahead of the device ends its step before the device has done most of the work.
        inside = union_length(np.maximum(start, begin), np.minimum(end, stop))
        if (ops["level"].to_numpy()[at] == "device").any() and 2 * inside < union_length(start, end):
            yield StepWindow(rank, step, first, last, BY_DEVICE)
        else:
            yield StepWindow(rank, step, begin, stop, AS_RECORDED if mark["how"] == "recorded" else AS_INFERRED)
