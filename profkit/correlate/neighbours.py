"""Operators that only one side has: which neighbour they belong to, if that is clear.

Light work (elementwise) stands in forward after the operator whose result it changes; the backward pass mirrors that,
so there it stands before. Conversions alone prepare the heavy operator that follows, and those on both sides of one
operator go there and back for it. A heavy operator is no part of another: it joins only an operator of its own type
close by, which it repeats; with it goes the light work between the repetitions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from profkit.correlate.placement import NEIGHBOUR

Ints = npt.NDArray[np.int64]

HEAVY_CLASSES = frozenset({"conv", "matmul", "attention", "norm", "rnn", "softmax", "communication"})
"""Classes whose operators define a network: never an appendix of an operator of another type."""

_NEARBY = 12
_WIDEST_UNIT = 64
_REPEATED_SHARE = 0.8
_GRADIENTS = 2


class Neighbourhood:
    """The operators of one side of one phase in order.

    Args:
        types: What makes two operators repetitions of each other, one value an operator.
        classes: Class of each operator; None unknown.
        backward: Whether the phase runs backward.
        may_adopt: Whether a unit may take in operators; all may if not given.
        sums: Types that add gradients up: they follow what made the gradient, in backward too.
        converts: Whether each operator only changes how a tensor is stored; none does if not given.
    """

    def __init__(
        self,
        types: Sequence[object] | Ints,
        classes: Sequence[str | None],
        *,
        backward: bool,
        may_adopt: Callable[[int], bool] = lambda unit: True,
        sums: Collection[object] = (),
        converts: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self._types = types
        self._heavy = np.array([word in HEAVY_CLASSES for word in classes], dtype=bool)
        self._moves_data = np.array([word == "copy" for word in classes], dtype=bool)
        self._converts = np.zeros(len(types), dtype=bool) if converts is None else converts
        self._backward = backward
        self._may_adopt = may_adopt
        self._sums = frozenset(sums)

    def adopt(self, unit: Ints, reason: list[str]) -> None:
        """Give, in place, unmatched operators the unit of the neighbour they belong to.

        Args:
            unit: Unit of each operator, -1 unmatched.
            reason: Reason of each operator.
        """
        lonely = unit < 0
        edges = np.flatnonzero(np.diff(np.concatenate([[0], lonely.astype(np.int8), [0]])))
        runs = [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]
        prepared = self._prepared(unit, runs)
        for run in runs:
            self._adopt_run(unit, reason, *run, prepared.get(run, -1))

    def _prepared(self, unit: Ints, runs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """Give, by run of conversions alone, the unit it converts for, where its neighbours tell."""
        around = {
            (first, last): (self._next(unit, range(first - 1, -1, -1)), self._next(unit, range(last, len(unit))))
            for first, last in runs
            if self._converts[first:last].all()
        }
        found: dict[tuple[int, int], int] = {}
        for run, (before, after) in around.items():
            place = before if self._backward else after
            if place is not None and self._heavy[place]:
                found[run] = int(unit[place])
        return found | self._there_and_back(unit, around)

    def _there_and_back(
        self, unit: Ints, around: dict[tuple[int, int], tuple[int | None, int | None]]
    ) -> dict[tuple[int, int], int]:
        """Give the unit between two runs of conversions, where no third run leaves open which two go together."""
        runs = list(around)
        between = [
            self._served(unit, around[one][1], around[two][0]) if one[1] < two[0] else None
            for one, two in pairwise(runs)
        ]
        found: dict[tuple[int, int], int] = {}
        for at, served in enumerate(between):
            if served is not None and not any(between[max(at - 1, 0) : at] + between[at + 1 : at + 2]):
                found[runs[at]], found[runs[at + 1]] = served
        return found

    def _served(self, unit: Ints, first: int | None, last: int | None) -> tuple[int, int] | None:
        """Give the units that conversions before and after a short stretch serve: of one operator, or of its gradients.

        The gradients of a product or convolution are two heavy operators.
        """
        if first is None or last is None or last - first > _NEARBY:
            return None
        heavy = first + np.flatnonzero(self._heavy[first : last + 1])
        ends = heavy if len(heavy) else np.array([first, last])
        served = (int(unit[ends[0]]), int(unit[ends[-1]]))
        gradients = self._backward and len(heavy) == _GRADIENTS
        return served if len(set(unit[ends].tolist())) == 1 or gradients else None

    def _next(self, unit: Ints, places: range) -> int | None:
        return next((at for at in places if unit[at] >= 0 and self._may_adopt(int(unit[at]))), None)

    def _adopt_run(self, unit: Ints, reason: list[str], first: int, last: int, prepared: int) -> None:
        found = np.full(last - first, -1, dtype=np.int64)
        heavy = np.flatnonzero(self._heavy[first:last])
        for at in heavy:
            found[at] = self._repeated(unit, first, last, self._types[first + at])
        if len(heavy):
            if (found[heavy] < 0).any():
                return
            nearest = heavy[np.abs(heavy[None, :] - np.arange(last - first)[:, None]).argmin(axis=1)]
            found = found[nearest]
        else:
            found[:] = self._beside(unit, first, last, prepared)
        for at in np.flatnonzero(found >= 0):
            unit[first + at], reason[first + at] = found[at], NEIGHBOUR

    def _repeated(self, unit: Ints, first: int, last: int, op_type: object) -> int:
        for distance in range(1, _NEARBY + 1):
            for at in (first - distance, last - 1 + distance):
                if 0 <= at < len(unit) and unit[at] >= 0 and self._types[at] == op_type:
                    return int(unit[at])
        return -1

    def _beside(self, unit: Ints, first: int, last: int, prepared: int) -> int:
        """Give the unit before or after: the one whose work the run repeats, else prepares, else stands with."""
        sides = (range(first - 1, -1, -1), range(last, len(unit)))
        found = []
        only_sums = all(self._types[at] in self._sums for at in range(first, last))
        for places in reversed(sides) if self._backward and not only_sums else sides:
            place = self._next(unit, places)
            if place is not None:
                found.append((self._share_repeated(unit, place, first, last), int(unit[place])))
        if not found:
            return -1
        share, number = max(found, key=lambda side: side[0])
        if share >= _REPEATED_SHARE:
            return number
        return prepared if prepared >= 0 else found[0][1]

    def _share_repeated(self, unit: Ints, place: int, first: int, last: int) -> float:
        """Give the part of a run that is of the unit's types; one type alone is no pattern, unless it moves data.

        Conversions repeat only what moves data and does nothing else.
        """
        around = range(max(place - _WIDEST_UNIT, 0), min(place + _WIDEST_UNIT, len(unit)))
        members = [at for at in around if unit[at] == unit[place]]
        own = {self._types[at] for at in members}
        if self._converts[first:last].all() and not self._moves_data[members].all():
            return 0.0
        if len({self._types[at] for at in range(first, last)}) == 1 and not self._moves_data[first]:
            return 0.0
        return sum(self._types[at] in own for at in range(first, last)) / (last - first)
