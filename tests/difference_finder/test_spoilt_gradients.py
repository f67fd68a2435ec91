"""MindSpore's own gradients can be wrong in a process: told as that, and not as a fault of the network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore::profkit.randomness.RandomnessWarning")]

NETWORKS = Path(__file__).parent / "networks"
LABELS = np.array([0, 2, 1, 1])
NUMBERS = np.random.default_rng(5)
INPUTS = {"unet": NUMBERS.standard_normal((4, 3, 16, 16)).astype(np.float32), "gpt": NUMBERS.integers(0, 20, (4, 10))}


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(NETWORKS))


def found(kind: str) -> Any:
    import unseen_torch_nets as torch_nets

    file = NETWORKS / "spoilt_mindspore_nets.py"
    finder = ts.migrator.NetDifferenceFinder(
        torch_nets.made(kind),
        f"{file}:{kind}",
        print_level=0,
        pt_loss=torch_nets.loss,
        ms_loss=f"{file}:loss",
        ms_python=sys.executable,
    )
    with finder:
        return finder.compare(inputs=(INPUTS[kind],), labels=LABELS)


def test_a_gradient_that_mindspore_computes_wrong_is_told_as_that() -> None:
    result = found("gpt")
    assert (result.verdict, result.causes[0].part) == ("differs", "gradient"), result.reason
    assert "MindSpore's own gradient of softmax is wrong in this process (axis -1 of 4 dimensions)" in result.reason
    assert "run in a new process" in result.reason


def test_a_network_without_softmax_is_not_troubled() -> None:
    assert found("unet").agrees
