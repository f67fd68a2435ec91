"""Trees of .pt, .npy and .npz tensors read as one recording and compared with each other, however they are saved."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.compare import compare_paths
from profkit.discovery import discover
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.run import load

sys.path.insert(0, str(Path(__file__).parent))
from torch_files import save_as_torch, state_dict

RNG = np.random.default_rng(0)
LAYERS = {name: RNG.normal(size=(4, 3)).astype(np.float32) for name in ("stem", "blocks.2.fc", "blocks.10.fc", "head")}


def save_npy(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path.with_name(f"{path.name}.npy"), array)


def save_npz(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path.with_name(f"{path.name}.npz"), array)


def save_pt(path: Path, array: np.ndarray) -> None:
    save_as_torch(path.with_name(f"{path.name}.pt"), array)


Save = Callable[[Path, np.ndarray], None]
WRITERS: dict[str, Save] = {"npy": save_npy, "npz": save_npz, "pt": save_pt}


def write_tree(root: Path, kinds: list[str], wrong: str = "") -> None:
    for number, (name, array) in enumerate(LAYERS.items()):
        changed = array + (np.float32(0.5) if name == wrong else np.float32(0))
        WRITERS[kinds[number % len(kinds)]](root / "rank_0" / "step3" / "outputs" / f"{number}_{name}", changed)


def formats(path: Path) -> list[str]:
    return [found.format for found in discover(path).found]


def reason(path: Path) -> str:
    return load(path).sources[0].reason


@pytest.mark.parametrize("a", [["npy"], ["pt"], ["pt", "npy", "npz"]], ids="+".join)
@pytest.mark.parametrize("b", [["pt"], ["npz"], ["npz", "pt", "npy"]], ids="+".join)
def test_trees_of_every_kind_are_compared(tmp_path: Path, a: list[str], b: list[str]) -> None:
    write_tree(tmp_path / "a", a)
    write_tree(tmp_path / "b", b, wrong="blocks.10.fc")
    assert formats(tmp_path / "b") == ["saved-tensors"]
    parity = compare_paths(tmp_path / "a", tmp_path / "b").parity
    assert parity["name_a"].tolist() == list(LAYERS) == parity["name_b"].tolist()
    assert parity["status"].tolist() == ["match", "match", "mismatch", "match"]
    assert parity["first_divergence"].tolist() == [False, False, True, False]
    tensors = load(tmp_path / "b").tensors
    assert set(tensors["iteration"]) == {3}
    assert set(tensors["rank"]) == {0}
    assert tensors["order"].tolist() == [0, 1, 2, 3]


def test_files_of_several_tensors_stand_before_their_names(tmp_path: Path) -> None:
    save_as_torch(tmp_path / "1_attention.pt", {"q": np.ones(2), "k": np.ones(3)})
    save_as_torch(tmp_path / "0_pair.pt", [np.ones(1), np.ones(2), [np.ones(3)]])
    np.savez(tmp_path / "2_named.npz", z=np.ones(1), a=np.ones(2))
    np.savez(tmp_path / "3_listed.npz", np.ones(1), np.ones(2))
    tensors = load(tmp_path).tensors
    assert tensors["op"].tolist() == [
        "pair.0", "pair.1", "pair.2.0", "attention.q", "attention.k", "named.z", "named.a", "listed.0", "listed.1",
    ]  # fmt: skip
    assert tensors["order"].tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    for row in tensors.itertuples():
        assert np.all(open_tensor(row.path, row.member) == 1)


def test_a_file_named_like_a_directory_tells_the_same(tmp_path: Path) -> None:
    write_tree(tmp_path / "a", ["npy"], wrong="head")
    for step in (3, 4):
        save_as_torch(tmp_path / "b" / "rank_0" / f"step{step}.pt", dict(LAYERS))
    save_as_torch(tmp_path / "b" / "rank_0" / "step3" / "gradients.pt", {"head": LAYERS["head"]})
    tensors = load(tmp_path / "b").tensors
    assert tensors["iteration"].tolist() == [3] * 5 + [4] * 4
    assert tensors["op"].tolist() == [*LAYERS, "head", *LAYERS]
    assert (tensors["io"] == "gradient").tolist() == [False] * 4 + [True] + [False] * 4
    parity = compare_paths(tmp_path / "a", tmp_path / "b").parity
    assert parity["status"].tolist() == ["match"] * 3 + ["mismatch"] + ["missing_a"] * 5


@pytest.mark.parametrize("wrapper", ["", "state_dict"])
def test_checkpoints_stay_checkpoints(tmp_path: Path, wrapper: str) -> None:
    weights: Any = state_dict(alpha=LAYERS["stem"], omega=LAYERS["head"])
    for name in ("best.pt", "last.pth"):
        save_as_torch(tmp_path / name, {wrapper: weights} if wrapper else weights)
    assert formats(tmp_path) == ["torch-checkpoint"] * 2
    tensors = load(tmp_path).tensors
    assert set(tensors["io"]) == {"parameter"}
    assert set(tensors["op"]) == {"alpha", "omega"}


def test_many_files_of_parameters_are_a_tree(tmp_path: Path) -> None:
    for number in range(12):
        save_as_torch(tmp_path / f"layer{number}.pt", state_dict(weight=LAYERS["stem"]))
    assert formats(tmp_path) == ["saved-tensors"]
    assert "parameters" in reason(tmp_path)
    tensors = load(tmp_path).tensors
    assert tensors["op"].tolist() == [f"layer{number}.weight" for number in range(12)]
    assert set(tensors["io"]) == {"parameter"}


def test_a_checkpoint_in_a_tree_gives_parameters(tmp_path: Path) -> None:
    save_npy(tmp_path / "0_stem", LAYERS["stem"])
    save_as_torch(tmp_path / "net.pt", state_dict(weight=LAYERS["head"]))
    run = load(tmp_path)
    assert not run.issues
    assert run.tensors[["op", "io"]].astype(str).to_numpy().tolist() == [["stem", "output"], ["weight", "parameter"]]


def test_what_else_lies_there_is_not_hidden(tmp_path: Path) -> None:
    save_pt(tmp_path / "x", LAYERS["stem"])
    (tmp_path / "trace.json").write_text('{"schemaVersion": 1, "traceEvents": [{"ph": "X", "cat": "cpu_op", "ts": 1, '
                                         '"dur": 1, "pid": 1, "tid": 1, "name": "aten::add"}]}')  # fmt: skip
    run = load(tmp_path)
    assert {source.format for source in run.sources} == {"torch-checkpoint", "kineto-trace"}
    assert run.tensors["op"].tolist() == ["x"]


def test_the_reason_names_the_content(tmp_path: Path) -> None:
    save_pt(tmp_path / "one" / "x", LAYERS["stem"])
    save_as_torch(tmp_path / "some" / "x.pt", [LAYERS["stem"]])
    save_as_torch(tmp_path / "named" / "x.pt", {"q": LAYERS["stem"]})
    assert reason(tmp_path / "one") == "it holds 1 .pt files and nothing else, and x.pt holds one tensor"
    assert reason(tmp_path / "some").endswith("x.pt holds a list")
    assert reason(tmp_path / "named").endswith("holds named tensors that nothing marks as a network's parameters")


def test_a_bad_file_costs_itself(tmp_path: Path) -> None:
    write_tree(tmp_path / "a", ["npy"])
    write_tree(tmp_path / "b", ["pt"])
    cut = tmp_path / "b" / "rank_0" / "step3" / "outputs" / "1_blocks.2.fc.pt"
    cut.write_bytes(cut.read_bytes()[:-100])
    result = compare_paths(tmp_path / "a", tmp_path / "b")
    assert result.parity["status"].tolist() == ["match", "unreadable", "match", "match"]
    assert [Path(issue.source).name for issue in result.issues] == [cut.name]


def test_gradients_against_a_list_that_no_name_marks(tmp_path: Path) -> None:
    save_as_torch(tmp_path / "grads" / "all.pt", [LAYERS["stem"], LAYERS["head"]])
    save_as_torch(tmp_path / "other" / "all.pt", [LAYERS["stem"], LAYERS["head"] * 2])
    parity = compare_paths(tmp_path / "grads", tmp_path / "other").parity
    assert parity["name_a"].tolist() == ["all.0", "all.1"] == parity["name_b"].tolist()
    assert parity["status"].tolist() == ["match", "mismatch"]


@pytest.mark.frameworks
def test_trees_that_torch_saved(tmp_path: Path) -> None:
    import torch

    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    for side, dtype in (("a", torch.float32), ("b", torch.float64)):
        x = torch.ones(2, 3, dtype=dtype)
        for number, layer in enumerate(network.to(dtype)):
            x = layer(x)
            (tmp_path / side / "outputs").mkdir(parents=True, exist_ok=True)
            file = tmp_path / side / "outputs" / f"{number}_layer.{number}"
            if side == "a":
                torch.save(x.detach(), f"{file}.pt")
            else:
                np.save(f"{file}.npy", (x if number < 2 else x + 0.25).detach().numpy())
    torch.save(network.state_dict(), tmp_path / "net.pt")
    torch.save({"q": torch.ones(2), "k": torch.ones(3)}, tmp_path / "named.pt")
    parity = compare_paths(tmp_path / "a", tmp_path / "b").parity
    assert parity["name_b"].tolist() == ["layer.0", "layer.1", "layer.2"]
    assert parity["first_divergence"].tolist() == [False, False, True]
    assert load(tmp_path / "net.pt").tensors["io"].tolist() == ["parameter"] * 4
    assert load(tmp_path / "named.pt").tensors["io"].tolist() == ["output"] * 2
