"""`profkit memory` and `profkit comm` give what the files say, re-read here without profkit."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.communication_summary import operation_of, summarise_communication
from profkit.memory_summary import memory_peaks
from profkit.schema import COMM, MEMORY

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def rows_of(profkit: Command, *arguments: object) -> list[dict[str, Any]]:
    done = profkit(*arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_peaks_of_a_cpu_run_are_those_of_its_file(profkit: Command, shared: Path) -> None:
    found = sorted((shared / "samples/mindspore_profiler/made_mindspore_2.10_cpu").rglob("cpu_ms_memory_record_0.txt"))
    assert found
    for path in found:
        with path.open(newline="") as file:
            theirs = [(int(time), int(used), int(held)) for time, used, held, *_ in list(csv.reader(file))[1:] if held]
        run = path.parent.parent
        (row,) = rows_of(profkit, "memory", run)
        assert row["samples"] == len(theirs)
        assert row["peak_allocated_bytes"] == max(used for _, used, _ in theirs)
        assert row["peak_reserved_bytes"] == max(held for *_, held in theirs)
        assert row["peak_allocated_at_ns"] == next(t for t, used, _ in theirs if used == row["peak_allocated_bytes"])
        assert row["last_allocated_bytes"] == theirs[-1][1]
        curve = rows_of(profkit, "memory", run, "--curve")
        assert [(one["time_ns"], one["allocated_bytes"], one["reserved_bytes"]) for one in curve] == theirs


def test_unknown_stays_unknown_and_samples_may_stand_in_any_order() -> None:
    begin = 1_764_246_877_073_569_641
    memory = MEMORY.from_rows(
        [
            {"rank": 0, "time_ns": begin + 30, "component": "GE", "allocated_bytes": 5, "source": "synthetic"},
            {"rank": 0, "time_ns": begin + 10, "component": "GE", "allocated_bytes": 9, "source": "synthetic"},
            {"rank": 0, "time_ns": begin + 20, "component": "APP", "reserved_bytes": 100, "source": "synthetic"},
        ]
    )
    app, ge = memory_peaks(memory).to_dict("records")
    assert (app["component"], app["peak_reserved_bytes"], app["peak_reserved_at_ns"]) == ("APP", 100, begin + 20)
    assert pd.isna(app["peak_allocated_bytes"])
    assert (ge["peak_allocated_bytes"], ge["peak_allocated_at_ns"], ge["last_allocated_bytes"]) == (9, begin + 10, 5)
    assert pd.isna(ge["peak_reserved_bytes"])


def scaled(value: object, factor: int) -> int:
    return int((Decimal(str(value)) * factor).to_integral_value())


def test_transfers_of_ascend_runs_are_those_of_their_file(profkit: Command, shared: Path) -> None:
    found = sorted((shared / "samples/mindspore_profiler/Ascend_msinsight").rglob("communication.json"))
    assert len(found) >= 6
    for path in found:
        theirs: dict[str, list[int]] = {}
        for kinds in json.loads(path.read_text(), parse_float=Decimal).values():
            for operations in kinds.values():
                for name, body in operations.items():
                    if name != "Total Op Info":
                        times = body["Communication Time Info"]
                        sums = theirs.setdefault(name.split("@")[0], [0, 0, 0])
                        sums[0] += 1
                        sums[1] += scaled(times["Elapse Time(ms)"], 1_000_000)
                        sums[2] += scaled(times["Wait Time(ms)"], 1_000_000)
        ours = rows_of(profkit, "comm", path.parent.parent, "--by", "name")
        assert {row["name"]: [row["count"], row["total_ns"], row["wait_ns"]] for row in ours} == theirs


def test_a_trace_without_a_table_of_transfers_gives_its_kernels(profkit: Command, shared: Path) -> None:
    control = shared / "samples/torch/hta/trace_diff/control/control.json.gz"
    rows = rows_of(profkit, "comm", control)
    assert {(row["operation"], row["kind"]): row["count"] for row in rows} == {
        ("SendRecv", "p2p"): 42,
        ("AllReduce", "collective"): 18,
    }
    assert all(row["wait_ns"] is None and row["size_bytes"] is None and row["bandwidth_gb_s"] is None for row in rows)


def test_one_unknown_size_leaves_the_sum_unknown() -> None:
    common = {"rank": 0, "step": 1, "kind": "collective", "wait_ns": 20, "source": "synthetic"}
    comm = COMM.from_rows(
        [
            {**common, "name": "hcom_allReduce__1_1", "dur_ns": 120, "size_bytes": 1000},
            {**common, "name": "hcom_allReduce__1_2", "dur_ns": 60},
            {**common, "name": "hcom_broadcast__1_1", "dur_ns": 30, "size_bytes": 100},
            {**common, "name": "hcom_broadcast__1_2", "dur_ns": 30, "size_bytes": 300},
        ]
    )
    reduce, broadcast = summarise_communication(comm, "operation").to_dict("records")
    assert (reduce["operation"], reduce["total_ns"], reduce["wait_ns"]) == ("allReduce", 180, 40)
    assert pd.isna(reduce["size_bytes"])
    assert pd.isna(reduce["bandwidth_gb_s"])
    # 400 bytes in 60 - 40 ns are 20 bytes a ns.
    assert broadcast["bandwidth_gb_s"] == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("hcom_allReduce__170_1_1", "allReduce"),
        ("hcom_batchSendRecv__128_3_1", "batchSendRecv"),
        ("ncclDevKernel_AllReduce_Sum_f32_RING_LL(ncclDevKernelArgsStorage<4096ul>)", "AllReduce"),
        ("ncclKernel_SendRecv_RING_SIMPLE_Sum_int8_t(ncclWorkElem)", "SendRecv"),
        ("my_own_exchange", "my_own_exchange"),
    ],
)
def test_the_operation_is_read_from_the_name(name: str, operation: str) -> None:
    assert operation_of(name) == operation


def test_text_leaves_out_components_that_held_nothing_and_says_so(profkit: Command, shared: Path) -> None:
    run = shared / "samples/mindspore_profiler/Ascend_msinsight/test/st/level2/rank_0_ascend_pt"
    every = rows_of(profkit, "memory", run)
    held = [row for row in every if row["peak_allocated_bytes"] or row["peak_reserved_bytes"]]
    assert 0 < len(held) < len(every)
    shown = profkit("memory", run)
    assert len(shown.stdout.splitlines()) == len(held) + 2
    assert f"{len(every) - len(held)} components never held any memory" in shown.stderr


@pytest.mark.parametrize("command", ["memory", "comm"])
def test_a_run_that_holds_none_says_so(profkit: Command, samples: Path, command: str) -> None:
    done = profkit(command, samples / "vit" / "pytorch" / "profile")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "holds no" in done.stderr


def test_every_format_holds_the_same_rows(profkit: Command, shared: Path, tmp_path: Path) -> None:
    run = shared / "samples/mindspore_profiler/Ascend_msinsight/test/st/level2/rank_0_ascend_pt"
    for command in ("steps", "comm"):
        by_json = rows_of(profkit, command, run)
        by_csv = pd.read_csv(io.StringIO(profkit(command, run, "--format", "csv").stdout))
        assert profkit(command, run, "-o", tmp_path / "out.parquet").returncode == 0
        by_parquet = pd.read_parquet(tmp_path / "out.parquet")
        assert len(by_json) == len(by_csv) == len(by_parquet) > 0
        assert list(by_json[0]) == list(by_csv.columns) == list(by_parquet.columns)
        assert by_parquet["rank"].tolist() == [row["rank"] for row in by_json]
        assert profkit(command, run).stdout.count("\n") >= len(by_json)
