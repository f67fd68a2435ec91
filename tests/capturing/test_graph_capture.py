"""Networks in MindSpore graphs: what is kept is what PyNative and PyTorch keep, and the network does not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
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

# A graph tells what reaches a result, not the gradient of a tensor that is an argument as well.
PASSED_ON = {(name, "gradient", "missing_b") for name in ("blocks.0:1", "blocks.1:1", "naming:1")}
KINDS = ("nested", "shared", "numbers", "collections", "jitted")


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # MindSpore writes what its compiler refuses to where the user stands.
    monkeypatch.chdir(tmp_path)
    here = Path(__file__).parent
    for folder in (here / "networks", here.parent / "difference_finder" / "networks"):
        monkeypatch.syspath_prepend(str(folder))


@contextmanager
def in_graphs(mode: str) -> Iterator[None]:
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE if mode == "GRAPH_MODE" else ms.PYNATIVE_MODE)
    try:
        yield
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)


def network(kind: str) -> Any:
    import graph_networks

    return graph_networks.network(kind)


def run(net: Any, mode: str, steps: int) -> list[Any]:
    import graph_networks

    return graph_networks.losses_and_gradients(net, mode, steps)


def captured(kind: str, mode: str, folder: Path, **settings: Any) -> tuple[list[Any], Any]:
    net = network(kind)
    with in_graphs(mode), profkit.capture(net, folder, **{"steps": 2, "profile_steps": 0, **settings}):
        return run(net, mode, 2), net


def statuses(a: Path, b: Path) -> dict[tuple[str, str], int]:
    parity = compare_paths(a, b).parity
    return {(str(io), str(status)): len(rows) for (io, status), rows in parity.groupby(["io", "status"])}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["GRAPH_MODE", "jit"])
def test_graphs_give_what_pynative_gives(kind: str, mode: str, tmp_path: Path) -> None:
    with in_graphs(mode):
        expected = run(network(kind), mode, 2)
    found, net = captured(kind, mode, tmp_path / "graph")
    assert [np.array_equal(a, b) for a, b in zip(expected, found, strict=True)] == [True] * len(expected)
    assert not [path for path, cell in net.cells_and_names() if "construct" in vars(cell)]
    captured(kind, "PYNATIVE_MODE", tmp_path / "pynative")
    parity = compare_paths(tmp_path / "pynative", tmp_path / "graph").parity
    unmatched = parity[parity["status"] != "match"]
    assert set(zip(unmatched["name_a"], unmatched["io"], unmatched["status"], strict=True)) <= PASSED_ON
    assert {"input", "output", "gradient"} == set(load(tmp_path / "graph").tensors["io"])
    assert set(load(tmp_path / "graph").tensors["iteration"]) == {0, 1}


def test_the_network_is_compiled_as_before_afterwards(tmp_path: Path) -> None:
    net = network("nested")
    with in_graphs("GRAPH_MODE"):
        before = run(net, "GRAPH_MODE", 1)
        with profkit.capture(net, tmp_path / "first", profile_steps=0):
            run(net, "GRAPH_MODE", 2)
        size = (tmp_path / "first" / "tensors" / "tensors.jsonl").stat().st_size
        after = run(net, "GRAPH_MODE", 1)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert (tmp_path / "first" / "tensors" / "tensors.jsonl").stat().st_size == size
    assert set(load(tmp_path / "first").tensors["iteration"]) == {0}
    with in_graphs("GRAPH_MODE"), profkit.capture(net, tmp_path / "again", profile_steps=0):
        run(net, "GRAPH_MODE", 1)
    assert set(statuses(tmp_path / "first", tmp_path / "again")) == {
        (io, "match") for io in ("input", "output", "gradient")
    }


def test_steps_are_chosen_and_timed_behind(tmp_path: Path) -> None:
    net = network("shared")
    with in_graphs("GRAPH_MODE"), profkit.capture(net, tmp_path, steps=[1], profile_steps=2):
        run(net, "GRAPH_MODE", 7)
    found = load(tmp_path)
    assert set(found.tensors["iteration"]) == {1}
    assert len(found.ops) > 20
    assert "Custom" not in " ".join(found.ops["name"].astype(str))
    about = json.loads((tmp_path / "capture.json").read_text())
    assert (about["state"], about["steps_run"], about["not_captured"]) == ("complete", 7, [])


def test_statistics_and_bounds_hold_in_graphs(tmp_path: Path) -> None:
    captured("nested", "GRAPH_MODE", tmp_path / "statistics", values="statistics")
    assert load(tmp_path / "statistics").tensors["path"].isna().all()
    with pytest.warns(CaptureWarning, match="max_bytes was reached"):
        captured("nested", "GRAPH_MODE", tmp_path / "small", max_bytes=500)
    assert sum(file.stat().st_size - 128 for file in (tmp_path / "small").rglob("*.npy")) <= 500


def test_types_and_shapes_of_numbers_stay_what_they_are(tmp_path: Path) -> None:
    captured("numbers", "GRAPH_MODE", tmp_path, steps=1)
    rows = load(tmp_path).tensors
    outputs = rows[rows["io"] == "output"].set_index("op")
    assert outputs.loc["halved", ["dtype", "shape"]].tolist() == ["bfloat16", "3,4"]
    assert outputs.loc["mean", ["dtype", "shape"]].tolist() == ["float32", ""]
    assert "int" in outputs.loc["largest", "dtype"]
    assert rows[rows["io"] == "input"].set_index("op").loc["largest", "shape"] == "3,4"


def test_a_module_that_the_compiler_refuses_is_left_out_and_named(tmp_path: Path) -> None:
    with in_graphs("GRAPH_MODE"):
        expected = run(network("refused"), "GRAPH_MODE", 2)
    warned = pytest.warns(CaptureWarning, match=r"the graph compiler refused to keep 1 modules \(odd\): ")
    with warned:
        found, _ = captured("refused", "GRAPH_MODE", tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))
    assert {"first", "(network)"} <= set(load(tmp_path).tensors["op"])
    # MindSpore's reports of what it refused (rank_0/om/analyze_fail.ir) are not the user's.
    assert not (Path.cwd() / "rank_0").exists()


def test_errors_of_the_user_stay_the_users(tmp_path: Path) -> None:
    import mindspore as ms

    net = network("nested")
    refused = pytest.raises(ValueError, match=r"(?i)shape|dim")
    with in_graphs("GRAPH_MODE"), refused, profkit.capture(net, tmp_path, profile_steps=0):
        net(ms.Tensor(np.ones((3, 5), np.float32)))
    assert json.loads((tmp_path / "capture.json").read_text())["state"] == "broken off by ValueError"
    assert (Path.cwd() / "rank_0" / "om" / "analyze_fail.ir").is_file()


def test_a_mindspore_without_the_means_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mindspore.graph.api

    monkeypatch.delattr(mindspore.graph.api, "_hook_version")
    with pytest.warns(CaptureWarning, match="no tensors are kept in GRAPH_MODE: this MindSpore's graphs"):
        captured("nested", "GRAPH_MODE", tmp_path)
    assert (tmp_path / "tensors" / "tensors.jsonl").read_text().count("\n") == 1


NUMBERS = np.random.default_rng(7)
IMAGES = NUMBERS.standard_normal((4, 3, 16, 16)).astype(np.float32)
PICTURES = NUMBERS.standard_normal((2, 3, 32, 32)).astype(np.float32)
TOKENS = NUMBERS.integers(0, 10, (2, 11))
KINDS_OF_NETS = {
    "cnn": (IMAGES, "wrong padding", "conv1"),
    "vit": (PICTURES, "tanh GELU", "blocks.1.mlp.act"),
    "recurrent": (TOKENS, "scale", "lstm"),
}


def capture_torch(kind: str, folder: Path) -> None:
    import finder_torch_nets as nets
    import torch

    inputs = KINDS_OF_NETS[kind][0]
    net = nets.made(kind) if kind == "recurrent" else getattr(nets, kind)()
    net.eval()
    profkit.migrator.save_net_and_weight_params(net, path=folder / "weights")
    labels = torch.arange(len(inputs))
    with profkit.capture(net, folder, profile_steps=0):
        found = net(torch.tensor(inputs))
        scores = found["scores"].mean(1) if isinstance(found, dict) else found
        torch.nn.functional.cross_entropy(scores, labels).backward()


def capture_mindspore(kind: str, fault: str, mode: str, reference: Path, folder: Path) -> None:
    import finder_mindspore_nets as nets
    import graph_networks
    import mindspore as ms

    inputs = KINDS_OF_NETS[kind][0]
    net = nets.made(kind, fault) if kind == "recurrent" else getattr(nets, kind)(fault)
    net.set_train(False)
    weights = reference / "weights"
    profkit.migrator.convert_weight_and_load(
        weights / "torch_net_map.json", weights / "torch_troubleshooter_create.pth", net
    )
    labels = ms.Tensor(np.arange(len(inputs)), ms.int32)

    def loss(x: Any) -> Any:
        return graph_networks.cross_entropy(net(x), labels)

    step = ms.value_and_grad(loss, None, net.trainable_params())
    with in_graphs(mode), profkit.capture(net, folder, profile_steps=0):
        (ms.jit(step) if mode == "jit" else step)(ms.Tensor(inputs))


@pytest.mark.parametrize("mode", ["GRAPH_MODE", "jit"])
@pytest.mark.parametrize("kind", KINDS_OF_NETS)
def test_a_graph_is_compared_with_pytorch(kind: str, mode: str, tmp_path: Path) -> None:
    _, fault, where = KINDS_OF_NETS[kind]
    capture_torch(kind, tmp_path / "torch")
    capture_mindspore(kind, "", mode, tmp_path / "torch", tmp_path / "clean")
    clean = compare_paths(tmp_path / "torch", tmp_path / "clean").parity
    assert first(clean) == ""
    assert set(clean["status"]) <= {"match", "missing_a", "missing_b"}
    assert (clean["status"] == "match").sum() > 10
    capture_mindspore(kind, fault, mode, tmp_path / "torch", tmp_path / "wrong")
    assert first(compare_paths(tmp_path / "torch", tmp_path / "wrong").parity) == where


def first(parity: pd.DataFrame) -> str:
    rows = parity[parity["first_divergence"]]
    return "" if rows.empty else str(rows.iloc[0]["name_a"])
