"""`profkit steps` tells what the steps of a run are made of, and how that fits what the profiler wrote."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., "subprocess.CompletedProcess[str]"]

LEVEL2 = "samples/mindspore_profiler/Ascend_msinsight/test/st/level2"


def test_a_split_that_was_met_is_said(profkit: Command, shared: Path) -> None:
    done = profkit("steps", shared / LEVEL2 / "rank_0_ascend_pt", "--format", "json")
    assert done.returncode == 0, done.stderr
    step, run = json.loads(done.stdout)
    assert (step["span"], step["step"], run["span"], run["step"]) == ("step", 13, "run", -1)
    assert step["computing_ns"] == step["recorded_computing_ns"] == 231_290_100
    assert step["communication_ns"] == step["recorded_communication_ns"] == 420_174_260
    assert step["free_ns"] == step["recorded_free_ns"] == 158_558_000
    assert step["difference"] == "none"
    assert "1 of 1 rows equal the split that the profiler recorded" in done.stderr


def test_a_difference_is_told_with_its_reason(profkit: Command, shared: Path) -> None:
    run = shared / "samples/mindspore_profiler/Ascend_msinsight/test/data/pytorch/text/level1/rank0_ascend_pt"
    done = profkit("steps", run)
    assert done.returncode == 0, done.stderr
    assert "up to 19 ns: the profiler rounded every interval once more" in done.stderr
    assert "difference" not in done.stdout


def test_ranks_stand_apart_and_can_be_chosen(profkit: Command, shared: Path) -> None:
    done = profkit("steps", shared / LEVEL2, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["rank"] for row in rows if row["span"] == "run"] == sorted({row["rank"] for row in rows})
    assert len({row["rank"] for row in rows}) == 3
    one = json.loads(profkit("steps", shared / LEVEL2, "--rank", "1", "--format", "json").stdout)
    assert {row["rank"] for row in one} == {1}


def test_a_run_without_operators_is_refused(profkit: Command, tmp_path: Path) -> None:
    (tmp_path / "communication.json").write_text("{}")
    done = profkit("steps", tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
