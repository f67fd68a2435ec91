"""What aligns one pair of steps, whichever way."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from profkit.correlate.executions import StepPair
from profkit.correlate.placement import Placement, StepRows


class Aligner(Protocol):
    """Aligns one pair of steps; left is PyTorch or the reference, right MindSpore or the run."""

    def rows(self, pair: StepPair) -> StepRows:
        """Give the rows of one pair of steps."""

    def sequence(self, rows: StepRows) -> tuple[Hashable, Hashable]:
        """Give what pairs of steps share that align alike, of the left and of the right side."""

    def align(self, rows: StepRows) -> tuple[Placement, Placement, int]:
        """Place the rows of both sides, in the order they are given; units are numbered from 0 to below the int.

        Steps of one left sequence have the same units.
        """
