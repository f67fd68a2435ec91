"""`save` and `save_grad` in real networks of both frameworks, eager and as graphs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts
from profkit.errors import ProfkitError

pytestmark = pytest.mark.frameworks

INPUT = np.arange(6, dtype=np.float32).reshape(2, 3) / 8 - 0.25
WEIGHT = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]], dtype=np.float32)


def saved(folder: Path) -> dict[str, Any]:
    return {path.name: np.load(path) for path in sorted(folder.iterdir())}


def torch_step(folder: Path) -> None:
    import torch

    fc1 = torch.nn.Linear(3, 2, bias=False)
    fc1.weight.data = torch.tensor(WEIGHT)
    hidden = fc1(torch.tensor(INPUT))
    ts.save(str(folder / "fc1"), hidden)
    hidden = ts.save_grad(str(folder / "fc1"), hidden)
    loss = (hidden * hidden).sum()
    ts.save(str(folder / "loss"), {"total": loss, "parts": [loss.bfloat16(), None]})
    loss.backward()


def mindspore_step(folder: Path, *, graph: bool = False) -> None:
    import mindspore as ms

    fc1 = ms.nn.Dense(3, 2, has_bias=False)
    fc1.weight.set_data(ms.Tensor(WEIGHT))

    class Net(ms.nn.Cell):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = fc1
            self.file = str(folder / "fc1")
            self.loss = str(folder / "loss")

        def construct(self, x: Any) -> Any:
            hidden = self.fc1(x)
            ts.save(self.file, hidden)
            hidden = ts.save_grad(self.file, hidden)
            loss = (hidden * hidden).sum()
            ts.save(self.loss, {"total": loss, "parts": [loss.astype(ms.bfloat16), None]})
            return loss

    net = Net()
    step = ms.value_and_grad(net, None, net.trainable_params())
    step = ms.jit(step) if graph else step
    for value in step(ms.Tensor(INPUT))[1]:
        value.asnumpy()


def test_both_frameworks_write_the_same_files(tmp_path: Path) -> None:
    torch_step(tmp_path / "pt")
    mindspore_step(tmp_path / "ms")
    pytorch, mindspore = saved(tmp_path / "pt"), saved(tmp_path / "ms")
    assert list(pytorch) == ["0_fc1.npy", "1_loss.total.npy", "2_loss.parts.0.npy", "3_fc1_backward.npy"]
    assert list(mindspore) == list(pytorch)
    hidden = INPUT.astype(np.float64) @ WEIGHT.astype(np.float64).T
    for side in (pytorch, mindspore):
        assert np.allclose(side["0_fc1.npy"], hidden)
        assert np.allclose(side["3_fc1_backward.npy"], 2 * hidden)
        assert side["2_loss.parts.0.npy"].dtype == np.float32
        assert np.isclose(side["2_loss.parts.0.npy"], (hidden**2).sum(), rtol=2**-8)
        # A bfloat16 has the upper 16 bits of a float32.
        assert not side["2_loss.parts.0.npy"].view(np.uint32) & 0xFFFF


def test_the_loss_of_both_is_compared_by_name(tmp_path: Path) -> None:
    torch_step(tmp_path / "pt")
    mindspore_step(tmp_path / "ms")
    parity = ts.migrator.compare_npy_dir(tmp_path / "pt", tmp_path / "ms")
    assert parity["status"].tolist() == ["match"] * 4
    assert parity["name_a"].tolist() == parity["name_b"].tolist()


def test_a_jitted_step_saves_each_time_it_runs(tmp_path: Path) -> None:
    mindspore_step(tmp_path, graph=True)
    files = saved(tmp_path)
    # A graph may save gradients before what was computed earlier.
    assert sorted(name.partition("_")[2] for name in files) == [
        "fc1.npy", "fc1_backward.npy", "loss.parts.0.npy", "loss.total.npy",
    ]  # fmt: skip
    hidden = INPUT.astype(np.float64) @ WEIGHT.astype(np.float64).T
    by_name = {name.partition("_")[2]: values for name, values in files.items()}
    assert np.allclose(by_name["fc1.npy"], hidden)
    assert np.allclose(by_name["fc1_backward.npy"], 2 * hidden)


GRAPH_MODE = """
import sys
import mindspore as ms, numpy as np
import profkit as ts

class Net(ms.nn.Cell):
    def construct(self, x):
        y = x * 2
        ts.save(sys_path, y)
        y = ts.save_grad(sys_path, y)
        return (y * y).sum()

sys_path = sys.argv[1]
ms.set_context(mode=ms.GRAPH_MODE)
net = Net()
gradient = ms.grad(net)
for start in (0.0, 1.0):
    gradient(ms.Tensor(np.full(2, start, np.float32))).asnumpy()
"""


def test_graph_mode_saves_each_time_it_runs(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(GRAPH_MODE)
    subprocess.run([sys.executable, script, tmp_path / "out" / "y"], check=True, cwd=tmp_path, capture_output=True)
    values: dict[str, list[list[float]]] = {}
    for path in sorted((tmp_path / "out").iterdir(), key=lambda path: int(path.name.partition("_")[0])):
        values.setdefault(path.name.partition("_")[2], []).append(np.load(path).tolist())
    assert values == {"y.npy": [[0, 0], [2, 2]], "y_backward.npy": [[0, 0], [4, 4]]}


@pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace")
def test_a_compiled_torch_network_saves_each_time_it_runs(tmp_path: Path) -> None:
    import torch

    file = str(tmp_path / "y")

    @torch.compile(backend="eager")
    def step(x: Any) -> Any:
        y = x * 2
        ts.save(file, y)
        y = ts.save_grad(file, y)
        return (y * y).sum()

    for start in (0.0, 1.0):
        step(torch.full((2,), start, requires_grad=True)).backward()
    values = [(path.name, np.load(path).tolist()) for path in sorted(tmp_path.iterdir())]
    assert values == [
        ("0_y.npy", [0, 0]), ("1_y_backward.npy", [0, 0]), ("2_y.npy", [2, 2]), ("3_y_backward.npy", [4, 4]),
    ]  # fmt: skip


def test_evaluation_saves_no_gradient_and_goes_on(tmp_path: Path) -> None:
    import torch

    with torch.no_grad():
        value = torch.ones(2) * 3
        assert ts.save_grad(str(tmp_path / "x"), value) is value
    assert not list(tmp_path.iterdir())


def test_gradients_of_what_is_no_tensor_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfkitError, match="list has no gradient"):
        ts.save_grad(str(tmp_path / "x"), [1.0])


@pytest.mark.parametrize("kind", ["sparse", "strided view", "conjugate", "float8", "quantized", "parameter"])
def test_unusual_torch_tensors_are_saved_by_value(kind: str, tmp_path: Path) -> None:
    import torch

    dense = torch.tensor([[0.0, 1.5], [-2.0, 0.0]])
    tensor, expected = {
        "sparse": (dense.to_sparse(), dense.numpy()),
        "strided view": (dense.T, dense.numpy().T),
        "conjugate": (torch.tensor([1 + 2j]).conj(), np.array([1 - 2j], dtype=np.complex64)),
        "float8": (dense.to(torch.float8_e4m3fn), dense.numpy()),
        "quantized": (torch.quantize_per_tensor(dense, 0.5, 0, torch.qint8), dense.numpy()),
        "parameter": (torch.nn.Parameter(dense), dense.numpy()),
    }[kind]
    ts.save(str(tmp_path / "x"), tensor)
    assert np.array_equal(np.load(tmp_path / "0_x.npy"), expected)


def test_a_tensor_without_values_is_refused(tmp_path: Path) -> None:
    import torch

    with pytest.raises(ProfkitError, match="the values of x cannot be read"):
        ts.save(str(tmp_path / "x"), torch.empty(2, device="meta"))
