"""PyTorch traces of every era: what is recognised, what becomes of events, exact times on the epoch, honest gaps."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.errors import Severity
from profkit.parsers.base import Parsed
from profkit.parsers.pytorch.kineto_trace import KinetoTrace
from profkit.progress import silent

HOST = {"cpu_op", "Operator"}
DEVICE = {"kernel", "gpu_memcpy", "gpu_memset", "Kernel", "Memcpy", "Memset"}
ANNOTATION_PREFIXES = ("ProfilerStep#", "Optimizer.step#", "Optimizer.zero_grad#", "enumerate(DataLoader)#")


def _write(path: Path, events: list[dict[str, Any]], **header: object) -> Path:
    path.write_text(json.dumps({"schemaVersion": 1, **header, "traceEvents": events}))
    return path


def _op(name: str, ts: object, dur: object = 1, **fields: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": "cpu_op", "name": name, "pid": 1, "tid": 1, "ts": ts, "dur": dur, **fields}


def _kernel(name: str, ts: object, **args: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": "kernel", "name": name, "pid": 0, "tid": 7, "ts": ts, "dur": 1, "args": args}


def _read(path: Path) -> Parsed:
    return KinetoTrace().read(path, silent)


RECORDED = [
    "generated_torch213_cpu/cpu_all.json.gz",
    "generated_torch213_cpu/w0.1795415655932530330.pt.trace.json.gz",
    "hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz",
    "hta/trace_filter/sampled_rank-1.json.gz",
    "kineto_tb_plugin/test/gpu_metrics_input.json",
    "tracelens/traces/mi300/Falconsai_nsfw_image_detection__1016002.json.gz",
]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_traces_become_rows_with_exact_epoch_times(shared: Path, name: str) -> None:
    path = shared / "samples" / "torch" / name
    raw = path.read_bytes()
    trace = json.loads(gzip.decompress(raw) if name.endswith(".gz") else raw, parse_float=Decimal)
    base = trace.get("baseTimeNanoseconds", 0)
    events = [event for event in trace["traceEvents"] if event.get("ph") == "X"]
    expected = Counter(
        (event["name"], base + int(Decimal(event["ts"]) * 1000), int(Decimal(event["dur"]) * 1000))
        for event in events
        if event["cat"] in DEVICE or (event["cat"] in HOST and not event["name"].startswith(ANNOTATION_PREFIXES))
    )
    assert KinetoTrace().sniff(path) is not None
    ops = _read(path).frames["ops"]
    assert Counter(zip(ops["name"], ops["start_ns"], ops["dur_ns"], strict=True)) == expected
    steps = {
        event["name"]
        for event in events
        if event["name"].startswith("ProfilerStep#") and event["cat"] != "gpu_user_annotation"
    }
    assert {f"ProfilerStep#{step}" for step in _read(path).frames["steps"]["step"]} == steps


def test_every_recorded_trace_is_recognised_and_read(shared: Path) -> None:
    folder = shared / "samples" / "torch"
    others = {"et.json.gz", "memtl.json.gz", "memtl.raw.json.gz", "memory_timeline.raw.gz", "execution_details.json"}
    others |= {"benchmark_simple_add_et.json.gz", "908_results.json.gz"}
    for path in [*folder.rglob("*.json"), *folder.rglob("*.gz")]:
        if path.name in others or {"oracle", "malformed", "torch_npu"} & set(path.parts):
            continue
        assert KinetoTrace().sniff(path) is not None, path
    for name in others:
        for path in folder.rglob(name):
            assert KinetoTrace().sniff(path) is None, path


@pytest.mark.parametrize(
    ("text", "recognised"),
    [
        ('{"schemaVersion": 1, "deviceProperties": [', True),
        ('{"traceEvents": [{"cat": "cpu_op"}]}', True),
        ('[{"ph": "X", "pid": "CPU functions"}]', True),
        ('{"traceEvents": [{"cat": "toplevel"}]}', False),
        ("[1, 2, 3]", False),
        ("", False),
        ("traceEvents schemaVersion", False),
        ('{"schema": "1.1.1-chakra.0.0.4", "nodes": []}', False),
    ],
)
def test_recognition_goes_by_content(tmp_path: Path, text: str, recognised: bool) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(gzip.compress(text.encode()))
    assert (KinetoTrace().sniff(path) is not None) == recognised
    assert KinetoTrace().sniff(tmp_path) is None


def test_the_list_of_an_ascend_profile_belongs_to_another_parser(tmp_path: Path) -> None:
    folder = tmp_path / "ASCEND_PROFILER_OUTPUT"
    folder.mkdir()
    for path, recognised in ((folder / "trace_view.json", False), (tmp_path / "trace_view.json", True)):
        path.write_text('[{"ph": "X", "cat": "cpu_op", "name": "aten::add", "ts": "1.5", "dur": 1}]')
        assert (KinetoTrace().sniff(path) is not None) == recognised


def test_inputs_become_texts_of_tensors_alone(tmp_path: Path) -> None:
    inputs = [
        ([[4, 3], [], [2]], ["float", "Scalar", "c10::BFloat16"], "4,3;2", "float32;bfloat16"),
        ([[]], ["long int"], "", "int64"),
        ([[], []], ["Scalar", ""], None, None),
        ([[[2, 3], [4]], []], ["TensorList", "Scalar"], "2,3;4", ";"),
        ([[7], []], ["some::new", "int"], "7;", "some::new;int32"),
        ("odd", 5, None, None),
        ([[1]], ["float", "float"], None, None),
    ]
    events = [
        _op("aten::x", i, args={"Input Dims": dims, "Input type": types})
        for i, (dims, types, _, _) in enumerate(inputs)
    ]
    ops = _read(_write(tmp_path / "t.json", [*events, _op("aten::bare", 99)])).frames["ops"]
    texts = [
        tuple(None if pd.isna(cell) else cell for cell in row)
        for row in ops[["input_shapes", "input_dtypes"]].to_numpy()
    ]
    assert texts == [*((shapes, dtypes) for _, _, shapes, dtypes in inputs), (None, None)]


def test_rank_and_facts_come_from_the_header_and_secrets_do_not(tmp_path: Path) -> None:
    header = {
        "distributedInfo": {"backend": "nccl", "rank": 3, "world_size": 8},
        "deviceProperties": [{"id": 0, "name": "Device X"}, {"id": 1, "name": "Device X"}],
        "environment": {"TOKEN": "hunter2"},
    }
    parsed = _read(_write(tmp_path / "t.json", [_op("aten::add", 1)], **header))
    assert parsed.rank == 3
    assert (parsed.frames["ops"]["rank"] == 3).all()
    assert parsed.facts["device"] == "Device X"
    assert parsed.facts["world_size"] == "8"
    assert "hunter2" not in repr(parsed)


@pytest.mark.parametrize("info", [None, {}, {"rank": "x"}, {"rank": -2}, {"rank": 2**40}, {"rank": True}, [1]])
def test_an_odd_rank_is_unknown(tmp_path: Path, info: object) -> None:
    assert _read(_write(tmp_path / "t.json", [_op("a", 1)], distributedInfo=info)).rank == -1


def test_what_has_no_place_in_time_is_told(tmp_path: Path) -> None:
    events = [_op("a", 1), _op("no duration", 2, None), _op("negative", 3, -5), _op("late", 9e15, 9e14), _op("b", 5)]
    parsed = _read(_write(tmp_path / "t.json", events, baseTimeNanoseconds=10**18))
    ops = parsed.frames["ops"]
    assert ops["name"].tolist() == ["a", "negative", "b"]
    assert ops["row"].tolist() == [0, 2, 4]
    assert ops["start_ns"].tolist() == [10**18 + 1000, 10**18 + 3000, 10**18 + 5000]
    assert ops["dur_ns"].tolist() == [1000, 0, 1000]
    assert [(issue.severity, issue.where) for issue in parsed.issues] == [
        (Severity.DATA_LOSS, "event 1"),
        (Severity.DATA_LOSS, "event 2"),
        (Severity.DATA_LOSS, "event 3"),
    ]


def test_lanes_are_told_apart_only_where_there_are_several(tmp_path: Path) -> None:
    one = _read(_write(tmp_path / "one.json", [_op("a", 1), _kernel("k", 2)])).frames["ops"]
    assert (one["thread"][0], one["stream"][1]) == ("1", "7")
    events = [_op("a", 1), _op("b", 1, pid=2), _kernel("k", 2), {**_kernel("k", 2), "pid": 1}]
    two = _read(_write(tmp_path / "two.json", events)).frames["ops"]
    assert two["thread"].dropna().tolist() == ["1:1", "2:1"]
    assert two["stream"].dropna().tolist() == ["0:7", "1:7"]


def test_an_external_id_that_repeats_the_correlation_names_no_operator(tmp_path: Path) -> None:
    operators = [_op("aten::a", 1, args={"External id": 5}), _op("aten::b", 2, args={"External id": 6})]
    honest = [
        _kernel("k", 3, **{"External id": 6, "correlation": 5}),
        _kernel("k", 4, **{"External id": 0, "correlation": 9}),
    ]
    trap = [
        _kernel("k", 3, **{"External id": 5, "correlation": 5}),
        _kernel("k", 4, **{"External id": 6, "correlation": 6}),
    ]
    for kernels, launchers in ((honest, [1, -1]), (trap, [-1, -1])):
        ops = _read(_write(tmp_path / "t.json", [*operators, *kernels])).frames["ops"]
        assert ops["launcher"].tolist() == [-1, -1, *launchers]


def test_events_that_are_not_kept_are_counted(tmp_path: Path) -> None:
    events = [
        _op("aten::a", 1),
        {"ph": "s", "cat": "ac2g", "id": 1, "ts": 1, "name": "ac2g"},
        {"ph": "X", "cat": "python_function", "name": "f.py(1): f", "ts": 1, "dur": 1},
        {"ph": "X", "name": "AscendCL", "pid": 3, "tid": 1, "ts": 1, "dur": 1},
    ]
    parsed = _read(_write(tmp_path / "t.json", events, baseTimeNanoseconds=10**18))
    assert parsed.facts["events not kept"] == "ac2g 1, python_function 1, phase X 1"
    assert [issue.text[:23] for issue in parsed.issues] == ["1 event: no category (t"]


def test_names_that_torch_replaced_are_told(shared: Path) -> None:
    parsed = _read(shared / "samples" / "torch" / "malformed" / "mal_unicode.json.gz")
    assert any("'unknown'" in issue.text for issue in parsed.issues)


def test_a_cut_file_that_lost_its_base_time_says_so(shared: Path) -> None:
    parsed = _read(shared / "samples" / "torch" / "malformed" / "trunc_mid.json.gz")
    assert any("baseTimeNanoseconds is missing" in issue.text for issue in parsed.issues)


def test_a_repeated_step_number_counts_once(tmp_path: Path) -> None:
    step = {**_op("ProfilerStep#4", 10, 5), "cat": "user_annotation"}
    parsed = _read(_write(tmp_path / "t.json", [step, {**step, "ts": 30}], baseTimeNanoseconds=10**18))
    assert parsed.frames["steps"]["step"].tolist() == [4]
    assert len(parsed.issues) == 1
