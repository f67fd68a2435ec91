"""Two branches of equal shape that meet: which ran first, told by their ways to where they meet.

A compiled graph is executed in the order in which it is reached from its result, breadth first: of two branches that
wait for the same tensor, the one with the shorter way to where they meet runs first (`up` before `gate` in
`silu(gate(x)) * up(x)`), of two equally long ones that of the first operand. PyTorch records the ways where it calls
the second branch only when it is done with the first one, and Python evaluates the first operand first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from profkit.correlate.equal_branches import Pairs
from profkit.correlate.units import Unit

_ELEMENTWISE = frozenset({"activation", "gelu", "elementwise", "dropout"})
_OPERANDS = 2


def branches_by_way(units: Sequence[Unit], run: Pairs) -> Pairs:
    """Pair the kernels of two forward branches with their units; [] where their ways are not known.

    Args:
        units: The units of the step.
        run: Two kernels in order of time, and the units of the two branches.
    """
    numbers = sorted({number for _, number in run})
    if len(run) != len(numbers) or len(numbers) != _OPERANDS or units[numbers[0]].phase == "backward":
        return []
    first, second = numbers
    between = [unit for unit in units[first + 1 : second] if unit.skip_cost]
    behind = [unit for unit in units[second + 1 :][: 2 * len(between) + 8] if unit.skip_cost]
    if not between or not all(goes_on(unit) for unit in between) or between[0].operands[:1] == ():
        return []
    shape = between[0].operands[0]
    way = list(takewhile(goes_on, behind))
    if len(way) == len(behind) or not _joins(behind[len(way)], shape) or len(way) > len(between):
        return []
    if any(unit.operands[0] != shape for unit in (*between, *way)):
        return []
    places = sorted(at for at, _ in run)
    return list(zip(places, numbers if len(way) == len(between) else [second, first], strict=True))


def goes_on(unit: Unit) -> bool:
    """Say whether a unit makes one tensor of one other."""
    return unit.op_class in _ELEMENTWISE and len([shape for shape in unit.operands if len(shape) > 1]) == 1


def _joins(unit: Unit, shape: tuple[int, ...]) -> bool:
    return unit.op_class == "elementwise" and unit.operands == (shape,) * _OPERANDS
