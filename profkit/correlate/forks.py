"""Gradient sums at residual branches: a tensor used twice has two gradients, which both frameworks add up.

PyTorch adds inside the node that delivers the second gradient, right after its own work; MindSpore runs an Add of its
own after that node's kernels. The sum belongs to the residual addition whose branches meet there. The backward pass
opens that addition before it walks the branch, and the last node of the branch that adds a gradient up closes it: a
node before it adds where the branch itself forks (query, key and value of one tensor).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from profkit.correlate.placement import FORK
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import Shape
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import operator_key


def close_forks(units: Sequence[Unit], kernels: Kernels, owner: npt.NDArray[np.int64], reasons: list[str]) -> None:
    """Move, in place, each gradient sum to the addition it belongs to.

    Args:
        units: The units of the stretch in order.
        kernels: Its kernels in order.
        owner: Unit of each kernel; changed.
        reasons: Reason of each kernel; changed.
    """
    last_sum = {int(number): at for at, number in enumerate(owner) if number >= 0 and kernels.types[at] == "add"}
    opened: list[tuple[int, frozenset[Shape]]] = []
    closing = -1
    for number, unit in enumerate([*units, None]):
        is_addition = unit is not None and unit.phase == "backward" and _is_addition(unit)
        if unit is not None and not is_addition:
            closing = number if unit.accumulated and number in last_sum else closing
            continue
        if opened and closing >= 0:
            at = last_sum[closing]
            owner[at], reasons[at] = _closed(opened, units[closing].accumulated), FORK
        if unit is not None:
            opened.append((number, unit.shapes.shapes))
        closing = -1


def _is_addition(unit: Unit) -> bool:
    return [operator_key(name) for name in unit.operators] == ["add"]


def _closed(opened: list[tuple[int, frozenset[Shape]]], sums: Sequence[Shape]) -> int:
    """Take the last opened addition of the size of a sum, with those opened after it; the last one if none has it."""
    places = [place for place, (_, shapes) in enumerate(opened) if shapes.intersection(sums)]
    place = places[-1] if places else len(opened) - 1
    number = opened[place][0]
    del opened[place:]
    return number
