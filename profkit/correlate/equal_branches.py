"""Branches of equal shape in a compiled graph (query, key and value): which kernel belongs to which.

Neither side records which tensor is which, and the scheduler runs such branches in any order. What a recording does
have are the compiler's numbers. Within one scope it numbers operators in the order in which the network's expressions
use them; where branches have scopes of their own (`query-Dense/MatMul-op0`), their numbers say nothing, but a scheduler
keeps branches in step: the first kernel that all of them run in one common scope carries the number of its branch.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from profkit.correlate.segmentation import Kernels
from profkit.correlate.units import Unit

# Place of a cell in a list of cells, within a scope: `layers-CellList/2-EncoderLayer`.
_CELL_IN_LIST = re.compile(r"(?<=-CellList/|ntialCell/)(\d+)(?=-)")

# From this rank correlation on, numbers are said to grow or fall in time: within a queue, within a type of kernel.
_CLEAR = (0.8, 0.5)

Pairs = list[tuple[int, int]]


class Told(NamedTuple):
    """Kernels of a queue paired with units; `by_branch` if the compiler numbered branch by branch."""

    pairs: Pairs
    by_branch: bool = False


def told_apart(units: Sequence[Unit], kernels: Kernels, places: Sequence[int], takers: Sequence[int]) -> Told:
    """Pair the kernels of a queue with units, with the branches told apart; no pairs if nothing tells.

    Args:
        units: The units of the step.
        kernels: Its kernels in order of execution.
        places: The queue: kernels of one type and shape, in order of execution.
        takers: The units that take them, in order, one for each place.
    """
    if len(set(takers)) < len(takers):
        return Told([])
    backward = any(units[number].phase == "backward" for number in takers)
    numbers = own_numbers(kernels, places)
    choices = [sets_of_equals(units, places, takers, by_time=by_time) for by_time in (False, True)]
    for sets in choices:
        if numbers:
            told = Told(_set_by_set(numbers, places, sets))
            if not told.pairs and not backward:
                told = Told(_branch_by_branch(numbers, kernels, places, sets), by_branch=True)
        else:
            told = Told([]) if backward else _told_by_followers(kernels, places, sets)
        if told.pairs:
            return told
    return Told(_set_by_set(numbers, places, _merged(numbers, places, choices[0]))) if numbers else Told([])


def sets_of_equals(
    units: Sequence[Unit], places: Sequence[int], takers: Sequence[int], *, by_time: bool
) -> list[list[int]]:
    """Split the units of a queue where one waits for the one before.

    Units that follow each other with no work in between may not wait for each other. Nor, if asked `by_time`, do those
    whose kernels ran one after the other, though the other framework did work in between.
    """
    sets: list[list[int]] = []
    last_place = -1
    for at, number in zip(places, takers, strict=True):
        if sets and number == sets[-1][-1]:
            last_place = at
            continue
        if sets and units[sets[-1][-1]].phase == units[number].phase:
            between = units[sets[-1][-1] + 1 : number]
            if (by_time and last_place + 1 == at) or not any(unit.skip_cost for unit in between):
                sets[-1].append(number)
                last_place = at
                continue
        sets.append([number])
        last_place = at
    return sets


def _told_by_followers(kernels: Kernels, places: Sequence[int], sets: Sequence[Sequence[int]]) -> Told:
    several = _places_of_several(places, sets)
    numbers = _numbers_of_followers(kernels, several) if several else {}
    if not numbers:
        return Told([])
    larger = [one for one in sets if len(one) > 1]
    if len(several) == len(places) and len({kernels.places[at][0] for at in places}) == len(larger[0]) < len(places):
        by_scope = _branch_by_branch(numbers, kernels, several, larger)
        if by_scope:
            return Told(by_scope, by_branch=True)
    told = _set_by_set(numbers, several, larger)
    if told:
        taken = {number for _, number in told}
        in_order = zip(places, [number for one in sets for number in one], strict=True)
        return Told(sorted([*told, *(pair for pair in in_order if pair[1] not in taken)]))
    return Told([])


def _merged(numbers: dict[int, int], places: Sequence[int], sets: Sequence[Sequence[int]]) -> list[list[int]]:
    """Join neighbouring sets until numbers and times agree which kernels are of one set."""
    by_number = sorted(places, key=numbers.__getitem__)
    merged: list[list[int]] = []
    begin = end = 0
    for one in sets:
        end += len(one)
        if begin == end - len(one):
            merged.append([])
        merged[-1] += one
        if set(by_number[begin:end]) == set(places[begin:end]):
            begin = end
    return merged


def own_numbers(kernels: Kernels, places: Sequence[int]) -> dict[int, int]:
    """Give the numbers of the kernels themselves, by place; {} where they are not numbered in one scope.

    The scopes may differ in the places of cells in a list; those are the numbers then. Gradients are numbered in the
    order they run in, or in the opposite one, in which the optimizer takes them: the numbers are turned to grow.
    """
    named = [kernels.places[at] for at in places]
    if min(number for _, number in named) < 0:
        return {}
    if len({scope for scope, _ in named}) == 1:
        numbers = [number for _, number in named]
    else:
        if len({_CELL_IN_LIST.sub("", scope) for scope, _ in named}) > 1:
            return {}
        keys = [([*map(int, _CELL_IN_LIST.findall(scope))], number) for scope, number in named]
        ordered = sorted(keys)
        numbers = [ordered.index(key) for key in keys]
    if kernels.phases[places[0]] == "forward":
        return dict(zip(places, numbers, strict=True))
    kernel, scopes = kernels.types[places[0]], {scope for scope, _ in named}
    alike = [at for at, (scope, _) in enumerate(kernels.places) if scope in scopes and kernels.types[at] == kernel]
    slopes = (_slope(numbers), _slope([kernels.places[at][1] for at in alike]))
    clear = next((slope for slope, least in zip(slopes, _CLEAR, strict=True) if abs(slope) > least), 0.0)
    return {at: int(np.sign(clear)) * number for at, number in zip(places, numbers, strict=True)} if clear else {}


def _slope(numbers: Sequence[int]) -> float:
    """Give how clearly numbers grow (1) or fall (-1) in the order given: the rank correlation."""
    ranks = np.argsort(np.argsort(numbers))
    return float(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) if len(ranks) > 1 else 1.0


def _places_of_several(places: Sequence[int], sets: Sequence[Sequence[int]]) -> list[int]:
    """Give the places that, in order, belong to sets of more than one unit."""
    sizes = [len(one) for one in sets for _ in one]
    return [at for at, size in zip(places, sizes, strict=True) if size > 1]


def _numbers_of_followers(kernels: Kernels, places: Sequence[int]) -> dict[int, int]:
    """Give each kernel the number of the one that takes its result, told by running in step; {} if there is none.

    Followers are of one type, shape and scope and as many as the kernels. They run in step if each burst of kernels is
    followed by as many before the next burst begins.
    """
    ends = [at for at, following in zip(places, [*places[1:], -1], strict=True) if following != at + 1]
    groups: dict[object, list[int]] = defaultdict(list)
    for at in range(places[0] + 1, len(kernels)):
        groups[kernels.types[at], kernels.tensors[at], kernels.phases[at]].append(at)
    own = (kernels.types[places[0]], kernels.tensors[places[0]], kernels.phases[places[0]])
    for signature, followers in groups.items():
        if signature == own or len(followers) != len(places):
            continue
        numbers = own_numbers(kernels, followers)
        if len(set(numbers.values())) == len(places) and _in_step(places, ends, followers):
            return dict(zip(places, numbers.values(), strict=True))
    return {}


def _in_step(places: Sequence[int], ends: Sequence[int], followers: Sequence[int]) -> bool:
    begins = [places[0], *(places[places.index(end) + 1] for end in ends[:-1])]
    for end, next_begin in zip(ends, [*begins[1:], followers[-1] + 1], strict=True):
        first = sum(at < next_begin for at in places)
        if sum(at < next_begin for at in followers) != first or any(
            end > follower for follower in followers[places.index(end) : places.index(end) + 1]
        ):
            return False
    return True


def _set_by_set(numbers: dict[int, int], places: Sequence[int], sets: Sequence[Sequence[int]]) -> Pairs:
    """Pair set by set in order of the numbers, if numbers and times agree which kernels are of one set."""
    by_number = sorted(places, key=numbers.__getitem__)
    begin = 0
    for one in sets:
        end = begin + len(one)
        if set(by_number[begin:end]) != set(places[begin:end]):
            return []
        begin = end
    return list(zip(by_number, [number for one in sets for number in one], strict=True))


def _branch_by_branch(
    numbers: dict[int, int], kernels: Kernels, places: Sequence[int], sets: Sequence[Sequence[int]]
) -> Pairs:
    """Pair branch by branch: the k-th kernel of a branch with its unit in the k-th set.

    The kernels of one branch have one scope, or numbers that follow each other; they wait for each other and ran in the
    order of their numbers.
    """
    sizes = {len(one) for one in sets}
    if len(sizes) != 1:
        return []
    size, count = sizes.pop(), len(sets)
    by_scope: dict[str, list[int]] = defaultdict(list)
    for at in places:
        by_scope[kernels.places[at][0]].append(at)
    if len(by_scope) == 1:
        by_number = sorted(places, key=numbers.__getitem__)
        branches = [by_number[begin : begin + count] for begin in range(0, len(places), count)]
    else:
        branches = sorted(by_scope.values(), key=lambda branch: min(numbers[at] for at in branch))
    if len(branches) != size or any(len(branch) != count or branch != sorted(branch) for branch in branches):
        return []
    of_set = [(branch, zip(members, sets, strict=True)) for branch, members in enumerate(branches)]
    return [(at, one[branch]) for branch, pairs in of_set for at, one in pairs]
