"""Each side of a migration works with its own framework alone, and what compares both works with neither.

Three environments: one has torch and no mindspore, one mindspore and no torch, one none of them. They hand files to
each other as two machines would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]

COMMON = """
import sys
from importlib.metadata import PackageNotFoundError, distribution
for absent in ABSENT:
    try:
        __import__(absent)
    except ModuleNotFoundError:
        pass
    else:
        raise AssertionError(f"{absent} can be imported")
    try:
        distribution(absent)
    except PackageNotFoundError:
        pass
    else:
        raise AssertionError(f"{absent} is installed")
import numpy as np
import profkit as ts
from profkit.compare import compare_paths
from profkit.weights import compare_weights, describe_net

X = np.linspace(-1, 1, 2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)

def refused(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except ts.ProfkitError as error:
        return str(error)
    raise AssertionError("it was not refused")

def agree(parity):
    assert set(parity.loc[parity["paired_by"] != "not needed", "status"]) == {"match"}, parity
"""

TORCH = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.act = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.PReLU()
        self.norm, self.fc = nn.LayerNorm(64, eps=1e-6), nn.Linear(64, 5)
    def forward(self, x):
        x = self.act(self.bn(self.conv(x)))
        return self.fc(self.norm(x.mean(1).reshape(x.shape[0], -1)))

ts.fix_random(3)
net = Net()
net.train(False)
pred = net(torch.from_numpy(X))
ts.save("pt/npy/pred", pred)
ts.save("pt/list/out", [pred, pred + 1])
ts.save("pt/dict/out", {"a": pred, "b": pred + 1})
ts.save_grad("pt/grad/pred", pred).sum().backward()
ts.save("pt/grads/grads", ts.widget.get_pt_grads(net))
ts.migrator.save_net_and_weight_params(net, path="pt/net")
names, values = ts.migrator.get_weight_map(net)
assert names["bn.weight"] == "bn.gamma"
# A checkpoint of MindSpore is written where MindSpore cannot be imported.
ts.migrator.convert_weight("pt/net/torch_net_map.json", "pt/net/torch_troubleshooter_create.pth", "pt/net.ckpt")
files = "pt/net/torch_net_map.json", "pt/net/torch_troubleshooter_create.pth", "pt/net.ckpt"
agree(ts.migrator.compare_pth_and_ckpt(*files))
assert ts.compare_structure(net, "pt/net").agrees
describe_net(net).save("pt/net.json")
with ts.capture(net, "pt/captured", profile_steps=0):
    net(torch.from_numpy(X)).sum().backward()
with ts.proposal(), ts.tracking(output=open("trace.txt", "w")):
    net(torch.from_numpy(X))
assert "no mindspore.nn.Cell" in refused(ts.widget.load_ms_weight2net, net, "x.ckpt")
refused(ts.migrator.convert_weight_and_load, "pt/net/torch_net_map.json", "pt/net/torch_troubleshooter_create.pth", net)
"""

MINDSPORE = """
import mindspore as ms
from mindspore import nn

class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, pad_mode="pad", padding=1, has_bias=True)
        self.bn, self.act = nn.BatchNorm2d(4), nn.PReLU()
        self.norm, self.fc = nn.LayerNorm((64,), epsilon=1e-6), nn.Dense(64, 5)
    def construct(self, x):
        x = self.act(self.bn(self.conv(x)))
        return self.fc(self.norm(x.mean(1).reshape(x.shape[0], -1)))

ts.fix_random(3)
net = Net()
ts.migrator.convert_weight_and_load("pt/net/torch_net_map.json", "pt/net/torch_troubleshooter_create.pth", net)
assert ts.widget.load_ms_weight2net(net, "pt/net.ckpt")[0] == []
net.set_train(False)

def forward(x):
    pred = net(x)
    ts.save("ms/npy/pred", pred)
    ts.save("ms/list/out", [pred, pred + 1])
    ts.save("ms/dict/out", {"a": pred, "b": pred + 1})
    return ts.save_grad("ms/grad/pred", pred).sum()

step = ms.value_and_grad(forward, None, net.trainable_params())
with ts.proposal(), ts.tracking(output=open("trace.txt", "w")):
    loss, grads = step(ms.Tensor(X))
with ts.capture(net, "ms/captured", profile_steps=0):
    ms.value_and_grad(lambda x: net(x).sum(), None, net.trainable_params())(ms.Tensor(X))
ts.save("ms/grads/grads", grads)
ts.migrator.save_net_and_weight_params(net, path="ms/net")
assert ts.compare_structure("pt/net", net).agrees
parity = ts.migrator.compare_ms_ckpt("pt/net.ckpt", "ms/net/mindspore_troubleshooter_create.ckpt")
agree(parity)
describe_net(net).save("ms/net.json")
assert "no torch.nn.Module" in refused(ts.widget.get_pt_grads, net)
assert "no torch.nn.Module" in refused(ts.migrator.get_weight_map, net)
"""

NEITHER = """
for call, folder in (("compare_npy_dir", "npy"), ("compare_list_dir", "list"), ("compare_dict_dir", "dict"),
                     ("compare_npy_dir", "grad"), ("compare_grads_dir", "grads")):
    parity = getattr(ts.migrator, call)(f"pt/{folder}", f"ms/{folder}")
    agree(parity)
agree(compare_paths("pt/captured", "ms/captured").parity)
assert ts.compare_structure("pt/net", "ms/net").agrees
assert compare_weights("pt/net/torch_troubleshooter_create.pth", "ms/net/mindspore_troubleshooter_create.ckpt").agrees
assert not {"torch", "mindspore"} & set(sys.modules)
"""

BACK = """
import torch
loaded = torch.load("back.pth", weights_only=True)
first = torch.load("pt/net/torch_troubleshooter_create.pth", weights_only=True)
for name, value in first.items():
    assert name.endswith("num_batches_tracked") or torch.equal(loaded[name], value), name
"""


def succeed(environment: Any, folder: Path, *arguments: str) -> str:
    done = environment.run(folder, *arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    shown: str = done.stdout
    return shown


def script(absent: tuple[str, ...], code: str) -> tuple[str, str]:
    return "-c", f"ABSENT = {absent!r}\n" + COMMON + code


def test_two_sides_that_have_one_framework_each(environments: dict[str, Any], tmp_path: Path) -> None:
    succeed(environments["torch"], tmp_path, *script(("mindspore",), TORCH))
    succeed(environments["mindspore"], tmp_path, *script(("torch",), MINDSPORE))
    neither = environments["neither"]
    succeed(neither, tmp_path, *script(("torch", "mindspore"), NEITHER))
    weights = "pt/net/torch_troubleshooter_create.pth", "ms/net/mindspore_troubleshooter_create.ckpt"
    for command in (
        ("weights", "map", "pt/net.json", "ms/net.json", "--save", "map.json", "--fail-on", "issues"),
        ("weights", "convert", weights[0], "again.ckpt", "--map", "map.json"),
        ("weights", "convert", "again.ckpt", "back.pth", "--map", "map.json"),
        ("weights", "compare", *weights, "--fail-on", "parity"),
        ("structure", "pt/net", "ms/net", "--fail-on", "structure"),
        ("compare", "pt/npy", "ms/npy", "--fail-on", "parity"),
    ):
        succeed(neither, tmp_path, "-m", "profkit", *command)
    succeed(environments["torch"], tmp_path, *script(("mindspore",), BACK))
    saved = sorted(path.name.partition("_")[2].partition(".")[0] for path in (tmp_path / "ms" / "grad").iterdir())
    assert saved == ["pred_backward"]


def test_a_framework_that_is_missing_is_named(environments: dict[str, Any], tmp_path: Path) -> None:
    code = "import profkit as ts\nts.migrator.save_net_and_weight_params(object())"
    for environment in environments.values():
        done = environment.run(tmp_path, "-c", code)
        assert "is neither a torch.nn.Module nor a mindspore.nn.Cell" in done.stderr
        assert "ModuleNotFoundError" not in done.stderr
