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

GRADIENT_SUM = "add"
"""Kernel type that adds gradients up."""

# Where a branch begins with one of these, a sum of any size after it is one of gradients, not of a shared weight's.
_BRANCH_STARTS = ("conv", "norm", "pool", "activation")


def close_forks(units: Sequence[Unit], kernels: Kernels, owner: npt.NDArray[np.int64], reasons: list[str]) -> None:
    """Move, in place, each gradient sum to the addition it belongs to.

    Args:
        units: The units of the stretch in order.
        kernels: Its kernels in order.
        owner: Unit of each kernel; changed.
        reasons: Reason of each kernel; changed.
    """
    sums = {int(number): at for at, number in enumerate(owner) if number >= 0 and kernels.types[at] == GRADIENT_SUM}
    opened: list[tuple[int, frozenset[Shape]]] = []
    walked: list[int] = []
    for number, unit in enumerate([*units, None]):
        if unit is not None and not (unit.phase == "backward" and _is_addition(unit)):
            walked.append(number)
            continue
        closing = _closing([at for at in walked if at in sums], units, opened)
        if closing >= 0:
            owner[sums[closing]], reasons[sums[closing]] = _closed(opened, units[closing].accumulated), FORK
        if unit is not None:
            opened.append((number, unit.shapes.shapes))
        walked = []


def _is_addition(unit: Unit) -> bool:
    return [operator_key(name) for name in unit.operators] == ["add"]


def _closing(summing: Sequence[int], units: Sequence[Unit], opened: Sequence[tuple[int, frozenset[Shape]]]) -> int:
    """Give the last unit that adds up a tensor of the size of an opened addition, else one that begins a branch."""
    if not opened:
        return -1
    sizes = frozenset().union(*(shapes for _, shapes in opened))
    fitting = [number for number in summing if sizes.intersection(units[number].accumulated)]
    starting = [number for number in summing if units[number].accumulated and units[number].op_class in _BRANCH_STARTS]
    return max(fitting or starting, default=-1)


def _closed(opened: list[tuple[int, frozenset[Shape]]], added: Sequence[Shape]) -> int:
    """Take the last opened addition of the size of a sum, with those opened after it; the last one if none has it."""
    places = [place for place, (_, shapes) in enumerate(opened) if shapes.intersection(added)]
    place = places[-1] if places else len(opened) - 1
    number = opened[place][0]
    del opened[place:]
    return number
