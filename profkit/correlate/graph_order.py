"""Kernels of a compiled graph that the scheduler moved: found again by type, shapes and place in the queue.

A scheduler runs early what waits for nothing, but kernels of one type and one shape that depend on each other keep
their order: the blocks of a network repeat, and each block waits for the one before. So the k-th such kernel belongs to
the k-th unit that needs one. A normalisation is told by the convolution it goes with, a helper by the work it helps.
Where units of equal shape do not wait for each other (query, key and value), time says nothing: the compiler's numbers
may, and where they do not, the units are left undecided.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, pairwise

import numpy as np
import numpy.typing as npt

from profkit.correlate.equal_branches import Pairs, branches_of_loop, own_numbers
from profkit.correlate.executions import ALIGNED_PHASES
from profkit.correlate.joined_branches import branches_by_way
from profkit.correlate.lacking_branch import branches_by_lack
from profkit.correlate.neighbours import HEAVY_CLASSES
from profkit.correlate.numbered_branches import branches_by_number, one_kernel_a_unit
from profkit.correlate.placement import (
    LACKING_BRANCH,
    NO_COUNTERPART,
    NUMBERED_BRANCHES,
    ORDER_OF_NUMBERS,
    PLACE_ONLY,
    SAME_SCOPE,
    SHAPES_AGREE,
    SHORTER_WAY,
)
from profkit.correlate.recurrent_rounds import shares_by_burst
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import IN_ORDER, ONE_OPERATOR, SAME_COUNT, Shape
from profkit.correlate.undecided import UndecidedSets, is_core
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import Variant

Ints = npt.NDArray[np.int64]
Queue = tuple[str, tuple[Shape, ...], str]

_NEARBY = 40
# So many units of equal kinds beside two units say that they are the same line of a loop's body.
_SURROUNDINGS = 8
_COMPANIONS = ("conv", "matmul")


def follow_queues(units: Sequence[Unit], kernels: Kernels, owner: Ints, reasons: list[str]) -> UndecidedSets:
    """Correct, in place, what a segmentation by order gave for a scheduled graph.

    Args:
        units: The units of the step in order.
        kernels: Its kernels in order of execution.
        owner: Unit of each kernel; changed.
        reasons: Reason of each kernel; changed.

    Returns:
        The sets of units that nothing tells apart; until they are released, their kernels are placed in order.
    """
    order = _GraphOrder(units, kernels, owner, reasons)
    order.correct()
    return order.undecided


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
        self._cores, self._of_norms = self._core_kernels(), self._core_kernels("norm")
        self._taken: Counter[tuple[int, str]] = Counter()
        # The units whose kernels have a scope, and the first such kernel of each.
        self._in_scope: dict[str, dict[int, int]] = defaultdict(dict)
        # Queues that were paired in order of time.
        self._by_time: list[Pairs] = []
        # The units of kernels that the compiler's numbers told apart.
        self._numbered: dict[int, int] = {}
        # Those of them that their ways to where they meet told apart.
        self._by_way: dict[int, int] = {}
        self.undecided = UndecidedSets()

    def correct(self) -> None:
        """Release what a unit has no use for, let the queues decide, and place what is left nearby."""
        for at, number in enumerate(self._owner):
            if number >= 0 and not _most(self._variants[number], self._kernels.types[at]):
                self._owner[at], self._reasons[at] = -1, NO_COUNTERPART
        queues: dict[Queue, list[int]] = defaultdict(list)
        for at, queue in enumerate(zip(self._kernels.types, self._kernels.tensors, self._kernels.phases, strict=True)):
            if queue[1]:
                queues[queue].append(at)
        ordered = sorted(queues, key=lambda its: (its[0] in self._of_norms, its[0] not in self._cores, not its[2]))
        followed: list[tuple[list[int], list[int]]] = []
        waiting: list[Queue] = []
        while ordered != waiting:
            waiting = ordered
            # Units that other queues have served leave the next round clearer.
            ordered = [queue for queue in waiting if not self._serve(queue, queues[queue], followed)]
        if self._number_branches():
            # What goes with the work of a branch follows it anew.
            self._by_time, self._in_scope = [], defaultdict(dict)
            for places, takers in followed:
                self._follow(places, takers)
        self._place_nearby()
        self._note_undecided()

    def _serve(self, queue: Queue, places: list[int], followed: list[tuple[list[int], list[int]]]) -> bool:
        """Pair a queue with the units that take it and note both; say whether there are such units."""
        takers = self._takers(queue, places)
        if not takers:
            return False
        self._taken.update((number, queue[0]) for number in takers)
        self._follow(places, takers)
        followed.append((places, takers))
        return True

    def _types_of(self, phase: str) -> set[str]:
        told = zip(self._kernels.types, self._kernels.phases, strict=True)
        return {kernel for kernel, its_phase in told if its_phase in ("", phase)}

    def _core_kernels(self, op_class: str | None = None) -> set[str]:
        """Give the kernels that do the own work of some unit, or of one of a class."""
        of_units = zip(self._variants, self._units, strict=True)
        variants = (variant for variant, unit in of_units if op_class in (None, unit.op_class))
        return {kernel for variant in variants for slot in variant if slot.core for kernel in slot.kernels}

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
                if fit == ONE_OPERATOR and len(tensors) == 1 and unit.shapes.begin_with(tensors[0]):
                    # Gradients come first: the gradient of a bias is made of that of the result, not of the input.
                    fit = IN_ORDER
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
        if best >= ONE_OPERATOR or not all(usual[number] for number in fitting):
            # One operator has all these tensors, or a unit whose tensors fit best got none by order: that is wrong.
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
        usual = {kind: int(np.median(counts)) for kind, counts in of_kind.items()}
        return {number: usual[self._units[number].kind] for number in numbers}

    def _free(self, number: int, kernel: str) -> int:
        """Give how many kernels of a type a unit may still need."""
        return _most(self._variants[number], kernel) - self._taken[number, kernel]

    def _follow(self, places: Sequence[int], takers: Sequence[int]) -> None:
        pairs, reason = self._told(places, takers)
        for at, number in pairs:
            by_branch = SHORTER_WAY if self._by_way.get(at) == number else ORDER_OF_NUMBERS
            self._owner[at], self._reasons[at] = number, by_branch if at in self._numbered else reason
            self._in_scope[self._kernels.places[at][0]].setdefault(number, at)

    def _told(self, places: Sequence[int], takers: Sequence[int]) -> tuple[Pairs, str]:
        """Pair the kernels of a queue with units and say why; what nothing tells apart is noted and paired in order."""
        in_time = [(at, self._numbered.get(at, number)) for at, number in zip(places, takers, strict=True)]
        if told := self._told_by_companion(places, takers):
            return told, SHAPES_AGREE
        if told := self._told_by_core(places, takers) or shares_by_burst(self._units, self._kernels, places, takers):
            return told, SHAPES_AGREE
        if told := self._told_by_scope(places, takers):
            return told, SAME_SCOPE
        if told := self._told_by_loop(places, takers):
            return told, NUMBERED_BRANCHES
        if told := self._told_by_lack(in_time):
            return told, LACKING_BRANCH
        self._by_time += one_kernel_a_unit(self._kernels, in_time)
        return in_time, SHAPES_AGREE

    def _told_by_core(self, places: Sequence[int], takers: Sequence[int]) -> Pairs:
        """Pair helpers in the order in which the units' own work ran, each after it; [] if that does not tell."""
        if len(set(takers)) < len(takers) or self._kernels.types[places[0]] in self._cores:
            return []
        own = [[at for at in np.flatnonzero(self._owner == number) if self._does_work(int(at))] for number in takers]
        if not all(own):
            return []
        begun = sorted((int(ran[0]), number) for ran, number in zip(own, takers, strict=True))
        after = all(at > work for at, (work, _) in zip(places, begun, strict=True))
        return list(zip(places, [number for _, number in begun], strict=True)) if after else []

    def _does_work(self, at: int) -> bool:
        return is_core(self._units[self._owner[at]], self._kernels.types[at])

    def _told_by_loop(self, places: Sequence[int], takers: Sequence[int]) -> Pairs:
        """Pair by the compiler's numbers; those of gradients follow neither code nor time."""
        if any(self._units[number].phase == "backward" for number in takers):
            return []
        return branches_of_loop(self._units, self._kernels, places, takers)

    def _told_by_lack(self, in_time: Pairs) -> Pairs:
        """Pair a queue and an earlier one together where one branch of a backward loop lacks a part; else nothing.

        The earlier queue is no longer one that time alone orders.
        """
        if self._units[in_time[0][1]].phase != "backward":
            return []
        for earlier in self._by_time:
            whole, part = sorted((earlier, in_time), key=len, reverse=True)
            if told := branches_by_lack(self._units, self._kernels, whole, part):
                self._by_time.remove(earlier)
                return told
        return []

    def _number_branches(self) -> bool:
        """Note which units the compiler's numbers tell apart that time does not; say whether there are any."""
        for pairs in self._by_time:
            runs = self._runs(pairs)
            if not any(self._has_repeated_calls(run) for run in runs):
                branches = set(self._numbered.values())
                self._numbered.update(branches_by_number(self._units, self._kernels, runs, branches))
            for run in runs:
                self._by_way.update(branches_by_way(self._units, run))
        self._numbered = {**self._by_way, **self._numbered}
        return bool(self._numbered)

    def _runs(self, pairs: Pairs) -> list[Pairs]:
        """Cut a queue that time alone orders where its order is sure."""
        numbers = own_numbers(self._kernels, [at for at, _ in pairs])
        runs = [pairs[:1]]
        for before, after in pairwise(pairs):
            if self._is_open(before, after, numbers):
                runs[-1].append(after)
            else:
                runs.append([after])
        return runs

    def _is_open(self, before: tuple[int, int], after: tuple[int, int], numbers: Mapping[int, int]) -> bool:
        """Say whether nothing tells that the later one of two neighbours of a queue had to wait for the other."""
        (at, number), (later, following) = before, after
        if number == following or self._units[number].phase != self._units[following].phase:
            return False
        if self._waits(at, number, later, following):
            return False
        return numbers.get(at, 0) > numbers.get(later, 0) or not self._is_repeated_call(number, following)

    def _note_undecided(self) -> None:
        """Join neighbours of a queue that neither time nor numbers order."""
        for pairs in self._by_time:
            for run in self._runs(pairs):
                for (at, number), (later, following) in pairwise(run):
                    if at not in self._numbered and later not in self._numbered:
                        self.undecided.add((number, following), (at, later))

    def _waits(self, at: int, number: int, later: int, following: int) -> bool:
        """Say whether work that the other framework did between two units ran between their kernels, too.

        Where it ran in the opposite order, it is that of further branches. Nor did the later unit of a forward pass
        wait for the other where the layer behind the other ran after both: two parts of a network run in step there.
        """
        between = self._work_within(at + 1, later, number, following)
        is_reversed = len(set(between)) > 1 and between == sorted(between, reverse=True)
        if not between or is_reversed or self._units[number].phase == "backward":
            return bool(between) and not is_reversed
        layers = (own for own in range(number + 1, following) if self._units[own].op_class in HEAVY_CLASSES)
        return next(layers, -1) not in self._work_within(later + 1, len(self._owner), number, following)

    def _work_within(self, begin: int, end: int, number: int, following: int) -> list[int]:
        """Give the units between two whose own work ran at places from begin to below end."""
        within = self._owner[begin:end]
        places = begin + np.flatnonzero((within > number) & (within < following))
        return [int(self._owner[place]) for place in places if self._does_work(int(place))]

    def _is_repeated_call(self, number: int, following: int) -> bool:
        """Say whether two units are one line of code in two rounds of a loop: equal work stands before or after."""
        return any(
            len(own := self._surroundings(number, way)) == _SURROUNDINGS and own == self._surroundings(following, way)
            for way in (-1, 1)
        )

    def _has_repeated_calls(self, run: Pairs) -> bool:
        """Say whether some units of a run are one line of code in several rounds of a loop."""
        numbers = sorted({number for _, number in run})
        for way in (-1, 1):
            around = [tuple(own) for number in numbers if len(own := self._surroundings(number, way)) == _SURROUNDINGS]
            if len(set(around)) < len(around):
                return True
        return False

    def _surroundings(self, number: int, way: int) -> list[object]:
        places = range(number + way, len(self._units) if way > 0 else -1, way)
        working = (self._units[at].kind for at in places if self._units[at].skip_cost > 0)
        return list(islice(working, _SURROUNDINGS))

    def _told_by_scope(self, places: Sequence[int], takers: Sequence[int]) -> Pairs:
        """Pair kernels with the units that took others of the same scope, in order; [] if that does not tell."""
        by_scope: dict[str, list[int]] = defaultdict(list)
        for at in places:
            by_scope[self._kernels.places[at][0]].append(at)
        if len(by_scope) == 1:
            return []
        pairs: Pairs = []
        for scope, kernels in by_scope.items():
            numbers = [number for number in self._in_scope[scope] if number in takers]
            if len(numbers) != len(kernels):
                return []
            pairs += zip(kernels, sorted(numbers, key=self._in_scope[scope].__getitem__), strict=True)
        return pairs if sorted(number for _, number in pairs) == sorted(takers) else []

    def _told_by_companion(self, places: Sequence[int], takers: Sequence[int]) -> Pairs:
        """Pair normalisations in the order of the convolutions or products they go with; [] if that does not tell."""
        companions = [self._companion(number) for number in takers if self._is_norm(number)]
        times = [np.flatnonzero(self._owner == companion) for companion in companions if companion is not None]
        if len(times) < len(takers) or not all(len(ran) for ran in times):
            return []
        for number, companion in zip(takers, companions, strict=True):
            if companion is not None:
                self.undecided.let_rest(number, companion)
        in_order = [number for _, number in sorted(zip((int(ran[0]) for ran in times), takers, strict=True))]
        return list(zip(places, in_order, strict=True))

    def _companion(self, number: int) -> int | None:
        """Give the convolution or product whose result a unit takes (in backward: whose gradient it makes)."""
        unit = self._units[number]
        ways = range(number + 1, len(self._units)) if unit.phase == "backward" else range(number - 1, -1, -1)
        companion = next((at for at in ways if self._units[at].skip_cost > 0), None)
        return companion if companion is not None and self._units[companion].op_class in _COMPANIONS else None

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
