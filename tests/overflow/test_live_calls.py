"""The hunt on calls that PyTorch makes during the test, recorded by our own recorder of msprobe's layout."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.overflow import hunt_run
from profkit.run import load

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore:Full backward hook is firing")]

torch = pytest.importorskip("torch")


def _faults() -> dict[str, tuple[Any, str]]:
    """Give what a network does between its layers, and the API that makes the first bad value of it."""
    return {
        "log": (torch.log, "log"),
        "zero_over_zero": (lambda h: torch.relu(h) / torch.relu(h), "div"),
        "exp": (lambda h: torch.exp(h * 1000) / torch.exp(h * 1000).sum(-1, keepdim=True), "exp"),
        "pow": (lambda h: torch.pow(h, 0.5), "pow"),
        "rsqrt": (lambda h: torch.rsqrt(torch.relu(h)), "rsqrt"),
        "half": (lambda h: (h * 1e5).half().float(), "half"),
        "softmax_of_inf": (lambda h: torch.softmax(torch.exp(h * 1000), -1), "exp"),
        "norm_of_nothing": (lambda h: h / torch.relu(-h.abs()).sum(-1, keepdim=True), "div"),
    }


CLEAN = {
    "plain": torch.relu,
    "masked": lambda h: torch.softmax(h.masked_fill(torch.ones_like(h).triu(1) > 0, float("-inf")), -1),
    "where": lambda h: torch.softmax(torch.where(h > 0, h, float("-inf")).index_fill(1, torch.tensor([0]), 1.0), -1),
    "half": lambda h: torch.tanh(h).bfloat16().float(),
}


def hunted(between: Any, folder: Path) -> pd.DataFrame:
    script = Path(__file__).with_name("call_recorder.py")
    spec = importlib.util.spec_from_file_location("call_recorder", script)
    assert spec is not None
    assert spec.loader is not None
    recorder_module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorder_module)

    class Between(torch.nn.Module):
        def forward(self, h: Any) -> Any:
            return between(h)

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(8, 16), Between(), torch.nn.Linear(16, 5))
    recorder = recorder_module.CallRecorder(network)
    with recorder:
        loss = torch.nn.functional.cross_entropy(network(torch.randn(4, 8)), torch.tensor([0, 1, 2, 3]))
    loss.backward()
    run = load(recorder.write(folder, network))
    assert len(run.tensors) > 20
    return hunt_run(run)


@pytest.mark.parametrize("case", _faults())
def test_the_planted_call_is_the_origin(case: str, tmp_path: Path) -> None:
    between, api = _faults()[case]
    found = hunted(between, tmp_path)
    (origin,) = found[found["primary"]].to_dict("records")
    assert (origin["op_type"], origin["role"]) == (api, "origin")
    assert origin["order"] == found[found["role"] == "origin"]["order"].min()
    module = found[found["op"] == "Module.1.Between.forward.0"].to_dict("records")
    assert [row["role"] for row in module] == ["carrier"]
    gradients = found[found["op"].str.fullmatch(r"\d\.(weight|bias)")]
    assert set(gradients["role"]) <= {"carrier"}
    assert not ((found["role"] == "origin") & found["op"].str.startswith("Module.")).any()


@pytest.mark.parametrize("case", CLEAN)
def test_clean_calls_give_no_origin(case: str, tmp_path: Path) -> None:
    found = hunted(CLEAN[case], tmp_path)
    assert not found["primary"].any()
    assert not (found["role"] == "origin").any()
