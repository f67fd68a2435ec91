"""Ten faults of migrations, planted one at a time into a real MindSpore network: the saved layers name the place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import profkit as ts

pytestmark = pytest.mark.frameworks

WIDTH = 24
IMAGES = np.random.default_rng(3).standard_normal((4, 3, 8, 8)).astype(np.float32)
LABELS = np.array([0, 2, 1, 1])


def torch_run(folder: Path) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(11)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, WIDTH, 3, stride=2, padding=1)
            self.bn = nn.BatchNorm2d(WIDTH)
            self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
            self.proj = nn.Linear(WIDTH, WIDTH)
            self.norm = nn.LayerNorm(WIDTH, eps=1e-5)
            self.fc1, self.fc2 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
            self.head = nn.Linear(WIDTH, 3)

        def forward(self, x: Any) -> Any:
            x = keep("conv", self.conv(x))
            x = keep("relu", functional.relu(keep("bn", self.bn(x))))
            x = x.flatten(2).transpose(1, 2)
            q, k, v = keep("q", self.q(x)), keep("k", self.k(x)), keep("v", self.v(x))
            weights = keep("softmax", (q @ k.transpose(1, 2) * WIDTH**-0.5).softmax(-1))
            x = keep("norm", self.norm(x + keep("proj", self.proj(weights @ v))))
            x = keep("drop", keep("act", functional.gelu(keep("fc1", self.fc1(x)))))
            return keep("head", self.head(keep("fc2", self.fc2(x)).mean(1)))

    def keep(name: str, value: Any) -> Any:
        ts.save(str(folder / "layers" / name), value)
        return value

    net = Net()
    with torch.no_grad():
        net.bn.running_mean.copy_(torch.randn(WIDTH) * 0.5)
        net.bn.running_var.copy_(torch.rand(WIDTH) + 0.5)
        net.conv.weight.mul_(2)
    net.eval()
    ts.migrator.save_net_and_weight_params(net, path=folder)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = functional.cross_entropy(net(torch.tensor(IMAGES)), torch.tensor(LABELS))
    ts.save(str(folder / "layers" / "loss"), loss)
    loss.backward()
    ts.save(str(folder / "grads" / "grads"), ts.widget.get_pt_grads(net))
    optimizer.step()
    ts.migrator.save_net_and_weight_params(net, path=folder, weight_params_filename="after.pth")
    return net


def mindspore_run(reference: Path, folder: Path, fault: str) -> None:
    import mindspore as ms
    from mindspore import nn, ops

    class Net(nn.Cell):
        def __init__(self) -> None:
            super().__init__()
            padding = {"pad_mode": "same"} if fault == "wrong padding" else {"pad_mode": "pad", "padding": 1}
            self.conv = nn.Conv2d(3, WIDTH, 3, stride=2, has_bias=True, **padding)
            self.bn = nn.BatchNorm2d(WIDTH)
            self.q, self.k, self.v = (nn.Dense(WIDTH, WIDTH) for _ in range(3))
            self.proj = nn.Dense(WIDTH, WIDTH)
            self.norm = nn.LayerNorm((WIDTH,), epsilon=1e-3 if fault == "epsilon" else 1e-5)
            self.fc1, self.fc2 = nn.Dense(WIDTH, WIDTH), nn.Dense(WIDTH, WIDTH)
            self.act = nn.GELU(approximate=fault == "tanh GELU")
            self.drop = nn.Dropout(p=0.2)
            self.head = nn.Dense(WIDTH, 3)

        def construct(self, x: Any) -> Any:
            x = keep("conv", self.conv(x))
            x = keep("relu", ops.relu(keep("bn", self.bn(x))))
            x = x.flatten(start_dim=2).swapaxes(1, 2)
            q, k, v = keep("q", self.q(x)), keep("k", self.k(x)), keep("v", self.v(x))
            scale = 1.0 if fault == "missing scale" else WIDTH**-0.5
            weights = keep("softmax", ops.softmax(ops.matmul(q, k.swapaxes(1, 2)) * scale, axis=-1))
            x = keep("norm", self.norm(x + keep("proj", self.proj(ops.matmul(weights, v)))))
            first, second = (self.fc2, self.fc1) if fault == "swapped layers" else (self.fc1, self.fc2)
            x = keep("drop", self.drop(keep("act", self.act(keep("fc1", first(x))))))
            return keep("head", self.head(keep("fc2", second(x)).mean(1)))

    def keep(name: str, value: Any) -> Any:
        ts.save(str(folder / "layers" / name), value)
        return value

    net = Net()
    ts.migrator.convert_weight_and_load(
        reference / "torch_net_map.json", reference / "torch_troubleshooter_create.pth", net
    )
    if fault == "transposed weight":
        net.proj.weight.set_data(net.proj.weight.T.copy())
    net.set_train(False)
    net.bn.set_train(fault == "BatchNorm statistics")
    net.drop.set_train(fault == "dropout on")
    decay = 0.05 if fault == "optimizer weight decay" else 0.0
    optimizer = nn.SGD(net.trainable_params(), learning_rate=0.1, weight_decay=decay)
    criterion = nn.CrossEntropyLoss(reduction="sum" if fault == "wrong reduction" else "mean")

    def forward(x: Any) -> Any:
        return criterion(net(x), ms.Tensor(LABELS, ms.int32))

    loss, grads = ms.value_and_grad(forward, None, optimizer.parameters)(ms.Tensor(IMAGES))
    ts.save(str(folder / "layers" / "loss"), loss)
    ts.save(str(folder / "grads" / "grads"), grads)
    optimizer(grads)
    ts.migrator.save_net_and_weight_params(net, path=folder, weight_params_filename="after.ckpt")


def run_mindspore(reference: Path, folder: Path, fault: str) -> None:
    """Run the MindSpore side as a migration does, in a process that nothing else has used."""
    code = "import runpy, sys; from pathlib import Path; *folders, fault = sys.argv[2:]; "
    code += "runpy.run_path(sys.argv[1])['mindspore_run'](*map(Path, folders), fault)"
    subprocess.run([sys.executable, "-c", code, __file__, str(reference), str(folder), fault], check=True)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torch")
    torch_run(folder)
    return folder


def compared(reference: Path, folder: Path) -> dict[str, pd.DataFrame]:
    layers = ts.migrator.compare_npy_dir(reference / "layers", folder / "layers", rtol=None, atol=None)
    gradients = ts.migrator.compare_grads_dir(reference / "grads", folder / "grads")
    weights = ts.migrator.compare_pth_and_ckpt(
        reference / "torch_net_map.json", reference / "after.pth", folder / "after.ckpt"
    )
    return {"layers": layers, "gradients": gradients, "weights": weights[weights["paired_by"] != "not needed"]}


def test_a_clean_pair_passes(reference: Path, tmp_path: Path) -> None:
    run_mindspore(reference, tmp_path, "")
    for what, parity in compared(reference, tmp_path).items():
        assert set(parity["status"]) == {"match"}, what


@pytest.mark.parametrize(
    ("fault", "module"),
    [
        ("wrong padding", "conv"),
        ("BatchNorm statistics", "bn"),
        ("missing scale", "softmax"),
        ("transposed weight", "proj"),
        ("epsilon", "norm"),
        ("swapped layers", "fc1"),
        ("tanh GELU", "act"),
        ("dropout on", "drop"),
        ("wrong reduction", "loss"),
    ],
)
def test_a_fault_is_named_at_its_layer(fault: str, module: str, reference: Path, tmp_path: Path) -> None:
    run_mindspore(reference, tmp_path, fault)
    layers = compared(reference, tmp_path)["layers"]
    assert layers[layers["first_divergence"]]["name_a"].tolist() == [module]
    before = layers["name_a"].tolist().index(module)
    assert set(layers["status"][:before]) <= {"match"}


def test_a_fault_of_the_optimizer_shows_in_the_weights_alone(reference: Path, tmp_path: Path) -> None:
    run_mindspore(reference, tmp_path, "optimizer weight decay")
    found = compared(reference, tmp_path)
    assert set(found["layers"]["status"]) == {"match"}
    assert set(found["gradients"]["status"]) == {"match"}
    wrong = found["weights"][found["weights"]["status"] == "mismatch"]["name_a"].tolist()
    assert {"conv.weight", "q.weight", "head.weight"} <= set(wrong)
