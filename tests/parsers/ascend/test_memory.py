"""Memory tables of Ascend text runs: every sample against a Decimal reading, and each spelling of the headers."""

from __future__ import annotations

import csv
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pandas as pd
import pytest

from profkit.errors import ImportIssue, Severity
from profkit.parsers.ascend.memory import read_memory_record, read_module_memory, read_operator_memory
from profkit.parsers.ascend.text_profile import AscendTextProfile
from profkit.parsers.base import Framework, Parsed
from profkit.progress import silent

OUTPUT = "ASCEND_PROFILER_OUTPUT"
MIB = 1 << 20
T0 = 1_736_408_883_573_957
RECORD = "Component,Timestamp(us),Total Allocated(MB),Total Reserved(MB),Total Active(MB),Stream Ptr,Device Type"
OPERATORS = (
    "Name,Size(KB),Allocation Time(us),Release Time(us),Active Release Time(us),Duration(us),Active Duration(us),"
    "Allocation Total Allocated(MB),Allocation Total Reserved(MB),Allocation Total Active(MB),"
    "Release Total Allocated(MB),Release Total Reserved(MB),Release Total Active(MB),Stream Ptr,Device Type"
)


def recorded(shared: Path, name: str) -> list[Path]:
    return sorted((shared / "samples" / "mindspore_profiler").rglob(f"{OUTPUT}/{name}"))


def cells_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [{key: cell.strip() for key, cell in row.items()} for row in csv.DictReader(file)]


def whole(text: str, factor: int) -> int | None:
    if text in ("", "N/A") or Decimal(text) < 0:
        return None
    return int((Decimal(text) * factor).to_integral_value(ROUND_HALF_EVEN))


def samples_of(frame: pd.DataFrame) -> Counter[tuple[object, ...]]:
    columns = ("time_ns", "component", "allocated_bytes", "reserved_bytes")
    cells = [[None if pd.isna(value) else value for value in frame[column].astype(object)] for column in columns]
    return Counter(zip(*cells, strict=True))


def written(path: Path, *lines: str) -> Path:
    path.write_text("\r\n".join([*lines, ""]), newline="")
    return path


def read(path: Path) -> Parsed:
    return AscendTextProfile().read(path, silent)


def test_samples_are_those_of_a_decimal_reading(shared: Path) -> None:
    total = 0
    for file in recorded(shared, "memory_record.csv"):
        memory = read(file.parents[1]).frames["memory"]
        memory = memory[memory["source"].astype(str).str.endswith("memory_record.csv")]
        unit = 1_024_000 if file.parents[1].name.endswith("_ms") else MIB
        wanted = Counter(
            (
                whole(row["Timestamp(us)"], 1000),
                row["Component"],
                whole(row["Total Allocated(MB)"], unit),
                whole(row["Total Reserved(MB)"], unit),
            )
            for row in cells_of(file)
        )
        assert samples_of(memory) == wanted, file
        total += len(memory)
    assert total > 3000


def test_modules_are_those_of_a_decimal_reading(shared: Path) -> None:
    files = recorded(shared, "npu_module_mem.csv")
    assert len(files) >= 6
    for file in files:
        memory = read(file.parents[1]).frames["memory"]
        memory = memory[memory["source"].astype(str).str.endswith("npu_module_mem.csv")]
        wanted: Counter[tuple[object, ...]] = Counter()
        for row in cells_of(file):
            kilo, mega = row.get("Total Reserved(KB)"), row.get("Total Reserved(MB)")
            reserved = whole(kilo, 1024) if kilo is not None else whole(str(mega), MIB)
            wanted[whole(row["Timestamp(us)"], 1000), f"module {row['Component']}", None, reserved] += 1
        assert samples_of(memory) == wanted, file


def test_one_amount_in_the_units_of_both_frameworks(shared: Path) -> None:
    """The semi-synthetic run was written by MindSpore from the very device records that torch_npu wrote."""
    root = shared / "samples/mindspore_profiler"
    torch = read(root / "Ascend_msinsight/test/data/pytorch/text/level1/rank0_ascend_pt").frames["memory"]
    (run,) = (root / "made_mindspore_2.10_ascend_semisynthetic/level1").glob("*_ascend_ms")
    mindspore = read(run).frames["memory"]
    apps = [frame[frame["component"] == "APP"]["reserved_bytes"].tolist()[0] for frame in (torch, mindspore)]
    assert apps == [2_212_077_568, 2_212_077_568]


def test_where_nothing_was_recorded_amounts_are_unknown(tmp_path: Path) -> None:
    file = written(
        tmp_path / "memory_record.csv",
        RECORD,
        f"APP,{T0}.920\t,,2109.6015625,,,NPU:0",
        f"PTA,{T0}\t,N/A,-1,,,NPU:0",
        "PTA,N/A,1,2,,,NPU:0",
        f"PTA,{T0}.5\t,1e300,many,,,NPU:0",
    )
    frame, table = read_memory_record(file, "pytorch", silent)
    assert samples_of(frame) == Counter(
        {
            (T0 * 1000 + 920, "APP", None, 2_212_077_568): 1,
            (T0 * 1000, "PTA", None, None): 1,
            (T0 * 1000 + 500, "PTA", None, None): 1,
        }
    )
    assert [(issue.where, issue.severity) for issue in table.issues] == [
        ("line 4", Severity.DATA_LOSS),
        ("line 5", Severity.DATA_LOSS),
        ("line 5", Severity.DATA_LOSS),
    ]


def test_headers_of_2023_and_of_mindspore(tmp_path: Path) -> None:
    old = written(
        tmp_path / "old.csv",
        "Component,Timestamp(us),Total Allocated(MB),Total Reserved(MB),Device Type",
        f"GE,{T0}.5,0.125,242.0,NPU:0",
    )
    frame, _ = read_memory_record(old, "pytorch", silent)
    assert samples_of(frame) == Counter([(T0 * 1000 + 500, "GE", MIB // 8, 242 * MIB)])
    made = written(
        tmp_path / "ms.csv",
        "Component,Timestamp(us),Total Allocated(MB),Total Reserved(MB),Total Active(MB),Device Type",
        f"MindSpore,{T0},0.0005,1048.576,0.0005,NPU:0",
    )
    frame, _ = read_memory_record(made, "unknown", silent)
    assert samples_of(frame) == Counter([(T0 * 1000, "MindSpore", 512, 1 << 30)])


@pytest.mark.parametrize(
    ("header", "cells", "reserved"),
    [
        ("Component,Timestamp(us),Total Reserved(MB),Device", "HCCL,{t},1.5,NPU:0", MIB + MIB // 2),
        ("Device_id,Component,Timestamp(us),Total Reserved(MB),Device", "0,HCCL,{t},1.5,NPU:0", MIB + MIB // 2),
        ("Device_id,Component,Timestamp(us),Total Reserved(KB),Device", "0,HCCL,{t},1.5,NPU:0", 1536),
        ("Device_id,Component,Timestamp(us),Total Reserved(KB),Device", "0,HCCL,{t},-1,NPU:0", None),
    ],
)
def test_units_of_modules_stand_in_the_header(tmp_path: Path, header: str, cells: str, reserved: int | None) -> None:
    file = written(tmp_path / "npu_module_mem.csv", header, cells.replace("{t}", f"{T0}.5\t"))
    frame, _ = read_module_memory(file, silent)
    assert samples_of(frame) == Counter([(T0 * 1000 + 500, "module HCCL", None, reserved)])


def operator(name: str, allocated: str, reserved: str, released: str = "N/A") -> str:
    after = ("N/A", "N/A") if released == "N/A" else ("0.5", reserved)
    return f"{name},1.0,{T0}.5\t,{released},N/A,N/A,N/A,{allocated},{reserved},1,{after[0]},{after[1]},1,7,NPU:0"


def test_operator_memory_serves_where_memory_record_is_absent(tmp_path: Path) -> None:
    run = tmp_path / "synthetic_ascend_pt"
    (run / OUTPUT).mkdir(parents=True)
    written(
        run / OUTPUT / "operator_memory.csv",
        OPERATORS,
        operator("aten::empty", "1.5", "4.0", f"{T0 + 1}.0\t"),
        operator("cann::Cast", "0.25", "2.0"),
    )
    frame = read(run).frames["memory"]
    assert samples_of(frame) == Counter(
        [
            (T0 * 1000 + 500, "PTA", MIB + MIB // 2, 4 * MIB),
            (T0 * 1000 + 1000, "PTA", MIB // 2, 4 * MIB),
            (T0 * 1000 + 500, "GE", MIB // 4, 2 * MIB),
        ]
    )
    written(run / OUTPUT / "memory_record.csv", RECORD, f"PTA,{T0}\t,1,2,1,7,NPU:0")
    parsed = read(run)
    assert len(parsed.frames["memory"]) == 1
    assert len(parsed.frames["allocations"]) == 2


@pytest.mark.parametrize(("framework", "swapped"), [("mindspore", True), ("pytorch", False)])
def test_columns_that_mindspore_2_6_swapped(tmp_path: Path, framework: Framework, swapped: bool) -> None:
    rows = [operator("Default/Add-op0", "4.0", "1.5"), operator("Default/Add-op1", "4.0", "4.0")]
    file = written(tmp_path / "operator_memory.csv", OPERATORS, *rows)
    frame, table = read_operator_memory(file, framework, silent)
    first = frame.iloc[0]
    amounts = (first["allocated_bytes"], first["reserved_bytes"])
    assert amounts == ((MIB * 3 // 2, 4 * MIB) if swapped else (4 * MIB, MIB * 3 // 2))
    told: list[ImportIssue] = table.issues
    assert bool([issue for issue in told if "swapped" in issue.text]) is swapped


def test_recorded_operator_memory_of_older_and_newer_writers(shared: Path) -> None:
    frameworks: dict[str, Framework] = {"_ms": "mindspore", "_pt": "pytorch"}
    for file in recorded(shared, "operator_memory.csv"):
        framework = frameworks.get(file.parents[1].name[-3:], "pytorch")
        frame, table = read_operator_memory(file, framework, silent)
        rows = cells_of(file)
        released = [row for row in rows if row["Release Time(us)"] not in ("", "N/A")]
        assert len(frame) == len(rows) + len(released), file
        sizes = Counter(
            (whole(row["Allocation Time(us)"], 1000), whole(row["Allocation Total Allocated(MB)"], MIB)) for row in rows
        )
        found = Counter(zip(frame["time_ns"], frame["allocated_bytes"], strict=True))
        assert not sizes - found, file
        assert table.issues == [], file
