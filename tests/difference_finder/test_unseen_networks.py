"""Faults in networks of other kinds, one at a time: the module is named, and whether it or its input is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore::profkit.randomness.RandomnessWarning")]

NUMBERS = np.random.default_rng(5)
IMAGES = NUMBERS.standard_normal((4, 3, 16, 16)).astype(np.float32)
WORDS = NUMBERS.integers(0, 20, (4, 10))
INPUTS = {"unet": IMAGES, "mobilenet": IMAGES, "gpt": WORDS, "lstm": WORDS}
LABELS = np.array([0, 2, 1, 1])
ITSELF, HANDED, JOINED = "gives another result for the same input", "hands {} another input", "another result of the"


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "networks"))


def found(kind: str, fault: str = "", *, train: bool = False, **functions: str) -> Any:
    import unseen_mindspore_nets as mindspore_nets
    import unseen_torch_nets as torch_nets

    names = {
        "pt_loss": "loss",
        "ms_loss": "loss",
        "pt_optimizer": "optimizer",
        "ms_optimizer": "optimizer",
        **functions,
    }
    made = {key: getattr(torch_nets if key.startswith("pt") else mindspore_nets, name) for key, name in names.items()}
    finder = ts.migrator.NetDifferenceFinder(
        torch_nets.made(kind), mindspore_nets.made(kind, fault), print_level=0, **made
    )
    return finder.compare(inputs=(INPUTS[kind],), labels=LABELS, train=train)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("kind", INPUTS)
def test_a_clean_pair_passes(kind: str, train: bool) -> None:
    result = found(kind, train=train)
    assert (result.verdict, result.causes, result.unseen) == ("match", (), ()), result.reason


@pytest.mark.parametrize(
    ("kind", "fault", "module", "how"),
    [
        ("unet", "residual", "(network)", HANDED.format("join2")),
        ("unet", "activation", "down2.act", ITSELF),
        ("unet", "weight layout", "down2.conv2", ITSELF),
        ("unet", "bias flag", "down2.conv2", "B alone has a parameter down2.conv2.bias"),
        ("gpt", "residual", "layers.1", HANDED.format("layers.1.ln2")),
        ("gpt", "bias flag", "layers.1.attn.out", "A alone has a parameter layers.1.attn.out.bias"),
        ("gpt", "softmax axis", "layers.1.attn", HANDED.format("layers.1.attn.out")),
        ("gpt", "mask", "layers.1.attn", HANDED.format("layers.1.attn.out")),
        ("lstm", "activation", "act", ITSELF),
        ("lstm", "softmax axis", "(network)", HANDED.format("hidden")),
        ("lstm", "mask", "(network)", HANDED.format("hidden")),
        ("mobilenet", "residual", "features.2", JOINED),
        ("mobilenet", "weight layout", "features.2.depthwise", ITSELF),
    ],
)
def test_a_fault_is_named_at_its_module(kind: str, fault: str, module: str, how: str) -> None:
    result = found(kind, fault)
    assert (result.verdict, result.module, len(result.causes)) == ("differs", module, 1), result.causes
    assert how in result.reason


def test_label_smoothing_is_a_fault_of_the_loss() -> None:
    result = found("gpt", ms_loss="smoothed_loss")
    assert (result.verdict, result.module, len(result.causes)) == ("differs", "loss", 1), result.causes


def test_another_activation_that_the_inputs_do_not_reach_is_told() -> None:
    result = found("mobilenet", "activation")
    assert result.verdict == "match"
    assert len(result.unseen) == 1
    assert result.unseen[0].startswith("features.2.act: ReLU6")
    assert result.unseen[0] in result.reason
