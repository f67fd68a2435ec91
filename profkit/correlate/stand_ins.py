"""Work that was rewritten: kernels of no unit in the place of a unit that has no kernels do its work.

A layer written by hand (a linear layer as a product and a sum) shows none of its typical kernels. Where exactly one
unit of its weight is left without kernels between two that have theirs, what runs there stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from profkit.correlate.placement import REPLACED
from profkit.correlate.units import Unit

# From this cost of skipping on a unit defines the network: it takes precedence over small ones beside it.
_HEAVY = 5.0


def let_stand_in(units: Sequence[Unit], owner: npt.NDArray[np.int64], reasons: list[str]) -> None:
    """Give, in place, runs of kernels without a unit to the unit without kernels that they must stand for.

    Args:
        units: The units of the stretch in order.
        owner: Unit of each kernel, not decreasing where not -1; changed.
        reasons: Reason of each kernel; changed.
    """
    lonely = np.concatenate([[0], (owner < 0).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(lonely))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        before = int(owner[first - 1]) if first else -1
        after = int(owner[last]) if last < len(owner) else len(units)
        number = _missing(units, before, after)
        if number >= 0:
            owner[first:last] = number
            reasons[first:last] = [REPLACED] * (last - first)


def _missing(units: Sequence[Unit], before: int, after: int) -> int:
    """Give the one unit between two others that lacks its kernels; -1 if there is none or no telling which."""
    between = [number for number in range(before + 1, after) if units[number].skip_cost > 0]
    heavy = [number for number in between if units[number].skip_cost >= _HEAVY]
    candidates = heavy or between
    return candidates[0] if len(candidates) == 1 else -1
