"""Which rows of a run stand for its work, and how the steps of two runs pair.

A run recorded with a device has every piece of work twice: the operator on the host and what it launched. Two runs are
compared by their device rows if both have them, else by the outermost host rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.recorded_regions import outermost_operators

Rows = npt.NDArray[np.int64]

ALIGNED_PHASES = ("forward", "backward", "recompute")
"""Phases whose operators are aligned one by one; the optimizer's are aligned by parameter."""


@dataclass(frozen=True)
class StepPair:
    """A step of either run that is compared: the k-th full step of the one with the k-th of the other.

    Attributes:
        left_rank, right_rank: Process numbers.
        left_step, right_step: Step numbers.
    """

    left_rank: int
    right_rank: int
    left_step: int
    right_step: int


def has_device_rows(ops: pd.DataFrame) -> bool:
    """Say whether the run recorded work on a device within its steps."""
    return bool(((ops["level"] == "device") & ~ops["carry_over"]).any())


def paired_steps(left: pd.DataFrame, right: pd.DataFrame) -> list[StepPair]:
    """Pair the steps of two ops frames rank by rank and in order; the surplus of the longer run stays unpaired.

    Ranks pair by number; two runs of one rank each pair whatever their numbers. A run without steps is one step (-1).
    """
    pairs = []
    for left_rank, right_rank in _paired_ranks(left, right):
        left_steps = _steps(left[left["rank"] == left_rank])
        right_steps = _steps(right[right["rank"] == right_rank])
        pairs += [StepPair(left_rank, right_rank, *steps) for steps in zip(left_steps, right_steps, strict=False)]
    return pairs


def _paired_ranks(left: pd.DataFrame, right: pd.DataFrame) -> Iterator[tuple[int, int]]:
    left_ranks, right_ranks = sorted(map(int, left["rank"].unique())), sorted(map(int, right["rank"].unique()))
    if len(left_ranks) == len(right_ranks) == 1:
        yield left_ranks[0], right_ranks[0]
    else:
        yield from ((rank, rank) for rank in left_ranks if rank in right_ranks)


def _steps(ops: pd.DataFrame) -> list[int]:
    tells_phases = ops["phase"].notna().any()
    worked = ops.loc[ops["phase"].isin(ALIGNED_PHASES), "step"] if tells_phases else ops["step"]
    steps = sorted(int(step) for step in worked.unique() if step >= 0)
    return steps or ([-1] if len(worked) else [])


def working_rows(ops: pd.DataFrame, level: str) -> npt.NDArray[np.bool_]:
    """Say of each row whether it stands for work: device rows, or the outermost operators of the host."""
    working = (ops["level"] == level).to_numpy()
    return working & (~ops["carry_over"].to_numpy() if level == "device" else outermost_operators(ops))


class WorkOfSteps:
    """The rows of each step that stand for its work, in order of start.

    Args:
        ops: Identified ops frame.
        level: "device", or "host" for the outermost host rows.
        as_launched: Whether device rows stand in the order of the operators that launched them, where these are known
            of all: streams overtake each other, in one run here and in the next one there.
    """

    def __init__(self, ops: pd.DataFrame, level: str, *, as_launched: bool = False) -> None:
        rows = np.flatnonzero(working_rows(ops, level))
        rank, step, start, launcher = (ops[name].to_numpy()[rows] for name in ("rank", "step", "start_ns", "launcher"))
        all_launched = as_launched and level == "device" and bool((launcher >= 0).all())
        launched = ops["start_ns"].to_numpy()[launcher] if all_launched else start
        order = np.lexsort((start, launched, step, rank))
        self._rows = rows[order].astype(np.int64)
        keys = np.stack([rank[order], step[order]])
        first = np.flatnonzero(np.concatenate([[True], (np.diff(keys) != 0).any(axis=0)]))[: len(rows)]
        bounds = zip(first.tolist(), np.append(first, len(rows))[1:].tolist(), strict=True)
        self._bounds = {(int(keys[0, at]), int(keys[1, at])): (at, end) for at, end in bounds}

    def rows(self, rank: int, step: int) -> Rows:
        """Give the row numbers of one step of a process; none if it did not work in it."""
        first, end = self._bounds.get((rank, step), (0, 0))
        return self._rows[first:end]
