"""Memory events of PyTorch traces: the samples of every era against a plain reading, and torch's own sums."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.memory_summary import memory_peaks
from profkit.parsers.base import Parsed
from profkit.parsers.pytorch.kineto_trace import KinetoTrace
from profkit.progress import silent
from profkit.run import load

RECORDED = (
    "generated_torch213_cpu/cpu_all.json.gz",
    "generated_torch213_cpu/pyexport_4.json.gz",
    "generated_torch213_cpu/pyexport_ref_4.json.gz",
    "kineto_tb_plugin/samples/resnet50_num_workers_4/worker0.1623212756351.pt.trace.json.gz",
    "tracelens/traces/h100/gaunernst_bert-small-uncased__1016001.json.gz",
    "tracelens/traces/mi300/gaunernst_bert-small-uncased__1016001.json.gz",
)
DEVICES = {0: "cpu", 1: "cuda:0", 6: "hip:0"}


def written(path: Path, *events: dict[str, Any], **header: Any) -> Path:
    path.write_text(json.dumps({"schemaVersion": 1, **header, "traceEvents": list(events)}))
    return path


def memory_event(ts: Any = 5.25, **args: Any) -> dict[str, Any]:
    return {
        "ph": "i",
        "cat": "cpu_instant_event",
        "s": "t",
        "name": "[memory]",
        "pid": 1,
        "tid": 1,
        "ts": ts,
        "args": args,
    }


def read(path: Path) -> Parsed:
    return KinetoTrace().read(path, silent)


@pytest.mark.parametrize("name", RECORDED)
def test_samples_are_those_of_a_plain_reading(name: str, shared: Path) -> None:
    path = shared / "samples/torch" / name
    document = json.loads(gzip.decompress(path.read_bytes()), parse_float=Decimal)
    base = document.get("baseTimeNanoseconds", 0)
    wanted = []
    for event in document["traceEvents"]:
        if event.get("name") == "[memory]":
            args = event["args"]
            reserved = None if args["Device Type"] == 0 else args.get("Total Reserved")
            totals = (args.get("Total Allocated"), reserved)
            wanted.append((base + int(event["ts"] * 1000), DEVICES[args["Device Type"]], *totals, args["Bytes"]))
    memory = read(path).frames["memory"]
    columns = ("time_ns", "component", "allocated_bytes", "reserved_bytes", "change_bytes")
    found = [[None if pd.isna(value) else value for value in memory[column].astype(object)] for column in columns]
    assert wanted
    assert list(zip(*found, strict=True)) == wanted


def test_a_trace_of_memory_alone_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "trace.json",
        memory_event(
            5.25, Bytes=64, **{"Device Type": 1, "Device Id": 3, "Total Allocated": 64, "Total Reserved": 128}
        ),
        memory_event(6, Bytes=-64, **{"Device Type": 20, "Device Id": 0}),
        memory_event(7, Bytes=8, **{"Device Type": 99, "Device Id": 1}),
        memory_event(8, Bytes=16),
        memory_event(9),
        {"ph": "i", "cat": "cpu_instant_event", "name": "[memory]", "pid": 1, "tid": 1, "args": {"Bytes": 4}},
        baseTimeNanoseconds=1_790_857_026_000_000_000,
    )
    parsed = read(path)
    memory = parsed.frames["memory"]
    assert memory["component"].tolist() == ["cuda:3", "privateuse1:0", "device type 99:1", "unknown"]
    assert memory["time_ns"].tolist()[0] == 1_790_857_026_000_005_250
    assert [issue.text for issue in parsed.issues] == ["2 events: a memory event has no time or no bytes: left out"]
    assert parsed.frames["ops"].empty


def test_an_annotation_of_that_name_stays_an_annotation(tmp_path: Path) -> None:
    annotation = {"ph": "X", "cat": "user_annotation", "name": "[memory]", "pid": 1, "tid": 1, "ts": 1, "dur": 2}
    parsed = read(written(tmp_path / "trace.json", annotation, {**annotation, "args": {"Bytes": 3}}))
    assert parsed.frames["memory"].empty
    assert len(parsed.frames["spans"]) == 2


def test_times_beyond_int64_are_told(tmp_path: Path) -> None:
    path = written(
        tmp_path / "trace.json", memory_event(5, Bytes=1), memory_event(6, Bytes=1), baseTimeNanoseconds=2**63 - 5500
    )
    parsed = read(path)
    assert len(parsed.frames["memory"]) == 1
    assert any("beyond int64" in issue.text for issue in parsed.issues)


def test_growth_counts_what_totals_do_not_tell(shared: Path) -> None:
    path = shared / "samples/torch" / RECORDED[3]
    held: dict[int, list[int]] = {}
    for event in json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]:
        if event.get("name") == "[memory]":
            history = held.setdefault(event["args"]["Device Type"], [0])
            history.append(history[-1] + event["args"]["Bytes"])
    peaks = memory_peaks(read(path).frames["memory"]).set_index("component")
    assert peaks["peak_allocated_bytes"].isna().all()
    for device, history in held.items():
        assert peaks.loc[DEVICES[device], "peak_growth_bytes"] == max(history)
        assert peaks.loc[DEVICES[device], "last_growth_bytes"] == history[-1]


@pytest.mark.frameworks
def test_changes_and_times_are_those_of_key_averages(tmp_path: Path) -> None:
    """Torch sums the same recording: calls, time and memory of each operator, and `[memory]` outside of operators."""
    import torch

    network = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.GELU(), torch.nn.Linear(128, 8))
    inputs, targets = torch.randn(32, 64), torch.randint(0, 8, (32,))
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        for _ in range(3):
            torch.nn.functional.cross_entropy(network(inputs), targets).backward()
    path = tmp_path / "trace.json"
    profile.export_chrome_trace(str(path))
    averages = profile.key_averages()
    run = load(path)
    change = int(run.memory["change_bytes"].sum())
    assert len(run.memory) > 20
    assert change == sum(average.self_cpu_memory_usage for average in averages)
    _same_operators(run.ops, averages)


def _same_operators(ops: pd.DataFrame, averages: Any) -> None:
    theirs = {average.key: (average.count, average.cpu_time_total) for average in averages if average.key != "[memory]"}
    ours = ops.groupby(ops["name"].astype(object))["dur_ns"].agg(["size", "sum"])
    assert set(ours.index) == set(theirs)
    for name, row in ours.iterrows():
        count, total_us = theirs[str(name)]
        assert row["size"] == count, name
        # Torch rounds the end of every event to microseconds with three decimals: less than 1 ns an event.
        assert abs(row["sum"] - total_us * 1000) <= count, name


def test_memory_of_a_trace_is_shown(profkit_memory: Callable[[Path], list[dict[str, Any]]], shared: Path) -> None:
    rows = profkit_memory(shared / "samples/torch" / RECORDED[4])
    assert {row["component"]: row["samples"] for row in rows} == {"cuda:0": 218, "cpu": 18}


@pytest.fixture
def profkit_memory() -> Callable[[Path], list[dict[str, Any]]]:
    from click.testing import CliRunner

    from profkit.cli.memory import command

    def run(path: Path) -> list[dict[str, Any]]:
        done = CliRunner().invoke(command, [str(path), "--format", "json", "-q"])
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    return run
