"""Ascend text runs: against the run's own statistics, against a second reading of the CSV, and on damaged files."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pandas as pd
import pytest

from profkit.correlate.identity import identify
from profkit.errors import Severity, UnreadableInputError
from profkit.parsers.ascend.kernels import type_of_kernel
from profkit.parsers.ascend.text_profile import AscendTextProfile
from profkit.parsers.base import Parsed
from profkit.progress import silent
from profkit.run import load

OUTPUT = "ASCEND_PROFILER_OUTPUT"
HEADER = "Step ID,Task ID,Stream ID,Name,Type,Accelerator Core,Start Time(us),Duration(us),Wait Time(us),Block Num"


def read(path: Path) -> Parsed:
    parser = AscendTextProfile()
    assert parser.sniff(path) is not None
    return parser.read(path, silent)


def recorded(shared: Path, name: str) -> list[Path]:
    return sorted(path for path in (shared / "samples" / "mindspore_profiler").rglob(f"{OUTPUT}/{name}"))


def cells_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [row for row in csv.DictReader(file) if None not in row and None not in row.values()]


def nanoseconds(microseconds: str) -> int:
    return int((Decimal(microseconds.strip()) * 1000).to_integral_value(ROUND_HALF_EVEN))


def device(parsed: Parsed) -> pd.DataFrame:
    ops = parsed.frames["ops"]
    return ops[ops["level"] == "device"].reset_index(drop=True)


def values(ops: pd.DataFrame, column: str) -> list[object]:
    return [None if pd.isna(value) else value for value in ops[column].astype(object)]


def synthetic_run(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    run = folder / "synthetic_1_20260101000000000_ascend_ms"
    (run / OUTPUT).mkdir(parents=True)
    (run / OUTPUT / "kernel_details.csv").write_bytes("\r\n".join([header, *rows, ""]).encode())
    return run


def kernel(
    name: str = "Mul", start: str = "1736408883704643.212\t", duration: str = "1.5", core: str = "AI_CORE"
) -> str:
    return f"3,7,2,{name},Mul,{core},{start},{duration},0.25,8"


def test_level1_types_have_the_counts_and_totals_of_op_statistic(shared: Path, samples: Path) -> None:
    statistics = [*recorded(shared, "op_statistic.csv"), *samples.rglob("op_statistic.csv")]
    assert len(statistics) >= 5
    for file in statistics:
        kernels = device(read(file.parents[1]))
        compute = kernels[~kernels["core"].isin(["HCCL", "COMMUNICATION"])]
        groups = compute.groupby([compute["op_type"].astype(object), compute["core"].astype(object)])["dur_ns"]
        found = {key: (len(times), times.min(), times.max()) for key, times in groups}
        totals = {key: times.sum() for key, times in groups}
        rows = {(row["OP Type"], row["Core Type"]): row for row in cells_of(file)}
        wanted = {
            key: (int(row["Count"]), nanoseconds(row["Min Time(us)"]), nanoseconds(row["Max Time(us)"]))
            for key, row in rows.items()
        }
        assert found == wanted, file
        # The total is summed before each duration is printed in whole nanoseconds: half of one a kernel may be lost.
        for key, row in rows.items():
            assert abs(totals[key] - nanoseconds(row["Total Time(us)"])) <= (found[key][0] + 1) / 2, (file, key)


def test_kernel_times_are_those_of_the_text(shared: Path) -> None:
    files = recorded(shared, "kernel_details.csv")
    assert len(files) >= 8
    for file in files:
        kernels = device(read(file))
        rows = cells_of(file)
        wanted = sorted(
            (nanoseconds(row["Start Time(us)"]), nanoseconds(row["Duration(us)"]), row["Name"]) for row in rows
        )
        found = sorted(zip(kernels["start_ns"], kernels["dur_ns"], kernels["name"].astype(object), strict=True))
        assert found == wanted, file
        assert kernels["start_ns"].is_monotonic_increasing
        waits = (
            [nanoseconds(rows[number]["Wait Time(us)"]) for number in kernels["row"]]
            if len(rows) == len(kernels)
            else []
        )
        assert not waits or kernels["wait_ns"].tolist() == waits, file


def test_steps_are_those_of_step_trace_time(shared: Path, samples: Path) -> None:
    for file in [*recorded(shared, "step_trace_time.csv"), *samples.rglob("step_trace_time.csv")]:
        steps = read(file.parents[1]).frames["steps"].set_index("step")
        for row in cells_of(file):
            step = steps.loc[int(row["Step"])]
            assert step["computing_ns"] == nanoseconds(row["Computing"]), file
            assert step["communication_ns"] == nanoseconds(row["Communication"]), file
            assert step["overlapped_ns"] == nanoseconds(row["Overlapped"]), file
            assert step["free_ns"] == nanoseconds(row["Free"]), file


def test_communication_is_that_of_communication_json(shared: Path) -> None:
    for file in recorded(shared, "communication.json"):
        found = read(file.parents[1]).frames["comm"]
        content = json.loads(file.read_text(), parse_float=Decimal)
        wanted = defaultdict(list)
        for step, kinds in content.items():
            for operations in kinds.values():
                for name, body in operations.items():
                    if name != "Total Op Info":
                        wanted[int(step[4:]), name.split("@")[0]].append(body)
        assert len(found) == sum(len(bodies) for bodies in wanted.values()), file
        for row in found.itertuples():
            bodies = wanted[row.step, row.name]
            links = [body["Communication Bandwidth Info"] for body in bodies]
            sizes = [
                round((link["RDMA"]["Transit Size(MB)"] + link["SDMA"]["Transit Size(MB)"]) * 10**6) for link in links
            ]
            elapsed = [round(body["Communication Time Info"]["Elapse Time(ms)"] * 10**6) for body in bodies]
            assert row.size_bytes in sizes, file
            assert row.dur_ns in elapsed, file
            assert (row.kind == "p2p") == any(word in row.name for word in ("send", "Send", "receive", "Recv"))


def test_kernels_are_tied_to_the_operator_that_is_named_before_them(shared: Path, samples: Path) -> None:
    runs = [path.parents[1] for path in recorded(shared, "trace_view.json") if path.parents[1].name.endswith("_ms")]
    runs = [run for run in runs if (run / OUTPUT / "kernel_details.csv").exists()] + [
        *samples.glob("ascend_synthetic/*_ms")
    ]
    assert len(runs) == 4
    for run in runs:
        ops = identify(load(run)).ops
        names = ops["name"].astype(object)
        kernels = ops[ops["level"] == "device"]
        assert (kernels["launcher"] >= 0).all(), run
        prefixed = kernels[names[kernels.index].str.contains("::")]
        assert len(prefixed) >= len(kernels) - 3
        launchers = names.loc[prefixed["launcher"]].tolist()
        assert names[prefixed.index].str.rpartition("/")[0].tolist() == launchers, run


def test_kernels_of_torch_npu_find_operator_step_and_phase(shared: Path) -> None:
    for level in ("level0", "level1"):
        run = load(
            shared / f"samples/mindspore_profiler/Ascend_msinsight/test/data/pytorch/text/{level}/rank0_ascend_pt"
        )
        ops = identify(run).ops
        kernels = ops[ops["level"] == "device"]
        assert (kernels["launcher"] >= 0).all()
        assert set(kernels["step"]) == {50}
        assert kernels["phase"].notna().all()
        gradients = kernels["op_type"].isin(["Conv2DBackpropFilter", "Conv2DBackpropInput"])
        assert kernels.loc[gradients, "phase"].eq("backward").all()


def test_rank_version_framework_and_level(shared: Path) -> None:
    root = shared / "samples" / "mindspore_profiler"
    newest = read(root / "Ascend_msinsight/test/st/level2/rank_0_ascend_pt")
    assert (newest.framework, newest.rank, newest.writer_version) == ("pytorch", 0, "2.7.1")
    assert newest.facts["level"] == "Level2"
    assert newest.facts["cann"] == "8.3.RC1"
    assert newest.facts["groups"] == "default_group (4), dp_cp (2), embd (2), mp (2), pp (2), tp (1)"
    assert "expandable_segments" not in str(newest.facts)
    made = read(next((root / "made_mindspore_2.10_ascend_semisynthetic/level1").glob("*_ascend_ms")))
    assert made.facts["raw_records"].startswith("FRAMEWORK, PROF_")
    assert (made.framework, made.rank, made.writer_version) == ("mindspore", 0, "2.10.0")
    oldest = read(root / "Ascend_msinsight/server/src/test/test_data/test_rank_1")
    assert (oldest.framework, oldest.rank, oldest.writer_version) == ("pytorch", 1, None)


def test_level0_types_are_read_from_names_and_told(shared: Path) -> None:
    level0 = shared / "samples/mindspore_profiler/Ascend_msinsight/test/data/pytorch/text/level0/rank0_ascend_pt"
    parsed = read(level0)
    kernels = device(parsed)
    assert kernels["input_shapes"].isna().all()
    assert any(issue.severity is Severity.INFO and "from the kernel's name" in issue.text for issue in parsed.issues)
    assert kernels["op_type"].value_counts()["TransData"] == 57


@pytest.mark.parametrize(
    ("name", "op_type"),
    [
        ("aclnnMatmul_MatMulCommon_MatMulV2", "MatMulV2"),
        ("Kernel::KernelLaunch::Default/net-Net/MatMul-op0/aclnnMatmul_MatMulV3Common_MatMulV3", "MatMulV3"),
        ("trans_TransData_0", "TransData"),
        ("Cast16", "Cast"),
        ("hcom_allReduce__586_0_1", "hcom_allReduce_"),
        ("atomic_memset-1_146_2208226_8_0", "MemSet"),
        ("123", None),
        ("", None),
    ],
)
def test_type_of_kernel(name: str, op_type: str | None) -> None:
    assert type_of_kernel(name) == op_type


def test_no_recorded_file_crashes_the_parser(shared: Path) -> None:
    parser = AscendTextProfile()
    taken = 0
    hints = []
    for folder, _, files in os.walk(shared / "samples" / "mindspore_profiler"):
        for path in (Path(folder), *(Path(folder) / file for file in files)):
            if parser.sniff(path) is None:
                continue
            taken += 1
            try:
                parser.read(path, silent)
            except UnreadableInputError as error:
                hints.append(error.hint)
    assert taken >= 30
    assert all(hints)


def test_a_shifted_row_is_refused_with_its_line(shared: Path) -> None:
    root = shared / "samples/mindspore_profiler/Ascend_msinsight/server/src/test/test_data/test_rank_0"
    losses = [issue for issue in read(root).issues if issue.severity is Severity.DATA_LOSS]
    assert [issue.where for issue in losses] == ["line 17"]


@pytest.mark.parametrize("level", ["level0", "level1"])
def test_kernels_of_the_trace_serve_where_the_table_is_absent(shared: Path, tmp_path: Path, level: str) -> None:
    origin = shared / f"samples/mindspore_profiler/Ascend_msinsight/test/data/pytorch/text/{level}/rank0_ascend_pt"
    run = tmp_path / origin.name
    shutil.copytree(origin, run, copy_function=shutil.copyfile)
    (run / OUTPUT / "kernel_details.csv").unlink()
    table, trace = device(read(origin)), device(read(run))
    columns = ["name", "step", "correlation", "op_type"] if level == "level0" else ["name", "step", "correlation"]
    for column in columns:
        assert values(trace, column) == values(table, column), column
    for column in ("start_ns", "dur_ns"):
        # Table and trace round one time to whole nanoseconds on their own.
        assert (trace[column] - table[column]).abs().max() <= 1
    assert (trace["wait_ns"] - table["wait_ns"])[1:].abs().max() <= 3
    assert trace[["core", "input_shapes", "input_dtypes", "output_shapes"]].isna().all(axis=None)
    told = [issue.text for issue in read(run).issues if issue.severity is Severity.DATA_LOSS]
    assert len(told) == 1
    assert "191 kernels were taken from the trace" in told[0]
    kernels = identify(load(run)).ops.query("level == 'device'")
    assert (kernels["launcher"] >= 0).all()


@pytest.mark.parametrize(
    ("source", "framework", "kernels"),
    [
        ("Ascend_msinsight/test/data/pytorch/text/level0/*_pt/ASCEND_PROFILER_OUTPUT/trace_view.json", "pytorch", 191),
        ("Ascend_msinsight/test/data/pytorch/text/level1/*_pt/ASCEND_PROFILER_OUTPUT/trace_view.json", "pytorch", 191),
        ("made_*_semisynthetic/level1_commname/*_ms/ASCEND_PROFILER_OUTPUT/trace_view.json", "mindspore", 191),
        ("made_*_semisynthetic/level0/*_ms/PROF_*/mindstudio_profiler_output/msprof_*.json", "unknown", 191),
        ("made_mindspore_2.10_cpu/graph_*_ms/ASCEND_PROFILER_OUTPUT/trace_view.json", "mindspore", 0),
    ],
)
def test_a_lone_trace_tells_framework_operators_and_kernels(
    shared: Path, tmp_path: Path, source: str, framework: str, kernels: int
) -> None:
    (origin,) = (shared / "samples/mindspore_profiler").glob(source)
    path = tmp_path / "renamed.json"
    shutil.copyfile(origin, path)
    run = load(path)
    assert (run.sources[0].format, run.framework) == ("ascend-text-profile", framework)
    assert (run.ops["level"] == "device").sum() == kernels
    assert ((run.ops["level"] == "host").sum() > 0) == (framework != "unknown")
    path.unlink()
    packed = tmp_path / "renamed.json.gz"
    packed.write_bytes(gzip.compress(origin.read_bytes(), 1))
    assert len(load(packed).ops) == len(run.ops)


@pytest.mark.parametrize(
    "text",
    [
        '[{"ph": "X", "cat": "cpu_op", "name": "aten::add", "ts": "1.5", "dur": 1}]',
        '[{"ph": "X", "cat": "cpu_op", "name": "aten::add", "ts": 1736408883704643.212, "dur": 1}]',
        '{"traceEvents": [{"ph": "X", "cat": "cpu_op", "name": "aten::add", "ts": "1736408883704643.212", "dur": 1}]}',
        "1736408883704643.212",
        "",
    ],
)
def test_traces_of_others_are_left_to_their_parsers(tmp_path: Path, text: str) -> None:
    (tmp_path / "trace.json").write_text(text)
    assert AscendTextProfile().sniff(tmp_path / "trace.json") is None


def test_counts_that_differ_from_op_statistic_are_told(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, [kernel(), kernel(), kernel(core="HCCL")])
    statistic = run / OUTPUT / "op_statistic.csv"
    header = "Device_id,OP Type,Core Type,Count,Total Time(us),Min Time(us),Avg Time(us),Max Time(us),Ratio(%)\n"
    statistic.write_text(header + "0,Mul,AI_CORE,2,3,1.5,1.5,1.5,100\n")
    assert read(run).issues == ()
    statistic.write_text(header + "0,Mul,AI_CORE,3,3,1.5,1.5,1.5,50\n1,Add,AI_CORE,1,1,1,1,1,50\n")
    (issue,) = read(run).issues
    assert (issue.severity, issue.source) == (Severity.DATA_LOSS, str(statistic))
    assert "Add 0 of 1, Mul 2 of 3" in issue.text


def test_files_and_columns_without_a_frame_are_named(shared: Path, tmp_path: Path) -> None:
    root = shared / "samples/mindspore_profiler"
    recorded = root / "Ascend_msinsight/test/data/pytorch/text/level1/rank0_ascend_pt"
    assert "not_read" not in read(recorded).facts
    shutil.copytree(recorded, tmp_path / "run", copy_function=shutil.copyfile)
    (tmp_path / "run/ASCEND_PROFILER_OUTPUT/soc_pmu.csv").write_text("Device_id,Task Id\n")
    facts = read(tmp_path / "run").facts
    assert facts["not_read"] == "soc_pmu.csv"
    assert "aic_mac_ratio" in facts["counters"]
    assert "Input Formats" in facts["columns_not_read"]
    assert "Duration(us)" not in facts["columns_not_read"]
    (run,) = (root / "made_mindspore_2.10_ascend_semisynthetic/level0").glob("*_ascend_ms")
    named = read(run).facts["not_read"].split(", ")
    assert {"minddata_pipeline_raw_0.csv", "minddata_pipeline_summary_0.json"} <= set(named)


def test_ranks_beside_each_other_are_one_run(shared: Path) -> None:
    folder = shared / "samples/mindspore_profiler/Ascend_msinsight/test/st/level2"
    run = load(folder)
    operations = {}
    for rank in (0, 1, 3):
        content = json.loads((folder / f"rank_{rank}_ascend_pt" / OUTPUT / "communication.json").read_text())
        names = [name for kinds in content.values() for found in kinds.values() for name in found]
        operations[rank] = sum(name != "Total Op Info" for name in names)
    assert [source.rank for source in run.sources] == [0, 1, 3]
    assert run.framework == "pytorch"
    assert run.comm.groupby("rank").size().to_dict() == operations
    assert set(run.steps["rank"]) == {0, 1, 3}
    assert set(run.ops["rank"]) == {0}


KERNEL_CELLS = {
    "Name": "Mul1",
    "Type": "Mul",
    "Accelerator Core": "AI_CORE",
    "Start Time(us)": "1736408883704643.212\t",
    "Duration(us)": "1.5",
    "Wait Time(us)": "0.25",
    "Block Dim": "8",
}


@pytest.mark.parametrize(
    ("renamed", "added", "expected"),
    [
        ({}, {"Step Id": "4"}, {"step": 4}),
        ({}, {"Step ID": "4"}, {"step": 4}),
        ({}, {"Device_id": "0", "Step ID": "", "Model ID": "4294967295"}, {"step": -1}),
        ({"Block Dim": "Block Num"}, {"Mix Block Num": "0", "HF32 Eligible": "NO"}, {}),
        ({}, {"Stream ID": "2", "Task ID": "7"}, {"stream": "2"}),
        ({}, {"Stream Id": "2", "Task Id": "7"}, {"stream": "2"}),
        ({"Name": "Op Name", "Type": "OP Type", "Accelerator Core": "Task Type"}, {}, {}),
        (
            {
                "Start Time(us)": "Task Start Time(us)",
                "Duration(us)": "Task Duration(us)",
                "Wait Time(us)": "Task Wait Time(us)",
            },
            {},
            {},
        ),
        ({}, {"Model Name": "net", "OP State": "dynamic", "Context ID": "N/A"}, {}),
        ({}, {"aicore_time(us)": "1", "aic_mac_ratio": "0.5", "cube_utilization(%)": "50"}, {}),
    ],
)
def test_each_spelling_of_the_header(
    tmp_path: Path, renamed: dict[str, str], added: dict[str, str], expected: dict[str, object]
) -> None:
    cells = {**added, **{renamed.get(name, name): cell for name, cell in KERNEL_CELLS.items()}}
    run = synthetic_run(tmp_path, [",".join(cells.values())], ",".join(cells))
    parsed = read(run)
    (row,) = device(parsed).astype(object).to_dict("records")
    known = {"name": "Mul1", "op_type": "Mul", "core": "AI_CORE", "dur_ns": 1500, "wait_ns": 250}
    wanted = {**known, "start_ns": 1_736_408_883_704_643_212, **expected}
    assert {name: row[name] for name in wanted} == wanted
    assert parsed.issues == ()


@pytest.mark.parametrize("core", ["HCCL", "COMMUNICATION"])
@pytest.mark.parametrize("lane", ["HCCL", "Communication"])
def test_names_of_communication_lane_and_core(tmp_path: Path, core: str, lane: str) -> None:
    run = synthetic_run(tmp_path, [kernel("hcom_allReduce__1_0_1", core=core)])
    events = [
        {"ph": "M", "name": "process_name", "pid": 7, "tid": 0, "args": {"name": lane}},
        {"ph": "M", "name": "thread_name", "pid": 7, "tid": 0, "args": {"name": "Group 0 Communication"}},
        {"ph": "M", "name": "thread_name", "pid": 7, "tid": 1, "args": {"name": "Plane 0"}},
        {
            "ph": "X",
            "name": "hcom_allReduce__1_0_1",
            "pid": 7,
            "tid": 0,
            "ts": "1736408883704643.212",
            "dur": 1.5,
            "args": {"connection_id": 9},
        },
        {"ph": "X", "name": "Memcpy", "pid": 7, "tid": 1, "ts": "1736408883704643.212", "dur": 1, "args": {}},
    ]
    (run / OUTPUT / "trace_view.json").write_text(json.dumps(events))
    assert values(device(read(run)), "correlation") == [9]
    (run / OUTPUT / "kernel_details.csv").unlink()
    kernels = device(read(run))
    assert values(kernels, "name") == ["hcom_allReduce__1_0_1"]
    assert values(kernels, "op_type") == ["hcom_allReduce_"]


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (
            "Step,Computing,Communication(Not Overlapped),Overlapped,Communication,Free,Stage,Bubble,"
            "Communication(Not Overlapped and Exclude Receive)",
            "4,1.5,2,3,5,6,0,0,0",
        ),
        (
            "Device_id,Step,Computing,Communication(Not Overlapped),Overlapped,Communication,Free,Stage,Bubble,"
            "Communication(Not Overlapped and Exclude Receive),Preparing",
            "0,4,1.5,2,3,5,6,85528.64862499999991268850863,0,0,1",
        ),
    ],
)
def test_each_header_of_step_trace_time(tmp_path: Path, header: str, cells: str) -> None:
    run = synthetic_run(tmp_path, [kernel()])
    (run / OUTPUT / "step_trace_time.csv").write_text(f"{header}\n{cells}\n")
    parsed = read(run)
    (row,) = parsed.frames["steps"].to_dict("records")
    found = [row[f"{name}_ns"] for name in ("computing", "communication", "overlapped", "free")]
    assert (row["step"], *found) == (4, 1500, 5000, 3000, 6000)
    assert parsed.issues == ()


def test_communication_is_classified_by_name_and_counted_once(tmp_path: Path) -> None:
    def operation(**sizes: float) -> dict[str, object]:
        links = {link: {"Transit Size(MB)": size, "Transit Time(ms)": 1} for link, size in sizes.items()}
        times = {"Start Timestamp(us)": 1736408883704643.2, "Elapse Time(ms)": 0.00256, "Wait Time(ms)": 0}
        return {"Communication Time Info": times, "Communication Bandwidth Info": links}

    run = synthetic_run(tmp_path, [kernel()])
    kinds = {
        "p2p": {},
        "collective": {
            "hcom_send__586_9_1@174": operation(RDMA=0, HCCS=2.5, PCIE=0, SDMA=2.5, SIO=0),
            "hcom_receive__586_9_1@174": operation(RDMA=1, SDMA=0),
            "hcom_batchSendRecv__586_9_1@174": operation(),
            "hcom_allReduce__586_0_1@174": operation(HCCS=1, SIO=2, SDMA=3),
            "Total Op Info": {"Communication Bandwidth Info": {"HCCS": {"Transit Size(MB)": 99}}},
        },
    }
    (run / OUTPUT / "communication.json").write_text(json.dumps({"step": kinds}))
    parsed = read(run)
    found = parsed.frames["comm"].astype(object)
    assert list(zip(found["name"], found["kind"], values(found, "size_bytes"), found["step"], strict=True)) == [
        ("hcom_send__586_9_1", "p2p", 2_500_000, -1),
        ("hcom_receive__586_9_1", "p2p", 1_000_000, -1),
        ("hcom_batchSendRecv__586_9_1", "p2p", None, -1),
        ("hcom_allReduce__586_0_1", "collective", 3_000_000, -1),
    ]
    assert found["dur_ns"].tolist() == [2560] * 4
    assert parsed.issues == ()


def test_shapes_lose_their_quotes(tmp_path: Path) -> None:
    header = HEADER + ",Input Shapes,Input Data Types,Output Shapes"
    rows = [
        kernel() + ',"""32,3,224,224""",FLOAT,"""32,1;;4"""',
        kernel() + ',"""""",FLOAT,N/A',
        kernel() + ',N/A,N/A,""',
        kernel() + ",7;8,INT32;INT32,7",
    ]
    kernels = device(read(synthetic_run(tmp_path, rows, header)))
    assert values(kernels, "input_shapes") == ["32,3,224,224", "", None, "7;8"]
    assert values(kernels, "output_shapes") == ["32,1;;4", None, None, "7"]
    assert values(kernels, "input_dtypes") == ["FLOAT", "FLOAT", None, "INT32;INT32"]


def test_text_oddities_of_the_writers(tmp_path: Path) -> None:
    rows = [
        kernel("A"),
        kernel("B", '"1736408883704644.5\t"'),
        kernel("C", "1736408883704645"),
        kernel('"multi\nline"', "1736408883704646.001"),
        kernel("nul\0byte", "1736408883704647.001"),
    ]
    run = synthetic_run(tmp_path, rows, "\ufeff" + HEADER)
    file = run / OUTPUT / "kernel_details.csv"
    file.write_bytes(file.read_bytes().replace(b"C,Mul", b"C\xff,Mul").replace(b"\r\n", b"\n", 2))
    parsed = read(run)
    kernels = device(parsed)
    base = 1736408883704643
    wanted = [
        base * 1000 + 212,
        (base + 1) * 1000 + 500,
        (base + 2) * 1000,
        (base + 3) * 1000 + 1,
        (base + 4) * 1000 + 1,
    ]
    assert kernels["start_ns"].tolist() == wanted
    assert values(kernels, "name") == ["A", "B", "C\ufffd", "multi\nline", "nul\ufffdbyte"]
    assert [issue.where for issue in parsed.issues] == ["lines 4, 7"]


def test_rows_without_times_and_spreadsheet_times_are_told(tmp_path: Path) -> None:
    rows = [kernel(), kernel(start="N/A"), kernel(duration="long"), kernel(start="1.69512E+15"), kernel(start="9" * 30)]
    parsed = read(synthetic_run(tmp_path, rows))
    assert sorted(device(parsed)["start_ns"]) == [1_695_120_000_000_000_000, 1_736_408_883_704_643_212]
    told = {issue.where: issue.text for issue in parsed.issues}
    assert told["lines 3, 4, 6"].startswith("kernels without a start or a duration were refused")
    assert "spreadsheet" in told["line 5"]
    assert "start is no number" in told["line 6"]


def test_an_open_quote_gives_what_stands_before_it(tmp_path: Path) -> None:
    parsed = read(synthetic_run(tmp_path, [kernel(), '"' + "x" * 200_000, kernel()]))
    assert len(device(parsed)) == 1
    assert any(issue.severity is Severity.DATA_LOSS and issue.where == "line 3" for issue in parsed.issues)


def test_an_absent_required_column_is_an_issue_and_alone_an_error(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, ["1"], "Name")
    with pytest.raises(UnreadableInputError, match="Start Time"):
        read(run)
    (run / OUTPUT / "step_trace_time.csv").write_text("Step,Computing\n4,1.5\n")
    parsed = read(run)
    assert parsed.frames["steps"]["computing_ns"].tolist() == [1500]
    assert any(issue.severity is Severity.ERROR for issue in parsed.issues)


def test_a_damaged_trace_or_json_costs_only_itself(tmp_path: Path) -> None:
    run = synthetic_run(tmp_path, [kernel()])
    (run / OUTPUT / "trace_view.json").write_text("not json")
    (run / OUTPUT / "communication.json").write_text('{"step4": ' + "[" * 100_000)
    (run / "profiler_info_5.json").write_text("{")
    parsed = read(run)
    assert len(device(parsed)) == 1
    assert (parsed.rank, parsed.framework) == (5, "mindspore")
    assert len(parsed.issues) == 3


def test_a_cut_trace_gives_its_beginning(tmp_path: Path, samples: Path) -> None:
    (source,) = samples.glob("ascend_synthetic/*_ascend_ms")
    run = synthetic_run(tmp_path, [])
    for name in ("kernel_details.csv", "trace_view.json"):
        (run / OUTPUT / name).write_bytes((source / OUTPUT / name).read_bytes())
    trace = run / OUTPUT / "trace_view.json"
    trace.write_bytes(trace.read_bytes()[:100_000])
    whole, cut = read(source), read(run)
    assert device(cut)["start_ns"].tolist() == device(whole)["start_ns"].tolist()
    assert 0 < cut.frames["ops"]["level"].eq("host").sum() < whole.frames["ops"]["level"].eq("host").sum()
    assert cut.issues


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["PROF_000001_2026_AB/host/info.json", "profiler_info_0.json"], "never analysed"),
        ([f"{OUTPUT}/notes.txt", "profiler_info_0.json"], "wrote no result"),
    ],
)
def test_runs_without_text_say_why(tmp_path: Path, files: list[str], words: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    with pytest.raises(UnreadableInputError, match=words) as caught:
        read(tmp_path)
    assert caught.value.hint


def test_other_files_are_not_recognised(tmp_path: Path) -> None:
    parser = AscendTextProfile()
    (tmp_path / "table.csv").write_text("Name,Value\na,1\n")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "empty.csv").write_bytes(b"")
    assert all(parser.sniff(path) is None for path in (tmp_path, *tmp_path.iterdir()))
