"""Each side of a migration works with its own framework alone: the other one cannot even be imported here.

docs/migration-guide.md says how the same is checked with environments that lack the other framework.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.frameworks

TORCH = """
import sys
sys.modules["mindspore"] = None
import torch, profkit as ts
ts.fix_random(3)
net = torch.nn.Linear(2, 2)
x = net(torch.ones(1, 2))
ts.save("out/pred", x)
x = ts.save_grad("out/pred", x)
x.sum().backward()
ts.save("out/grads", ts.widget.get_pt_grads(net))
with ts.proposal(), ts.tracking(output=open("trace.txt", "w")):
    net(torch.ones(1, 2))
parity = ts.migrator.compare_npy_dir("out", "out")
assert set(parity["status"]) == {"match"} and len(parity) == 4
try:
    ts.widget.load_ms_weight2net(net, "x.ckpt")
except ts.ProfkitError as error:
    assert "no mindspore.nn.Cell" in str(error)
"""
MINDSPORE = """
import sys
sys.modules["torch"] = None
import mindspore as ms, numpy as np, profkit as ts
ts.fix_random(3)
net = ms.nn.Dense(2, 2)
def forward(x):
    x = net(x)
    ts.save("out/pred", x)
    x = ts.save_grad("out/pred", x)
    return x.sum()
step = ms.value_and_grad(forward, None, net.trainable_params())
with ts.proposal(), ts.tracking(output=open("trace.txt", "w")):
    loss, grads = step(ms.Tensor(np.ones((1, 2), np.float32)))
ts.save("out/grads", grads)
parity = ts.migrator.compare_npy_dir("out", "out")
assert set(parity["status"]) == {"match"} and len(parity) == 4
try:
    ts.widget.get_pt_grads(net)
except ts.ProfkitError as error:
    assert "no torch.nn.Module" in str(error)
"""


@pytest.mark.parametrize("script", [TORCH, MINDSPORE], ids=["torch alone", "mindspore alone"])
def test_one_framework_suffices(script: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    saved = sorted(path.name.partition("_")[2] for path in (tmp_path / "out").iterdir())
    assert [name.partition(".")[0] for name in saved] == ["grads", "grads", "pred", "pred_backward"]
