"""By which operations a tensor of one shape becomes one of another, as far as the shapes leave no choice."""

from __future__ import annotations

import math
from dataclasses import dataclass

from profkit.weights.description import ParameterDescription
from profkit.weights.operations import Operation
from profkit.weights.rules import Rules
from profkit.weights.weight_map import AMBIGUOUS, ASSUMED, MAPPED, SHAPE

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Fit:
    """How one parameter fits into another.

    Attributes:
        status: mapped, assumed, ambiguous or shape.
        operations: What is done to the source.
        sentence: What the shapes say; "" if there is nothing to say.
    """

    status: str
    operations: tuple[Operation, ...] = ()
    sentence: str = ""


def fit(source: ParameterDescription, target: ParameterDescription, rules: Rules) -> Fit:
    """Say how a parameter of the source becomes this one of the target."""
    a, b = source.shape, target.shape
    if a is None or b is None:
        return Fit(MAPPED, (), "shapes not known")
    by_layer = _fit_by_layer(source, target, a, b, rules)
    if by_layer is not None:
        return by_layer
    if a == b:
        return Fit(MAPPED)
    if _without_ones(a) == _without_ones(b):
        return Fit(MAPPED, (_axes_of_length_one(a, b),), "axes of length 1")
    return _fit_by_axes(a, b, rules)


def _fit_by_layer(
    source: ParameterDescription, target: ParameterDescription, a: Shape, b: Shape, rules: Rules
) -> Fit | None:
    """Say how a matrix fits that one of the layers holds transposed; None if none does."""
    if len(a) != 2 or a[::-1] != b or _held_transposed(source, rules) == _held_transposed(target, rules):
        return None
    if source.layer is not None and target.layer is not None:
        return Fit(MAPPED, (Operation("transpose", (1, 0)),), "one layer holds its matrix transposed")
    # What is not square shows by its shape.
    return Fit(AMBIGUOUS, (), "one layer holds its matrix transposed, the other is not known") if a == b else None


def _fit_by_axes(a: Shape, b: Shape, rules: Rules) -> Fit:
    orders = [axes for axes in rules.axes if len(axes) == len(a) and tuple(a[axis] for axis in axes) == b]
    if len(orders) == 1:
        return Fit(MAPPED, (Operation("transpose", orders[0]),), f"the shapes show the axes in the order {orders[0]}")
    if orders:
        return Fit(AMBIGUOUS, (), f"the axes may be in the order {' or '.join(map(str, orders))}")
    if math.prod(a) == math.prod(b) and (_merges_axes(a, b) or _merges_axes(b, a)):
        return Fit(ASSUMED, (Operation("reshape", b),), "axes are put together or taken apart in their order")
    return Fit(SHAPE, (), f"{text(a)} against {text(b)}")


def text(shape: Shape | None) -> str:
    """Write a shape for a reader."""
    return "(unknown)" if shape is None else f"({', '.join(map(str, shape))})"


def _held_transposed(one: ParameterDescription, rules: Rules) -> bool:
    return one.layer in rules.transposed_layers and one.name.rpartition(".")[2] == "weight"


def _without_ones(shape: Shape) -> Shape:
    return tuple(length for length in shape if length != 1)


def _axes_of_length_one(a: Shape, b: Shape) -> Operation:
    """Give the operation that adds or drops axes of length 1: if it may be, the last but one, as Conv1d has it."""
    for name, longer, shorter in (("expand_dims", b, a), ("squeeze", a, b)):
        if len(longer) == len(shorter) + 1:
            fitting = [axis for axis in range(len(longer)) if (*longer[:axis], *longer[axis + 1 :]) == shorter]
            if fitting:
                return Operation(name, (len(longer) - 2 if len(longer) - 2 in fitting else fitting[0],))
    return Operation("reshape", b)


def _merges_axes(longer: Shape, shorter: Shape) -> bool:
    """Tell whether the shorter shape comes from putting neighbouring axes of the longer one together."""
    if len(longer) <= len(shorter):
        return False
    at = 0
    for length in shorter:
        merged = 1
        while at < len(longer) and merged * longer[at] <= length and (merged < length or longer[at] == 1):
            merged *= longer[at]
            at += 1
        if merged != length:
            return False
    return at == len(longer)
