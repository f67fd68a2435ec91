"""How well the tensors of a kernel fit those of an operator of the other framework.

Layouts differ between the frameworks (a batch and a sequence axis are one axis on the other side, a weight is
transposed), element counts hardly ever do. So a tensor fits exactly, or up to the order of its axes and axes of
length one, or by its element count only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import prod

Shape = tuple[int, ...]

EXACT, REORDERED, SAME_COUNT = 2.0, 1.5, 1.0
"""Scores of a fit; a kernel fits as badly as its worst tensor."""

_SHARE_OF_TENSORS = 0.5


@cache
def shapes_of(text: str) -> tuple[Shape, ...]:
    """Read `input_shapes`; tensors of at most one element tell nothing and are left out, as are unreadable ones."""
    found = []
    for tensor in text.split(";"):
        try:
            shape = tuple(int(axis) for axis in tensor.split(","))
        except ValueError:
            continue
        if prod(shape) > 1:
            found.append(shape)
    return tuple(found)


def _reordered(shape: Shape) -> Shape:
    return tuple(sorted(axis for axis in shape if axis != 1))


@dataclass(frozen=True)
class ShapeSet:
    """The shapes of all tensors that an operator and the operators below it read or write."""

    shapes: frozenset[Shape]
    reordered: frozenset[Shape]
    counts: frozenset[int]

    @classmethod
    def of(cls, shapes: Iterable[Shape]) -> ShapeSet:
        """Collect the shapes."""
        exact = frozenset(shapes)
        return cls(exact, frozenset(map(_reordered, exact)), frozenset(map(prod, exact)))

    def fit(self, tensors: tuple[Shape, ...]) -> float:
        """Score a kernel's tensors: EXACT, REORDERED, SAME_COUNT, a part of it, 0 if none are known, -1 if none fit."""
        if not tensors or not self.shapes:
            return 0.0
        if all(shape in self.shapes for shape in tensors):
            return EXACT
        if all(_reordered(shape) in self.reordered for shape in tensors):
            return REORDERED
        share = sum(prod(shape) in self.counts for shape in tensors) / len(tensors)
        if share == 1.0:
            return SAME_COUNT
        return share * SAME_COUNT if share >= _SHARE_OF_TENSORS else -1.0


def product_shapes(operator: str, tensors: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Give the output of a matrix product, which profilers do not record: [.., m, k] x [.., k, n] -> [.., m, n].

    Args:
        operator: `aten::mm`, `aten::addmm`, `aten::bmm`, `aten::linear`; others give nothing.
        tensors: Shapes of its inputs.
    """
    if operator == "aten::linear" and len(tensors) >= 2 and len(tensors[1]) == 2:
        return ((*tensors[0][:-1], tensors[1][0]),)
    if operator in {"aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm"} and len(tensors) >= 2:
        left, right = tensors[-2:]
        if len(left) == len(right) >= 2 and left[-1] == right[-2]:
            return ((*left[:-1], right[-1]),)
    return ()
