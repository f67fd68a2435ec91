"""One line around a loop: what is kept is right, and the network does not notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import profkit
from profkit.capturing.capture import CaptureWarning
from profkit.compare import compare_paths
from profkit.run import load

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore::profkit.capturing.capture.CaptureWarning"),
]

X = np.random.default_rng(0).standard_normal((4, 6, 8)).astype(np.float32)


def torch_net() -> Any:
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared = nn.Linear(8, 8)
            self.norm = nn.LayerNorm(8)
            self.lstm = nn.LSTM(8, 5, batch_first=True)
            self.act = nn.ReLU(inplace=True)
            self.unused = nn.Linear(2, 2)

        def forward(self, x: Any, *, scale: float = 1.0) -> dict[str, Any]:
            x = self.act(self.shared(self.shared(x))) * scale
            out, (hidden, _) = self.lstm(self.norm(x))
            return {"out": out, "hidden": hidden}

    torch.manual_seed(2)
    return Net()


def mindspore_net(*, tanh: bool = False) -> Any:
    import mindspore as ms
    from mindspore import nn

    net = nn.SequentialCell(nn.Dense(8, 8), nn.GELU(approximate=tanh), nn.LayerNorm((8,)), nn.Dense(8, 3))
    numbers = np.random.default_rng(5)
    for parameter in net.get_parameters():
        parameter.set_data(ms.Tensor(numbers.standard_normal(parameter.shape).astype(np.float32)))
    return net


def train_torch(net: Any, steps: int) -> list[float]:
    import torch

    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        found = net(torch.tensor(X), scale=0.5)
        loss = found["out"].square().mean() + found["hidden"].mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def train_mindspore(net: Any, steps: int) -> list[float]:
    import mindspore as ms

    optimizer = ms.nn.SGD(net.trainable_params(), learning_rate=0.1)
    step = ms.value_and_grad(lambda x: net(x).square().mean(), None, optimizer.parameters)
    losses = []
    for _ in range(steps):
        loss, gradients = step(ms.Tensor(X))
        optimizer(gradients)
        losses.append(float(loss.asnumpy()))
    return losses


def tensors(folder: Path) -> pd.DataFrame:
    return load(folder).tensors


def about(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "capture.json").read_text())
    return found


def test_torch_computes_the_same_with_and_without(tmp_path: Path) -> None:
    expected = train_torch(torch_net(), 4)
    net, calls = torch_net(), []
    net.norm.register_forward_hook(lambda *_: calls.append(1))
    with profkit.capture(net, tmp_path, steps=2, profile_steps=0):
        assert train_torch(net, 4) == expected
    assert len(calls) == 4
    assert not net._forward_pre_hooks
    assert not net.lstm._forward_hooks


def test_mindspore_computes_the_same_with_and_without(tmp_path: Path) -> None:
    expected = train_mindspore(mindspore_net(), 4)
    net = mindspore_net()
    with profkit.capture(net, tmp_path, steps=2, profile_steps=0):
        assert train_mindspore(net, 4) == expected


def test_torch_keeps_calls_results_arguments_and_gradients(tmp_path: Path) -> None:
    import torch

    net = torch_net()
    warned = pytest.warns(CaptureWarning, match=r"1 modules were not seen being called \(unused\)")
    with warned, profkit.capture(net, tmp_path, profile_steps=0):
        train_torch(net, 2)
    found = tensors(tmp_path)
    calls = found[(found["op"] == "shared") & (found["io"] == "output")]
    assert calls["order"].is_monotonic_increasing
    again = torch_net()
    first = again.shared(torch.tensor(X))
    for path, value in zip(calls["path"], (first, again.shared(first)), strict=True):
        assert np.array_equal(np.load(path), value.detach().numpy())
    assert len(found[(found["op"] == "lstm") & (found["io"] == "output")]) == 3
    again(torch.tensor(X), scale=0.5)["out"].square().mean()
    gradients = set(found[found["io"] == "gradient"]["op"])
    assert {"shared.weight", "norm.bias", "lstm.weight_hh_l0", "lstm", "(network)"} <= gradients


def test_gradients_are_those_of_the_framework(tmp_path: Path) -> None:
    import torch

    net = torch_net()
    with profkit.capture(net, tmp_path, profile_steps=0):
        found = net(torch.tensor(X), scale=0.5)
        found["out"].square().mean().backward()
    rows = tensors(tmp_path)
    kept = {(io, op): path for io, op, path in zip(rows["io"], rows["op"], rows["path"], strict=True)}
    for name, parameter in net.named_parameters():
        if parameter.grad is not None:
            assert np.array_equal(np.load(kept["gradient", name]), parameter.grad.numpy())


def test_two_mindspore_runs_are_compared_by_their_directories(tmp_path: Path) -> None:
    for name, tanh in (("a", False), ("b", False), ("c", True)):
        net = mindspore_net(tanh=tanh)
        with profkit.capture(net, tmp_path / name, steps=1, profile_steps=0):
            train_mindspore(net, 1)
    clean = compare_paths(tmp_path / "a", tmp_path / "b").parity
    assert set(clean["status"]) == {"match"}
    assert {"input", "output", "gradient"} == set(clean["io"])
    wrong = compare_paths(tmp_path / "a", tmp_path / "c").parity
    first = wrong[wrong["first_divergence"]].iloc[0]
    assert (first["name_a"], first["io"]) == ("1", "output")


@pytest.mark.parametrize("side", ["torch", "mindspore"])
def test_times_are_recorded_behind_the_kept_steps(side: str, tmp_path: Path) -> None:
    net, train = (torch_net(), train_torch) if side == "torch" else (mindspore_net(), train_mindspore)
    with profkit.capture(net, tmp_path, steps=1, profile_steps=2):
        train(net, 6)
    run = load(tmp_path)
    assert len(run.ops) > 20
    assert not run.tensors.empty
    assert run.framework == ("pytorch" if side == "torch" else "mindspore")
    assert about(tmp_path)["state"] == "complete"


def test_an_exception_passes_and_leaves_what_there_was(tmp_path: Path) -> None:
    net = torch_net()

    def break_off() -> None:
        with profkit.capture(net, tmp_path, steps=5):
            train_torch(net, 1)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        break_off()
    assert about(tmp_path)["state"] == "broken off by KeyError"
    assert set(compare_paths(tmp_path, tmp_path).parity["status"]) == {"match"}


def test_a_list_that_was_cut_gives_the_tensors_before(tmp_path: Path) -> None:
    net = torch_net()
    with profkit.capture(net, tmp_path, profile_steps=0):
        train_torch(net, 1)
    file = tmp_path / "tensors" / "tensors.jsonl"
    content = file.read_bytes()
    file.write_bytes(content[:-30])
    run = load(tmp_path)
    assert len(run.tensors) == content.count(b"\n") - 2
    assert [issue.severity.value for issue in run.issues] == ["data_loss"]


def test_statistics_need_no_values(tmp_path: Path) -> None:
    net = torch_net()
    with profkit.capture(net, tmp_path, values="statistics", profile_steps=0):
        train_torch(net, 1)
    found = tensors(tmp_path)
    assert found["path"].isna().all()
    row = found[(found["op"] == "(network)") & (found["io"] == "input")].iloc[0]
    exact = X.astype(np.float64)
    assert row["norm"] == pytest.approx(np.linalg.norm(exact), rel=1e-12)
    assert [row["max"], row["min"]] == [exact.max(), exact.min()]


def test_a_sample_keeps_the_same_places_of_both_sides(tmp_path: Path) -> None:
    for name in "ab":
        net = torch_net()
        with profkit.capture(net, tmp_path / name, values="sample", sample_size=10, profile_steps=0):
            train_torch(net, 1)
    parity = compare_paths(tmp_path / "a", tmp_path / "b").parity
    assert set(parity["status"]) == {"match"}
    largest = max(np.load(path).size for path in parity["path_a"])
    assert largest == 10


def test_a_full_directory_is_told_and_goes_on_as_statistics(tmp_path: Path) -> None:
    net = torch_net()
    warned = pytest.warns(CaptureWarning, match=r"\d+ tensors were kept as statistics only: max_bytes was reached")
    with warned, profkit.capture(net, tmp_path, max_bytes=3000, profile_steps=0):
        train_torch(net, 1)
    assert sum(file.stat().st_size - 128 for file in tmp_path.rglob("*.npy")) <= 3000
    found = tensors(tmp_path)
    assert found["path"].isna().any()
    assert found["norm"].notna()[found["path"].isna()].all()


def test_bfloat16_keeps_its_name(tmp_path: Path) -> None:
    import torch

    net = torch.nn.Linear(3, 2).to(torch.bfloat16)
    with profkit.capture(net, tmp_path, profile_steps=0):
        net(torch.ones(1, 3, dtype=torch.bfloat16))
    assert set(tensors(tmp_path)["dtype"]) == {"bfloat16"}


@pytest.mark.parametrize("arguments", [{"values": "some"}, {"steps": [-1]}, {"max_bytes": -1}, {"sample_size": 0}])
def test_wrong_arguments_are_told(arguments: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(profkit.ProfkitError):
        profkit.capture(torch_net(), tmp_path, **arguments)


def test_a_directory_is_not_written_over(tmp_path: Path) -> None:
    net = torch_net()
    with profkit.capture(net, tmp_path, profile_steps=0):
        train_torch(net, 1)
    with pytest.raises(profkit.ProfkitError, match="holds a capture already"):
        profkit.capture(net, tmp_path)


def test_a_result_that_cannot_be_kept_does_not_stop_the_network(tmp_path: Path) -> None:
    import torch

    class Odd(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            endless: list[Any] = [x * 2]
            endless.append(endless)
            return endless, torch.empty(2, 3, device="meta")

    net = Odd()
    warned = pytest.warns(CaptureWarning, match="1 tensors were not kept")
    with warned, profkit.capture(net, tmp_path, profile_steps=0):
        net(torch.ones(2))
    assert np.array_equal(np.load(tensors(tmp_path)["path"].iloc[-1]), [2, 2])
