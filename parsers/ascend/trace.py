"""An Ascend run from trace_view.json: host operators, modules, steps, what launched each kernel, and device events.

A lane is known by its process_name alone: pids are packed differently from version to version. A kernel is tied to the
host by flow events: `async_npu` begins on the host event that asked for the kernel and ends on the kernel; where it is
absent, `HostToDevice` begins inside the runtime call. Both are given as spans of kind "launch" at the beginning of the
flow, under the connection id that the kernel carries; which operator encloses that point is a question of nesting.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.errors import ImportIssue
from profkit.parsers.ascend.collective_arguments import collective_arguments
from profkit.parsers.ascend.device_samples import CounterEvents, counter_arguments
from profkit.parsers.base import Framework
from profkit.parsers.byte_stream import first_bytes
from profkit.parsers.chrome.events import Apart, Argument, read_events
from profkit.parsers.pytorch.kineto_facts import kineto_facts
from profkit.progress import Progress

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HOST_LANES = ("MindSpore", "CPU OP", "Python")
_LANE_FRAMEWORKS: dict[str, Framework] = {"MindSpore": "mindspore", "CPU OP": "mindspore", "Python": "pytorch"}
DEVICE_LANES = ("Ascend Hardware", "HCCL", "Communication")
# Start times of one kernel in kernel_details.csv and trace_view.json differ by 1 ns in 1 to 2 of 100 rows.
_SKEW_NS = 2

_ARGUMENTS = (
    Argument("process_name", "text", "name"),
    Argument("connection", "int", "connection_id"),
    Argument("task_type", "text", "Task Type"),
    Argument("sequence", "int", "Sequence number"),
    Argument("forward_thread", "int", "Fwd thread id"),
    Argument("dims", "text", "Input Dims"),
    Argument("dtypes", "text", "Input type"),
    Argument("span_id", "int", "Python id"),
    Argument("parent_id", "int", "Python parent id"),
    Argument("data_type", "text", beside="data_type"),
    Argument("alg_type", "text", beside="data_type"),
    Argument("count", "int", beside="data_type"),
)
# Threads of the communication lane: "Group 0 Communication" holds operations, "Plane 1" their parts.
_GROUP = "Group "
_STEP = re.compile(r"(?:^|::)ProfilerStep#(\d{1,9})$")
_FEW_BYTES = 64
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
# Microseconds since the epoch: 13 digits and more since 1970-04.
_TIME_AS_TEXT = re.compile(rb'"ts"\s*:\s*"\d{13,19}(\.\d+)?\s*"')
_LANE = re.compile(rb'"(Ascend Hardware|Overlap Analysis|CANN|MindSpore|CPU OP)"')
_MODULE_FRAME = "nn.Module: "
_HOST_CATEGORIES = frozenset({"cpu_op", "python_function", "enqueue", "dequeue"})
_NOT_OPERATORS = frozenset({"python_function", "enqueue", "dequeue"})
_NO_TENSOR = frozenset({"", "Scalar", "ScalarList", "None", "TensorList"})
_NUMBER = re.compile(r"-op\d+$")


@dataclass(frozen=True)
class HostTrace:
    """What the trace of one run tells.

    Attributes:
        operators: Columns of schema.OPS without rank, step and references; ordered by start.
        spans: Columns of schema.SPANS without rank and source: modules, steps, launches.
        steps: step, start_ns, dur_ns of each ProfilerStep.
        device: name, start_ns, dur_ns, stream, connection, row of the device events, ordered by start, and is_kernel:
            whether it is a kernel or a communication operation and no wait, copy or part of an operation.
        transfers: name, start_ns, dur_ns, row and collective_arguments.ARGUMENTS of the communication operations that
            have any.
        samples: device_samples.COLUMNS of the counter events.
        framework: Who wrote the host lanes; unknown without any.
        issues: Repairs and losses.
    """

    operators: pd.DataFrame
    spans: pd.DataFrame
    steps: pd.DataFrame
    device: pd.DataFrame
    transfers: pd.DataFrame
    samples: pd.DataFrame
    framework: Framework
    issues: list[ImportIssue]


def is_ascend_trace(path: Path) -> bool:
    """Tell whether a file alone is a trace_view.json (or msprof_*.json), also packed by gzip.

    No other profiler writes a bare list of events with absolute times as text; in an object a lane's name must tell.
    """
    if first_bytes(path, _FEW_BYTES).lstrip(_BEFORE_JSON)[:1] not in (b"[", b"{"):
        return False
    text = first_bytes(path).lstrip(_BEFORE_JSON)
    return _TIME_AS_TEXT.search(text) is not None and (text.startswith(b"[") or _LANE.search(text) is not None)


def read_trace(path: Path, progress: Progress) -> HostTrace:
    """Read the host side of trace_view.json.

    Raises:
        UnreadableInputError: The file gives no event.
    """
    counters = CounterEvents()
    apart = Apart("C", counter_arguments(), counters.take)
    file = read_events(path, _ARGUMENTS, phases="XMsf", progress=progress, apart=apart)
    events = file.events
    names = events[(events["ph"] == "M") & (events["name"] == "process_name")]
    lanes = dict(zip(names["pid"], names["process_name"], strict=True))
    samples = counters.samples(lanes)
    lane = events["pid"].map(lanes).astype(object)
    # Exports of parts of a trace lose or mix up the names of lanes; only hosts record these categories.
    lane = lane.where(lane.isin(DEVICE_LANES) | ~events["cat"].isin(_HOST_CATEGORIES), "Python")
    timed = events["ts_ns"].notna()
    spans = timed & (events["ph"] == "X") & events["dur_ns"].notna()
    host = events[spans & lane.isin(HOST_LANES)]
    device = events[spans & lane.isin(DEVICE_LANES)]
    flows = events[timed & events["ph"].isin(["s", "f"])]
    steps = _steps(host)
    is_operator = ~host["cat"].isin(_NOT_OPERATORS) & ~host.index.isin(steps.index)
    is_annotation = is_operator & is_annotation_name(host["name"])
    annotations = host[is_annotation]
    marks = [
        _step_spans(steps),
        _module_spans(host),
        _span_frame(annotations, "annotation", annotations["name"]),
        _launch_spans(flows, device),
    ]
    return HostTrace(
        operators=_operators(host[is_operator & ~is_annotation]),
        spans=pd.concat(marks, ignore_index=True),
        steps=steps[["step", "start_ns", "dur_ns"]].sort_values("start_ns", ignore_index=True),
        device=_device(device, events),
        transfers=_transfers(device),
        samples=samples,
        framework=next((_LANE_FRAMEWORKS[name] for name in HOST_LANES if (lane == name).any()), "unknown"),
        issues=[*file.issues, *counters.issues(path)],
    )


def is_annotation_name(names: pd.Series[Any]) -> pd.Series[Any]:
    """Mark the host events that are annotations of PyTorch (Optimizer.step#...): torch_npu files them as operators."""
    pattern = kineto_facts().annotation_name
    return (
        names.astype(object).map({name: pattern.match(str(name)) is not None for name in names.unique()}).astype(bool)
    )


def connections_of(names: NDArray[np.object_], starts: NDArray[np.int64], trace: HostTrace) -> pd.Series[Any]:
    """Give the connection id of each kernel of kernel_details.csv.

    Args:
        names: object (n,), kernel names as the device has them.
        starts: int64 (n,), starts in ns, ascending.
        trace: The trace of the same run.

    Returns:
        Int64 (n,); NA where the trace has no event of that name within 2 ns.
    """
    wanted = pd.DataFrame({"name": pd.Series(names, dtype=object), "start_ns": starts})
    kernels = trace.device.loc[trace.device["connection"].notna(), ["name", "start_ns", "connection"]]
    found = pd.merge_asof(wanted, kernels, on="start_ns", by="name", tolerance=_SKEW_NS, direction="nearest")
    return found["connection"].astype("Int64")


@cache
def _kernel_tasks() -> frozenset[str]:
    facts = tomllib.loads(files("profkit.parsers.ascend").joinpath("device_tasks.toml").read_text(encoding="utf-8"))
    return frozenset(facts["kernels"])


def _device(device: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    threads = events[(events["ph"] == "M") & (events["name"] == "thread_name")]
    groups = threads[threads["process_name"].astype("string").str.startswith(_GROUP).fillna(value=False)]
    in_group = pd.MultiIndex.from_frame(device[["pid", "tid"]]).isin(pd.MultiIndex.from_frame(groups[["pid", "tid"]]))
    names = device["name"].astype(object)
    is_kernel = device["task_type"].isin(_kernel_tasks()).to_numpy() | in_group
    found = pd.DataFrame(
        {
            "name": names,
            "start_ns": device["ts_ns"].astype("int64"),
            "dur_ns": device["dur_ns"].astype("int64"),
            "stream": device["tid"].astype(object).where(~in_group, None),
            "connection": device["connection"],
            "row": device["row"].astype("int64"),
            "is_kernel": is_kernel,
        }
    )
    return found.sort_values("start_ns", kind="stable", ignore_index=True)


def _transfers(device: pd.DataFrame) -> pd.DataFrame:
    told = device[device["data_type"].notna()].reset_index(drop=True)
    columns = {
        "name": told["name"].astype(object),
        "start_ns": told["ts_ns"].astype("int64"),
        "dur_ns": told["dur_ns"].astype("int64"),
        "row": told["row"],
    }
    arguments = collective_arguments(columns["name"], told["data_type"], told["count"], told["alg_type"])
    return pd.DataFrame(columns).join(arguments)


def _steps(host: pd.DataFrame) -> pd.DataFrame:
    """Give the ProfilerStep events with their number; the index is kept."""
    number = {name: match.group(1) for name in host["name"].cat.categories if (match := _STEP.search(str(name)))}
    numbers = host["name"].astype(object).map(number)
    found = host[numbers.notna()]
    return found.assign(
        step=numbers[numbers.notna()].astype("int64"),
        start_ns=found["ts_ns"].astype("int64"),
        dur_ns=found["dur_ns"].astype("int64"),
    )


def _operators(host: pd.DataFrame) -> pd.DataFrame:
    host = host.sort_values(["ts_ns", "dur_ns"], ascending=[True, False], kind="stable")
    host = host.reset_index(drop=True)
    shapes, dtypes = _inputs(host)
    names = host["name"].cat.remove_unused_categories()
    types = {name: type_of_host_event(str(name)) for name in names.cat.categories}
    return pd.DataFrame(
        {
            "start_ns": host["ts_ns"].astype("int64"),
            "dur_ns": host["dur_ns"].astype("int64"),
            "thread": host["tid"],
            "name": names,
            "op_type": names.astype(object).map(types).astype("category"),
            "sequence": host["sequence"].where(host["sequence"] >= 0),
            "forward_thread": host["forward_thread"],
            "input_shapes": shapes,
            "input_dtypes": dtypes,
            "row": host["row"].astype("int64"),
        }
    )


def type_of_host_event(name: str) -> str | None:
    """Give the operator type of a host event.

    MindSpore writes `{module}::{event}::{full operator name}` and bare names for stages (RunGraph); torch_npu writes
    the operator (aten::addmm) or the runtime call (aclnnMm) itself.
    """
    parts = name.split("::", 2)
    if len(parts) == 3 and parts[0][:1].isupper():
        return _NUMBER.sub("", parts[2].rsplit("/", 1)[-1]) or None
    if "/" in name:
        return _NUMBER.sub("", name.rsplit("/", 1)[-1]) or None
    return name or None


def _inputs(host: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Give shapes and dtypes of the tensors among the inputs; scalars and None are recorded with an empty shape."""
    pairs = host[["dims", "dtypes"]].astype(object)
    known = pairs.notna().all(axis=1)
    distinct = pairs[known].drop_duplicates()
    tensors = {
        (dims, dtypes): tensors_of(dims, dtypes)
        for dims, dtypes in zip(distinct["dims"], distinct["dtypes"], strict=True)
    }
    found = [tensors.get(pair, (None, None)) for pair in zip(pairs["dims"], pairs["dtypes"], strict=True)]
    frame = pd.DataFrame(found, columns=["shapes", "dtypes"], index=host.index, dtype=object)
    return frame["shapes"].astype("category"), frame["dtypes"].astype("category")


def tensors_of(dims: str, dtypes: str) -> tuple[str | None, str | None]:
    """Give shapes and dtypes of the tensors among the inputs of a host operator, None where it has none.

    Args:
        dims: `Input Dims`, split by `;`; empty for what is no tensor, and for a tensor without dims.
        dtypes: `Input type`, split by `;`: what is no tensor is called Scalar, ScalarList, TensorList or None.
    """
    shape_list = [part.strip() for part in dims.split(";")]
    dtype_list = [part.strip() for part in dtypes.split(";")]
    if len(shape_list) != len(dtype_list):
        return None, None
    kept = [pair for pair in zip(shape_list, dtype_list, strict=True) if pair[1] not in _NO_TENSOR]
    if not kept:
        return None, None
    return ";".join(shape for shape, _ in kept).replace(" ", ""), ";".join(dtype for _, dtype in kept)


def _span_frame(events: pd.DataFrame, kind: str, names: pd.Series[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "start_ns": events["ts_ns"].astype("int64"),
            "dur_ns": events["dur_ns"].fillna(0).astype("int64"),
            "thread": events["tid"].astype(object),
            "kind": kind,
            "name": names.astype(object),
            "correlation": events["connection"].astype("Int64"),
            "span_id": events["span_id"].astype("Int64"),
            "parent_id": events["parent_id"].astype("Int64"),
            "row": events["row"].astype("int64"),
        }
    )


def _step_spans(steps: pd.DataFrame) -> pd.DataFrame:
    return _span_frame(steps, "step", steps["name"])


def _module_spans(host: pd.DataFrame) -> pd.DataFrame:
    frames = host[host["cat"] == "python_function"]
    modules = frames[frames["name"].astype("string").str.startswith(_MODULE_FRAME).fillna(value=False)]
    return _span_frame(modules, "module", modules["name"])


def _launch_spans(flows: pd.DataFrame, device: pd.DataFrame) -> pd.DataFrame:
    """Give one span a connection id, where the flow that ends on its kernel begins."""
    place = ["pid", "tid", "ts_ns"]
    kernels = device.loc[device["connection"].notna(), [*place, "connection"]].drop_duplicates(place)
    found = []
    for category in ("async_npu", "HostToDevice"):
        of_category = flows[flows["cat"] == category]
        ends = of_category.loc[of_category["ph"] == "f", ["id", *place]].merge(kernels, on=place)
        begins = of_category[of_category["ph"] == "s"].drop(columns="connection")
        found.append(begins.merge(ends[["id", "connection"]].drop_duplicates("id"), on="id"))
    launches = pd.concat(found, ignore_index=True).drop_duplicates("connection")
    return _span_frame(launches, "launch", launches["name"])
