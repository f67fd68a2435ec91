"""`profkit weights` as a process: maps, converts, compares, and refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from profkit.parsers.checkpoint.number_formats import StoredWords
from profkit.weights.mindspore_writer import write_mindspore_checkpoint
from profkit.weights.outgoing import OutgoingTensor
from profkit.weights.torch_writer import write_torch_checkpoint

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Arrays = dict[str, np.ndarray]
RANDOM = np.random.default_rng(6)
HOSTILE_NAME = "\x1b[31mred\nline,=1+1"


def outgoing(arrays: Arrays) -> list[OutgoingTensor]:
    return [
        OutgoingTensor(name, array.dtype.name, array.shape, lambda array=array: StoredWords(array, array.dtype.name))
        for name, array in arrays.items()
    ]


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """net.pth of a torch network, and initial.ckpt of the like one of mindspore.nn."""
    shapes = {"c.weight": (6, 4, 3), "n.weight": (6,), "n.bias": (6,), "n.running_mean": (6,), "n.running_var": (6,)}
    arrays: Arrays = {name: RANDOM.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    arrays |= {"n.num_batches_tracked": np.array(3), "fc.weight": RANDOM.standard_normal((5, 6)).astype(np.float16)}
    write_torch_checkpoint(tmp_path / "net.pth", outgoing(arrays))
    names = {
        "n.weight": "n.gamma",
        "n.bias": "n.beta",
        "n.running_mean": "n.moving_mean",
        "n.running_var": "n.moving_variance",
    }
    initial = {names.get(name, name): np.zeros_like(a) for name, a in arrays.items() if a.ndim}
    initial["c.weight"] = initial["c.weight"][:, :, None]
    write_mindspore_checkpoint(tmp_path / "initial.ckpt", outgoing(initial))
    return tmp_path


def test_map_convert_compare_and_back(profkit: Command, net: Path) -> None:
    pth, initial, ckpt, back = (net / name for name in ("net.pth", "initial.ckpt", "net.ckpt", "back.pth"))
    mapped = profkit(
        "weights", "map", pth, initial, "--save", net / "map.json", "--format", "csv", "--fail-on", "issues"
    )
    assert [(row["source"], row["target"], row["operations"]) for row in rows(mapped)] == [
        ("c.weight", "c.weight", "expand_dims(2)"),
        ("n.weight", "n.gamma", ""),
        ("n.bias", "n.beta", ""),
        ("n.running_mean", "n.moving_mean", ""),
        ("n.running_var", "n.moving_variance", ""),
        ("n.num_batches_tracked", "", ""),
        ("fc.weight", "fc.weight", ""),
    ]
    for how in (("--target", initial), ("--map", net / "map.json")):
        assert profkit("weights", "convert", pth, ckpt, *how).returncode == 0
        compared = profkit("weights", "compare", pth, ckpt, "--format", "csv", "--fail-on", "parity,issues")
        assert [row["status"] for row in rows(compared)] == ["match"] * 5 + ["missing_b", "match"]
    assert rows(compared)[0]["layout"] == "expand_dims(2)"
    assert rows(compared)[0]["shape_a"] == "6,4,3"
    assert profkit("weights", "convert", ckpt, back, "--map", net / "map.json").returncode == 0
    assert profkit("weights", "compare", ckpt, back, "--map", net / "map.json", "--fail-on", "parity").returncode == 0
    assert profkit("weights", "compare", pth, back, "--fail-on", "parity").returncode == 0
    assert profkit("weights", "compare", pth, initial, "--fail-on", "parity").returncode == 1
    shapes = profkit("weights", "compare", pth, initial, "--shapes-only", "--fail-on", "parity", "--format", "csv")
    assert {row["reason"] for row in rows(shapes) if row["status"] == "match"} == {
        "Shapes and dtypes agree; values were not looked at."
    }


def test_bad_values_are_counted(profkit: Command, tmp_path: Path) -> None:
    a = np.array([1, np.nan, 3, np.inf], np.float32)
    write_torch_checkpoint(tmp_path / "a.pth", outgoing({"x.weight": a, "y.weight": a[:1]}))
    write_torch_checkpoint(tmp_path / "b.pth", outgoing({"x.weight": np.array([1, np.nan, 3, 4], np.float32)}))
    done = profkit("weights", "compare", tmp_path / "a.pth", tmp_path / "b.pth", "--format", "csv")
    first, second = rows(done)
    assert (first["status"], first["nan_a"], first["nan_b"], first["inf_a"], first["inf_b"]) == (
        "mismatch",
        "1",
        "1",
        "1",
        "0",
    )
    assert (second["name_a"], second["name_b"], second["status"]) == ("y.weight", "", "missing_b")


def test_what_is_open_is_named_on_both_sides_and_nothing_is_written(profkit: Command, net: Path) -> None:
    write_mindspore_checkpoint(
        net / "other.ckpt", outgoing({"c.weight": np.ones((6, 4, 1, 3), np.float32), "new.w2": np.ones(2)})
    )
    refused = profkit("weights", "convert", net / "net.pth", net / "out.ckpt", "--target", net / "other.ckpt")
    assert refused.returncode == 2
    assert "no sure partner" in refused.stderr
    assert not (net / "out.ckpt").exists()
    listed = rows(profkit("weights", "map", net / "net.pth", net / "other.ckpt", "--format", "csv"))
    assert {row["status"] for row in listed} == {"mapped", "source_only", "target_only", "not_needed"}
    assert profkit("weights", "map", net / "net.pth", net / "other.ckpt", "--fail-on", "issues").returncode == 1
    partial = profkit(
        "weights", "convert", net / "net.pth", net / "out.ckpt", "--target", net / "other.ckpt", "--partial"
    )
    assert partial.returncode == 0
    assert "1 parameters written" in partial.stderr


class Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.path}",)


def hostile_checkpoint(folder: Path) -> Path:
    path = folder / "hostile.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Harm(folder / "canary")}))
        archive.writestr("archive/version", "3")
    return path


def hostile_map(folder: Path) -> Path:
    path = folder / "hostile.json"
    path.write_text(json.dumps([{"c.weight": "c.weight"}, {"c.weight": f"os.system('touch {folder / 'canary'}')"}]))
    return path


def cut(path: Path) -> Path:
    short = path.with_stem(f"cut_{path.stem}")
    short.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return short


@pytest.mark.parametrize(
    "case", ["pickle", "map", "cut torch", "cut mindspore", "no map", "two maps", "suffix", "missing"]
)
def test_refused_with_one_line_and_no_file(profkit: Command, net: Path, case: str) -> None:
    pth, out = net / "net.pth", net / "out.ckpt"
    arguments = {
        "pickle": [hostile_checkpoint(net), out, "--target", net / "initial.ckpt"],
        "map": [pth, out, "--map", hostile_map(net)],
        "cut torch": [cut(pth), out, "--target", net / "initial.ckpt"],
        "cut mindspore": [cut(net / "initial.ckpt"), net / "out.pth", "--target", pth],
        "no map": [pth, out],
        "two maps": [pth, out, "--target", net / "initial.ckpt", "--api", "nn"],
        "suffix": [pth, net / "out.onnx", "--api", "mint"],
        "missing": [net / "nowhere.pth", out, "--api", "mint"],
    }[case]
    before = set(net.iterdir())
    refused = profkit("weights", "convert", *arguments)
    assert refused.returncode == 2
    lines = refused.stderr.strip().splitlines()
    assert lines[0].startswith("profkit: ")
    assert len(lines) <= 2
    assert "fault in profkit" not in refused.stderr
    assert set(net.iterdir()) == before
    assert not (net / "canary").exists()


def test_names_harm_neither_the_terminal_nor_a_spreadsheet(profkit: Command, tmp_path: Path) -> None:
    write_torch_checkpoint(tmp_path / "a.pth", outgoing({HOSTILE_NAME: np.ones(2, np.float32), "=cmd()": np.ones(3)}))
    write_mindspore_checkpoint(tmp_path / "b.ckpt", outgoing({HOSTILE_NAME: np.zeros(2, np.float32)}))
    for arguments in (("map",), ("compare",)):
        for form in ("text", "csv", "markdown", "html"):
            done = profkit("weights", *arguments, tmp_path / "a.pth", tmp_path / "b.ckpt", "--format", form)
            assert done.returncode == 0, done.stderr
            assert "\x1b" not in done.stdout + done.stderr
            assert form != "csv" or "\n=cmd" not in done.stdout
    refused = profkit("weights", "convert", tmp_path / "a.pth", tmp_path / "c.ckpt", "--target", tmp_path / "b.ckpt")
    assert refused.returncode == 2
    assert "\x1b" not in refused.stderr


def test_no_framework_is_imported(net: Path) -> None:
    code = (
        "import sys\nfrom profkit.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        "assert not {'torch', 'mindspore', 'matplotlib', 'textual'} & set(sys.modules)"
    )
    import sys

    convert = ("convert", net / "net.pth", net / "net.ckpt", "--target", net / "initial.ckpt")
    for arguments in (convert, ("compare", net / "net.pth", net / "net.ckpt")):
        command = [sys.executable, "-c", code, "weights", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
