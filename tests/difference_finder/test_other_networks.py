"""Networks of other kinds, other inputs and other modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore::profkit.randomness.RandomnessWarning")]

NUMBERS = np.random.default_rng(6)
PAIR = (NUMBERS.standard_normal((3, 8)).astype(np.float32), NUMBERS.standard_normal((3, 8)).astype(np.float32))
INPUTS: dict[str, Any] = {
    "recurrent": (NUMBERS.integers(0, 10, (2, 11)),),
    "attention": (NUMBERS.standard_normal((2, 5, 16)).astype(np.float32),),
    "shared": {"pair": PAIR, "scale": 2.0},
    "named": (NUMBERS.standard_normal((4, 6)).astype(np.float32),),
}
WHERE = {"recurrent": "(network)", "attention": "norm", "shared": "(network)", "named": "body.1"}


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "networks"))


def finder(kind: str, fault: str = "", **settings: Any) -> Any:
    import finder_mindspore_nets as mindspore_nets
    import finder_torch_nets as torch_nets

    settings = {"print_level": 0, **settings}
    return ts.migrator.NetDifferenceFinder(torch_nets.made(kind), mindspore_nets.made(kind, fault), **settings)


@pytest.mark.parametrize("kind", INPUTS)
def test_a_clean_pair_passes(kind: str) -> None:
    result = finder(kind).compare(inputs=INPUTS[kind])
    assert (result.verdict, result.causes) == ("match", ()), result.reason


@pytest.mark.parametrize("kind", INPUTS)
def test_a_fault_is_named(kind: str) -> None:
    result = finder(kind, "fault").compare(inputs=INPUTS[kind])
    assert (result.verdict, result.module) == ("differs", WHERE[kind]), result.causes


def test_inputs_from_files_generators_and_tensors(tmp_path: Path) -> None:
    import mindspore as ms
    import torch

    array = INPUTS["named"][0]
    np.save(tmp_path / "x.npy", array)
    several = (case for case in [(str(tmp_path / "x.npy"),), (torch.tensor(array),), (ms.Tensor(array),), (array,)])
    result = finder("named").compare(inputs=several)
    assert result.agrees
    assert result.outputs["name_a"].tolist() == [f"step_{number}_out_0" for number in range(4)]
    assert result.outputs["max_abs"].nunique() == 1


def test_random_inputs_of_whole_numbers_and_several_cases() -> None:
    result = finder("recurrent").compare(auto_inputs={"input": (((2, 7), np.int64),), "num": 2})
    assert result.agrees, result.reason
    assert len(result.outputs) == 6


def test_training_mode_with_batch_statistics_leaves_both_networks_as_they_were() -> None:
    import finder_mindspore_nets as mindspore_nets
    import finder_torch_nets as torch_nets

    torch_net, mindspore_net = torch_nets.cnn(), mindspore_nets.cnn()
    torch_net.drop.p = 0.0
    mindspore_net.drop = __import__("mindspore").nn.Identity()
    before = {name: value.clone() for name, value in torch_net.state_dict().items()}
    both = ts.migrator.NetDifferenceFinder(torch_net, mindspore_net, print_level=0)
    images = np.random.default_rng(3).standard_normal((4, 3, 16, 16)).astype(np.float32)
    result = both.compare(inputs=(images,), train=True)
    assert result.agrees, result.reason
    assert all((value == before[name]).all() for name, value in torch_net.state_dict().items())
    loaded = mindspore_net.bn1.moving_mean.asnumpy()
    assert np.array_equal(loaded, before["bn1.running_mean"].numpy())


def test_weights_that_are_not_converted_are_compared() -> None:
    result = finder("shared", auto_conv_ckpt=0).compare(inputs=INPUTS["shared"])
    assert (result.verdict, result.module) == ("differs", "layer")
    assert result.causes[0].part == "weights"


def test_the_tables_and_the_verdict_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    finder("named", "fault", print_level=2).compare(inputs=INPUTS["named"])
    shown = capsys.readouterr().out
    assert "The comparison results of Net" in shown
    assert "The comparison results of the modules" in shown
    assert "Verdict: differs. forward: body.1 (gate):" in shown


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({}, "either inputs or auto_inputs"),
        ({"inputs": []}, "no input"),
        ({"inputs": (object(),)}, "is no input"),
        ({"inputs": ("absent.npy",)}, "cannot be read"),
        ({"inputs": (np.zeros((1, 5), np.float32),)}, "network fails"),
        ({"auto_inputs": ((3, "no dtype"),)}, "not understood"),
    ],
)
def test_what_cannot_be_run_is_told(call: dict[str, Any], message: str) -> None:
    with pytest.raises(ts.ProfkitError, match=message):
        finder("named").compare(**call)


def test_a_loss_on_one_side_alone_is_refused() -> None:
    with pytest.raises(ts.ProfkitError, match="for one network alone"):
        finder("named", pt_loss=lambda result: result.sum())


def test_networks_without_weights() -> None:
    import mindspore as ms
    import torch

    for layer, verdict in ((ms.nn.Tanh(), "match"), (ms.nn.ReLU(), "differs")):
        both = ts.migrator.NetDifferenceFinder(torch.nn.Sequential(torch.nn.Tanh()), ms.nn.SequentialCell(layer), 0)
        result = both.compare(auto_inputs=(((2, 3), np.float32),))
        assert result.verdict == verdict, result.reason


def test_another_number_of_results_is_no_pass() -> None:
    import mindspore as ms
    import torch

    class Two(ms.nn.Cell):
        def construct(self, x: Any) -> Any:
            return x, x

    both = ts.migrator.NetDifferenceFinder(torch.nn.Identity(), Two(), print_level=0)
    result = both.compare(auto_inputs=(((2, 3), np.float32),), backward=False)
    assert result.verdict == "undecidable"
    assert result.outputs["status"].tolist() == ["match", "missing_a"]


def test_graph_mode_is_refused() -> None:
    import mindspore as ms

    both = finder("named")
    ms.set_context(mode=ms.GRAPH_MODE)
    try:
        with pytest.raises(ts.ProfkitError, match="in GRAPH_MODE no module"):
            both.compare(inputs=INPUTS["named"])
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)


def test_whole_numbers_of_another_width_are_no_cause() -> None:
    import mindspore as ms
    import torch

    class Narrow(ms.nn.Cell):
        def construct(self, x: Any) -> Any:
            return x.astype(ms.int32)

    class Wide(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.to(torch.int64)

    result = ts.migrator.NetDifferenceFinder(Wide(), Narrow(), print_level=0).compare(inputs=(np.arange(5.0),))
    assert (result.verdict, result.causes) == ("undecidable", ())
    assert result.outputs["status"].tolist() == ["dtype"]
    assert result.outputs["path_a"].isna().all()
