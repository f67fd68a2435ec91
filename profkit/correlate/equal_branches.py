"""Branches of equal shape that a network calls again and again (the two products of a recurrent cell).

Neither side records which tensor is which, and the scheduler runs such branches in any order. In a loop that was
unrolled, though, one branch may run ahead while the other waits for its own last round, and the compiler numbers branch
by branch. Where branches have scopes of their own (`ih-Dense/MatMul-op0`), their numbers say nothing, but a scheduler
keeps branches in step: the first kernel that all of them run in one common scope carries the number of its branch.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from profkit.correlate.segmentation import Kernels
from profkit.correlate.units import Unit

# Place of a cell in a list of cells, within a scope: `layers-CellList/2-EncoderLayer`.
_CELL_IN_LIST = re.compile(r"(?<=-CellList/|ntialCell/)(\d+)(?=-)")

Pairs = list[tuple[int, int]]


def branches_of_loop(units: Sequence[Unit], kernels: Kernels, places: Sequence[int], takers: Sequence[int]) -> Pairs:
    """Pair the kernels of a queue with units where the network calls the same branches again and again; else nothing.

    Args:
        units: The units of the step.
        kernels: Its kernels in order of execution.
        places: The queue: kernels of one type and shape, in order of execution.
        takers: The units that take them, in order, one for each place.
    """
    if len(set(takers)) < len(takers):
        return []
    numbers = own_numbers(kernels, places)
    for by_time in (False, True):
        sets = sets_of_equals(units, places, takers, by_time=by_time)
        if not numbers:
            told = _told_by_followers(kernels, places, sets)
        elif _agree(numbers, places, sets):
            return []
        else:
            told = _branch_by_branch(numbers, kernels, places, sets)
        if told:
            return told
    return []


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


def _told_by_followers(kernels: Kernels, places: Sequence[int], sets: Sequence[Sequence[int]]) -> Pairs:
    several = _places_of_several(places, sets)
    numbers = _numbers_of_followers(kernels, several) if several else {}
    larger = [one for one in sets if len(one) > 1]
    if not numbers or len(several) < len(places):
        return []
    if len({kernels.places[at][0] for at in places}) == len(larger[0]) < len(places):
        return _branch_by_branch(numbers, kernels, several, larger)
    return []


def own_numbers(kernels: Kernels, places: Sequence[int]) -> dict[int, int]:
    """Give the numbers of the kernels themselves, by place; {} where they are not numbered in one scope.

    The scopes may differ in the places of cells in a list; those are the numbers then.
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
    return dict(zip(places, numbers, strict=True))


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


def _agree(numbers: dict[int, int], places: Sequence[int], sets: Sequence[Sequence[int]]) -> bool:
    """Say whether numbers and times agree which kernels are of one set."""
    by_number = sorted(places, key=numbers.__getitem__)
    begin = 0
    for one in sets:
        end = begin + len(one)
        if set(by_number[begin:end]) != set(places[begin:end]):
            return False
        begin = end
    return True


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
