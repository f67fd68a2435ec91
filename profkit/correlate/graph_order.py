"""Kernels of a compiled graph that the scheduler moved: found again by type, shapes and place in the queue.

A scheduler runs early what waits for nothing, but kernels of one type and one shape that depend on each other keep
their order: the blocks of a network repeat, and each block waits for the one before. So the k-th such kernel belongs to
the k-th unit that needs one. Where units of equal shape do not wait for each other (query, key and value), time says
nothing. The compiler's own numbers may, where all kernels of the queue have one scope; a normalisation is told by the
convolution it goes with. What remains is placed in order and marked as ambiguous.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from profkit.correlate.equal_branches import own_numbers, sets_of_equals, told_apart
from profkit.correlate.executions import ALIGNED_PHASES
from profkit.correlate.placement import EQUAL_BRANCHES, NO_COUNTERPART, NUMBERED_BRANCHES, PLACE_ONLY, SHAPES_AGREE
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import SAME_COUNT, Shape
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import Variant

Ints = npt.NDArray[np.int64]
Queue = tuple[str, tuple[Shape, ...], str]

_NEARBY = 40
_COMPANIONS = ("conv", "matmul")


def follow_queues(units: Sequence[Unit], kernels: Kernels, owner: Ints, reasons: list[str]) -> None:
    """Correct, in place, what a segmentation by order gave for a scheduled graph.

    Args:
        units: The units of the step in order.
        kernels: Its kernels in order of execution.
        owner: Unit of each kernel; changed.
        reasons: Reason of each kernel; changed.
    """
    _GraphOrder(units, kernels, owner, reasons).correct()


class _GraphOrder:
    """One scheduled step; `owner` and `reasons` are changed in place."""

    def __init__(self, units: Sequence[Unit], kernels: Kernels, owner: Ints, reasons: list[str]) -> None:
        self._units, self._kernels, self._owner, self._reasons = units, kernels, owner, reasons
        owned: dict[int, set[str]] = defaultdict(set)
        for at, number in enumerate(owner):
            owned[int(number)].add(kernels.types[at])
        self._members: dict[object, list[int]] = defaultdict(list)
        for number, unit in enumerate(units):
            self._members[unit.kind].append(number)
        recorded = {phase: self._types_of(phase) for phase in ALIGNED_PHASES}
        self._variants = [
            unit.decomposition.variant_of(owned[number], recorded[unit.phase]) for number, unit in enumerate(units)
        ]
        self._taken: Counter[tuple[int, str]] = Counter()
        # The units whose kernels have a scope, and the first such kernel of each.
        self._in_scope: dict[str, dict[int, int]] = defaultdict(dict)
        # Whether the compiler numbered repeated calls of one branch in a row.
        self._has_loops = False

    def correct(self) -> None:
        """Release what a unit has no use for, let the queues decide, and place what is left nearby."""
        for at, number in enumerate(self._owner):
            if number >= 0 and not _most(self._variants[number], self._kernels.types[at]):
                self._owner[at], self._reasons[at] = -1, NO_COUNTERPART
        queues: dict[Queue, list[int]] = defaultdict(list)
        for at, queue in enumerate(zip(self._kernels.types, self._kernels.tensors, self._kernels.phases, strict=True)):
            if queue[1]:
                queues[queue].append(at)
        for queue in sorted(queues, key=lambda queue: (self._is_of_norms(queue[0]), not queue[2])):
            takers = self._takers(queue, queues[queue])
            if takers:
                self._taken.update((number, queue[0]) for number in takers)
                self._follow(queues[queue], takers)
        self._place_nearby()

    def _types_of(self, phase: str) -> set[str]:
        told = zip(self._kernels.types, self._kernels.phases, strict=True)
        return {kernel for kernel, its_phase in told if its_phase in ("", phase)}

    def _is_of_norms(self, kernel: str) -> bool:
        norms = (variant for variant, unit in zip(self._variants, self._units, strict=True) if unit.op_class == "norm")
        return any(slot.core and kernel in slot.kernels for variant in norms for slot in variant)

    def _is_norm(self, number: int) -> bool:
        return self._units[number].op_class == "norm"

    def _takers(self, queue: Queue, places: Sequence[int]) -> list[int]:
        """Give the units that take the kernels of a queue, in order and as often as they take one; [] if undecided.

        Units whose tensors fit best take what most units of their kind got by order, or else an equal share each; else
        those that fit as well as a lower level do.
        """
        kernel, tensors, phase = queue
        fits: dict[int, float] = {}
        for members in self._members.values():
            unit = self._units[members[0]]
            if phase in ("", unit.phase) and kernel in unit.decomposition.kernels:
                fit = unit.shapes.fit(tensors)
                fits |= {number: fit for number in members if self._free(number, kernel)}
        fits = dict(sorted(fits.items()))
        best = max(fits.values(), default=0.0)
        if best < SAME_COUNT:
            return []
        fitting = [number for number, fit in fits.items() if fit == best]
        usual = {
            number: min(share, self._free(number, kernel)) for number, share in self._usual_shares(fits, places).items()
        }
        choices = [
            [number for number in fitting for _ in range(usual[number])],
            [number for number in fits for _ in range(usual[number])],
            self._equal_shares(fits, best, kernel, len(places)),
        ]
        if not all(usual[number] for number in fitting):
            # A unit whose tensors fit best got none by order: the order is wrong there.
            choices[1:] = reversed(choices[1:])
        levels = sorted({fit for fit in fits.values() if SAME_COUNT <= fit < best}, reverse=True)
        choices += [self._equal_shares(fits, level, kernel, len(places)) for level in levels]
        return next((takers for takers in choices if len(takers) == len(places)), [])

    def _equal_shares(self, fits: dict[int, float], level: float, kernel: str, count: int) -> list[int]:
        """Give the units that fit as well as a level in order, each as often as its equal share; [] if it is uneven."""
        fitting = [number for number, fit in fits.items() if fit >= level]
        share, rest = divmod(count, len(fitting))
        if rest or not share or share > min(self._free(number, kernel) for number in fitting):
            return []
        return [number for number in fitting for _ in range(share)]

    def _usual_shares(self, numbers: Iterable[int], places: Sequence[int]) -> dict[int, int]:
        """Give how many kernels of a queue most units of each unit's kind got by order."""
        by_order = Counter(int(self._owner[at]) for at in places)
        of_kind: dict[object, list[int]] = defaultdict(list)
        for number in numbers:
            of_kind[self._units[number].kind].append(by_order[number])
        return {number: int(np.median(of_kind[self._units[number].kind])) for number in numbers}

    def _free(self, number: int, kernel: str) -> int:
        """Give how many kernels of a type a unit may still need."""
        return _most(self._variants[number], kernel) - self._taken[number, kernel]

    def _follow(self, places: Sequence[int], takers: Sequence[int]) -> None:
        sets = sets_of_equals(self._units, places, takers, by_time=True)
        told = self._told_by_companion(places, takers)
        reason = SHAPES_AGREE
        if not told and (len(sets) < len(takers) or not _in_order(own_numbers(self._kernels, places))):
            told, reason = self._told_by_scope(places, takers) or self._told_apart(places, takers), NUMBERED_BRANCHES
        several = {number for equals in sets if len(equals) > 1 for number in equals}
        in_time = dict(zip(places, takers, strict=True))
        for at, number in told or in_time.items():
            self._owner[at] = number
            if number not in several and in_time[at] == number:
                self._reasons[at] = SHAPES_AGREE
            else:
                self._reasons[at] = reason if told else EQUAL_BRANCHES
            self._in_scope[self._kernels.places[at][0]].setdefault(number, at)

    def _told_apart(self, places: Sequence[int], takers: Sequence[int]) -> list[tuple[int, int]]:
        """Pair by the compiler's numbers; those of the gradients of unrolled loops follow neither code nor time."""
        backward = any(self._units[number].phase == "backward" for number in takers)
        if backward and self._has_loops:
            return []
        told = told_apart(self._units, self._kernels, places, takers)
        self._has_loops |= bool(told.pairs) and told.by_branch
        return told.pairs

    def _told_by_scope(self, places: Sequence[int], takers: Sequence[int]) -> list[tuple[int, int]]:
        """Pair kernels with the units that took others of the same scope, in order; [] if that does not tell."""
        by_scope: dict[str, list[int]] = defaultdict(list)
        for at in places:
            by_scope[self._kernels.places[at][0]].append(at)
        if len(by_scope) == 1:
            return []
        pairs: list[tuple[int, int]] = []
        for scope, kernels in by_scope.items():
            numbers = [number for number in self._in_scope[scope] if number in takers]
            if len(numbers) != len(kernels):
                return []
            pairs += zip(kernels, sorted(numbers, key=self._in_scope[scope].__getitem__), strict=True)
        return pairs if sorted(number for _, number in pairs) == sorted(takers) else []

    def _told_by_companion(self, places: Sequence[int], takers: Sequence[int]) -> list[tuple[int, int]]:
        """Pair normalisations in the order of the convolutions or products they go with; [] if that does not tell."""
        times = [self._companion_time(number) if self._is_norm(number) else None for number in takers]
        known = [(time, number) for time, number in zip(times, takers, strict=True) if time is not None]
        in_order = [number for _, number in sorted(known)]
        return list(zip(places, in_order, strict=True)) if len(known) == len(takers) else []

    def _companion_time(self, number: int) -> int | None:
        """Give when the convolution or product ran whose result a unit takes (in backward: whose gradient it makes)."""
        unit = self._units[number]
        ways = range(number + 1, len(self._units)) if unit.phase == "backward" else range(number - 1, -1, -1)
        companion = next((at for at in ways if self._units[at].skip_cost > 0), None)
        if companion is None or self._units[companion].op_class not in _COMPANIONS:
            return None
        times = np.flatnonzero(self._owner == companion)
        return int(times[0]) if len(times) else None

    def _place_nearby(self) -> None:
        """Give kernels that are left out to the nearest unit that knows their type and still needs one."""
        types = self._kernels.types
        used = Counter((int(number), types[at]) for at, number in enumerate(self._owner) if number >= 0)
        here = 0
        for at, kernel in enumerate(types):
            if self._owner[at] >= 0:
                here = int(self._owner[at])
                continue
            fits = {
                number: self._units[number].shapes.fit(self._kernels.tensors[at])
                for number in range(max(here - _NEARBY, 0), min(here + _NEARBY, len(self._units)))
                if self._kernels.phases[at] in ("", self._units[number].phase)
                and used[number, kernel] < _most(self._variants[number], kernel)
            }
            able = [number for number, fit in fits.items() if fit >= 0]
            if able:
                chosen = max(able, key=lambda number: (fits[number], -abs(number - here)))
                self._owner[at], self._reasons[at] = chosen, PLACE_ONLY
                used[chosen, kernel] += 1


def _most(variant: Variant, kernel: str) -> int:
    """Give how many of a kernel a variant may need; 0 if none."""
    return max((slot.most for slot in variant if kernel in slot.kernels), default=0)


def _in_order(numbers: dict[int, int]) -> bool:
    """Say whether numbers, by place, grow with the places."""
    return [*numbers.values()] == sorted(numbers.values())
