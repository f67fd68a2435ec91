"""The guide's calls on weights, with real networks of both frameworks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts
from profkit.errors import ProfkitError
from profkit.schema import PARITY, WEIGHT_MAP

pytestmark = pytest.mark.frameworks


def torch_net() -> Any:
    import torch

    torch.manual_seed(5)
    net = torch.nn.Sequential()
    net.add_module("conv", torch.nn.Conv1d(3, 4, 3))
    net.add_module("bn", torch.nn.BatchNorm1d(4))
    net.add_module("act", torch.nn.PReLU())
    net.add_module("table", torch.nn.Embedding(5, 6))
    net.add_module("norm", torch.nn.LayerNorm(6))
    net.add_module("fc", torch.nn.Linear(6, 2))
    net.bn.running_mean += torch.arange(4.0)
    return net


def mindspore_net(api: str = "nn") -> Any:
    import mindspore as ms

    nn = ms.mint.nn if api == "mint" else ms.nn

    class Net(ms.nn.Cell):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(3, 4, 3) if api == "mint" else nn.Conv1d(3, 4, 3, has_bias=True)
            self.bn, self.act, self.table = nn.BatchNorm1d(4), nn.PReLU(), nn.Embedding(5, 6)
            self.norm = nn.LayerNorm(6) if api == "mint" else nn.LayerNorm((6,))
            self.fc = nn.Linear(6, 2) if api == "mint" else nn.Dense(6, 2)

    return Net()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    ts.migrator.save_net_and_weight_params(torch_net(), path=tmp_path / "pt")
    ts.migrator.save_net_and_weight_params(mindspore_net(), path=str(tmp_path / "ms"))
    return tmp_path


MINDSPORE_FILES = [
    "mindspore_net_architecture.txt", "mindspore_net_structure.json", "mindspore_troubleshooter_create.ckpt",
]  # fmt: skip


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def paths(saved: Path) -> tuple[Path, Path, Path]:
    return (
        saved / "pt" / "torch_net_map.json",
        saved / "pt" / "torch_troubleshooter_create.pth",
        saved / "ms" / "mindspore_troubleshooter_create.ckpt",
    )


def test_a_network_becomes_the_files_of_the_guide(saved: Path) -> None:
    assert files(saved / "pt") == [
        "torch_net_architecture.txt", "torch_net_map.json", "torch_net_structure.json",
        "torch_troubleshooter_create.pth",
    ]  # fmt: skip
    assert files(saved / "ms") == MINDSPORE_FILES
    assert (saved / "pt" / "torch_net_architecture.txt").read_text() == f"{torch_net()}\n"
    assert "0x" not in (saved / "ms" / "mindspore_net_architecture.txt").read_text()
    names, values = json.loads((saved / "pt" / "torch_net_map.json").read_text())
    assert names["bn.running_mean"] == "bn.moving_mean"
    assert names["act.weight"] == "act.w"
    assert names["bn.num_batches_tracked"] == "bn.num_batches_tracked"
    assert list(values) == ["conv.weight"]


def test_a_second_save_with_its_own_name_leaves_the_first(saved: Path) -> None:
    before = paths(saved)[1].read_bytes()
    ts.migrator.save_net_and_weight_params(torch_net().double(), path=saved / "pt", weight_params_filename="result.pth")
    assert paths(saved)[1].read_bytes() == before
    ts.migrator.save_net_and_weight_params(mindspore_net(), path=saved / "ms")
    assert files(saved / "ms") == MINDSPORE_FILES


def test_shapes_alone_are_compared(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parity = ts.migrator.compare_pth_and_ckpt(*paths(saved), compare_value=False)
    assert PARITY.validate(parity) is None
    judged = parity[parity["paired_by"] != "not needed"]
    assert set(judged["status"]) == {"match"}
    assert len(judged) == 12
    printed = capsys.readouterr().out
    assert "comparison results for shapes" in printed
    assert "comparison results for values" not in printed


def test_converted_and_loaded_weights_agree_by_value(saved: Path) -> None:
    net = mindspore_net()
    weight_map, pth, _ = paths(saved)
    rows = ts.migrator.convert_weight_and_load(weight_map_path=weight_map, pt_file_path=pth, net=net)
    assert WEIGHT_MAP.validate(rows) is None
    state = torch_net().state_dict()
    assert np.array_equal(net.conv.weight.asnumpy()[:, :, 0], state["conv.weight"].numpy())
    assert np.array_equal(net.bn.moving_mean.asnumpy(), state["bn.running_mean"].numpy())
    assert np.array_equal(net.act.w.asnumpy(), state["act.weight"].numpy())
    ts.migrator.save_net_and_weight_params(net, path=saved / "ms")
    parity = ts.migrator.compare_pth_and_ckpt(*paths(saved))
    assert set(parity[parity["paired_by"] != "not needed"]["status"]) == {"match"}
    assert files(saved) == ["ms", "pt"]


def test_a_map_made_for_nn_is_corrected_for_a_network_of_mint(saved: Path) -> None:
    net = mindspore_net("mint")
    weight_map, pth, _ = paths(saved)
    ts.migrator.convert_weight_and_load(weight_map, pth, net)
    state = torch_net().state_dict()
    parameters = {parameter.name: parameter.asnumpy() for parameter in net.get_parameters()}
    for name in ("conv.weight", "bn.running_mean", "act.weight", "table.weight", "norm.bias"):
        assert np.array_equal(parameters[name], state[name].numpy()), name
    ts.migrator.save_net_and_weight_params(net, path=saved / "ms")
    parity = ts.migrator.compare_pth_and_ckpt(*paths(saved))
    assert set(parity[parity["paired_by"] != "not needed"]["status"]) == {"match"}


def test_a_changed_weight_is_a_mismatch_by_name(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weight_map, pth, ckpt = paths(saved)
    ts.migrator.convert_weight(weight_map, pth, ckpt, print_conv_info=False, print_save_path=False)
    import torch

    state = torch.load(pth)
    state["norm.weight"][1] += 0.5
    torch.save(state, pth)
    capsys.readouterr()
    parity = ts.migrator.compare_pth_and_ckpt(weight_map, pth, ckpt, print_level=2)
    assert parity[parity["status"] == "mismatch"]["name_a"].tolist() == ["norm.weight"]
    printed = capsys.readouterr().out
    assert "norm.weight" in printed
    assert "fc.weight" not in printed


def test_print_level_0_prints_nothing(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ts.migrator.compare_pth_and_ckpt(*paths(saved), print_level=0)
    ts.migrator.compare_pth_and_ckpt(*paths(saved), compare_value=False, print_level=0)
    assert capsys.readouterr().out == ""


def test_two_checkpoints_of_mindspore_are_compared(saved: Path) -> None:
    ckpt = paths(saved)[2]
    assert set(ts.migrator.compare_ms_ckpt(ckpt, ckpt)["status"]) == {"match"}


def test_a_map_takes_prefix_own_names_and_the_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def custom(names: dict[str, str]) -> dict[str, str]:
        return {name: other.replace("fc.", "head.") for name, other in names.items()}

    names, values = ts.migrator.get_weight_map(
        torch_net(), tmp_path / "new" / "map.json", weight_name_prefix="net", custom_name_func=custom, print_map=True
    )
    assert names["fc.bias"] == "net.head.bias"
    assert json.loads((tmp_path / "new" / "map.json").read_text()) == [names, values]
    assert "net.head.bias" in capsys.readouterr().out
    against_mint, values = ts.migrator.get_weight_map(pt_net=torch_net(), ms_net=mindspore_net("mint"))
    assert against_mint["norm.weight"] == "norm.weight"
    assert not values


def test_weights_and_map_may_come_from_memory(tmp_path: Path) -> None:
    net = torch_net()
    tables = ts.migrator.get_weight_map(net)
    rows = ts.migrator.convert_weight(
        pt_param_dict=net.state_dict(), weight_map=tables, ms_file_save_path=tmp_path / "deep" / "net.ckpt"
    )
    assert set(rows["status"]) <= {"mapped", "not_needed"}
    other = mindspore_net()
    # The map keeps what only mint.nn has a place for.
    assert ts.widget.load_ms_weight2net(other, tmp_path / "deep" / "net.ckpt") == ([], ["bn.num_batches_tracked"])
    assert np.array_equal(other.fc.weight.asnumpy(), net.fc.weight.detach().numpy())


def test_a_map_that_names_functions_is_refused_and_nothing_is_run(tmp_path: Path, saved: Path) -> None:
    weight_map, pth, _ = paths(saved)
    names, _ = json.loads(weight_map.read_text())
    weight_map.write_text(json.dumps([names, {"fc.bias": "os.mkdir"}]))
    with pytest.raises(ProfkitError, match="functions are never called"):
        ts.migrator.convert_weight(weight_map, pth, tmp_path / "net.ckpt")
    with pytest.raises(ProfkitError, match="functions are never called"):
        ts.migrator.convert_weight(
            weight_map=(names, {"fc.bias": "os.mkdir"}), pt_file_path=pth, ms_file_save_path="x.ckpt"
        )
    assert not (tmp_path / "net.ckpt").exists()


def test_a_checkpoint_that_runs_code_is_refused_and_leaves_no_file(tmp_path: Path, saved: Path) -> None:
    import torch

    class Hostile:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "was_run",)

    torch.save({"fc.bias": Hostile()}, tmp_path / "hostile.pth")
    with pytest.raises(ProfkitError):
        ts.migrator.convert_weight(paths(saved)[0], tmp_path / "hostile.pth", tmp_path / "net.ckpt")
    assert files(tmp_path) == ["hostile.pth", "ms", "pt"]


@pytest.mark.parametrize("name", ["x/y.pth", "../y.pth"])
def test_a_weight_file_stays_in_its_directory(name: str, tmp_path: Path) -> None:
    with pytest.raises(ProfkitError, match="no plain file name"):
        ts.migrator.save_net_and_weight_params(torch_net(), path=tmp_path / "pt", weight_params_filename=name)


def test_what_is_no_network_is_refused(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(ProfkitError, match="list is neither"):
        ts.migrator.save_net_and_weight_params([1], path=tmp_path)
    with pytest.raises(ProfkitError, match=r"is no torch\.nn\.Module"):
        ts.migrator.get_weight_map(mindspore_net())
    with pytest.raises(ProfkitError, match=r"is no mindspore\.nn\.Cell"):
        ts.migrator.convert_weight_and_load(*paths(saved)[:2], torch_net())
    with pytest.raises(ProfkitError, match=r"is no \.ckpt"):
        ts.migrator.convert_weight(*paths(saved)[:2], tmp_path / "x.txt")
    with pytest.raises(ProfkitError, match="print_level"):
        ts.migrator.compare_ms_ckpt(*paths(saved)[2:], paths(saved)[2], print_level=7)
