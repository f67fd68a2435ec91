"""The product of a recurrent layer's input: PyTorch takes it of all rounds at once, MindSpore round by round.

The shares of the rounds wait for nothing but the input. A scheduler runs those of one layer in one burst, while the
products of the state follow each other with the rest of their rounds in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from profkit.correlate.equal_branches import Pairs, own_numbers
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import Shape, ShapeSet
from profkit.correlate.units import Unit


def with_shares(units: Sequence[Unit]) -> list[Unit]:
    """Put the share of each round in the product of the whole input in front of the product of its state.

    Args:
        units: Units of one phase in order; those of one loop share their rows.
    """
    loops = (list(loop) for _, loop in groupby(units, key=lambda unit: unit.rows))
    return [unit for loop in loops for unit in (_with_shares(loop) if len(loop) > 1 else loop)]


def _with_shares(units: Sequence[Unit]) -> list[Unit]:
    shares: dict[int, list[Unit]] = defaultdict(list)
    whole: set[int] = set()
    for at, unit in enumerate(units):
        rounds = _rounds_of(unit, units, at + 1)
        if rounds:
            whole.add(at)
        for place, number in enumerate(rounds):
            shares[number].append(_share(unit, with_whole=place == 0))
    return [one for at, unit in enumerate(units) for one in (*shares[at], *([] if at in whole else [unit]))]


def _rounds_of(whole: Unit, units: Sequence[Unit], begin: int) -> list[int]:
    """Give the products of the state that follow the product of the input of all rounds; [] if it is none."""
    if whole.op_class != "matmul" or len(whole.operands) < 2 or len(whole.operands[0]) != 3:
        return []
    (count, batch, _), (wide, *_) = whole.operands[:2]
    following = [
        at
        for at in range(begin, len(units))
        if units[at].operators == whole.operators
        and [len(operand) for operand in units[at].operands[:2]] == [2, 2]
        and (units[at].operands[0][0], units[at].operands[1][0]) == (batch, wide)
    ]
    return following[:count] if len(following) >= count else []


def _share(whole: Unit, *, with_whole: bool) -> Unit:
    """Give the share of one round; the first one may as well be the whole product, made at once there, too."""
    (_, batch, width), *rest = whole.operands
    operands: tuple[Shape, ...] = ((batch, width), *rest)
    own = ShapeSet.of([operands], [(batch, rest[0][0])])
    shapes = own.united(whole.shapes) if with_whole else own
    return replace(whole, shapes=shapes, operands=operands, is_share=True)


def shares_by_burst(units: Sequence[Unit], kernels: Kernels, places: Sequence[int], takers: Sequence[int]) -> Pairs:
    """Pair the kernels of a queue with shares of rounds and products of states; [] where nothing tells.

    The states of two layers follow each other; whose burst runs first says nothing, but the compiler numbers the shares
    of one layer around or ahead of its states.

    Args:
        units: The units of the step.
        kernels: Its kernels in order of execution.
        places: The queue: kernels of one type and shape, in order of execution.
        takers: The units that take them, in order, one for each place.
    """
    shares = [number for number in takers if units[number].is_share]
    others = [number for number in takers if not units[number].is_share]
    layers = list(dict.fromkeys(units[number].rows for number in takers))
    numbers = own_numbers(kernels, places)
    count, rest = divmod(len(shares), len(layers))
    if not count or rest or len(layers) < 2 or len(others) != len(shares) or not numbers:
        return []
    early = [at for burst in _bursts(places) if len(burst) >= count for at in burst]
    # The first rounds wait for nothing either: where they run with the burst, they began it.
    ahead = len(early) - len(shares)
    if not 0 <= ahead <= len(layers):
        return []
    early = early[ahead:]
    late = [at for at in places if at not in set(early)]
    of_states = [late[begin : begin + count] for begin in range(0, len(late), count)]
    of_shares = [early[begin : begin + count] for begin in range(0, len(early), count)]
    order = sorted(range(len(layers)), key=lambda layer: _middle(numbers, of_states[layer]))
    told: Pairs = list(zip(late, others, strict=True))
    for layer, burst in zip(order, sorted(of_shares, key=lambda one: _middle(numbers, one)), strict=True):
        told += zip(burst, (one for one in shares if units[one].rows == layers[layer]), strict=True)
    return told


def _bursts(places: Sequence[int]) -> list[list[int]]:
    bursts: list[list[int]] = []
    for at in places:
        if bursts and bursts[-1][-1] + 1 == at:
            bursts[-1].append(at)
        else:
            bursts.append([at])
    return bursts


def _middle(numbers: Mapping[int, int], places: Sequence[int]) -> int:
    return sorted(numbers[at] for at in places)[len(places) // 2]
