"""Networks of PyTorch and MindSpore recorded on the spot: a fault planted in a layer is named, none in clean ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from profkit.compare import compare_tensors

pytestmark = pytest.mark.frameworks
Recording = Callable[..., pd.DataFrame]


def torch_outputs(network: Any, x: Any) -> dict[str, np.ndarray]:
    """Outputs of all leaf modules in the order they were computed, widened to float32 where numpy lacks the dtype."""
    import torch

    outputs: dict[str, np.ndarray] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            output = output.float() if output.dtype == torch.bfloat16 else output
            outputs[name] = output.detach().numpy().copy()

        return hook

    handles = [m.register_forward_hook(keep(name)) for name, m in network.named_modules() if not list(m.children())]
    with torch.no_grad():
        network(x)
    for handle in handles:
        handle.remove()
    return outputs


def torch_network(kind: str) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(1)
    if kind == "perceptron":
        layers = [module for _ in range(6) for module in (nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU())]
        return nn.Sequential(*layers, nn.Linear(64, 10)), torch.randn(16, 64)
    if kind == "convolutions":
        blocks = [m for _ in range(4) for m in (nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12), nn.SiLU())]
        return nn.Sequential(nn.Conv2d(3, 12, 3), *blocks, nn.AvgPool2d(4)), torch.randn(4, 3, 18, 18)
    return nn.Sequential(
        nn.Embedding(50, 32), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 50), nn.Softmax(-1)
    ), torch.arange(40)


def in_float64(network: Any) -> Any:
    """The same network with every layer computed in float64 and rounded: it differs by rounding alone."""
    import torch

    class Rounded(torch.nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            # A list keeps the layer from being a child: this module is the leaf that is recorded.
            self.layer = [layer]

        def forward(self, x: Any) -> Any:
            return self.layer[0](x.double() if x.is_floating_point() else x).float()

    return torch.nn.Sequential(*(Rounded(layer) for layer in copy.deepcopy(network).double()))


def compared(recording: Recording, a: dict[str, np.ndarray], b: dict[str, np.ndarray], dtype: str) -> pd.DataFrame:
    return compare_tensors(recording(a, dtype=dtype), recording(b, dtype=dtype))


@pytest.mark.parametrize("kind", ["perceptron", "convolutions", "text"])
def test_float32_faults_are_named_and_clean_networks_are_silent(recording: Recording, kind: str) -> None:
    import torch

    network, x = torch_network(kind)
    network.eval()
    reference = torch_outputs(network, x)
    clean = compared(recording, reference, torch_outputs(in_float64(network), x), "float32")
    assert set(clean["status"]) == {"match"}
    assert not clean["first_divergence"].any()
    with_weights = [name for name, m in network.named_modules() if getattr(m, "weight", None) is not None and name]
    for name in with_weights[::2]:
        faulty = copy.deepcopy(network)
        with torch.no_grad():
            dict(faulty.named_modules())[name].weight.mul_(1.001)
        parity = compared(recording, reference, torch_outputs(in_float64(faulty), x), "float32")
        assert parity.loc[parity["first_divergence"], "name_a"].tolist() == [name]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_finds_a_wrong_bias_and_calls_no_rounding_a_fault(recording: Recording, dtype: str) -> None:
    import torch

    network, x = torch_network("perceptron")
    half = copy.deepcopy(network).to(getattr(torch, dtype))
    reference = torch_outputs(half, x.to(getattr(torch, dtype)))
    clean = torch_outputs(network, x)
    clean = {name: value.astype(np.float16) if dtype == "float16" else value for name, value in clean.items()}
    parity = compared(recording, reference, clean, dtype)
    assert set(parity["status"]) <= {"match", "undecidable"}
    assert not parity["first_divergence"].any()
    lost = copy.deepcopy(half)
    with torch.no_grad():
        lost[9].bias.add_(1.0)
    parity = compared(recording, reference, torch_outputs(lost, x.to(getattr(torch, dtype))), dtype)
    assert parity.loc[parity["first_divergence"], "name_a"].tolist() == ["9"]


def test_a_mindspore_network_with_the_weights_of_torch(recording: Recording) -> None:
    import mindspore as ms
    import torch

    network, x = torch_network("perceptron")
    reference = torch_outputs(network, x)

    def mindspore_outputs(factor: float) -> dict[str, np.ndarray]:
        outputs, value = {}, ms.Tensor(x.numpy())
        for name, module in network.named_children():
            if isinstance(module, torch.nn.Linear):
                weight = module.weight.detach().numpy() * np.float32(factor if name == "6" else 1)
                value = ms.ops.matmul(value, ms.Tensor(weight.T.copy())) + ms.Tensor(module.bias.detach().numpy())
            elif isinstance(module, torch.nn.LayerNorm):
                value = ms.nn.LayerNorm((64,), epsilon=1e-5)(value)
            else:
                value = ms.ops.gelu(value, approximate="none")
            outputs[name] = value.asnumpy().copy()
        return outputs

    clean = compared(recording, reference, mindspore_outputs(1.0), "float32")
    assert set(clean["status"]) == {"match"}
    faulty = compared(recording, reference, mindspore_outputs(1.001), "float32")
    assert faulty.loc[faulty["first_divergence"], "name_a"].tolist() == ["6"]
