"""Units against kernels: small synthetic stretches."""

import time
from collections.abc import Sequence

import numpy as np
import pytest

from profkit.correlate.segmentation import Kernels, segment
from profkit.correlate.tensor_shapes import ShapeSet, shapes_of
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import by_name, decomposition, kernel_type

HEAVY = {"aten::linear": 8.0, "aten::layer_norm": 8.0, "aten::gelu": 5.0}


def unit(operator: str, shapes: str = "") -> Unit:
    facts = decomposition("forward", operator) or by_name("forward", operator)
    return Unit(
        (0,),
        "forward",
        (operator,),
        facts,
        ShapeSet.of([shapes_of(shapes)]),
        (),
        (),
        None,
        None,
        HEAVY.get(operator, 1.5),
    )


def kernels(types: Sequence[str], shapes: Sequence[str] = ()) -> Kernels:
    layout = np.array([op_type in {"Cast", "Transpose"} for op_type in types])
    tensors = [shapes_of(text) for text in shapes] or [()] * len(types)
    return Kernels(
        [kernel_type(op_type) for op_type in types],
        tensors,
        layout,
        [""] * len(types),
        [(op_type, -1) for op_type in types],
    )


def test_parts_go_to_their_operator() -> None:
    units = [
        unit("aten::layer_norm"),
        unit("aten::linear"),
        unit("aten::gelu"),
        unit("aten::linear"),
        unit("aten::add"),
    ]
    types = [
        "LayerNorm",
        "MatMul",
        "BiasAdd",
        "Sqrt",
        "Div",
        "Erf",
        "AddExt",
        "Mul",
        "Mul",
        "MatMul",
        "BiasAdd",
        "AddExt",
    ]
    assert segment(units, kernels(types)).tolist() == [0, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 4]


def test_a_decomposed_norm_is_recognised() -> None:
    units = [unit("aten::linear"), unit("aten::layer_norm"), unit("aten::linear")]
    parts = ["ReduceMean", "SubExt", "Mul", "ReduceMean", "AddExt", "Sqrt", "Div", "Mul", "AddExt"]
    assert segment(units, kernels(["MatMul", *parts, "MatMul"])).tolist() == [0, *[1] * 9, 2]


def test_a_skipped_operator_leaves_its_neighbours_alone() -> None:
    units = [unit("aten::linear"), unit("aten::softmax"), unit("aten::linear")]
    assert segment(units, kernels(["MatMul", "BiasAdd", "MatMul", "BiasAdd"])).tolist() == [0, 0, 2, 2]


def test_foreign_kernels_are_left_out() -> None:
    units = [unit("aten::linear"), unit("aten::layer_norm")]
    assert segment(units, kernels(["MatMul", "TopK", "TopK", "LayerNorm"])).tolist() == [0, -1, -1, 1]


def test_shapes_decide_which_of_two_operators_is_missing() -> None:
    units = [unit("aten::linear", "8,16;32,16"), unit("aten::linear", "8,32;64,32")]
    only = kernels(["MatMul"], ["8,32;64,32"])
    assert segment(units, only).tolist() == [1]


def test_nothing_on_either_side() -> None:
    assert segment([], kernels(["MatMul"])).tolist() == [-1]
    assert segment([unit("aten::linear")], kernels([])).tolist() == []


@pytest.mark.parametrize("blocks", [3, 900])
def test_many_blocks(blocks: int) -> None:
    block = [unit("aten::layer_norm"), unit("aten::linear"), unit("aten::gelu"), unit("aten::add")]
    types = ["LayerNorm", "MatMul", "BiasAdd", "Sqrt", "Div", "Erf", "Add", "Mul", "Mul", "Add"]
    began = time.monotonic()
    owner = segment(block * blocks, kernels(types * blocks))
    assert time.monotonic() - began < 60
    places = np.array([0, 1, 1, 2, 2, 2, 2, 2, 2, 3])
    expected = (np.arange(blocks)[:, None] * 4 + places).ravel()
    assert (owner == expected).all()
