"""Every event of recorded traces of all eras and writers, to the nanosecond, against json with Decimal."""

from __future__ import annotations

import gzip
import json
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.parsers.chrome.events import Argument, read_events

pytestmark = pytest.mark.exhaustive

RECORDED = [
    "torch/generated_torch213_cpu/cpu_all.json.gz",
    "torch/generated_torch213_cpu/pyexport_4.json.gz",
    "torch/generated_torch213_cpu/legacy_eventlist.json.gz",
    "torch/hta/amd_trace/mi250_minitoy_train_ROCm6_2_kineto.json.gz",
    "torch/hta/cpu_only/rank-34.Jul_15_10_52_41.1074.pt.trace.json.gz",
    "torch/hta/critical_path/cuda_event_sync/event_sync_trace.json.gz",
    "torch/hta/execution_trace/benchmark_simple_add_trace.json.gz",
    "torch/hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz",
    "torch/hta/trace_compare/base/base.json.gz",
    "torch/hta/triton_example/triton_example.json.gz",
    "torch/kineto_tb_plugin/test/gpu_metrics_input.json",
    "torch/tracelens/traces/torch_compile_triton/trace.json.gz",
    "torch/tracelens/traces/h100/gaunernst_bert-small-uncased__1016001.json.gz",
    "mindspore_profiler/Ascend_msinsight/server/src/test/fuzz/test_data/trace_view_tiny.json",
    "mindspore_profiler/Ascend_msinsight/server/src/test/test_data/heatMap/trace_view.json",
]
BUNDLED = ["vit/pytorch/profile/trace.json.gz", "ascend_synthetic/*_ascend_ms/ASCEND_PROFILER_OUTPUT/trace_view.json"]


@pytest.mark.parametrize("name", RECORDED)
def test_every_event_of_a_recorded_trace_is_exact(name: str, shared: Path) -> None:
    _compare(shared / "samples" / name)


@pytest.mark.parametrize("pattern", BUNDLED)
def test_every_event_of_a_bundled_trace_is_exact(pattern: str, samples: Path) -> None:
    (path,) = samples.glob(pattern)
    _compare(path)


def _compare(path: Path) -> None:
    raw = path.read_bytes()
    content = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw, parse_float=Decimal)
    listed: list[dict[str, Any]] = content["traceEvents"] if isinstance(content, dict) else content
    read = read_events(path, [Argument("correlation", "int"), Argument("dims", "json", "Input Dims", "Input dims")])
    events = read.events
    assert len(events) == len(listed)
    assert events["row"].tolist() == list(range(len(listed)))
    for column, key in (("ts_ns", "ts"), ("dur_ns", "dur")):
        expected = [_nanoseconds(event.get(key)) for event in listed]
        known = np.array([value is not None for value in expected])
        assert events[column].notna().to_numpy().tolist() == known.tolist()
        assert events.loc[known, column].tolist() == [value for value in expected if value is not None]
    names = [event.get("name") for event in listed]
    assert [value if isinstance(value, str) else None for value in events["name"].astype(object)] == names
    dims = [
        (event.get("args") or {}).get("Input Dims", (event.get("args") or {}).get("Input dims")) for event in listed
    ]
    texts = events["dims"].astype(object)
    assert [json.loads(text) if isinstance(text, str) else None for text in texts] == dims
    assert not [issue for issue in read.issues if issue.severity.value != "info"]


def _nanoseconds(value: object) -> int | None:
    if value is None:
        return None
    return int((Decimal(str(value)) * 1000).to_integral_value(ROUND_HALF_EVEN))
