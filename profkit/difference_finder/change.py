"""What one tensor of both networks became: read once, in units of its last place, with what of it tells something.

A change of the optimizer is held against the gradients it came from. Adam's first step is hardly more than the sign of
the gradient, so that a gradient below its own rounding gives a step of any sign: such an element tells nothing about
the optimizer, every other does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from profkit.compare.comparison import Comparison, Tensor, Tolerance
from profkit.compare.measuring import PairToMeasure, measure_pair
from profkit.compare.precision import coarser
from profkit.difference_finder.rules_of_change import DETERMINED, ULPS, Floats

Pair = tuple[Tensor, Tensor]
_Singles = NDArray[np.float32]
TOLERANCE = Tolerance(rtol=1e-4, atol=ULPS)
"""In units. MindSpore keeps Adam's betas in float32: 1 - 0.999 is off by 1.3e-5 of itself. Other sums give less."""
_ROUNDOFFS = 4.0
"""How far gradients of 16 bits may differ, relatively, in roundoffs, to be determined: what a few operations leave."""


@dataclass(frozen=True)
class Change:
    """Both sides of a change.

    Attributes:
        name, name_b: Of the tensor in A and in B.
        a, b: What was added to each element, in units.
        told: Which elements tell something: what they come from agrees beyond rounding.
        excused: Which elements differ by no more than what they come from does; with those that are not told.
        gradients: Of A, in the shape of a; None for a change that comes from none.
        before: What A was before, in the shape of a; None where not known.
        unit: The last place of the largest element before, in the coarser dtype of both sides; 1 for whole numbers.
    """

    name: str
    name_b: str
    a: _Singles
    b: _Singles
    told: NDArray[np.bool_]
    excused: NDArray[np.bool_]
    gradients: _Singles | None
    before: _Singles | None
    unit: float

    def measured(self) -> Comparison:
        """Compare both sides, what is excused taken for equal; the arrays are not kept by the result."""
        a, b = (np.where(self.excused, np.float32(0), side) for side in (self.a, self.b))
        one = Tensor(self.name, "parameter", "float32", a.shape, open=lambda: a)
        other = Tensor(self.name_b, "parameter", "float32", b.shape, open=lambda: b)
        found = measure_pair(PairToMeasure(one, other, tolerance=TOLERANCE))
        return replace(found, a=replace(one, open=None), b=replace(other, open=None))

    def undetermined(self) -> int:
        """Count the elements that tell nothing: by their gradients, or because the step is lost in the last place."""
        lost = (self.a != self.b) & (np.maximum(np.abs(self.a), np.abs(self.b)) <= ULPS)
        return int((~self.told | lost).sum()) if self.gradients is not None else 0

    def elements(self) -> tuple[Floats, Floats]:
        """Give both changes of the elements alone that tell something, flat, in units."""
        return self.of_elements(self.a), self.of_elements(self.b)

    def of_elements(self, values: _Singles) -> Floats:
        """Give what a tensor of the shape, such as the gradients, has at these elements, flat."""
        return values[self.told & np.isfinite(self.a) & np.isfinite(self.b)].astype(np.float64)


def read_change(change: Pair, gradients: Pair | None, before: Pair | None) -> Change:
    """Read a change.

    Args:
        change: What was added to the tensor, on each side.
        gradients: What it comes from, on each side.
        before: What the tensor was, on each side.
    """
    kept = None if before is None else _values(before[0])
    precision = None if before is None else coarser(before[0].dtype or "", before[1].dtype or "")
    unit, least = 1.0, 0.0
    if kept is not None and precision is not None:
        unit = math.ldexp(precision.roundoff, math.frexp(float(np.abs(kept).max(initial=0)) or 1.0)[1])
        least = _ROUNDOFFS * precision.roundoff
    a, b = (_values(side) / np.float32(unit) for side in change)
    told, excused, given = np.ones(a.shape, np.bool_), np.zeros(a.shape, np.bool_), None
    if gradients is not None:
        given = _values(gradients[0])
        gap = _gap(given, _values(gradients[1]))
        told = gap <= max(DETERMINED, least)
        size = np.maximum(np.abs(a), np.abs(b))
        with np.errstate(invalid="ignore"):
            excused = ~told | ((np.abs(a - b) <= 2 * gap * size) & np.isfinite(size))
    if kept is not None and kept.shape != a.shape:
        kept = None
    return Change(change[0].name, change[1].name, a, b, told, excused, given, kept, unit)


def _gap(a: _Singles, b: _Singles) -> _Singles:
    """Give by how much each pair of elements differs, relatively."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        gap: _Singles = np.where(a == b, np.float32(0), np.abs(a - b) / np.maximum(np.abs(a), np.abs(b)))
    return gap


def _values(tensor: Tensor) -> _Singles:
    assert tensor.open is not None, "a checkpoint opens all its tensors"
    return np.asarray(tensor.open(), dtype=np.float32)
