"""Outputs much larger than their inputs; the ratio against numpy's norm. Synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

F32 = np.float32
NET = "Default_net-Net_"


def test_a_jump_is_told_and_is_no_origin(dump: Any) -> None:
    x = np.linspace(1, 2, 8, dtype=F32)
    y = (x * 1e5).astype(F32)
    dump.op(f"{NET}Custom-op0", [x], y)
    dump.op(f"{NET}Neg-op0", [y], -y)
    (row,) = dump.hunt().to_dict("records")
    assert (row["role"], row["primary"], row["order"]) == ("norm_jump", False, 0)
    assert row["norm_ratio"] == pytest.approx(np.linalg.norm(y.astype(float)) / np.linalg.norm(x.astype(float)))
    assert "all is finite" in row["reason"]


def test_a_norm_whose_squares_overflow_is_still_a_number(dump: Any) -> None:
    x = np.full(4, 1e180)
    dump.op(f"{NET}Custom-op0", [x], x * 1e20)
    assert dump.hunt().iloc[0]["norm_ratio"] == pytest.approx(1e20)


@pytest.mark.parametrize(
    ("op_type", "inputs", "output"),
    [
        ("ReduceSum", [np.full(100_000, 2, F32)], F32(200_000)),
        ("Mul", [np.full(400, 50, F32), F32(65536)], np.full(400, 50 * 65536, F32)),
        ("Range", [F32(0), F32(1)], np.arange(20_000, dtype=F32)),
        ("Rsqrt", [np.full(4, 1e-5, F32)], np.full(4, 316.2, F32)),
        ("MatMul", [np.full((4, 4), 40, F32), np.full((4, 4), 40, F32)], np.full((4, 4), 6400, F32)),
    ],
)
def test_what_grows_by_nature_is_none(dump: Any, op_type: str, inputs: list[Any], output: Any) -> None:
    dump.op(f"{NET}{op_type}-op0", inputs, output)
    assert dump.hunt().empty
