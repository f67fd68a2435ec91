"""Collectives of PyTorch traces: arguments of calls and kernels, joined, summed, and held against a plain reading."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.communication_summary import communication_rows, summarise_communication
from profkit.correlate.identity import identify
from profkit.parsers.pytorch.kineto_trace import KinetoTrace
from profkit.progress import silent
from profkit.run import Run, load

RCCL = "samples/torch/tracelens/traces/mi300/resnet_act_checkpoint.json.gz"
SINGLE = "samples/torch/hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz"
OLD = "samples/torch/hta/trace_diff/control/control.json.gz"
ITEM_BYTES = {"BFloat16": 2, "Long": 8, "Float": 4}


def events_of(path: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()), parse_float=Decimal)["traceEvents"]
    return events


def transfers(run: Run) -> pd.DataFrame:
    return communication_rows(identify(run))


@pytest.mark.parametrize("name", [RCCL, SINGLE])
def test_rows_are_those_of_a_plain_reading(name: str, shared: Path) -> None:
    wanted = []
    for number, event in enumerate(events_of(shared / name)):
        args = event.get("args") or {}
        if "Collective name" in args and args["Collective name"] != "wait":
            size = max(args["In msg nelems"], args["Out msg nelems"]) * ITEM_BYTES[args["dtype"]]
            dur = int(event["dur"] * 1000) if event["cat"] == "kernel" else None
            wanted.append((number, event["name"], args["Collective name"], dur, size, args["Group size"]))
    comm = KinetoTrace().read(shared / name, silent).frames["comm"]
    columns = ("row", "name", "operation", "dur_ns", "message_bytes", "group_size")
    found = [[None if pd.isna(value) else value for value in comm[column].astype(object)] for column in columns]
    assert wanted
    assert list(zip(*found, strict=True)) == wanted


def test_a_call_and_its_kernel_are_one_transfer(shared: Path) -> None:
    """Of 17 RCCL kernels five were launched before the recording; all 12 recorded calls launched one of the others."""
    rows = transfers(load(shared / RCCL))
    assert len(rows) == 17
    assert set(rows["level"]) == {"device"}
    assert rows["operation"].value_counts().to_dict() == {"allreduce": 6, "broadcast": 6}
    kernels = [event for event in events_of(shared / RCCL) if event.get("cat") == "kernel" and "nccl" in event["name"]]
    assert rows["dur_ns"].sum() == sum(int(event["dur"] * 1000) for event in kernels)


def test_bus_bandwidth_is_that_of_nccl_tests(shared: Path) -> None:
    sums = summarise_communication(transfers(load(shared / RCCL)), "operation").set_index("operation")
    reduce = sums.loc["allreduce"]
    # Eight ranks: allreduce moves 2 * 7/8 of its message over each link; 10^9 bytes a second are bytes a ns.
    assert reduce["bus_gb_s"] == pytest.approx(reduce["message_bytes"] * 1.75 / reduce["total_ns"])
    broadcast = sums.loc["broadcast"]
    assert broadcast["bus_gb_s"] == pytest.approx(broadcast["message_bytes"] / broadcast["total_ns"])


def test_calls_without_a_kernel_have_no_time(shared: Path) -> None:
    """A group of one rank launches copies, not collectives: the calls stand, their time is unknown."""
    rows = transfers(load(shared / SINGLE))
    assert len(rows) == 35
    assert rows["dur_ns"].isna().all()
    sums = summarise_communication(rows, "group")
    assert sums["count"].sum() == 35
    assert sums["total_ns"].isna().all()
    assert sums["message_bytes"].notna().all()


def test_old_traces_have_kernels_alone(shared: Path) -> None:
    """HolisticTraceAnalysis sums the same kernels; by default it leaves out what the last recorded step launched."""
    path = shared / "samples/torch/hta/oracle/control.kernel_metrics.csv"
    metrics = pd.read_csv(path)
    theirs = metrics[metrics["kernel_type"] == "COMMUNICATION"]
    rows = transfers(load(shared / OLD))
    assert len(theirs)
    counted = rows[rows["step"] != rows["step"].max()]
    assert counted["dur_ns"].sum() == int(theirs["sum (us)"].sum() * 1000)
    assert rows["message_bytes"].isna().all()


def call(number: int, operation: str, **args: Any) -> dict[str, Any]:
    every = {"External id": number, "Collective name": operation, **args}
    place = {"ph": "X", "cat": "cpu_op", "name": "record_param_comms", "pid": 1, "tid": 1}
    return {**place, "ts": 100 * number, "dur": 50, "args": every}


def test_odd_arguments_are_unknown_and_nothing_is_lost(tmp_path: Path) -> None:
    """Synthetic: unknown types, huge counts, texts instead of numbers, absent values, lists instead of texts."""
    events = [
        call(1, "allreduce", dtype="Float", **{"In msg nelems": 10, "Out msg nelems": 10, "Group size": 4}),
        call(2, "all_gather", dtype="NewType", **{"In msg nelems": 10, "Out msg nelems": 40}),
        call(3, "send", dtype="Float", **{"In msg nelems": 2**62, "Out msg nelems": "x"}),
        call(4, "wait", dtype="Byte", **{"In msg nelems": 0, "Out msg nelems": 0}),
        call(5, "recv", **{"Process Group Ranks": [0, 1], "Process Group Name": 7, "Group size": "2"}),
    ]
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))
    parsed = KinetoTrace().read(path, silent)
    comm = parsed.frames["comm"]
    assert comm["operation"].tolist() == ["allreduce", "all_gather", "send", "recv"]
    assert comm["kind"].tolist() == ["collective", "collective", "p2p", "p2p"]
    assert comm["message_bytes"].tolist() == [40, pd.NA, pd.NA, pd.NA]
    assert comm["group_ranks"].tolist()[3] == "0,1"
    assert comm["group"].tolist()[3] == "7"
    assert comm["group_size"].tolist() == [4, pd.NA, pd.NA, 2]
    assert len(parsed.frames["ops"]) == 5
    assert [issue.text for issue in parsed.issues if issue.severity.value != "info"] == [
        "1 event: out_elements is no integer within int64: unknown"
    ]


@pytest.mark.frameworks
def test_collectives_of_a_live_process_group(tmp_path: Path) -> None:
    """One process over gloo: torch writes the arguments of its calls, no device runs anything."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            distributed.all_reduce(torch.ones(300))
            distributed.broadcast(torch.ones(20, dtype=torch.int64), 0)
    finally:
        distributed.destroy_process_group()
    path = tmp_path / "trace.json"
    profile.export_chrome_trace(str(path))
    recorded = [
        event for event in json.loads(path.read_text())["traceEvents"] if "Collective name" in event.get("args", {})
    ]
    comm = load(path).comm
    assert comm["row"].size == sum(event["args"]["Collective name"] not in ("wait", "init") for event in recorded)
