"""ts.widget: losses out of logs, gradients of torch, weights into MindSpore."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts
from profkit.errors import ProfkitError

LEFT = """step 1 lm_loss: 2.5 | grad 1
no loss here
step 2 lm_loss:1.25e0 lm_loss: 9
step 3 lm_loss = nan
step 4 lm_loss: none yet
step 5 lm_loss: -.5
"""
RIGHT = "".join(f"lm_loss: {loss}\n" for loss in ("2.5", "1.5", "1.0", "-0.75", "0.1", "0.05"))


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], dict[str, str]]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "npu.txt").write_text(LEFT)
    (tmp_path / "gpu.txt").write_text(RIGHT)
    return (
        {"path": "npu.txt", "loss_tag": "lm_loss", "label": "npu"},
        {"path": "gpu.txt", "loss_tag": "lm_loss:", "label": "gpu"},
    )


def test_losses_are_read_and_set_side_by_side(logs: tuple[Any, Any], capsys: pytest.CaptureFixture[str]) -> None:
    curves = ts.widget.loss_compare(*logs)
    assert curves["left"].iloc[[0, 1, 3]].tolist() == [2.5, 1.25, -0.5]
    assert curves["left"].isna().tolist() == [False, False, True, False, True, True]
    assert curves["right"].tolist() == [2.5, 1.5, 1.0, -0.75, 0.1, 0.05]
    assert curves["abs_error"].iloc[[0, 1, 3]].tolist() == [0, 0.25, 0.25]
    assert curves["rel_error"].iloc[[0, 1, 3]].tolist() == [0, 0.2, 0.5]
    printed = capsys.readouterr()
    assert "4 losses against 6: the rest of the longer log is not compared" in printed.out
    assert "npu.txt: 1 lines have the tag and no number behind it" in printed.err


def test_pictures_and_tables_are_written_where_asked(logs: tuple[Any, Any], tmp_path: Path) -> None:
    ts.widget.loss_compare(*logs, title="Loss of $both$")
    folder = tmp_path / "loss_compare"
    assert sorted(path.name for path in folder.iterdir()) == [
        "error.png", "gpu.txt.csv", "loss_compare.png", "npu.txt.csv", "statistic.csv",
    ]  # fmt: skip
    assert (folder / "error.png").read_bytes()[:4] == (folder / "loss_compare.png").read_bytes()[:4] == b"\x89PNG"
    with (folder / "statistic.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert {name: float(row[name]) for name in ("LEFT_MAX", "LEFT_MIN", "RIGHT_MIN", "MAX_ABS_ERROR")} == {
        "LEFT_MAX": 2.5, "LEFT_MIN": -0.5, "RIGHT_MIN": -0.75, "MAX_ABS_ERROR": 0.25,
    }  # fmt: skip
    assert (row["LEFT_COUNT"], row["LEFT_NOT_FINITE"]) == ("4", "1")
    assert math.isclose(float(row["LEFT_MEAN"]), (2.5 + 1.25 - 0.5) / 3)


def test_logs_of_one_name_do_not_write_over_each_other(logs: tuple[Any, Any], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "npu.txt").write_text(RIGHT)
    ts.widget.loss_compare(logs[0], {**logs[1], "path": "other/npu.txt"}, output_dir=tmp_path / "out")
    assert {"left_npu.txt.csv", "right_npu.txt.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "none.txt"}, "none.txt cannot be read: No such file"),
        ({"loss_tag": "accuracy"}, "holds no loss behind 'accuracy': no line has it"),
        ({"loss_tag": "no loss"}, "1 lines have it without a number"),
        ({"loss_tag": ""}, "has no 'loss_tag'"),
    ],
)
def test_a_log_without_losses_is_one_line(
    change: dict[str, str], words: str, logs: tuple[Any, Any], tmp_path: Path
) -> None:
    with pytest.raises(ProfkitError, match=words):
        ts.widget.loss_compare({**logs[0], **change}, logs[1])
    assert not (tmp_path / "loss_compare").exists()


def test_a_binary_log_does_no_harm(logs: tuple[Any, Any], tmp_path: Path) -> None:
    (tmp_path / "npu.txt").write_bytes(bytes(range(256)) * 100 + b"\nlm_loss 3\n")
    assert ts.widget.loss_compare(*logs)["left"].iloc[0] == 3


@pytest.mark.frameworks
def test_gradients_carry_name_and_place_of_their_parameters(tmp_path: Path) -> None:
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    net[0].bias.requires_grad_(False)
    net(torch.ones(1, 2)).sum().backward()
    gradients = ts.widget.get_pt_grads(net)
    assert list(gradients) == ["0.weight_0", "0.bias_1", "1.weight_2", "1.bias_3"]
    assert gradients["0.bias_1"] is None
    ts.save(str(tmp_path / "grads"), gradients)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0_grads.0.weight_0.npy", "1_grads.1.weight_2.npy", "2_grads.1.bias_3.npy",
    ]  # fmt: skip
    with pytest.raises(ProfkitError, match=r"list is no torch\.nn\.Module"):
        ts.widget.get_pt_grads([net])


@pytest.mark.frameworks
def test_a_checkpoint_is_loaded_and_what_is_left_over_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import mindspore as ms

    saved, other = ms.nn.Dense(2, 3), ms.nn.Dense(2, 3)
    ms.save_checkpoint(
        [{"name": "weight", "data": saved.weight}, {"name": "x", "data": saved.bias}], str(tmp_path / "w.ckpt")
    )
    missing, unknown = ts.widget.load_ms_weight2net(other, str(tmp_path / "w.ckpt"))
    assert (missing, unknown) == (["bias"], ["x"])
    assert np.array_equal(other.weight.asnumpy(), saved.weight.asnumpy())
    told = capsys.readouterr().err
    assert "the file has no value for bias" in told
    assert "the network has no place for x" in told
    with pytest.raises(ProfkitError, match="cannot be loaded into the network"):
        ts.widget.load_ms_weight2net(ms.nn.Dense(3, 3), str(tmp_path / "w.ckpt"))
    with pytest.raises(ProfkitError, match="does not exist"):
        ts.widget.load_ms_weight2net(other, str(tmp_path / "none.ckpt"))
