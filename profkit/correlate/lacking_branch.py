"""Two branches of a loop's backward pass, told apart by the round in which one of them has less to do.

The state before a loop needs no gradient. So in one round the product that takes the state makes a gradient of its
weights alone, while the product that takes the input makes both of its gradients. Which branch lacks that part is
recorded on both sides; the compiler, which numbers branch by branch, tells which kernels of the other rounds belong to
the same branch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from profkit.correlate.equal_branches import Pairs, own_numbers, sets_of_equals
from profkit.correlate.segmentation import Kernels
from profkit.correlate.units import Unit


def branches_by_lack(units: Sequence[Unit], kernels: Kernels, whole: Pairs, part: Pairs) -> Pairs:
    """Pair the kernels of two queues with the units of two branches; [] where nothing says which branch is which.

    Args:
        units: The units of the step.
        kernels: Its kernels in order of execution.
        whole: A queue of which each unit takes one kernel, paired in order of time.
        part: A queue of which all of these units but one take one kernel, paired in order of time.
    """
    places, takers = [at for at, _ in whole], [number for _, number in whole]
    lacking = set(takers) - {number for _, number in part}
    if len(lacking) != 1 or len(set(takers)) < len(takers) or len(part) != len(whole) - 1:
        return []
    rounds = sets_of_equals(units, places, takers, by_time=False)
    if len(rounds) < 2 or any(len(one) != 2 for one in rounds):
        return []
    branch_of = _numbered_branches(kernels, places)
    if not branch_of:
        return []
    parts = [at for at, _ in part]
    readings = [_pairs_of(places, rounds, branch_of, bursts, *lacking) for bursts in _bursts(places, parts)]
    told = [pairs for pairs in readings if pairs]
    return told[0] if len(told) == 1 else []


def _pairs_of(
    places: Sequence[int],
    rounds: Sequence[Sequence[int]],
    branch_of: dict[int, int],
    bursts: dict[int, int],
    lacking: int,
) -> Pairs:
    """Pair all kernels, given the bursts; [] if the burst without the part is in another round than the unit."""
    bare = next(at for at in places if at not in bursts.values())
    its_round = rounds[places.index(bare) // 2]
    if lacking not in its_round:
        return []
    exchanged = its_round.index(lacking) != branch_of[bare]
    told = {at: rounds[place // 2][branch_of[at] ^ exchanged] for place, at in enumerate(places)}
    return [*told.items(), *((at, told[own]) for at, own in bursts.items())]


def _bursts(places: Sequence[int], parts: Sequence[int]) -> Iterator[dict[int, int]]:
    """Give, for each place of a part, the kernel of the whole queue in whose burst it ran: each way that fits.

    Either all bursts begin with their kernel of the whole queue, or all end with it; none holds two parts.
    """
    after = np.searchsorted(places, parts)
    for found in (after - 1, after):
        if found.min() >= 0 and found.max() < len(places) and len(set(found.tolist())) == len(parts):
            yield {at: places[own] for at, own in zip(parts, found, strict=True)}


def _numbered_branches(kernels: Kernels, places: Sequence[int]) -> dict[int, int]:
    """Give the branch, 0 or 1, of each kernel: one half of the numbers is one branch; {} if numbers and time disagree.

    Each branch has one kernel in each round, and its numbers rise or fall from round to round.
    """
    numbers = own_numbers(kernels, places)
    if not numbers:
        return {}
    by_number = sorted(places, key=numbers.__getitem__)
    count = len(places) // 2
    branches = (by_number[:count], by_number[count:])
    for branch in branches:
        in_time = sorted(branch)
        if branch not in (in_time, in_time[::-1]) or [places.index(at) // 2 for at in in_time] != list(range(count)):
            return {}
    return {at: which for which, branch in enumerate(branches) for at in branch}
