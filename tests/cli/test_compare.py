"""`profkit compare` as a process: what it compares, what it writes, what it refuses."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
RANDOM = np.random.default_rng(2)
CASES = [("vit", 5), ("resnet", 4), ("lstm_text", 4)]


def saved(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    for number, (name, array) in enumerate(arrays.items()):
        np.save(folder / f"{number}_{name}.npy", array)
    return folder


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    a = {name: RANDOM.standard_normal((8, 9)).astype(np.float32) for name in ("stem", "body", "head", "only_a")}
    b = {**a, "body": a["body"] * np.float32(1.01), "head": a["head"] * np.float32(1.1)}
    del b["only_a"]
    return saved(tmp_path / "a", a), saved(tmp_path / "b", b)


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.mark.parametrize(("net", "case"), [(net, number) for net, count in CASES for number in range(count)])
def test_the_first_diverging_module_is_named_with_default_settings(
    profkit: Command, shared: Path, net: str, case: int
) -> None:
    folder = shared / "bench/alignment" / net
    with (folder / "parity_truth.csv").open() as table:
        truth = next(row for row in csv.DictReader(table) if row["case"] == f"case{case}")
    sides = [folder / "parity" / truth[side] / "outputs" for side in ("pt_dir", "ms_dir")]
    found = rows(profkit("compare", *sides, "--format", "csv", "--no-cache"))
    named = [row["name_a"] for row in found if row["first_divergence"] == "True"]
    assert named == ([truth["first_module"]] if truth["first_module"] else [])


def test_rows_sorted_and_chosen(profkit: Command, sides: tuple[Path, Path]) -> None:
    found = rows(profkit("compare", *sides, "--format", "csv", "--sort", "rel_l2"))
    assert [row["name_a"] for row in found] == ["head", "body", "stem", "only_a"]
    chosen = rows(profkit("compare", *sides, "--format", "csv", "--only", "mismatch", "--only", "missing_b"))
    assert [row["name_a"] for row in chosen] == ["body", "head", "only_a"]
    refused = profkit("compare", *sides, "--sort", "speed")
    assert refused.returncode == 2
    assert "speed is no column" in refused.stderr


def test_processes_give_the_same_table_in_the_same_order(profkit: Command, sides: tuple[Path, Path]) -> None:
    one, many = (profkit("compare", *sides, "--format", "csv", "--workers", count) for count in (1, 3))
    assert rows(one)
    assert one.stdout == many.stdout


def test_parity_can_fail_a_build(profkit: Command, sides: tuple[Path, Path]) -> None:
    assert profkit("compare", *sides, "--fail-on", "parity").returncode == 1
    assert profkit("compare", sides[0], sides[0], "--fail-on", "parity").returncode == 0


def test_tolerances_against_the_reference_or_the_larger(profkit: Command, tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 1.0005)):
        np.save(tmp_path / f"{name}.npy", np.array([value]))
    a, b = tmp_path / "a.npy", tmp_path / "b.npy"
    limit = 0.0005 / 1.0005 * 1.0001
    for kind, left, right, status in (
        ("--symmetric", a, b, "match"),
        ("--symmetric", b, a, "match"),
        ("--asymmetric", a, b, "mismatch"),
        ("--asymmetric", b, a, "match"),
    ):
        done = profkit("compare", left, right, "--rtol", limit, kind, "--format", "json")
        assert json.loads(done.stdout)[0]["status"] == status


@pytest.mark.parametrize("form", ["plain", "pair", "toml"])
def test_a_weight_map_names_the_partners(profkit: Command, tmp_path: Path, form: str) -> None:
    x, y = (RANDOM.standard_normal((4, 4)).astype(np.float32) for _ in "xy")
    a, b = saved(tmp_path / "weights_a", {"p.w": x, "q.w": y}), saved(tmp_path / "weights_b", {"s": y, "r": x + 1})
    names = {"p.w": "r", "q.w": "s"}
    path = tmp_path / ("map.toml" if form == "toml" else "map.json")
    text = {"plain": json.dumps(names), "pair": json.dumps([names, {"p.w": "os.system"}]), "toml": "[names]\n"}[form]
    path.write_text(text + "".join(f'"{one}" = "{other}"\n' for one, other in names.items() if form == "toml"))
    found = rows(profkit("compare", a, b, "--map", path, "--format", "csv"))
    assert {(row["name_a"], row["name_b"], row["paired_by"], row["status"]) for row in found} == {
        ("p.w", "r", "weight map", "mismatch"),
        ("q.w", "s", "weight map", "match"),
    }


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"a": 1}', '{"a": "x", "b": "x"}', "{" * 5000])
def test_a_bad_weight_map_is_one_clear_line(profkit: Command, sides: tuple[Path, Path], text: str) -> None:
    path = sides[0].parent / "map.json"
    path.write_text(text)
    done = profkit("compare", *sides, "--map", path)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_every_output_format_and_the_figure(profkit: Command, sides: tuple[Path, Path], tmp_path: Path) -> None:
    for suffix in ("csv", "json", "md", "html", "parquet", "txt"):
        done = profkit("compare", *sides, "-o", tmp_path / f"parity.{suffix}")
        assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(tmp_path / "parity.parquet")) == 4
    page = (tmp_path / "parity.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 3
    assert "First divergence" in page
    for name, magic in (("depth.png", b"\x89PNG"), ("depth.svg", b"<?xml")):
        done = profkit("compare", *sides, "--figure", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).read_bytes().startswith(magic)
    refused = profkit("compare", *sides, "--figure", tmp_path / "depth.xyz")
    assert refused.returncode == 2
    assert "names no picture" in refused.stderr


def test_names_cannot_break_the_page_or_the_pictures(profkit: Command, tmp_path: Path) -> None:
    x = RANDOM.standard_normal(50).astype(np.float32)
    names = ["$\\frac{1$", "$a$<script>", "[red]x[-red]", "=1+1"]
    a = saved(tmp_path / "a", dict.fromkeys(names, x))
    b = saved(tmp_path / "b", dict.fromkeys(names, x * np.float32(1.5)))
    done = profkit("compare", a, b, "-o", tmp_path / "p.html", "--figure", tmp_path / "p.svg")
    assert done.returncode == 0, done.stderr
    assert "<script>" not in (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "<script>" not in (tmp_path / "p.svg").read_text(encoding="utf-8")
