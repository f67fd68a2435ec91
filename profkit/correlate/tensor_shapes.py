"""How well the tensors of a kernel fit those of an operator of the other framework.

Layouts differ between the frameworks (a batch and a sequence axis are one axis on the other side, a weight is
transposed), element counts hardly ever do. So a tensor fits exactly, or up to the order of its axes and axes of
length one, or by its element count only. It fits best if one operator has all of the kernel's tensors, in their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import prod

Shape = tuple[int, ...]

IN_ORDER, ONE_OPERATOR, EXACT, REORDERED, SAME_COUNT = 2.75, 2.5, 2.0, 1.5, 1.0
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


def without_shape_vectors(tensors: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Leave out inputs that only tell a shape, as long as another tensor has axes: convolution gradients list one."""
    ranks = {len(shape) for shape in tensors if len(shape) > 1}
    return tuple(shape for shape in tensors if not (len(shape) == 1 and shape[0] in ranks))


def _reordered(shape: Shape) -> Shape:
    return tuple(sorted(axis for axis in shape if axis != 1))


def _are_in_order(wanted: Iterable[Shape], given: Iterable[Shape]) -> bool:
    """Say whether some of the given shapes are the wanted ones in their order."""
    rest = iter(given)
    return all(shape in rest for shape in wanted)


@dataclass(frozen=True)
class ShapeSet:
    """The shapes of all tensors that an operator and the operators below it read or write.

    Attributes:
        together: Inputs of one operator each in their order, without the order of their axes.
        shapes: All shapes; reordered: without the order of their axes; counts: only their element counts.
    """

    together: frozenset[tuple[Shape, ...]]
    shapes: frozenset[Shape]
    reordered: frozenset[Shape]
    counts: frozenset[int]

    @classmethod
    def of(cls, inputs: Iterable[tuple[Shape, ...]], others: Iterable[Shape] = ()) -> ShapeSet:
        """Collect the shapes: the inputs of each operator that computes, and all others that are known."""
        inputs = list(inputs)
        together = frozenset(tuple(map(_reordered, shapes)) for shapes in inputs if shapes)
        exact = frozenset(shape for shapes in inputs for shape in shapes) | frozenset(others)
        return cls(together, exact, frozenset(map(_reordered, exact)), frozenset(map(prod, exact)))

    def united(self, other: ShapeSet) -> ShapeSet:
        """Give the shapes of both."""
        return ShapeSet(
            self.together | other.together,
            self.shapes | other.shapes,
            self.reordered | other.reordered,
            self.counts | other.counts,
        )

    def begin_with(self, shape: Shape) -> bool:
        """Say whether some operator has a tensor of a shape, up to the order of its axes, as its first input."""
        wanted = _reordered(shape)
        return any(shapes[0] == wanted for shapes in self.together)

    def fit(self, tensors: tuple[Shape, ...]) -> float:
        """Score a kernel's tensors: IN_ORDER to SAME_COUNT, a part of it, 0 if none are known, -1 if none fit."""
        if not tensors or not self.shapes:
            return 0.0
        ordered = tuple(map(_reordered, tensors))
        wanted = Counter(ordered)
        if any(wanted <= Counter(shapes) for shapes in self.together):
            in_order = len(ordered) > 1 and any(_are_in_order(ordered, shapes) for shapes in self.together)
            return IN_ORDER if in_order else ONE_OPERATOR
        if all(shape in self.shapes for shape in tensors):
            return EXACT
        if wanted.keys() <= self.reordered:
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
