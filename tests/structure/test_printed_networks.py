"""Printed networks: read as they stand; cut and hostile ones refused; what print leaves out told as unknown."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.structure import compare_structure, describe_structure, read_structure
from profkit.structure.printed_net import parse_printed_net

# As torch 2.13 prints it.
TORCH = """\
Net(
  (stem): Sequential(
    (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (1): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    (2): ReLU(inplace=True)
  )
  (blocks): ModuleList(
    (0-2): 3 x Block(
      (norm): LayerNorm((8,), eps=1e-06, elementwise_affine=True, bias=True)
      (fc): Linear(in_features=8, out_features=8, bias=True)
    )
  )
  (pl): ParameterList(  (0): Parameter containing: [torch.float32 of size 2x3])
  (head): Linear(in_features=8, out_features=10, bias=True)
)
"""
_P = "Parameter (name={}, shape=(8,), dtype=Float32, requires_grad=True)"
# As MindSpore 2.10 prints it.
MINDSPORE = f"""\
Net(
  (stem): SequentialCell(
    (0): Conv2d(input_channels=3, output_channels=8, kernel_size=(3, 3), stride=(1, 1), pad_mode=same, padding=0, \
dilation=(1, 1), group=1, has_bias=False, weight_init=<mindspore.common.initializer.HeUniform object at 0x7f83>, \
bias_init=None, format=NCHW)
    (1): BatchNorm2d(num_features=8, eps=1e-05, momentum=0.9, gamma={_P.format("stem.1.gamma")}, \
beta={_P.format("stem.1.beta")}, moving_mean={_P.format("m")}, moving_variance={_P.format("v")})
    (2): ReLU()
  )
  (blocks): CellList(
    (0): Block(
      (norm): LayerNormExt(normalized_shape=(8,), eps=1e-06, elementwise_affine=True)
      (fc): Dense(input_channels=8, output_channels=8, has_bias=True)
    )
    (1): Block(
      (norm): LayerNorm(normalized_shape=(8,), begin_norm_axis=-1, begin_params_axis=-1, gamma{_P.format("g")}, \
beta={_P.format("b")})
      (fc): Dense(input_channels=8, output_channels=8, has_bias=True)
    )
    (2): Block(
      (norm): LayerNormExt(normalized_shape=(8,), eps=1e-05, elementwise_affine=True)
      (fc): Dense(
        input_channels=8, output_channels=8, has_bias=True, activation=ReLU()
        (activation): ReLU()
      )
    )
  )
  (pl): ParameterTuple()
  (head): Dense(input_channels=8, output_channels=10, has_bias=True)
)
"""


def write(folder: Path) -> tuple[Path, Path]:
    a, b = folder / "torch_net_architecture.txt", folder / "mindspore_net_architecture.txt"
    a.write_text(TORCH)
    b.write_text(MINDSPORE)
    return a, b


def test_two_printed_networks(tmp_path: Path) -> None:
    rows = compare_structure(*write(tmp_path)).rows.set_index("module_b")
    assert rows["status"].astype(object).to_dict() == {
        "(network)": "same", "stem": "natural", "stem.0": "natural", "stem.1": "natural", "stem.2": "same",
        "blocks": "natural", "blocks.0": "same", "blocks.0.norm": "natural", "blocks.0.fc": "natural",
        "blocks.1": "same",
        "blocks.1.norm": "undecidable", "blocks.1.fc": "natural", "blocks.2": "same", "blocks.2.norm": "different",
        "blocks.2.fc": "natural", "blocks.2.fc.activation": "missing_a", "pl": "natural", "head": "natural",
    }  # fmt: skip
    assert rows.loc["blocks.1.norm", "not_told"] == "eps (1e-06 in A)"
    assert rows.loc["blocks.2.norm", "differences"] == "eps: 1e-06 against 1e-05"
    assert rows.loc["stem.1", "natural"] == "momentum=0.9 is momentum=0.1"


# As MindSpore 1 printed it.
OLD = """\
Net<
  (seq): SequentialCell<
    (0): Dense<input_channels=4, output_channels=5, has_bias=True>
    (1): ReLU<>
    >
  (head): Dense<input_channels=5, output_channels=2, has_bias=True>
  >
"""


def test_older_mindspore_printed_other_brackets() -> None:
    new = OLD.replace("\n  >", "\n)").replace("\n    >", "\n  )").replace("<", "(").replace(">", ")")
    found = compare_structure(parse_printed_net(OLD, "old"), parse_printed_net(new, "new"))
    assert found.rows["status"].tolist() == ["same"] * 5
    assert found.rows["module_a"].tolist() == ["(network)", "seq", "seq.0", "seq.1", "head"]


def test_lines_around_a_network_and_settings_over_several_lines() -> None:
    text = f"[WARNING] something happened\n\n{TORCH}\nmore text (of no use)\n"
    assert len(list(parse_printed_net(text, "x").modules())) == 17
    own = "Net(\n  it's: a 'free (text\n  width=3\n  (a): Odd(says \"hi)\" and (more)\n  (b): ReLU()\n)"
    read = parse_printed_net(own, "x")
    assert [node.name for node in read.network.children] == ["a", "b"]


@pytest.mark.parametrize("text", [TORCH, MINDSPORE], ids=["torch", "mindspore"])
def test_a_printed_network_that_is_cut_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "net_architecture.txt"
    for length in range(len(text) - 2):
        path.write_text(text[:length])
        with pytest.raises(UnreadableInputError, match=r"is cut|no printed network"):
            read_structure(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no network at all",
        "\0\0",
        "Net(\n" + "".join(f"{'  ' * depth}(a): B(\n" for depth in range(1, 2000)),
        "Net(\n  (0-999999998): 999999999 x Linear(4, 4)\n)",
        "Net(\n  (0-999): 1000 x Block(\n    (0-999): 1000 x Block(\n      (0-999): 1000 x Linear(1, 1)\n    )\n  )\n)",
    ],
    ids=["empty", "prose", "binary", "deep", "many", "many of many"],
)
def test_hostile_text_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "net.txt"
    path.write_text(text)
    with pytest.raises(ProfkitError) as refused:
        compare_structure(path, path)
    assert "\n" not in refused.value.message


def test_nothing_printed_is_evaluated(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    text = f"Net(\n  (a): Linear(in_features=open({str(canary)!r}, 'w'), out_features=[].append(1), bias=1/0)\n)"
    parse_printed_net(text, "x")
    assert not canary.exists()


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "{}", '{"format": "profkit structure", "version": 9}'])
def test_a_structure_file_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "net.json"
    path.write_text(content)
    with pytest.raises(ProfkitError, match=r"net\.json"):
        read_structure(path)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "profkit", "structure", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=dict(os.environ))


def test_the_command(tmp_path: Path) -> None:
    a, b = write(tmp_path)
    shown = run(a, b)
    assert shown.returncode == 0
    assert "blocks.2.norm" in shown.stdout
    assert "blocks.0.norm" not in shown.stdout
    assert "15 modules that agree are not shown; --all shows them" in shown.stderr
    assert run(a, b, "--fail-on", "structure", "-q").returncode == 1
    assert run(a, a, "--fail-on", "structure", "-q").returncode == 0
    assert "blocks.0.norm" in run(a, b, "--all").stdout
    table = list(csv.DictReader(run(a, b, "--format", "csv").stdout.splitlines()))
    assert [row["module_a"] for row in table if row["status"] == "different"] == ["blocks.2.norm"]
    assert len(table) == 18
    assert len(json.loads(run(a, b, "--format", "json", "--only", "undecidable").stdout)) == 1
    cut = tmp_path / "cut.txt"
    cut.write_text(TORCH[:300])
    refused = run(cut, b)
    assert refused.returncode == 2
    assert "cut.txt is cut" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.frameworks
def test_what_both_frameworks_print_is_read_as_they_hold_it() -> None:
    import mindspore
    import torch

    t, m, mint = torch.nn, mindspore.nn, mindspore.mint.nn
    nets = [
        t.Sequential(
            t.Conv2d(3, 6, 3, padding="same", padding_mode="reflect"), t.BatchNorm2d(6), t.MaxPool2d(2), t.Dropout(0.1),
            t.ModuleDict({"a": t.Linear(2, 2), "b": t.Embedding(4, 5, padding_idx=1)}), t.LSTM(3, 4, 2), t.Flatten(),
            t.ModuleList([t.TransformerEncoderLayer(8, 2) for _ in range(12)]), t.GELU("tanh"), t.Softmax(dim=1),
            t.ParameterList([torch.zeros(2, 3), torch.zeros(4)]), t.ConvTranspose2d(3, 4, 3, 2, output_padding=1),
        ),
        m.SequentialCell(
            m.Conv2d(3, 6, 3), m.BatchNorm3d(6), m.MaxPool2d(2), m.Dropout(p=0.1), m.Dense(3, 4, activation="relu"),
            m.CellDict({"a": mint.Linear(2, 2), "b": m.Embedding(4, 5)}), m.LayerNorm((3,)), mint.SyncBatchNorm(4),
            m.CellList([m.TransformerEncoderLayer(8, 2, 16) for _ in range(3)]), mint.GroupNorm(2, 4), m.LSTM(3, 4),
        ),
    ]  # fmt: skip
    for net in nets:
        held, printed = describe_structure(net), parse_printed_net(str(net), "printed")
        assert printed.framework == held.framework
        assert [path for path, _ in printed.modules()] == [path for path, _ in held.modules()]
        assert set(compare_structure(held, printed).rows["status"]) <= {"same", "undecidable"}


@pytest.mark.parametrize("form", ["text", "csv", "markdown", "html"])
def test_names_harm_neither_the_terminal_nor_a_spreadsheet(tmp_path: Path, form: str) -> None:
    layer = "(=cmd|x): Linear(in_features=1, out_features='\x1b[31m<b>', bias=\x1b]0;x\x07)"
    hostile = f"Net(\n  {layer}\n  (b\x1b[2J): ReLU()\n)"
    a, b = tmp_path / "a.txt", tmp_path / "b.txt"
    a.write_text(hostile)
    b.write_text("Net(\n  (c): Linear(in_features=1, out_features=2, bias=True)\n)")
    done = run(a, b, "--format", form, "--all")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout
    assert form != "csv" or not any(line.startswith("=cmd") for line in done.stdout.splitlines())
    assert form != "html" or "<b>" not in done.stdout
