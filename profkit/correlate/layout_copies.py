"""Copies that only one side records: they go with the work that takes, or made, what they copy.

PyTorch copies a transposed tensor where a reshape needs it. MindSpore in PyNative mode records no kernel for that: its
products read the view. So the copy is a part of the product on one side and an operator of its own on the other.
Which work takes a copy is read from the shapes: a reshape joins neighbouring axes or splits them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations
from math import prod

import numpy as np
import numpy.typing as npt

from profkit.correlate.tensor_shapes import Shape
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import operator_key

Ints = npt.NDArray[np.int64]

_NEARBY = 60
_MOST_AXES = 6
# Products of two activations stand where the copies do; a layer with parameters is a module of its own.
_LAYERS = ("linear", "addmm")


def work_of_copies(units: Sequence[Unit], owner: Ints) -> dict[int, int]:
    """Give the unit that each copy without kernels of its own is a part of.

    Args:
        units: The units of the stretch in order.
        owner: Unit of each kernel, -1 none.

    Returns:
        Number of a unit with kernels by number of a copy; copies of which that is not clear are left out.
    """
    with_kernels = {int(number) for number in np.unique(owner) if number >= 0}
    found: dict[int, int] = {}
    waiting: list[int] = []
    for number, unit in enumerate(units):
        if _copies(unit) and number not in with_kernels:
            waiting.append(number)
            continue
        waiting = [copy for copy in waiting if number - copy <= _NEARBY and units[copy].phase == unit.phase]
        if not waiting or number not in with_kernels or _copies(unit):
            continue
        for operand in unit.operands:
            taken = next((copy for copy in waiting if _reshaped(units[copy], operand)), None)
            if taken is not None:
                waiting.remove(taken)
                if _same_region(units[taken], unit):
                    found[taken] = number
    for number, unit in enumerate(units):
        if _copies(unit) and number not in with_kernels and number not in found:
            maker = next((at for at in range(number - 1, -1, -1) if units[at].skip_cost > 0), None)
            if maker in with_kernels and _same_region(unit, units[maker]) and _made(unit, units[maker]):
                found[number] = maker
    return found


def _copies(unit: Unit) -> bool:
    """Say whether a unit copies and does nothing else: it runs, but needs no kernel of any type."""
    no_core = not any(slot.core for slot in unit.decomposition.slots)
    return unit.skip_cost > 0 and no_core and unit.phase != "backward" and unit.op_class in ("view", "copy")


def _same_region(copy: Unit, work: Unit) -> bool:
    if copy.phase != work.phase:
        return False
    if copy.module is not None or work.module is not None:
        return copy.module == work.module
    return work.op_class == "matmul" and not any(operator_key(name) in _LAYERS for name in work.operators)


def _made(copy: Unit, work: Unit) -> bool:
    return any(prod(operand) in work.shapes.counts for operand in copy.operands)


def _reshaped(copy: Unit, operand: Shape) -> bool:
    return any(_is_reshape(own, operand) for own in copy.operands)


@cache
def _is_reshape(shape: Shape, other: Shape) -> bool:
    """Say whether a reshape that joins or splits neighbouring axes, and a transposition after it, give the other."""
    if prod(shape) != prod(other) or max(len(shape), len(other)) > _MOST_AXES:
        return False
    own = _borders(shape)
    orders = (_borders(order) for order in set(permutations(axis for axis in other if axis != 1)))
    return any(borders <= own or own <= borders for borders in orders)


def _borders(shape: Sequence[int]) -> frozenset[int]:
    return frozenset(np.cumprod(shape, dtype=object).tolist()) | {1}
