"""Alignment of two runs of one framework on different devices: by the operators of their hosts.

Kernels of a GPU and of an NPU share no names, and a CPU has none; the operators that launch them are the same. They are
aligned, and what each launched goes where it went.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.executions import StepPair, WorkOfSteps
from profkit.correlate.placement import NO_LAUNCH, Placement, Rows, StepRows, keep_two_sided
from profkit.correlate.same_framework import SequenceAligner
from profkit.correlate.units import top_level_rows

# Two recordings of one device share most of their kernels, whatever was changed in between.
_SHARED_KERNELS = 0.5


def share_kernels(ref: pd.DataFrame, run: pd.DataFrame) -> bool:
    """Say whether the kernels of two runs can be told to be the same by their types.

    Args:
        ref: Ops frame with device rows.
        run: As ref.
    """
    types = [_types(ops[ops["level"] == "device"]) for ops in (ref, run)]
    return all(
        its.isin(set(other.unique())).mean() >= _SHARED_KERNELS
        for its, other in zip(types, reversed(types), strict=True)
    )


def launches_known(ops: pd.DataFrame) -> bool:
    """Say whether it is known of most device rows which operator launched them."""
    device = ops[(ops["level"] == "device") & ~ops["carry_over"]]
    return bool(len(device)) and bool((device["launcher"] >= 0).mean() >= _SHARED_KERNELS)


def _types(ops: pd.DataFrame) -> pd.Series[str]:
    return ops["op_type"].astype(object).fillna(ops["name"].astype(object))


class LaunchedAligner:
    """Aligns steps of two runs of one framework whose devices differ.

    Args:
        ref, run: Identified ops frames.
        levels: Level of the rows that stand for the work of either.
    """

    def __init__(self, ref: pd.DataFrame, run: pd.DataFrame, levels: tuple[str, str]) -> None:
        frames = (ref, run)
        self._inner = SequenceAligner(ref, run, "host")
        self._sides = tuple(_Launches(ops, level) for ops, level in zip(frames, levels, strict=True))

    def rows(self, pair: StepPair) -> StepRows:
        """Give the rows of one pair of steps."""
        left = self._sides[0].rows(pair.left_rank, pair.left_step)
        right = self._sides[1].rows(pair.right_rank, pair.right_step)
        return StepRows(left, right, self._sides[0].launching(left))

    def sequence(self, rows: StepRows) -> tuple[Hashable, Hashable]:
        """Give what pairs of steps share that align alike."""
        left, right = self._inner.sequence(self._hosts(rows))
        return (left, self._sides[0].shape(rows.left)), (right, self._sides[1].shape(rows.right))

    def align(self, rows: StepRows) -> tuple[Placement, Placement, int]:
        """Place the rows of one pair of steps; a unit has the number of its first reference operator."""
        left, right, count = self._inner.align(self._hosts(rows))
        left, right = self._sides[0].launched(left, rows.left), self._sides[1].launched(right, rows.right)
        keep_two_sided(left, right)
        return left, right, count

    def _hosts(self, rows: StepRows) -> StepRows:
        left, right = self._sides[0].launching(rows.left), self._sides[1].launching(rows.right)
        return StepRows(left, right, left)


class _Launches:
    """One run: which rows stand for its work, and which operators launched them."""

    def __init__(self, ops: pd.DataFrame, level: str) -> None:
        self._on_host = level == "host"
        self._work = WorkOfSteps(ops, level)
        self._hosts = self._work if self._on_host else WorkOfSteps(ops, "host")
        self._rank, self._step = ops["rank"].to_numpy(), ops["step"].to_numpy()
        launcher = ops["launcher"].to_numpy()
        top = top_level_rows(ops)
        self._launcher = np.where(launcher >= 0, top[launcher], -1)

    def rows(self, rank: int, step: int) -> Rows:
        """Give the working rows of a step."""
        return self._work.rows(rank, step)

    def launching(self, rows: Rows) -> Rows:
        """Give the operators of the step these rows are of; none that launched other rows only."""
        if self._on_host or not len(rows):
            return rows
        place = int(self._rank[rows[0]]), int(self._step[rows[0]])
        left_out = np.setdiff1d(self._work.rows(*place), rows)
        gone = np.setdiff1d(self._launcher[left_out], self._launcher[rows])
        hosts = self._hosts.rows(*place)
        return hosts[~np.isin(hosts, gone)]

    def shape(self, rows: Rows) -> Hashable:
        """Give what decides which of the operators of a step launched which of its rows."""
        if self._on_host:
            return ()
        hosts = self.launching(rows)
        return tuple(_places(self._launcher[rows], hosts))

    def launched(self, hosts: Placement, rows: Rows) -> Placement:
        """Give rows the units of the operators that launched them."""
        if self._on_host:
            return hosts
        placement = Placement.unmatched(rows, NO_LAUNCH)
        for at, found in enumerate(_places(self._launcher[rows], hosts.rows)):
            if found >= 0:
                placement.unit[at], placement.reason[at] = hosts.unit[found], hosts.reason[found]
        return placement


def _places(wanted: Rows, rows: Rows) -> npt.NDArray[np.int64]:
    """Give the place of each wanted row among rows, -1 where it is not."""
    order = np.argsort(rows, kind="stable")
    at = np.searchsorted(rows[order], wanted).clip(max=max(len(rows) - 1, 0))
    if not len(rows):
        return np.full(len(wanted), -1, dtype=np.int64)
    return np.where(rows[order[at]] == wanted, order[at], -1).astype(np.int64)
