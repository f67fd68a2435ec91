"""`profkit ops` gives the figures that the recorder itself wrote beside the run."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def printed_unit(text: str) -> Decimal:
    """One unit of the last printed decimal."""
    return Decimal(1).scaleb(int(Decimal(text.strip()).as_tuple().exponent))


def types_by_ops(profkit: Command, run: Path, *options: str) -> dict[str, tuple[int, int]]:
    done = profkit("ops", run, "--by", "op_type", "--format", "json", *options)
    assert done.returncode == 0, done.stderr
    return {row["op_type"]: (row["count"], row["total_ns"]) for row in json.loads(done.stdout)}


def test_device_runs_equal_their_op_statistic(profkit: Command, shared: Path) -> None:
    runs = [
        path.parent.parent
        for path in sorted((shared / "samples" / "mindspore_profiler").rglob("op_statistic.csv"))
        if (path.parent / "kernel_details.csv").exists() and path.parent.name == "ASCEND_PROFILER_OUTPUT"
    ]
    assert len(runs) >= 4
    for run in runs:
        by_type: dict[str, list[tuple[int, Decimal]]] = {}
        for row in rows_of(run / "ASCEND_PROFILER_OUTPUT" / "op_statistic.csv"):
            by_type.setdefault(row["OP Type"], []).append((int(row["Count"]), Decimal(row["Total Time(us)"].strip())))
        ours = types_by_ops(profkit, run, "--level", "device")
        for op_type, cores in by_type.items():
            count, total_ns = ours[op_type]
            assert count == sum(one for one, _ in cores), (run, op_type)
            off = abs(Decimal(total_ns) / 1000 - sum((total for _, total in cores), Decimal(0)))
            # Both files are printed to whole ns, so each of the summed durations is off by up to half a ns.
            assert off <= (count + len(cores)) * Decimal("0.0005"), (run, op_type, off)


def test_cpu_runs_equal_their_op_type_info(profkit: Command, shared: Path) -> None:
    found = sorted((shared / "samples" / "mindspore_profiler").rglob("cpu_op_type_info_*.csv"))
    assert len(found) >= 2
    for path in found:
        ours = types_by_ops(profkit, path.parent.parent)
        theirs = rows_of(path)
        assert set(ours) == {row["op_type"] for row in theirs}
        for row in theirs:
            count, total_ns = ours[row["op_type"]]
            printed = row["total_compute_time"]
            assert count == int(row["type_occurrences"])
            # The recorder sums float milliseconds and prints six significant digits.
            precision = max(printed_unit(printed), abs(Decimal(printed)) * Decimal("1e-5"))
            assert abs(Decimal(total_ns) / 1_000_000 - Decimal(printed)) <= precision, (path, row)


@pytest.mark.parametrize("by", ["name", "op_type", "op_class", "module", "shape", "kernel"])
def test_every_grouping_keeps_all_self_time(profkit: Command, samples: Path, by: str) -> None:
    run = samples / "vit" / "pytorch" / "profile"
    done = profkit("ops", run, "--by", by, "--format", "json")
    assert done.returncode == 0, done.stderr
    groups = json.loads(done.stdout)
    whole = json.loads(profkit("ops", run, "--by", "op_class", "--format", "json").stdout)
    assert sum(row["self_ns"] for row in groups) == sum(row["self_ns"] for row in whole) > 0
    assert sum(row["count"] for row in groups) == sum(row["count"] for row in whole)


def test_a_step_and_a_phase_can_be_chosen(profkit: Command, samples: Path) -> None:
    run = samples / "vit" / "pytorch" / "profile"
    one = json.loads(profkit("ops", run, "--step", "3", "--phase", "forward", "--format", "json").stdout)
    conv = next(row for row in one if row["name"] == "aten::conv2d")
    assert conv["count"] == 1
    refused = profkit("ops", run, "--step", "99")
    assert refused.returncode == 2
    assert "2 to 4" in refused.stderr


def test_files_hold_the_promised_columns(profkit: Command, samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "ops.csv"
    done = profkit("ops", samples / "vit" / "pytorch" / "profile", "--by", "shape", "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    header = out.read_text().splitlines()[0].split(",")
    assert header[:4] == ["name", "op_type", "op_class", "input_shapes"]
    assert header[4:] == ["count", "total_ns", "self_ns", "mean_ns", "min_ns", "max_ns", "class_source"]


def test_names_that_the_vocabulary_does_not_know_are_told(profkit: Command, samples: Path, tmp_path: Path) -> None:
    (recorded,) = (samples / "vit" / "pytorch" / "profile").glob("*.json.gz")
    trace = json.loads(gzip.decompress(recorded.read_bytes()))
    renamed = 0
    for event in trace["traceEvents"]:
        if event.get("name") == "aten::gelu":
            event["name"], renamed = "mylib::gizmo", renamed + 1
    path = tmp_path / "renamed.json"
    path.write_text(json.dumps(trace))
    done = profkit("ops", path, "--by", "op_type", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = {row["op_type"]: row for row in json.loads(done.stdout)}
    assert rows["mylib::gizmo"]["class_source"] == "unknown"
    assert rows["mylib::gizmo"]["op_class"] is None
    assert rows["aten::conv2d"]["class_source"] == "table"
    told = next(line for line in done.stderr.splitlines() if "mylib::gizmo" in line)
    assert f"1 operator name has no class ({renamed:,} executions, " in told
    assert "mylib::gizmo" in profkit("inspect", path).stderr
    plain = profkit("ops", path, "--by", "op_class", "--format", "json")
    assert "table" in {row["class_source"] for row in json.loads(plain.stdout)}
