"""What cannot be decided: sets of units of equal shape, and the kernels of which it is not recorded whose they are.

Two recordings in which the layers of a query and a value changed places are the same recording. So nothing is paired
there: the units and the kernels of such a set are candidates of each other, and stay without a group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from profkit.correlate.placement import AMBIGUOUS
from profkit.correlate.segmentation import Kernels
from profkit.correlate.units import Unit

Ints = npt.NDArray[np.int64]


class UndecidedSets:
    """Collects sets of units that a scheduled graph does not tell apart, and the kernels in question."""

    def __init__(self) -> None:
        self._leader: dict[int, int] = {}
        self._places: set[int] = set()
        self._rests_on: dict[int, int] = {}

    def add(self, numbers: Iterable[int], places: Iterable[int]) -> None:
        """Join units to one set, of which any may have done the work of each of the kernels at these places."""
        leaders = sorted({self._set_of(number) for number in numbers})
        for other in leaders[1:]:
            self._leader[other] = leaders[0]
        self._places.update(places)

    def let_rest(self, number: int, other: int) -> None:
        """Note that the kernels of a unit were told by those of another: they are as undecided as these."""
        self._rests_on[number] = other

    def release(self, units: Sequence[Unit], kernels: Kernels, owner: Ints, reasons: list[str]) -> Undecided:
        """Take, in place, the kernels in question from their units.

        A unit whose own work is in question loses all of its kernels; one that only waits for a helper keeps the rest.

        Args:
            units: The units of the step.
            kernels: Its kernels.
            owner: Unit of each kernel; those of one loop may have the number of its first unit. Changed.
            reasons: Reason of each kernel; changed.
        """
        members: dict[int, set[int]] = defaultdict(set)
        for at in self._places:
            members[self._set_of(int(owner[at]))].add(int(owner[at]))
        places = {at for at in self._places if len(members[self._set_of(int(owner[at]))]) > 1}
        whole = {int(owner[at]) for at in places if is_core(units[owner[at]], kernels.types[at])}
        whole |= {number for number, other in self._rests_on.items() if other in whole}
        places |= set(np.flatnonzero(np.isin(owner, list(whole))).tolist())
        for number in whole & self._rests_on.keys():
            self.add((number, self._rests_on[number]), ())
        of_kernels = np.full(len(owner), -1, dtype=np.int64)
        of_units: dict[int, int] = {}
        for at in sorted(places):
            number = int(owner[at])
            of_kernels[at] = of_units[number] = self._set_of(number)
            owner[at], reasons[at] = -1, AMBIGUOUS
        return Undecided(of_kernels, of_units, frozenset(whole))

    def _set_of(self, number: int) -> int:
        while (leader := self._leader.setdefault(number, number)) != number:
            number = leader
        return number


class Undecided:
    """The undecided sets of a step.

    Args:
        of_kernels: int64 of shape (kernels,): set of each kernel, -1 none.
        of_units: Set of each unit that is in one.
        whole: The units whose own work is in question.
    """

    def __init__(self, of_kernels: Ints, of_units: Mapping[int, int], whole: frozenset[int]) -> None:
        self.of_kernels, self.of_units, self.whole = of_kernels, of_units, whole


def is_core(unit: Unit, kernel: str) -> bool:
    """Say whether a kernel of a type does a unit's own work."""
    return any(slot.core and kernel in slot.kernels for slot in unit.decomposition.slots)
