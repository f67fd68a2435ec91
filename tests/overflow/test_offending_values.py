"""Which input values are named; every figure is computed by hand or by plain numpy. Synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

F16, F32 = np.float16, np.float32
NET = "Default_net-Net_"


def told(dump: Any, op_type: str, inputs: list[Any], output: Any) -> str:
    dump.op(f"{NET}{op_type}-op0", inputs, output)
    found = dump.hunt()
    return str(found[found["primary"]]["offending_input"].iloc[0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("op_type", "x", "output", "sentence"),
    [
        ("Log", [[1, -2], [0, -3]], np.log, "2 of 4 elements of input 0 are negative, smallest -3 at [1,1]"),
        ("Log", [[1, -2], [0, -3]], np.log, "1 of 4 elements of input 0 are 0, the first at [1,0]"),
        ("Sqrt", [4, -9, 1], np.sqrt, "1 of 3 elements of input 0 are negative, smallest -9 at [1]"),
        ("Reciprocal", [1, 0, 2], np.reciprocal, "1 of 3 elements of input 0 are 0, the first at [1]"),
        (
            "Exp",
            [1, 89, 100],
            np.exp,
            "2 of 3 elements of input 0 are too large for exp in float32, largest 100 at [2]",
        ),
        (
            "Square",
            [1, -3e20],
            np.square,
            "1 of 2 elements of input 0 are too large for a square in float32, largest -3e+20",
        ),
        ("Acos", [0.5, -2], np.arccos, "1 of 2 elements of input 0 are 1 or more in magnitude, largest -2 at [1]"),
        ("Acosh", [0.5, 2], np.arccosh, "1 of 2 elements of input 0 are below 1, smallest 0.5 at [0]"),
        ("Log1p", [0.5, -2], np.log1p, "1 of 2 elements of input 0 are -1 or less, smallest -2 at [1]"),
    ],
)
def test_elements_outside_the_domain(dump: Any, op_type: str, x: list[Any], output: Any, sentence: str) -> None:
    array = np.array(x, dtype=F32)
    assert sentence in told(dump, op_type, [array], output(array))


def test_a_cast_names_what_the_narrow_dtype_cannot_hold(dump: Any) -> None:
    x = np.array([1, 70000, -1e6, 2], dtype=F32)
    with np.errstate(over="ignore"):
        text = told(dump, "Cast", [x], x.astype(F16))
    assert text == "2 of 4 elements of input 0 are beyond the largest float16, largest -1e+06 at [2]"


def test_where_no_domain_is_known_the_first_bad_element_is_named(dump: Any) -> None:
    a, b = np.array([[1, 2], [3e38, 4]], dtype=F32), np.array([1, 10], dtype=F32)
    b[0] = 5
    with np.errstate(over="ignore"):
        text = told(dump, "Mul", [a, b], a * b)
    assert text == "output 0 is +Inf at [1,0] where input 0 is 3e+38 and input 1 is 5"


def test_where_shapes_do_not_match_the_largest_inputs_are_named(dump: Any) -> None:
    a, b = np.full((2, 3), 2e20, dtype=F32), np.full((3, 4), -3e20, dtype=F32)
    b[2, 1] = -9e20
    with np.errstate(over="ignore"):
        text = told(dump, "MatMul", [a, b], a @ b)
    assert text == "input 0 is largest with 2e+20 at [0,0]; input 1 is largest with -9e+20 at [2,1]"


def test_large_arrays_are_searched_block_by_block(dump: Any) -> None:
    x = np.ones((3, 1 << 19), dtype=F32)
    x[2, 7] = -5
    with np.errstate(invalid="ignore"):
        assert "smallest -5 at [2,7]" in told(dump, "Log", [x], np.log(x))
