"""Each entry of the table that says so is raised by MindSpore itself, and told by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts
from profkit.failure_advice import known_failures

pytestmark = pytest.mark.frameworks


def matrix() -> Any:
    import mindspore as ms

    return ms.Tensor(np.ones((2, 3), np.float32))


def in_graph(function: Callable[..., Any], *inputs: Any) -> Any:
    import mindspore as ms

    return ms.jit(function)(*inputs)


def with_try(x: Any) -> Any:
    try:
        y = x
    finally:
        pass
    return y


def with_two_dtypes(x: Any, a: Any) -> Any:
    if a > 1:
        return x * 2
    return x.astype("float16")


def triggers(folder: Path) -> dict[str, Callable[[], Any]]:
    import mindspore as ms
    from mindspore import Parameter, Tensor, nn, ops
    from mindspore import dataset as ds

    x = matrix()
    garbage = folder / "garbage.ckpt"
    garbage.write_bytes(b"garbage" * 10)

    class WithoutMember(nn.Cell):
        def construct(self, x: Any) -> Any:
            return self.nothing(x)

    def parameter(shape: tuple[int, ...], name: str) -> Any:
        return Parameter(Tensor(np.ones(shape, np.float32)), name=name)

    def failing_source() -> Any:
        raise KeyError("a sample")
        yield

    return {
        "matrix sizes": lambda: nn.Dense(5, 4)(x),
        "channels of a convolution": lambda: nn.Conv2d(3, 4, 3)(Tensor(np.ones((1, 5, 8, 8), np.float32))),
        "reshape to another number of elements": lambda: x.reshape(4, 4),
        "shapes that do not broadcast": lambda: x + Tensor(np.ones((4, 5), np.float32)),
        "operator without a kernel on this device": lambda: ms.mint.nn.functional.gelu(x),
        "device that is not there": lambda: ms.set_context(device_target="Ascend"),
        "two dtypes in one operator": lambda: nn.Dense(3, 2)(Tensor(np.ones((2, 3), np.float64))),
        "labels that are not int32": lambda: nn.CrossEntropyLoss()(x, Tensor(np.array([0, 1], np.int64))),
        "a numpy array where a tensor is expected": lambda: nn.Dense(3, 2)(np.ones((2, 3), np.float32)),
        "argument of another name": lambda: ops.cat((x, x), dim=1),
        "axis that is not there": lambda: ops.cat((x, x), axis=5),
        "input of another number of axes": lambda: nn.BatchNorm2d(3)(x),
        "index beyond the table": lambda: nn.Embedding(4, 2)(Tensor([9])),
        "truth of a whole tensor": lambda: bool(x),
        "branches of different type or shape in a graph": lambda: in_graph(with_two_dtypes, x, Tensor(2.0)),
        "statement that a graph cannot hold": lambda: in_graph(with_try, x),
        "attribute that the network has not": lambda: WithoutMember()(x),
        "wrong number of inputs": lambda: nn.Dense(3, 2)(x, x),
        "two parameters of one name": lambda: nn.SGD([parameter((1,), "p"), parameter((1,), "p")], 0.1),
        "nothing to optimise": lambda: nn.SGD([], 0.1),
        "checkpoint of another shape": lambda: ms.load_param_into_net(
            nn.Dense(3, 2), {"weight": parameter((2, 4), "weight"), "bias": parameter((2,), "bias")}
        ),
        "file that is no MindSpore checkpoint": lambda: ms.load_checkpoint(str(garbage)),
        "checkpoint that is not there": lambda: ms.load_checkpoint(str(folder / "none.ckpt")),
        "samples of different shapes in a batch": lambda: list(
            ds.GeneratorDataset([np.ones(2), np.ones(3)], ["a"]).batch(2)
        ),
        "columns of a data set": lambda: list(ds.GeneratorDataset([(np.ones(2), np.ones(3))], ["a"])),
        "a failure inside a data set": lambda: list(ds.GeneratorDataset(failing_source, ["a"])),
        "directory of data that is not there": lambda: list(ds.ImageFolderDataset(str(folder / "none"))),
    }


def raised() -> list[str]:
    return [failure.name for failure in known_failures() if failure.source == "raised"]


@pytest.mark.parametrize("name", raised())
def test_mindspore_raises_it_and_it_is_told(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # MindSpore leaves the graph that it could not build in the current directory.
    monkeypatch.chdir(tmp_path)
    trigger = triggers(tmp_path)[name]
    with pytest.raises(Exception) as caught, ts.proposal():  # noqa: PT011 - which one is MindSpore's affair
        trigger()
    told = capfd.readouterr().err
    assert f"failure     {name}\n" in told, str(caught.value)[:500]
    assert "MindSpore 2" in told


def test_every_trigger_is_in_the_table(tmp_path: Path) -> None:
    assert sorted(triggers(tmp_path)) == sorted(raised())


def test_a_failure_of_an_operator_that_runs_later_is_caught(capfd: pytest.CaptureFixture[str]) -> None:
    from mindspore import Tensor, nn

    @ts.proposal()
    def look_up() -> None:
        nn.Embedding(4, 2)(Tensor([9]))

    # Nothing reads the result: without waiting the block would end before the kernel has run.
    with pytest.raises(Exception, match="input_indices"):
        look_up()
    told = capfd.readouterr().err
    assert "index beyond the table" in told
    assert "launch_blocking" in told
