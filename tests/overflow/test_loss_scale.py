"""Which overflows a dynamic loss scale expects; synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

F16, F32 = np.float16, np.float32
NET, LOSS = "Default_network-WithLoss_net-Net_", "Default_network-WithLoss_loss-MSELoss_"
BACK = f"Gradients_{NET}Grad_"


def step(dump: Any, iteration: int, scale: float, grown: float, *, weight: float = 1.0) -> None:
    """One iteration: forward, the gradient that overflows where `scale * grown` leaves float16, the scale."""
    x = np.array([0.5, 1.5], dtype=F32)
    dump.op(f"{NET}Mul-op0", [x, x], x * x, iteration=iteration)
    dump.op(f"{LOSS}ReduceMean-op0", [x * x], (x * x).mean(), iteration=iteration)
    small = np.array([0.25, 0.5], dtype=F16)
    with np.errstate(over="ignore"):
        dump.op(f"{BACK}Mul_Mul-op1", [small, F16(grown)], small * F16(scale) * F16(grown), iteration=iteration)
    dump.parameter("loss_scale", F32(scale), iteration=iteration)
    dump.parameter("net_weight", np.array([weight], dtype=F32), iteration=iteration)


def roles(found: pd.DataFrame) -> list[str]:
    return found["role"].tolist()


def test_an_overflow_of_gradients_that_the_next_iteration_has_not(dump: Any) -> None:
    for iteration, scale in enumerate((32768.0, 16.0, 16.0)):
        step(dump, iteration, scale, 1000)
    found = dump.hunt()
    assert roles(found) == ["expected"]
    assert not found["primary"].any()
    assert "iteration 1 is finite again" in found.iloc[0]["reason"]
    assert "the scale falls from 32768 to 16" in found.iloc[0]["reason"]


def test_without_a_scale_it_is_a_fault(dump: Any) -> None:
    for iteration, scale in enumerate((32768.0, 16.0)):
        step(dump, iteration, scale, 1000)
    for path in dump.root.rglob("Parameter.loss_scale*"):
        path.unlink()
    assert roles(dump.hunt()) == ["origin"]


def test_a_scale_that_falls_to_one_is_a_fault_from_the_start(dump: Any) -> None:
    for iteration, scale in enumerate((4.0, 2.0, 1.0)):
        step(dump, iteration, scale, 60000 * 4)
    found = dump.hunt()
    assert found[found["primary"]]["iteration"].tolist() == [0]
    assert "expected" not in roles(found)


def test_a_weight_that_is_spoilt_is_a_fault(dump: Any) -> None:
    step(dump, 0, 32768.0, 1000, weight=np.inf)
    step(dump, 1, 16.0, 1000)
    found = dump.hunt()
    assert found[found["primary"]]["role"].tolist() == ["origin"]


def test_a_forward_overflow_is_a_fault_under_any_scale(dump: Any) -> None:
    x = np.array([300, 1], dtype=F16)
    with np.errstate(over="ignore"):
        dump.op(f"{NET}Mul-op0", [x, x], x * x)
    step(dump, 0, 16.0, 1)
    step(dump, 1, 8.0, 1)
    found = dump.hunt()
    assert found[found["primary"]]["op"].str.endswith("Mul-op0").tolist() == [True]


def test_a_division_by_zero_is_no_matter_of_scale(dump: Any) -> None:
    zeros, ones = np.zeros(2, F32), np.ones(2, F32)
    for iteration in (0, 1):
        dump.op(f"{NET}Mul-op0", [ones, ones], ones, iteration=iteration)
        if iteration == 0:
            dump.op(f"{BACK}Sqrt_SqrtGrad-op0", [zeros, ones], np.full(2, np.inf, F32), iteration=0)
        dump.parameter("loss_scale", F32(1024 >> iteration), iteration=iteration)
    assert roles(dump.hunt()) == ["origin"]
