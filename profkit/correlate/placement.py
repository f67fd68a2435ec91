"""Where the alignment put each row of one step, and why: what every way of aligning two runs gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

SHAPES_AGREE = "same kind of work in the same place, shapes agree"
SAME_PLACE = "same kind of work in the same place"
PLACE_ONLY = "in the same place, no typical kernel"
NEIGHBOUR = "no counterpart of its own: runs next to this work"
FORK = "adds up the gradients where a residual branch began"
AMBIGUOUS = "ambiguous: equal-shape branches, and which of them is not recorded"
NUMBERED_BRANCHES = "equal-shape branches of a loop: paired in the order in which the compiler numbered them"
ORDER_OF_NUMBERS = "equal-shape branches: called in the order in which the compiler numbered them, if code uses them so"
SHORTER_WAY = "equal-shape branches: the one with the shorter way to where they meet runs first in a compiled graph"
LACKING_BRANCH = "equal-shape branches of a loop: told by the one that makes no gradient for the state before the loop"
SAME_SCOPE = "in the scope of other work that goes with this"
SERVES = "converts, moves or clears data for this work"
SAME_COLLECTIVE = "the same collective operation in the same order"
MOVED = "compiled in another order: as many of this kind and these shapes on both sides, paired in their order"
SAME_PARAMETER = "updates the parameter of the same number and size"
WHOLE_UPDATE = "parameter updates as a whole"
REPLACED = "stands in the same place instead"
COPIED_FOR = "copies what this work takes or made: the other side does not record such a copy"
HINTED_PAIR = "the user says that these do the same work"
HINTED_MODULE = "in the module that the user names"
NO_KERNEL = "runs no kernel"
NO_COUNTERPART = "no counterpart found"
PARAMETER_GRADIENT = "stores a parameter's gradient, which the other side does not record"
NOT_PAIRED = "outside the steps that both runs recorded"
NO_PHASE = "phase not known"
NO_LAUNCH = "not known which operator launched it"

CONFIDENCE = {
    HINTED_PAIR: 1.0,
    HINTED_MODULE: 0.9,
    SHAPES_AGREE: 0.95,
    SAME_PLACE: 0.85,
    SAME_PARAMETER: 0.9,
    FORK: 0.7,
    COPIED_FOR: 0.7,
    SAME_SCOPE: 0.7,
    SERVES: 0.8,
    MOVED: 0.6,
    SAME_COLLECTIVE: 0.8,
    NUMBERED_BRANCHES: 0.5,
    LACKING_BRANCH: 0.5,
    SHORTER_WAY: 0.5,
    ORDER_OF_NUMBERS: 0.5,
    WHOLE_UPDATE: 0.6,
    PLACE_ONLY: 0.6,
    REPLACED: 0.5,
    NEIGHBOUR: 0.4,
}
"""How far a reason can be trusted, 0 to 1; judged on labelled recordings, not a probability."""


@dataclass(frozen=True)
class StepRows:
    """The rows of a pair of steps in order of start: left is PyTorch or the reference, right MindSpore or the run."""

    left: Rows
    right: Rows
    left_host: Rows
    """Outermost host rows of the left side; `left` itself, unless the device rows stand for its work."""


@dataclass
class Placement:
    """The rows of one side of one step and the unit each belongs to.

    Attributes:
        rows: Row numbers in the ops frame.
        unit: Unit number within the step, from 0; -1 unmatched.
        reason: Why, one of the texts of this module.
        candidates: Number of the undecided set, shared by the rows of both sides that may belong together; -1 none. If
            not given, nothing is undecided.
    """

    rows: Rows
    unit: Rows
    reason: list[str] = field(default_factory=list)
    candidates: Rows = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        """Fill in candidates that were not given."""
        if len(self.candidates) != len(self.rows):
            self.candidates = np.full(len(self.rows), -1, dtype=np.int64)

    @classmethod
    def unmatched(cls, rows: Rows, reason: str) -> Placement:
        """Place nothing."""
        return cls(rows, np.full(len(rows), -1, dtype=np.int64), [reason] * len(rows))


def joined(parts: Sequence[Placement], offsets: Sequence[int] | Rows, rows: Rows) -> Placement:
    """Join the placements of the parts of one step in the order of `rows`; part k's units move by offsets[k]."""
    unit = _moved([part.unit for part in parts], offsets)
    candidates = _moved([part.candidates for part in parts], offsets)
    reason = [reason for part in parts for reason in part.reason]
    place = {int(row): at for at, row in enumerate(np.concatenate([part.rows for part in parts]))}
    order = [place[int(row)] for row in rows]
    return Placement(rows, unit[order], [reason[at] for at in order], candidates[order])


def _moved(numbers: Sequence[Rows], offsets: Sequence[int] | Rows) -> Rows:
    parts = [np.where(part >= 0, part + offset, -1) for part, offset in zip(numbers, offsets, strict=True)]
    return np.concatenate(parts).astype(np.int64)


def keep_two_sided(left: Placement, right: Placement) -> None:
    """Unmatch, in place, the rows of units that only one side has."""
    both = np.intersect1d(left.unit, right.unit)
    for side in (left, right):
        lonely = (side.unit >= 0) & ~np.isin(side.unit, both)
        for at in np.flatnonzero(lonely):
            side.reason[at] = NO_COUNTERPART
        side.unit[lonely] = -1
