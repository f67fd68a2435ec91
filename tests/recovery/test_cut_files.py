"""A file of every format, cut at every byte: the whole result, a prefix of it with an issue, or a typed error."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from profkit.errors import ImportIssue
from profkit.parsers.ascend.allocations import read_allocations, read_static_memory
from profkit.parsers.ascend.api_calls import read_api_calls
from profkit.parsers.ascend.communication import read_communication
from profkit.parsers.ascend.communication_matrix import read_matrix
from profkit.parsers.ascend.database import AscendDatabase
from profkit.parsers.ascend.kernels import read_kernels
from profkit.parsers.ascend.memory import read_memory_record, read_module_memory
from profkit.parsers.ascend.run_info import read_run_info
from profkit.parsers.ascend.steps import read_step_times
from profkit.parsers.base import Parser
from profkit.parsers.chrome.events import Argument, read_events
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.parsers.dump.saved_tensors import SavedTensors
from profkit.parsers.mindspore.cpu_profile import MindSporeCpuProfile
from profkit.parsers.mindspore.dataset_pipeline import pipeline_files, read_pipeline
from profkit.parsers.mindspore.gpu_profile import MindSporeGpuProfile
from profkit.parsers.mindspore.legacy_profile import MindSporeLegacyProfile
from profkit.parsers.pytorch.execution_trace import TorchExecutionTrace
from profkit.parsers.pytorch.kineto_trace import KinetoTrace
from profkit.progress import silent

pytestmark = pytest.mark.exhaustive

OUTPUT, FRAMEWORK = "ASCEND_PROFILER_OUTPUT", "FRAMEWORK"
KERNEL_HEADER = (
    "Step ID,Task ID,Stream ID,Name,Type,Accelerator Core,Start Time(us),Duration(us),Wait Time(us),Block Num"
)

# A whole recording is read at cuts so far apart (and at every line end); PROFKIT_EXHAUSTIVE=1 cuts it at every byte.
CUTS_APART = 127

# Makes a small recording in a folder, given the bundled samples: the path to read, and the file to cut.
Recording = Callable[[Path, Path], tuple[Path, Path]]
Result = tuple[Mapping[str, pd.DataFrame], Iterable[ImportIssue]]
Read = Callable[[Path], Result]


def _recorded_kineto(folder: Path, samples: Path) -> tuple[Path, Path]:
    """A recorded C++ export: its own head and tail around a few of its events."""
    text = gzip.decompress((samples / "vit/pytorch/profile/trace.json.gz").read_bytes()).decode()
    head, key, rest = text.partition('"traceEvents": [')
    body, end, tail = rest.rpartition("\n  ]")
    events = body.split("\n  },")
    kept = [event for event in events if '"cat": "cpu_op"' in event][:2]
    path = folder / "trace.json"
    path.write_text(head + key + "\n  },".join(kept) + "\n  }" + end + tail)
    return path, path


def _python_kineto(folder: Path, _: Path) -> tuple[Path, Path]:
    """Synthetic: the layout of the exporter in Python, one event a line."""
    events = [
        {"ph": "M", "name": "process_name", "pid": 7, "tid": 0, "ts": 1.25, "args": {"name": "python"}},
        *(_operator(number, 11.5 + number) for number in range(3)),
    ]
    lines = ",\n".join(json.dumps(event, separators=(", ", ": ")) for event in events)
    header = '{"schemaVersion": 1, "deviceProperties": [], "baseTimeNanoseconds": 1790857026000000000, '
    path = folder / "worker.pt.trace.json"
    path.write_text(header + f'"traceEvents": [\n{lines}\n], "traceName": "worker.pt.trace.json"}}\n')
    return path, path


def _operator(number: int, ts: float, **fields: Any) -> dict[str, Any]:
    args = {"External id": number, "Input Dims": [[4, 3], []], "Input type": ["float", "Scalar"]}
    event = {"ph": "X", "cat": "cpu_op", "name": f"aten::op{number}", "pid": 7, "tid": 8, "ts": ts, "dur": 2.125}
    return {**event, "args": args, **fields}


def _packed_kineto(folder: Path, samples: Path) -> tuple[Path, Path]:
    plain, _ = _recorded_kineto(folder, samples)
    path = folder / "trace.json.gz"
    path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    plain.unlink()
    return path, path


def _legacy_list(folder: Path, _: Path) -> tuple[Path, Path]:
    """Synthetic: the list that torch.autograd exports."""
    names = ["aten::conv2d", 'say "hi"', "aten::relu"]
    rows = [
        f'{{"name": "{name}", "ph": "X", "ts": {number}.25, "dur": 35, "tid": 1, "pid": "CPU functions", "args": {{}}}}'
        for number, name in enumerate(names)
    ]
    path = folder / "legacy.json"
    path.write_text("[" + ", ".join(rows) + "]")
    return path, path


def _ascend_run(folder: Path, samples: Path) -> Path:
    """A few kernels of the bundled synthetic run, with their part of every file."""
    (whole,) = samples.glob("ascend_synthetic/*_ascend_ms")
    run = folder / whole.name
    (run / OUTPUT).mkdir(parents=True)
    shutil.copy(whole / "profiler_info_0.json", run)
    kernels = (whole / OUTPUT / "kernel_details.csv").read_bytes().splitlines(keepends=True)[:3]
    (run / OUTPUT / "kernel_details.csv").write_bytes(b"".join(kernels))
    steps = (whole / OUTPUT / "step_trace_time.csv").read_bytes().splitlines(keepends=True)[:3]
    (run / OUTPUT / "step_trace_time.csv").write_bytes(b"".join(steps))
    trace = json.loads((whole / OUTPUT / "trace_view.json").read_bytes())
    lanes = [event for event in trace if event["ph"] == "M"]
    marks = [event for event in trace if "ProfilerStep" in event["name"]][:2]
    others = [event for event in trace if event["ph"] != "M" and "ProfilerStep" not in event["name"]][:8]
    for event in others:
        if "connection_id" in event.get("args", {}):
            event["args"]["Task Type"] = "AI_CORE"
    (run / OUTPUT / "trace_view.json").write_text(json.dumps([*lanes, *marks, *others], separators=(",", ":")))
    (run / OUTPUT / "communication.json").write_text(json.dumps({"step10": {"p2p": {}, "collective": _collectives()}}))
    return run


def _collectives() -> dict[str, Any]:
    times = {"Start Timestamp(us)": 1767225600000500.5, "Elapse Time(ms)": 0.25, "Wait Time(ms)": 0.125}
    links = {"RDMA": {"Transit Size(MB)": 0}, "HCCS": {"Transit Size(MB)": 1.5}, "SDMA": {"Transit Size(MB)": 1.5}}
    body = {"Communication Time Info": times, "Communication Bandwidth Info": links}
    return {f"hcom_allReduce__586_{number}_1@17522": body for number in range(2)}


def _in_ascend_run(name: str) -> Recording:
    def make(folder: Path, samples: Path) -> tuple[Path, Path]:
        run = _ascend_run(folder, samples)
        return run, run / OUTPUT / name

    return make


def _profiler_info(folder: Path, samples: Path) -> tuple[Path, Path]:
    run = _ascend_run(folder, samples)
    return run, run / "profiler_info_0.json"


def _in_cpu_run(name: str) -> Recording:
    def make(folder: Path, samples: Path) -> tuple[Path, Path]:
        run = _cpu_run(folder, samples)
        return run, next(run.glob(f"{FRAMEWORK}/{name}"))

    return make


def _cpu_run(folder: Path, samples: Path) -> Path:
    """The first operators of a recorded run on CPU, once each, with their lines of the other files."""
    (whole,) = samples.glob("vit/mindspore_clean/pynative/*_ascend_ms")
    run = folder / whole.name
    (run / FRAMEWORK).mkdir(parents=True)
    source = whole / FRAMEWORK
    lines = (source / "cpu_op_execute_timestamp_0.txt").read_text().splitlines()[:2]
    (run / FRAMEWORK / "cpu_op_execute_timestamp_0.txt").write_text("".join(f"{line}\n" for line in lines))
    executed = sorted(
        (int(execution.split(",")[0]), line.split(";")[0].rsplit("/", 1)[-1])
        for line in lines
        for execution in line.rsplit(";", 1)[1].split()
    )
    described = "".join(f"{name.split('-')[0]};{name};1;input_1:[8, 32];input_2:[32];\n" for _, name in executed)
    (run / FRAMEWORK / "cpu_framework_0.txt").write_text(described)
    details = (source / "cpu_op_detail_info_0.csv").read_text().splitlines()
    wanted = [line for line in details[1:] if any(f",{name.split(';')[0]}," in line for name in lines)]
    (run / FRAMEWORK / "cpu_op_detail_info_0.csv").write_text("".join(f"{line}\n" for line in [details[0], *wanted]))
    memory = ["Timestamp(ns),Total Allocated(Byte),Total Reserved(Byte),Total Active(Byte)"]
    memory += [f"179543998376349{number}259,{1024 * number + 512},{1 << 30},{77 * number}" for number in range(2)]
    (run / FRAMEWORK / "cpu_ms_memory_record_0.txt").write_text("".join(f"{line}\n" for line in memory))
    return run


def _npy(folder: Path, _: Path) -> tuple[Path, Path]:
    folder = folder / "outputs"
    folder.mkdir()
    for number in range(2):
        np.save(folder / f"{number}_layer.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
    return folder, folder / "1_layer.npy"


def _dump(folder: Path) -> Path:
    """Synthetic: two tensors of one iteration, a third under a number, statistics of a fourth."""
    place = folder / "rank_0" / "net" / "0" / "0"
    place.mkdir(parents=True)
    names = [f"ReLU.Default_ReLU-op{number}.0.0.179544000506719{number}.output.0.DefaultFormat" for number in range(3)]
    for number, name in enumerate(names):
        stem = name if number < 2 else "123456"
        np.save(place / f"{stem}.npy", np.arange(number + 2, dtype=np.float32))
    (place / "mapping.csv").write_text(f"123456.npy,{names[2]}.npy\n")
    header = (
        "Op Type,Op Name,Task ID,Stream ID,Timestamp,IO,Slot,Data Size,Data Type,Shape,Max Value,Min Value,Avg Value"
    )
    rows = [
        f'Add,Default_Add-op{n},0,0,179544000506720{n},output,0,16,float32,"(2,2)",1.5,-2.25,0.{n}5,' for n in range(2)
    ]
    (place / "statistic.csv").write_text("\n".join([header, *rows, ""]))
    return folder


def _in_dump(name: str) -> Recording:
    def make(folder: Path, _: Path) -> tuple[Path, Path]:
        dump = _dump(folder / "dump")
        return dump, next(dump.rglob(name))

    return make


def _written(name: str, text: str, companions: Mapping[str, str] | None = None) -> Recording:
    """Synthetic: a file of this text, beside others that stay whole."""

    def make(folder: Path, _: Path) -> tuple[Path, Path]:
        for other, content in (companions or {}).items():
            (folder / other).write_text(content)
        (folder / name).write_text(text)
        return folder / name, folder / name

    return make


T0 = 1_736_408_883_573_957
MEMORY_ROWS = "".join(f"PTA,{T0 + n}.920\t,1{n}.5,30.0,12.5,7,NPU:0\n" for n in range(3))
MODULE_ROWS = "".join(f"HCCL,{T0 + n}.5\t,1{n}.5,NPU:0\n" for n in range(3))
LIFETIMES = "".join(
    f"aten::empty,{n}.5,{T0 + n}.92\t,{T0 + 9}.5\t,,8.58,,1.5,4,1.5,1.0,4,1.0,7,NPU:0\n" for n in range(1, 4)
)
LIFETIME_HEADER = (
    "Name,Size(KB),Allocation Time(us),Release Time(us),Active Release Time(us),Duration(us),Active Duration(us),"
    "Allocation Total Allocated(MB),Allocation Total Reserved(MB),Allocation Total Active(MB),"
    "Release Total Allocated(MB),Release Total Reserved(MB),Release Total Active(MB),Stream Ptr,Device Type\n"
)
NODES = [
    {
        "name": f"aten::op{n}", "rf_id": n + 1, "op_schema": "", "inputs": [], "input_shapes": [[[4]]][0],
        "input_types": ["Tensor(float)"], "outputs": [], "output_shapes": [[4, n]], "output_types": ["Tensor(float)"],
    }
    for n in range(3)
]  # fmt: skip
DISPLAY = [
    {
        "name": f"Default/net-Net/Mul-op{n}", "ph": "X", "tid": 3, "pid": 0, "ts": 10.25 + n, "dur": 0.5,
        "args": {"type": "Mul", "fullname": f"Default/net-Net/Mul-op{n}"},
    }
    for n in range(3)
]  # fmt: skip
TIMELINE = "op_name, stream_id, start_time(ms), duration(ms)\n" + "".join(
    f"Default/net-Net/Mul-op{n},3,7001.5{n},0.125\n" for n in range(3)
)
STEP_TRACE = "step_num,start_point,end_point,total,fp_point,bp_point,iteration_interval,fp_and_bp,tail\n" + "".join(
    f"{n + 1},{1000 * n + 100},{1000 * n + 900},800,{1000 * n + 100},{1000 * n + 800},10,700,100\n" for n in range(2)
)
PIPELINE = {
    "sampling_interval": 10,
    "op_info": [
        {"op_id": 1, "op_type": "Map", "num_workers": 4, "metrics": {"output_queue": {"size": [1, 0], "length": 8}}},
        {"op_id": 0, "op_type": "Batch", "num_workers": 2, "metrics": None, "children": [1]},
    ],
}
GPU_OPERATORS = (
    f"Default/net-Net/A-op1;GpuOps;{T0 * 1000},3.5 {T0 * 1000 + 900},2.5 \nB-op2;GpuOps;{T0 * 1000 + 5},1 \n"
)
GPU_KERNELS = "".join(f"volta_sgemm<f;1>;17;{T0 * 1000 + n};5.7{n}2\n" for n in range(3))
MEMORY_EVENTS = [
    {
        "ph": "i", "cat": "cpu_instant_event", "s": "t", "name": "[memory]", "pid": 7, "tid": 7, "ts": n + 0.25,
        "args": {"Bytes": 64 * n + 1, "Total Allocated": 96 * n, "Device Type": 0, "Device Id": -1},
    }
    for n in range(3)
]  # fmt: skip
COLLECTIVES = [
    _operator(
        n, 5.5 + n, name="record_param_comms",
        args={"Collective name": "allreduce", "dtype": "Float", "In msg nelems": 9 + n, "Group size": 4},
    )
    for n in range(2)
]  # fmt: skip


def _kineto(folder: Path, _: Path) -> tuple[Path, Path]:
    path = folder / "trace.json"
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": [*MEMORY_EVENTS, *COLLECTIVES]}))
    return path, path


def _table(read: Callable[[Path], tuple[pd.DataFrame, Any]]) -> Read:
    def rows(file: Path) -> Result:
        frame, table = read(file)
        return {"rows": frame}, table if isinstance(table, list) else table.issues

    return rows


def _pipeline(file: Path) -> Result:
    issues: list[ImportIssue] = []
    return {"data_pipeline": read_pipeline(pipeline_files([file.parent]), issues)}, issues


def _parsed_file(parser: Parser) -> Read:
    def read(file: Path) -> Result:
        parsed = parser.read(file, silent)
        return parsed.frames, parsed.issues

    return read


@dataclass(frozen=True)
class Format:
    """A small recording of one format, and the reader of the file that is cut."""

    make: Recording
    read: Read
    # Text in lines says nothing of lines that are gone; whether its neighbours do is for the reader of the directory.
    in_lines: bool = False
    # No other file of the recording tells how long this one was.
    alone: bool = False
    # Rows are sums over lines: those of fewer lines are no rows of the whole.
    summed: bool = False


def _events(file: Path) -> Result:
    trace = read_events(file, [Argument("dims", "json", "Input Dims"), Argument("connection", "int", "connection_id")])
    return {"events": trace.events}, trace.issues


def _kernels(file: Path) -> Result:
    kernels = read_kernels(file, silent)
    return {"kernels": pd.DataFrame(kernels.columns)}, kernels.issues


def _steps(file: Path) -> Result:
    steps, issues = read_step_times(file, silent)
    return {"steps": steps}, issues


def _communication(file: Path) -> Result:
    operations, issues = read_communication(file)
    return {"comm": operations}, issues


def _run_info(file: Path) -> Result:
    info = read_run_info(file.parent)
    facts = pd.DataFrame([{**dict.fromkeys(("level", "cann", "metrics", "device", "jit_level")), **info.facts}])
    return {"facts": facts}, info.issues


def _parsed(parser: Parser, levels_up: int = 0) -> Read:
    def read(file: Path) -> Result:
        parsed = parser.read(file.parents[levels_up], silent)
        return parsed.frames, parsed.issues

    return read


_cpu_profile = _parsed(MindSporeCpuProfile(), levels_up=1)
_dump_folder = _parsed(MindSporeDump())

FORMATS = {
    "kineto, C++ exporter": Format(_recorded_kineto, _events),
    "kineto, python exporter": Format(_python_kineto, _events),
    "kineto, gzip": Format(_packed_kineto, _events),
    "legacy autograd list": Format(_legacy_list, _events),
    "trace_view.json": Format(_in_ascend_run("trace_view.json"), _events),
    "kernel_details.csv": Format(_in_ascend_run("kernel_details.csv"), _kernels, in_lines=True),
    "step_trace_time.csv": Format(_in_ascend_run("step_trace_time.csv"), _steps, in_lines=True),
    "communication.json": Format(_in_ascend_run("communication.json"), _communication),
    "profiler_info.json": Format(_profiler_info, _run_info),
    "cpu_op_execute_timestamp": Format(_in_cpu_run("cpu_op_execute_timestamp_0.txt"), _cpu_profile),
    "cpu_op_detail_info": Format(_in_cpu_run("cpu_op_detail_info_0.csv"), _cpu_profile),
    "cpu_framework": Format(_in_cpu_run("cpu_framework_0.txt"), _cpu_profile),
    "cpu_ms_memory_record": Format(_in_cpu_run("cpu_ms_memory_record_0.txt"), _cpu_profile, in_lines=True, alone=True),
    "kineto, memory and collectives": Format(_kineto, _parsed_file(KinetoTrace())),
    "execution trace": Format(
        _written("et.json", json.dumps({"schema": "1.0.1", "pid": 1, "nodes": NODES, "finish_ts": 5})),
        _parsed_file(TorchExecutionTrace()),
    ),
    "memory_record.csv": Format(
        _written(
            "memory_record.csv",
            "Component,Timestamp(us),Total Allocated(MB),Total Reserved(MB),Total Active(MB),Stream Ptr,Device Type\n"
            + MEMORY_ROWS,
        ),
        _table(lambda file: read_memory_record(file, "pytorch", silent)),
        in_lines=True,
    ),
    "npu_module_mem.csv": Format(
        _written("npu_module_mem.csv", "Component,Timestamp(us),Total Reserved(MB),Device\n" + MODULE_ROWS),
        _table(lambda file: read_module_memory(file, silent)),
        in_lines=True,
    ),
    "operator_memory.csv": Format(
        _written("operator_memory.csv", LIFETIME_HEADER + LIFETIMES),
        _table(lambda file: read_allocations(file, "pytorch", silent)),
        in_lines=True,
    ),
    "static_op_mem.csv": Format(
        _written(
            "static_op_mem.csv",
            "Device_id,Op Name,Model Name,Graph ID,Node Index Start,Node Index End,Size(KB)\n"
            "host,relu,0,0,27,31,2343.78125\nhost,TOTAL,0,0,1,4294967295,17210.5\n",
        ),
        _table(lambda file: read_static_memory(file, silent)),
        in_lines=True,
    ),
    "api_statistic.csv": Format(
        _written(
            "api_statistic.csv",
            "Level,API Name,Time(us),Count,Avg(us),Min(us),Max(us),Variance\nacl,aclnnMm,75.05,6,12.5,10.29,14.53,2.2\n"
            "node,launch,4014.44,191,21.018,2.83,840.78,9619.1\n",
        ),
        _table(lambda file: read_api_calls(file, silent)),
        in_lines=True,
    ),
    "communication_matrix.json": Format(
        _written(
            "communication_matrix.json",
            json.dumps({"step5": {"p2p": {}, "collective": {"allreduce-total@1": {"0-1": {"Transit Size(MB)": 1.5}}}}}),
        ),
        _table(read_matrix),
    ),
    "pipeline_profiling": Format(_written("pipeline_profiling_0.json", json.dumps(PIPELINE)), _pipeline),
    "device_queue_profiling": Format(
        _written("device_queue_profiling_0.txt", "0 0 1 9 5\n0 1 1 4 10\n1 64 2 32 10\n0 0 2 3 11\n1 64 3 0 12\n"),
        _pipeline,
        in_lines=True,
        summed=True,
    ),
    "output_timeline_data": Format(
        _written("output_timeline_data_1.txt", TIMELINE), _parsed_file(MindSporeLegacyProfile()), in_lines=True
    ),
    "step_trace_raw": Format(
        _written("step_trace_raw_1_detail_time.csv", STEP_TRACE), _parsed_file(MindSporeLegacyProfile()), in_lines=True
    ),
    "timeline_display": Format(
        _written("ascend_timeline_display_1.json", json.dumps(DISPLAY)), _parsed_file(MindSporeLegacyProfile())
    ),
    "gpu_op_execute_timestamp": Format(
        _written("gpu_op_execute_timestamp_4.txt", GPU_OPERATORS), _parsed_file(MindSporeGpuProfile()), in_lines=True
    ),
    "activity_execute_timestamp": Format(
        _written("activity_execute_timestamp_4.txt", GPU_KERNELS), _parsed_file(MindSporeGpuProfile()), in_lines=True
    ),
    "npy": Format(_npy, _parsed(SavedTensors())),
    "dump tensor": Format(_in_dump("ReLU*op1*.npy"), _dump_folder),
    "dump mapping.csv": Format(_in_dump("mapping.csv"), _dump_folder),
    "dump statistic.csv": Format(_in_dump("statistic.csv"), _dump_folder, in_lines=True, alone=True),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_reader_of_a_file_bears_every_cut(
    name: str, tmp_path: Path, samples: Path, reading_with: Callable[..., Any]
) -> None:
    form = FORMATS[name]
    _, file = form.make(tmp_path, samples)
    length = file.stat().st_size
    _cut_and_compare(
        file, range(length), lambda: reading_with(lambda: form.read(file)), form.in_lines, summed=form.summed
    )


STANDING_ALONE = [name for name, form in FORMATS.items() if form.make.__qualname__.startswith("_written.")]


# The reader of a file that is a whole recording was given every cut of it above.
@pytest.mark.parametrize("name", [name for name in FORMATS if name not in STANDING_ALONE])
def test_a_recording_with_a_cut_file_is_read_or_refused(
    name: str, tmp_path: Path, samples: Path, reading: Callable[[Path], Any]
) -> None:
    form = FORMATS[name]
    path, file = form.make(tmp_path, samples)
    length = file.stat().st_size
    every = 1 if os.environ.get("PROFKIT_EXHAUSTIVE") else CUTS_APART
    lengths = sorted({*range(0, length, every), *range(length - 3, length), *_line_ends(file.read_bytes())} - {length})
    _cut_and_compare(file, lengths, lambda: reading(path), form.in_lines and form.alone)


def _cut_and_compare(
    file: Path, lengths: Iterable[int], read: Callable[[], Any], in_lines: bool, *, summed: bool = False
) -> None:
    content = file.read_bytes()
    assert 40 < len(content) < 4096
    whole = read()
    assert whole.error is None
    assert whole.count
    lines = _line_ends(content) if in_lines else []
    silent_cuts, inventions = [], []
    for length in lengths:
        file.write_bytes(content[:length])
        cut = read()
        if cut.error is not None:
            continue
        if cut.rows != whole.rows and cut.told == whole.told and length not in lines:
            silent_cuts.append(length)
        if not summed and cut.invented(whole):
            inventions.append((length, cut.invented(whole)[0]))
    assert not silent_cuts, (
        f"{len(silent_cuts)} cuts without an issue: {[(n, content[:n][-30:]) for n in silent_cuts[:5]]}"
    )
    assert not inventions, f"{len(inventions)} cuts give rows the whole file has not: {inventions[:3]}"


def _line_ends(content: bytes) -> list[int]:
    return [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]


def _database(path: Path) -> None:
    """Synthetic: a few pages of one record."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute("CREATE TABLE STRING_IDS (id INTEGER, value TEXT)")
        connection.execute("CREATE TABLE PYTORCH_API (startNs TEXT, endNs TEXT, globalTid INTEGER, name INTEGER)")
        connection.execute("CREATE TABLE OP_MEMORY (name INTEGER, size INTEGER, allocationTime INTEGER)")
        connection.execute("CREATE TABLE CANN_API (startNs INTEGER, endNs INTEGER, type INTEGER, name INTEGER)")
        connection.executemany("INSERT INTO STRING_IDS VALUES (?, ?)", [(n, f"aten::op{n}") for n in range(12)])
        rows = [(str(T0 + n), str(T0 + n + 5), 7, n) for n in range(12)]
        connection.executemany("INSERT INTO PYTORCH_API VALUES (?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO OP_MEMORY VALUES (?, ?, ?)", [(n, 512 * n, T0 + n) for n in range(12)])
        connection.executemany(
            "INSERT INTO CANN_API VALUES (?, ?, 20000, ?)", [(T0 + n, T0 + n + 2, n) for n in range(9)]
        )


def test_the_reader_of_a_database_bears_every_cut(tmp_path: Path, reading_with: Callable[..., Any]) -> None:
    """A database does not end like a text: it is refused, or its rows are those that lie before the cut, and told."""
    path = tmp_path / "ascend_pytorch_profiler_0.db"
    _database(path)
    content = path.read_bytes()
    parser = AscendDatabase()
    read = _parsed_file(parser)
    whole = reading_with(lambda: read(path))
    assert whole.count > 30
    assert len(content) < 16_384
    shorter = []
    every = 1 if os.environ.get("PROFKIT_EXHAUSTIVE") else CUTS_APART
    for length in sorted({*range(0, len(content), every), *range(len(content) - 3, len(content))}):
        path.write_bytes(content[:length])
        cut = reading_with(lambda: read(path))
        if cut.error is None and cut.count < whole.count and cut.told == whole.told:
            shorter.append(length)
    assert not shorter, f"{len(shorter)} cuts without an issue, the first at {shorter[0]} of {len(content)}"
