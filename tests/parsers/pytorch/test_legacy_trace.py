"""The rare containers of PyTorch traces: the legacy autograd list, the Python exporter, ROCm and MTIA."""

from __future__ import annotations

import gzip
import json
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.correlate.identity import identify
from profkit.errors import Severity
from profkit.parsers.base import Parsed
from profkit.parsers.registry import claim
from profkit.progress import silent
from profkit.run import load

TORCH = "samples/torch"
TRACE_COLUMNS = ("start_ns", "dur_ns", "name", "thread", "input_shapes", "input_dtypes", "sequence")


def read(path: Path) -> Parsed:
    found = claim(path)
    assert found is not None
    assert found.parser.descriptor.name == "kineto-trace"
    return found.parser.read(path, silent)


def document(path: Path) -> Any:
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content, parse_float=Decimal)


def nanoseconds(microseconds: Decimal | int) -> int:
    return int((Decimal(microseconds) * 1000).to_integral_value(ROUND_HALF_EVEN))


def texts(frame: pd.DataFrame, column: str) -> list[object]:
    return [None if pd.isna(value) else value for value in frame[column].astype(object)]


def test_the_autograd_list_is_read_event_by_event(shared: Path) -> None:
    path = shared / TORCH / "generated_torch213_cpu/legacy_eventlist.json.gz"
    events = document(path)
    assert isinstance(events, list)
    parsed = read(path)
    ops = parsed.frames["ops"]
    wanted = [(e["name"], nanoseconds(e["ts"]), nanoseconds(e["dur"]), str(e["tid"])) for e in events]
    columns = (texts(ops, "name"), ops["start_ns"], ops["dur_ns"], texts(ops, "thread"))
    assert list(zip(*columns, strict=True)) == wanted
    assert len(ops) == 122
    assert set(ops["level"]) == {"host"}
    assert parsed.writer_version == "torch.autograd export"


def test_operators_of_the_autograd_list_nest_by_time(shared: Path) -> None:
    run = identify(load(shared / TORCH / "generated_torch213_cpu/legacy_eventlist.json.gz"))
    names = run.ops["name"].astype(str)
    parents = run.ops["parent"]
    addmm = run.ops[names == "aten::addmm"]
    assert len(addmm)
    assert {names[parent] for parent in addmm["parent"] if parent >= 0} <= {"aten::linear"}
    assert (parents >= 0).sum() > 50
    assert (run.ops["self_ns"] >= 0).all()


def write_list(path: Path, names: list[str], process: str = "CPU functions") -> Path:
    """Write a list the way EventList.export_chrome_trace does: names as they are, a comma and a space after each."""
    events = [
        f'{{"name": "{name}", "ph": "X", "ts": {number}.125, "dur": 0.5, "tid": 1, "pid": "{process}", "args": {{}}}}'
        for number, name in enumerate(names)
    ]
    path.write_text("[" + ", ".join(events) + "]")
    return path


def test_a_quote_in_a_name_of_the_autograd_list_is_repaired(tmp_path: Path) -> None:
    """record_function('say "hi"') makes the whole file unreadable for json (pytorch#95460)."""
    path = write_list(tmp_path / "legacy.json", ["aten::mm", 'say "hi"', "aten::add"])
    with pytest.raises(json.JSONDecodeError):
        document(path)
    parsed = read(path)
    assert texts(parsed.frames["ops"], "name") == ["aten::mm", 'say "hi"', "aten::add"]
    assert parsed.frames["ops"]["start_ns"].tolist() == [125, 1125, 2125]
    assert any("quotes" in issue.text for issue in parsed.issues)


def test_device_tasks_of_an_old_autograd_list_are_device_rows(tmp_path: Path) -> None:
    parsed = read(write_list(tmp_path / "legacy.json", ["volta_sgemm"], "CUDA functions"))
    ops = parsed.frames["ops"]
    assert (texts(ops, "level"), texts(ops, "stream"), texts(ops, "thread")) == (["device"], ["1"], [None])


def test_the_python_exporter_gives_the_same_operators_as_the_other_one(shared: Path) -> None:
    """Both files are exports of one recording; only memory instants are written differently."""
    folder = shared / TORCH / "generated_torch213_cpu"
    exported, reference = read(folder / "pyexport_4.json.gz"), read(folder / "pyexport_ref_4.json.gz")
    for column in TRACE_COLUMNS:
        assert sorted(map(str, texts(exported.frames["ops"], column))) == sorted(
            map(str, texts(reference.frames["ops"], column))
        ), column
    assert len(exported.frames["ops"]) == 55
    assert len(exported.frames["spans"]) == len(reference.frames["spans"])
    assert not [issue for issue in exported.issues if issue.severity is not Severity.INFO]


def test_rocm_tasks_without_grid_are_linked_by_correlation(shared: Path) -> None:
    path = shared / TORCH / "hta/amd_trace/mi250_minitoy_train_ROCm6_2_kineto.json.gz"
    events = document(path)["traceEvents"]
    kernels = [event for event in events if event.get("cat") == "kernel"]
    parsed = read(path)
    ops = parsed.frames["ops"]
    device = ops[ops["level"] == "device"]
    correlations = {event["args"]["correlation"] for event in kernels}
    assert correlations <= set(device["correlation"].dropna())
    run = identify(load(path))
    linked = run.ops[(run.ops["level"] == "device") & ~run.ops["carry_over"]]
    assert (linked["launcher"] >= 0).any()


def test_mtia_tasks_without_correlation_are_rows_and_stay_unlinked(shared: Path) -> None:
    path = shared / TORCH / "hta/mtia_inference_trace/mtia_inference_rank_0.json.gz"
    events = document(path)["traceEvents"]
    tasks = [event for event in events if event.get("cat") == "mtia_ccp_events" and event.get("ph") == "X"]
    unnumbered = sum("correlation" not in (event.get("args") or {}) for event in tasks)
    ops = read(path).frames["ops"]
    device = ops[ops["level"] == "device"]
    assert len(device) == len(tasks) == 1313
    assert int(device["correlation"].isna().sum()) == unnumbered
    assert ops.loc[ops["correlation"].isna() & (ops["level"] == "device"), "launcher"].eq(-1).all()
