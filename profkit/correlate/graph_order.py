"""Kernels of a compiled graph that the scheduler moved: found again by type, shapes and place in the queue.

A scheduler runs early what waits for nothing, but kernels of one type and one shape that depend on each other keep
their order: the blocks of a network repeat, and each block waits for the one before. So the k-th such kernel belongs to
the k-th unit that needs one. Where units of equal shape do not wait for each other (query, key and value), the order
says nothing; such kernels are placed in order and marked as ambiguous.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from profkit.correlate.placement import EQUAL_BRANCHES, NO_COUNTERPART, PLACE_ONLY, SHAPES_AGREE
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import SAME_COUNT, Shape
from profkit.correlate.units import Unit

Ints = npt.NDArray[np.int64]
Queue = tuple[str, tuple[Shape, ...], str]

_NEARBY = 40


def follow_queues(units: Sequence[Unit], kernels: Kernels, owner: Ints, reasons: list[str]) -> None:
    """Correct, in place, what a segmentation by order gave for a scheduled graph.

    Args:
        units: The units of the step in order.
        kernels: Its kernels in order of execution.
        owner: Unit of each kernel; changed.
        reasons: Reason of each kernel; changed.
    """
    _release_strangers(units, kernels, owner, reasons)
    queues: dict[Queue, list[int]] = defaultdict(list)
    for at, queue in enumerate(zip(kernels.types, kernels.tensors, kernels.phases, strict=True)):
        if queue[1]:
            queues[queue].append(at)
    for queue, places in queues.items():
        takers = _takers(units, queue, owner[places])
        if len(takers) == len(places):
            ambiguous = _beside_an_equal(units, takers)
            for at, number in zip(places, takers, strict=True):
                owner[at] = number
                reasons[at] = EQUAL_BRANCHES if number in ambiguous else SHAPES_AGREE
    _place_nearby(units, kernels, owner, reasons)


def _release_strangers(units: Sequence[Unit], kernels: Kernels, owner: Ints, reasons: list[str]) -> None:
    for at, number in enumerate(owner):
        if number >= 0 and kernels.types[at] not in units[number].decomposition.kernels:
            owner[at], reasons[at] = -1, NO_COUNTERPART


def _takers(units: Sequence[Unit], queue: Queue, owners: Ints) -> list[int]:
    """Give the units that take the kernels of a queue, in order and as often as they take one; [] if undecided.

    Units of one kind take equally many: as many as most of them got by order, or else an equal share each.
    """
    kernel, tensors, phase = queue
    fits = {
        number: unit.shapes.fit(tensors)
        for number, unit in enumerate(units)
        if phase in ("", unit.phase) and kernel in unit.decomposition.kernels
    }
    best = max(fits.values(), default=0.0)
    if best < SAME_COUNT:
        return []
    by_order = Counter(int(number) for number in owners)
    share_of_kind: dict[object, list[int]] = defaultdict(list)
    for number in fits:
        share_of_kind[units[number].kind].append(by_order[number])
    usual = {kind: int(np.median(shares)) for kind, shares in share_of_kind.items()}
    takers = [number for number in fits for _ in range(usual[units[number].kind])]
    if len(takers) == len(owners):
        return takers
    fitting = [number for number, fit in fits.items() if fit == best]
    share, rest = divmod(len(owners), len(fitting))
    if rest or share > min(_most(units[number], kernel) for number in fitting):
        return []
    return [number for number in fitting for _ in range(share)]


def _most(unit: Unit, kernel: str) -> int:
    return max(slot.most for slot in unit.decomposition.slots if kernel in slot.kernels)


def _beside_an_equal(units: Sequence[Unit], takers: Sequence[int]) -> set[int]:
    """Give the units that follow each other with no work in between: nothing says that one waits for the other."""
    found: set[int] = set()
    distinct = sorted(set(takers))
    for one, other in pairwise(distinct):
        if units[one].phase == units[other].phase and not any(unit.skip_cost for unit in units[one + 1 : other]):
            found |= {one, other}
    return found


def _place_nearby(units: Sequence[Unit], kernels: Kernels, owner: Ints, reasons: list[str]) -> None:
    """Give kernels that are left out to the nearest unit that knows their type and still needs one."""
    used = Counter((int(number), kernels.types[at]) for at, number in enumerate(owner) if number >= 0)
    here = 0
    for at, kernel in enumerate(kernels.types):
        if owner[at] >= 0:
            here = int(owner[at])
            continue
        around = range(max(here - _NEARBY, 0), min(here + _NEARBY, len(units)))
        able = [
            number
            for number in around
            if kernels.phases[at] in ("", units[number].phase)
            and kernel in units[number].decomposition.kernels
            and used[number, kernel] < _most(units[number], kernel)
            and units[number].shapes.fit(kernels.tensors[at]) >= 0
        ]
        if able:
            owner[at] = min(
                able, key=lambda number: (-units[number].shapes.fit(kernels.tensors[at]), abs(number - here))
            )
            reasons[at] = PLACE_ONLY
            used[int(owner[at]), kernel] += 1
