"""Copies that one side does not record: attention by hand, its heads copied into place."""

import numpy as np
import pytest

from profkit.correlate.layout_copies import work_of_copies
from profkit.correlate.tensor_shapes import Shape, ShapeSet
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import by_name, decomposition

CLASSES = {"aten::linear": ("matmul", 8.0), "aten::bmm": ("matmul", 8.0), "aten::reshape": ("view", 0.2)}
HEADS = (2, 4, 12, 8)  # batch 2, 4 heads, 12 words, 8 wide
MIXED = (2, 12, 4, 8)


def unit(number: int, operator: str, module: str | None, *operands: Shape) -> Unit:
    op_class, cost = CLASSES.get(operator, ("softmax", 5.0))
    facts = decomposition("forward", operator) or by_name("forward", operator)
    shapes = ShapeSet.of([operands])
    return Unit((number,), "forward", (operator,), facts, shapes, (), operands, module, op_class, cost)


def attention(module: str | None, layer: str | None) -> list[Unit]:
    """Two heads copied, a product, another copied, a second product, its result copied back, a layer."""
    parts: list[tuple[str, str | None, tuple[Shape, ...]]] = [
        ("aten::linear", layer, ((2, 12, 32), (32, 32))),
        ("aten::reshape", module, (HEADS,)),
        ("aten::linear", layer, ((2, 12, 32), (32, 32))),
        ("aten::reshape", module, (HEADS,)),
        ("aten::bmm", module, ((8, 12, 8), (8, 8, 12))),
        ("aten::softmax", layer, ((8, 12, 12),)),
        ("aten::bmm", module, ((8, 12, 12), (8, 12, 8))),
        ("aten::reshape", module, (MIXED,)),
        ("aten::linear", layer, ((2, 12, 32), (32, 32))),
    ]
    return [unit(number, *part[:2], *part[2]) for number, part in enumerate(parts)]


@pytest.mark.parametrize(("module", "layer"), [("Net.Attention", "Net.Attention.Linear"), (None, None)])
def test_copies_go_with_the_products_they_serve(module: str | None, layer: str | None) -> None:
    owner = np.array([0, 2, 4, 5, 6, 8])
    assert work_of_copies(attention(module, layer), owner) == {1: 4, 3: 4, 7: 6}


def test_a_copy_that_has_its_kernel_stays_with_it() -> None:
    owner = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8])
    assert work_of_copies(attention(None, None), owner) == {}


def test_a_copy_between_layers_stays_alone() -> None:
    units = attention("Net.Attention", "Net.Attention.Linear")
    assert work_of_copies(units[:3], np.array([0, 2])) == {}
