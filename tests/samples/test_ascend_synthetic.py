"""The synthetic Ascend run: made anew byte for byte, labelled, small, and consistent in itself."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def collection() -> Path:
    return Path(__file__).resolve().parents[2] / "samples" / "ascend_synthetic"


@pytest.fixture(scope="module")
def output(collection: Path) -> Path:
    (run,) = collection.glob("*_ascend_ms")
    return run / "ASCEND_PROFILER_OUTPUT"


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_program_gives_the_committed_bytes(collection: Path, tmp_path: Path) -> None:
    program = collection.parent / "record" / "make_ascend_run.py"
    subprocess.run([sys.executable, str(program), "--out", str(tmp_path)], check=True)
    assert files_below(tmp_path / collection.name) == files_below(collection)


def test_it_is_labelled_and_small(collection: Path) -> None:
    (run,) = collection.glob("*_ascend_ms")
    assert run.name.startswith("synthetic_")
    assert "Nothing in this folder was measured" in (collection / "README.md").read_text()
    assert "nothing in this run was measured" in (run / "SYNTHETIC.txt").read_text()
    assert "synthetic" in json.loads((run / "profiler_info_0.json").read_text())
    assert sum(len(content) for content in files_below(collection).values()) < 400_000


def test_statistics_are_those_of_the_kernels(output: Path) -> None:
    with (output / "kernel_details.csv").open(newline="") as file:
        kernels = [row for row in csv.DictReader(file) if row["Accelerator Core"] != "COMMUNICATION"]
    with (output / "op_statistic.csv").open(newline="") as file:
        statistics = {row["OP Type"]: row for row in csv.DictReader(file)}
    assert Counter(row["Type"] for row in kernels) == {name: int(row["Count"]) for name, row in statistics.items()}
    for name, row in statistics.items():
        times = [Decimal(kernel["Duration(us)"]) for kernel in kernels if kernel["Type"] == name]
        assert sum(times) == Decimal(row["Total Time(us)"])
        assert (min(times), max(times)) == (Decimal(row["Min Time(us)"]), Decimal(row["Max Time(us)"]))


def test_every_kernel_of_the_table_is_in_the_trace(output: Path) -> None:
    events = json.loads((output / "trace_view.json").read_text())
    traced = {(event["name"], event["ts"]) for event in events if event["ph"] == "X"}
    ends = {(event["tid"], event["ts"]) for event in events if event["ph"] == "f"}
    with (output / "kernel_details.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 300
    for row in rows:
        start = row["Start Time(us)"].strip()
        assert (row["Name"].rsplit("/", 1)[1], start) in traced
        assert (0 if row["Accelerator Core"] == "COMMUNICATION" else 2, start) in ends
