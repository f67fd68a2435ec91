"""What a step of the optimizer and a run in training mode do to the numbers that a network keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore::profkit.randomness.RandomnessWarning")]

NUMBERS = np.random.default_rng(5)
INPUTS = {
    "mobilenet": NUMBERS.standard_normal((4, 3, 16, 16)).astype(np.float32),
    "gpt": NUMBERS.integers(0, 20, (4, 10)),
}
INPUTS["unet"] = INPUTS["mobilenet"]
LABELS = np.array([0, 2, 1, 1])


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "networks"))


def found(kind: str, fault: str, of_torch: Any, of_mindspore: Any, *, train: bool = False) -> Any:
    import unseen_mindspore_nets as mindspore_nets
    import unseen_torch_nets as torch_nets

    finder = ts.migrator.NetDifferenceFinder(
        torch_nets.made(kind),
        mindspore_nets.made(kind, fault),
        print_level=0,
        pt_loss=torch_nets.loss,
        ms_loss=mindspore_nets.loss,
        pt_optimizer=of_torch,
        ms_optimizer=of_mindspore,
    )
    return finder.compare(inputs=(INPUTS[kind],), labels=LABELS, train=train)


def adam(**settings: Any) -> Callable[[Any], Any]:
    from mindspore import nn

    return lambda net: nn.Adam(net.trainable_params(), 1e-3, **settings)


def decoupled(**settings: Any) -> Callable[[Any], Any]:
    from mindspore.experimental import optim

    return lambda net: optim.AdamW(net.trainable_params(), lr=1e-3, **{"weight_decay": 0.01, **settings})


def torch_adam(**settings: Any) -> Callable[[Any], Any]:
    import torch

    return lambda net: torch.optim.Adam(net.parameters(), lr=1e-3, **settings)


def torch_decoupled(net: Any) -> Any:
    import torch

    return torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)


def test_gradients_below_rounding_are_no_fault_of_adam() -> None:
    result = found("gpt", "", torch_decoupled, decoupled())
    assert (result.verdict, result.causes, result.known) == ("match", (), {}), result.reason
    # The bias of the keys moves all scores of a row alike, which softmax takes no notice of: its gradient is rounding.
    assert result.undetermined["layers.0.attn.qkv.bias"] >= 12
    assert "are below rounding and tell nothing of the optimizer" in result.reason


def test_an_epsilon_that_is_added_earlier_is_a_known_difference() -> None:
    result = found("mobilenet", "", torch_adam(), adam())
    assert (result.verdict, result.causes) == ("match", ()), result.reason
    assert len(result.known["Adam's epsilon"]) > 10
    assert "Adam's epsilon is another in" in result.reason


def test_mindspore_decays_no_normalisation() -> None:
    result = found("mobilenet", "", torch_adam(weight_decay=1e-3), adam(weight_decay=1e-3))
    assert {cause.part for cause in result.causes} == {"optimizer"}
    norms = {"stem.1", *(f"features.{block}.norm{number}" for block in range(3) for number in (1, 2, 3))}
    assert {cause.module_a for cause in result.causes} == norms
    assert "features.0.expand.weight" in result.known["Adam's epsilon"]


@pytest.mark.parametrize("settings", [{"eps": 1e-7}, {"weight_decay": 1e-4}, {"beta1": 0.8}, {"beta2": 0.99}])
def test_a_wrong_setting_of_adam_is_found(settings: dict[str, float]) -> None:
    result = found("mobilenet", "", torch_adam(), adam(**settings))
    assert (result.verdict, result.module) == ("differs", "optimizer"), result.reason
    # Where epsilon is added earlier, beta2 shows in the first step as well.
    assert ("in the second step alone" in result.reason) == ("beta1" in settings)


@pytest.mark.parametrize("settings", [{"weight_decay": 0.0}, {"eps": 1e-6}, {"betas": (0.9, 0.99)}])
def test_a_wrong_setting_of_adamw_is_found(settings: dict[str, Any]) -> None:
    result = found("gpt", "", torch_decoupled, decoupled(**settings))
    assert (result.verdict, result.module) == ("differs", "optimizer"), result.reason
    assert ("another weight decay" in result.reason) == ("weight_decay" in settings)


def test_clipped_gradients_are_one_cause_and_a_group_with_another_rate_is_named() -> None:
    import unseen_mindspore_nets as mindspore_nets
    import unseen_torch_nets as torch_nets

    clipped = found("mobilenet", "", torch_nets.clipping, mindspore_nets.optimizer)
    assert [cause.module_a for cause in clipped.causes] == ["(network)"]
    assert "gradients scaled or clipped" in clipped.reason
    assert found("mobilenet", "", torch_nets.clipping, mindspore_nets.clipping).agrees
    grouped = found("mobilenet", "", torch_nets.grouped, mindspore_nets.optimizer)
    assert [cause.module_a for cause in grouped.causes] == ["classifier"]
    assert "B's step is 10 times that of A" in grouped.reason
    assert found("mobilenet", "", torch_nets.grouped, mindspore_nets.grouped).agrees


def test_a_step_leaves_the_optimizers_as_they_were() -> None:
    import torch

    kept: list[Any] = []

    def made(net: Any) -> Any:
        kept.append(torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
        return kept[0]

    found("gpt", "", made, adam())
    assert kept[0].state_dict()["state"] == {}


@pytest.mark.parametrize("kind", ["mobilenet", "unet"])
def test_another_momentum_of_running_statistics_is_found(kind: str) -> None:
    result = found(kind, "momentum", None, None, train=True)
    module = {"mobilenet": "features.2.norm2", "unet": "down2.norm1"}[kind]
    assert (result.verdict, result.module, len(result.causes)) == ("differs", module, 1), result.reason
    assert result.causes[0].part == "buffers"
    assert "moved 9 times as far as A's: another momentum" in result.reason


@pytest.mark.parametrize("batch", [4, 8])
def test_the_biased_variance_is_a_known_difference(batch: int) -> None:
    import mindspore as ms
    import torch
    from mindspore import nn, ops

    class Biased(nn.BatchNorm2d):
        def construct(self, x: Any) -> Any:
            mean, variance = x.mean((0, 2, 3)), ops.square(x - x.mean((0, 2, 3), keep_dims=True)).mean((0, 2, 3))
            self.moving_mean.set_data(0.9 * self.moving_mean + 0.1 * mean)
            self.moving_variance.set_data(0.9 * self.moving_variance + 0.1 * variance)
            shape = (1, -1, 1, 1)
            scaled = (x - mean.reshape(shape)) / ops.sqrt(variance + 1e-5).reshape(shape)
            return scaled * self.gamma.reshape(shape) + self.beta.reshape(shape)

    images = NUMBERS.standard_normal((batch, 5, 3, 3)).astype(np.float32) * 2 + 1
    both = ts.migrator.NetDifferenceFinder(
        torch.nn.Sequential(torch.nn.BatchNorm2d(5)), ms.nn.SequentialCell(Biased(5)), print_level=0
    )
    result = both.compare(inputs=(images,), train=True)
    assert (result.verdict, result.known) == ("match", {"biased variance": ("0.running_var",)}), result.reason
    count = batch * 9
    rows = result.buffers[result.buffers["name_a"] == "0.running_var"]
    assert f"by the factor {count - 1:,}/{count:,}" in rows["reason"].item()
