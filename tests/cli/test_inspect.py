"""`profkit inspect` lists what lies in a directory, rank by rank, and says how to choose."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., "subprocess.CompletedProcess[str]"]
BASE_NS = 1_790_857_026_000_000_000


def write_trace(path: Path, rank: int | None, base_ns: int = BASE_NS) -> None:
    event = {"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 1, "ts": 1.5, "dur": 1}
    document: dict[str, object] = {"schemaVersion": 1, "baseTimeNanoseconds": base_ns, "traceEvents": [event]}
    if rank is not None:
        document["distributedInfo"] = {"backend": "gloo", "rank": rank, "world_size": 2}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def test_ranks_and_hosts_are_listed(profkit: Command, tmp_path: Path) -> None:
    write_trace(tmp_path / "npu-01_4242.1795415655932530330.pt.trace.json", 0)
    write_trace(tmp_path / "node_b_17_4243.1795415655932530331.pt.trace.json", 1)
    done = profkit("inspect", tmp_path, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert {(row["rank"], row["host"]) for row in json.loads(done.stdout)} == {(0, "npu-01"), (1, "node_b_17")}
    assert "recordings are of" not in done.stderr
    one = json.loads(profkit("inspect", tmp_path, "--rank", "1", "--format", "json").stdout)
    assert [row["host"] for row in one] == ["node_b_17"]
    refused = profkit("inspect", tmp_path, "--rank", "5")
    assert refused.returncode == 2
    assert "ranks found: 0, 1" in refused.stderr


def test_the_host_of_an_ascend_run_is_read_from_its_name(profkit: Command, shared: Path) -> None:
    runs = shared / "samples/mindspore_profiler/made_mindspore_2.10_ascend_semisynthetic/level0"
    (row,) = json.loads(profkit("inspect", runs, "--format", "json").stdout)
    assert row["host"] == "host"


def test_several_recordings_of_a_rank_are_told_with_the_way_to_choose(profkit: Command, tmp_path: Path) -> None:
    for number in range(7):
        write_trace(tmp_path / f"cycle{number}.json", 3)
    write_trace(tmp_path / "other.json", 4)
    listed = profkit("inspect", tmp_path)
    assert listed.returncode == 0
    assert "7 recordings are of rank 3" in listed.stderr
    assert "give its path" in listed.stderr
    refused = profkit("ops", tmp_path)
    assert refused.returncode == 2
    assert "holds 7 recordings of rank 3" in refused.stderr
    assert "cycle0.json" in refused.stderr
    assert "and 2 more" in refused.stderr
    assert "name one of them" in refused.stderr
    assert profkit("ops", tmp_path, "--rank", "4").returncode == 0
    assert profkit("ops", tmp_path / "cycle5.json").returncode == 0


def test_ranks_of_different_base_times_stand_on_one_clock(profkit: Command, tmp_path: Path) -> None:
    write_trace(tmp_path / "a.json", 0)
    write_trace(tmp_path / "b.json", 1, base_ns=BASE_NS + 7_889_238 * 10**9)
    done = profkit("steps", tmp_path, "--format", "json")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert (first["start_ns"], second["start_ns"]) == (BASE_NS + 1500, BASE_NS + 7_889_238 * 10**9 + 1500)
