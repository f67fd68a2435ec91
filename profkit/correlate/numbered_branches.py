"""Branches of equal shape that run once: which is which, told by the order in which the compiler numbered them.

A compiler numbers the operators of one type in one scope as it walks the graph. Forward it walks from the result to
what it is made of, first operand first: branches are numbered in the order in which their results are used. Gradients
it reaches from the updates of the parameters: they are numbered in the order of the layers. Code mostly calls layers in
the order in which it uses and defines them, and PyTorch records the order of the calls. That is likely, not certain.

Layers with scopes of their own all have number 0; but what follows each of them (the transposition of each head) may
stand in a common scope, and runs in the same order as they do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from math import prod

from profkit.correlate.equal_branches import Pairs, own_numbers
from profkit.correlate.joined_branches import goes_on
from profkit.correlate.neighbours import HEAVY_CLASSES
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import SAME_COUNT, Shape
from profkit.correlate.units import Unit

_Kind = tuple[str, tuple[Shape, ...], str]


def branches_by_number(
    units: Sequence[Unit], kernels: Kernels, runs: Sequence[Pairs], branches: Collection[int] = ()
) -> Pairs:
    """Pair the kernels of a queue with units by the numbers of the kernels, where these fit the times.

    Args:
        units: The units of the step.
        kernels: Its kernels in order of execution.
        runs: The queue, paired in order of time and cut where the order of time is sure: within a run of several pairs
            nothing tells which kernel is whose.
        branches: Units that other queues told by number.

    Returns:
        The pairs of the runs that were told.
    """
    several = [run for run in runs if len(run) > 1]
    if not all(_are_distinct(run) and _are_beside(units, run, branches) for run in runs):
        return []
    if not several or not all(_meet(units, run) for run in several):
        return []
    numbers = own_numbers(kernels, [at for run in runs for at, _ in run])
    if len(set(numbers.values())) == sum(map(len, runs)):
        of_runs = [numbers if _keep_apart(runs, numbers) else {}] * len(several)
    else:
        ends = [run[0][0] for run in runs[1:]] + [len(kernels)]
        of_runs = [
            _numbers_of_followers(units, kernels, run, end) if units[run[0][1]].phase != "backward" else {}
            for run, end in zip(runs, ends, strict=True)
            if len(run) > 1
        ]
    if not _fits_time(units, several[-1], of_runs[-1]):
        return []
    return [pair for run, own in zip(several, of_runs, strict=True) for pair in _by_number(units, run, own)]


def one_kernel_a_unit(kernels: Kernels, pairs: Pairs) -> list[Pairs]:
    """Split a queue of which each unit takes several kernels into queues of which it takes one, if numbers tell.

    The gradients of a layer's input and of its weight may have one shape. The compiler numbers all of the one kind
    before those of the other.

    Args:
        kernels: The kernels of the step in order of execution.
        pairs: The queue, paired in order of time.
    """
    shares = Counter(number for _, number in pairs)
    share = shares[pairs[0][1]]
    numbers = own_numbers(kernels, [at for at, _ in pairs]) if share > 1 else {}
    if set(shares.values()) != {share} or len(set(numbers.values())) < len(pairs):
        return [pairs]
    by_number, count = sorted(numbers, key=numbers.__getitem__), len(shares)
    parts = [
        list(zip(sorted(by_number[begin : begin + count]), sorted(shares), strict=True))
        for begin in range(0, len(pairs), count)
    ]
    return parts if {pair for part in parts for pair in part} == set(pairs) else [pairs]


def _are_distinct(run: Pairs) -> bool:
    return len({number for _, number in run}) == len(run)


def _are_beside(units: Sequence[Unit], run: Pairs, branches: Collection[int]) -> bool:
    """Say whether no heavy work but that of branches stands between: what is called far apart is used anywhere."""
    numbers = sorted(number for _, number in run)
    between = set(range(numbers[0], numbers[-1])).difference(numbers, branches)
    return not any(units[number].op_class in HEAVY_CLASSES for number in between)


def _keep_apart(runs: Sequence[Pairs], numbers: dict[int, int]) -> bool:
    """Say whether the numbers of the runs rise, or fall, from run to run."""
    ranges = [sorted(numbers[at] for at, _ in run) for run in runs]
    rising = all(before[-1] < after[0] for before, after in pairwise(ranges))
    return rising or all(before[0] > after[-1] for before, after in pairwise(ranges))


def _fits_time(units: Sequence[Unit], last: Pairs, numbers: Mapping[int, int]) -> bool:
    """Say whether the layers that ran last did so in the order of their numbers, or in the opposite one.

    The compiler orders layers of one input at the end of a network as they are defined, or the other way round. If it
    numbered them otherwise, code uses them in another order than it defines them; in which it calls them is open.
    """
    unit = units[last[0][1]]
    if unit.phase == "backward" or unit.op_class not in HEAVY_CLASSES:
        return True
    in_time = [numbers[at] for at in sorted(at for at, _ in last) if at in numbers]
    return in_time in (sorted(in_time), sorted(in_time, reverse=True))


def _meet(units: Sequence[Unit], run: Pairs) -> bool:
    """Say whether rows looked up in tables meet before anything else is made of them: source and target may not."""
    number = max(number for _, number in run)
    lookup = units[number]
    if lookup.op_class != "embedding" or lookup.phase == "backward" or len(lookup.operands) < 2:
        return True
    made = prod(lookup.operands[1]) * lookup.operands[0][-1]
    behind = (unit for unit in units[number + 1 :] if unit.skip_cost and not goes_on(unit))
    work = next((unit for unit in behind if unit.op_class != "embedding"), lookup)
    return sum(prod(shape) == made for shape in work.operands) > 1


def _by_number(units: Sequence[Unit], run: Pairs, numbers: dict[int, int]) -> Pairs:
    if not numbers:
        return []
    backward = units[run[0][1]].phase == "backward"
    in_time = sorted(at for at, _ in run)
    places = sorted(in_time, key=numbers.__getitem__, reverse=backward)
    if backward and places != in_time and any(units[number].op_class == "embedding" for _, number in run):
        # Gradients that are scattered into tables are numbered in either order.
        return []
    return list(zip(places, sorted(number for _, number in run), strict=True))


def _numbers_of_followers(units: Sequence[Unit], kernels: Kernels, run: Pairs, end: int) -> dict[int, int]:
    """Give each kernel of a run the number of the one that follows it; {} if there is none or several disagree."""
    orders = {
        tuple(sorted(range(len(run)), key=numbers.__getitem__)): numbers
        for kind, places in _kinds_between(kernels, run[-1][0] + 1, end)
        if len(places) == len(run)
        and len(numbers := list(own_numbers(kernels, places).values())) == len(run)
        and _follows_each(units, kind, [number for _, number in run])
    }
    if len(orders) != 1:
        return {}
    return dict(zip((at for at, _ in run), *orders.values(), strict=True))


def _kinds_between(kernels: Kernels, begin: int, end: int) -> Iterator[tuple[_Kind, list[int]]]:
    kinds: dict[_Kind, list[int]] = defaultdict(list)
    for at in range(begin, end):
        kinds[kernels.types[at], kernels.tensors[at], kernels.phases[at]].append(at)
    yield from kinds.items()


def _follows_each(units: Sequence[Unit], kind: _Kind, numbers: Sequence[int]) -> bool:
    """Say whether the other framework did work of a kind after each of some units, before the next of them."""
    kernel, tensors, phase = kind
    length = min(after - number for number, after in pairwise(numbers))
    return all(
        any(
            phase in ("", unit.phase)
            and kernel in unit.decomposition.kernels
            and unit.shapes.fit(tensors) >= SAME_COUNT
            for unit in units[number + 1 : number + length]
        )
        for number in numbers
    )
