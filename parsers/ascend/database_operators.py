"""Operators of an Ascend run from its database: device kernels, host operators, and what launched each kernel.

The device rows are those that kernel_details.csv would have: the tasks of COMPUTE_TASK_INFO and the operations of
COMMUNICATION_OP. Their wait time is not stored but computed (profkit.parsers.ascend.wait_time).

`row` counts in the table a row came from: TASK, COMMUNICATION_OP or PYTORCH_API.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from profkit.errors import Severity
from profkit.parsers.ascend.database_file import Database, Rows
from profkit.parsers.ascend.kernels import type_of_kernel
from profkit.parsers.ascend.trace import is_annotation_name, tensors_of, type_of_host_event
from profkit.parsers.ascend.wait_time import wait_times

_COMMUNICATION_CORE = "COMMUNICATION"
_MODULE_FRAME = "nn.Module: "
_STEP_NAME = r"(?:^|::)ProfilerStep#\d+$"
# Kinds of host rows, where ENUM_API_TYPE does not tell.
_KINDS = {50001: "op", 50002: "queue", 50003: "trace", 50004: "mstx"}
_NOT_OPERATORS = ("queue", "trace", "mstx")
_SHAPES = r"[\d,;\s\[\]()-]*"
_THREAD = (1 << 32) - 1


@dataclass(frozen=True)
class HostSide:
    """What the host did.

    Attributes:
        operators: Columns of schema.OPS without rank, step and references; ordered by start.
        spans: Columns of schema.SPANS without rank and source: modules and launches.
    """

    operators: pd.DataFrame
    spans: pd.DataFrame


def read_device_rows(database: Database) -> pd.DataFrame:
    """Read kernels and communication operations.

    Returns:
        Columns of schema.OPS without rank, step, level, source and references, and device (Int64); ordered by start.
    """
    tasks = _timed(
        database.read("TASK", ("startNs", "endNs", "deviceId", "connectionId", "globalTaskId", "streamId")), database
    )
    rows = pd.concat([_kernels(database, tasks), _communication(database, tasks)], ignore_index=True)
    rows = rows.sort_values("start_ns", kind="stable", ignore_index=True)
    rows["op_type"] = _types(rows, database)
    return rows.assign(self_ns=rows["dur_ns"], wait_ns=wait_times(rows["start_ns"], rows["dur_ns"], rows["device"]))


def _timed(rows: Rows, database: Database) -> pd.DataFrame:
    """Give start, duration, device, connection and row of the rows that have times."""
    start, end = rows.whole("startNs"), rows.whole("endNs")
    fine = ((start >= 0) & (end >= start)).fillna(value=False).astype(bool)
    if not fine.all():
        database.note(
            Severity.DATA_LOSS, rows.table, f"{(~fine).sum():,} rows without a start and a later end were refused"
        )
    columns = {
        "start_ns": start,
        "dur_ns": end - start,
        "device": rows.whole("deviceId"),
        "correlation": rows.whole("connectionId"),
        "task": rows.whole("globalTaskId"),
        "stream": rows.whole("streamId"),
        "row": np.arange(rows.count),
    }
    return pd.DataFrame(columns)[fine].astype({"start_ns": "int64", "dur_ns": "int64"})


def _kernels(database: Database, tasks: pd.DataFrame) -> pd.DataFrame:
    columns = {"opType": "op_type", "taskType": "core", "inputDataTypes": "input_dtypes"}
    shapes = {"inputShapes": "input_shapes", "outputShapes": "output_shapes"}
    found = database.read("COMPUTE_TASK_INFO", ("globalTaskId", "name", *columns, *shapes))
    kernels = pd.DataFrame({"task": found.whole("globalTaskId"), "name": found.texts("name").astype(object)})
    for recorded, column in {**columns, **shapes}.items():
        texts = found.texts(recorded)
        if recorded in shapes:
            texts = texts.map({text: text.replace('"', "") for text in texts.cat.categories})
        kernels[column] = texts.astype(object)
    repeated = kernels["task"].duplicated() & kernels["task"].notna()
    without = ~kernels["task"].isin(tasks["task"])
    for marked, text in (
        (repeated, "are told twice: the first counts"),
        (without & ~repeated, "have no task: refused"),
    ):
        if marked.any():
            database.note(Severity.DATA_LOSS, "COMPUTE_TASK_INFO", f"{marked.sum():,} kernels {text}")
    kernels = kernels[~repeated & kernels["task"].notna()]
    joined = tasks.merge(kernels, on="task", how="inner").drop(columns="task")
    joined["stream"] = joined["stream"].astype("string").astype(object)
    joined["name"] = joined["name"].fillna("")
    return joined


def _communication(database: Database, tasks: pd.DataFrame) -> pd.DataFrame:
    rows = database.read("COMMUNICATION_OP", ("startNs", "endNs", "deviceId", "connectionId", "opName", "opType"))
    operations = _timed(rows, database)
    place = operations["row"].to_numpy()
    devices = tasks["device"].dropna().unique()
    if not rows.has("deviceId") and len(devices) == 1:
        operations["device"] = pd.array([devices[0]] * len(operations), dtype="Int64")
    texts = {
        "name": rows.texts("opName").astype(object).fillna("").to_numpy()[place],
        "op_type": rows.texts("opType").astype(object).to_numpy()[place],
    }
    unknown = dict.fromkeys(("stream", "input_shapes", "input_dtypes", "output_shapes"))
    return operations.drop(columns="task").assign(**texts, **unknown, core=_COMMUNICATION_CORE)


def _types(rows: pd.DataFrame, database: Database) -> pd.Series[Any]:
    unknown = rows["op_type"].isna()
    if unknown.any():
        derived = rows["name"].map({name: type_of_kernel(name) for name in rows["name"].unique()})
        text = f"{unknown.sum():,} kernels have no operator type: read from the kernel's name"
        database.note(Severity.INFO, "COMPUTE_TASK_INFO", text)
        return rows["op_type"].where(~unknown, derived)
    return rows["op_type"]


def read_host_side(database: Database, device_rows: pd.DataFrame) -> HostSide:
    """Read what PyTorch recorded on the host; without it, launches alone, from the calls into the CANN runtime.

    Args:
        database: The database.
        device_rows: As of read_device_rows.
    """
    host = _host_rows(database)
    is_operator = ~host["kind"].isin(_NOT_OPERATORS) & ~host["name"].str.contains(_STEP_NAME)
    is_module = (host["kind"] == "trace") & host["name"].str.startswith(_MODULE_FRAME)
    is_annotation = is_operator & is_annotation_name(host["name"])
    operators = host[is_operator & ~is_annotation].sort_values(
        ["start_ns", "dur_ns"], ascending=[True, False], kind="stable"
    )
    calls = _runtime_calls(database)
    linked = _linked(database, operators, device_rows, calls)
    others = calls[calls["correlation"].isin(device_rows["correlation"].dropna())]
    others = others[~others["correlation"].isin(linked["correlation"])].drop_duplicates("correlation")
    modules = host[is_module].assign(correlation=pd.NA, kind="module")
    annotations = host[is_annotation].assign(correlation=pd.NA, kind="annotation")
    spans = pd.concat(
        [modules, annotations, linked.assign(kind="launch"), others.assign(kind="launch")], ignore_index=True
    )
    kept = ["start_ns", "dur_ns", "thread", "kind", "name", "correlation", "row"]
    dropped = ["kind", "connection"]
    return HostSide(
        operators.drop(columns=dropped).reset_index(drop=True), spans[kept].astype({"correlation": "Int64"})
    )


def _host_rows(database: Database) -> pd.DataFrame:
    columns = ("globalTid", "connectionId", "name", "sequenceNumber", "fwdThreadId", "type")
    tensors = ("inputDtypes", "inputShapes")
    found = database.read("PYTORCH_API", ("startNs", "endNs", *columns, *tensors))
    rows = _timed(found, database)[["start_ns", "dur_ns", "row"]]
    place = rows["row"].to_numpy()
    types = database.read("ENUM_API_TYPE", ("id", "name"))
    kinds = {**_KINDS, **dict(zip(types.cells("id"), types.cells("name"), strict=True))}
    names = found.texts("name").astype(object).fillna("")
    sequence = found.whole("sequenceNumber")
    shapes, dtypes = _inputs(found, database)
    every = {
        "thread": _threads(found.whole("globalTid")),
        "kind": found.whole("type").astype(object).map(kinds).fillna("op"),
        "name": names.astype("string").astype(object),
        "op_type": names.map({name: type_of_host_event(name) for name in names.unique()}),
        "connection": found.whole("connectionId"),
        "sequence": sequence.where(sequence >= 0),
        "forward_thread": found.whole("fwdThreadId"),
        "input_shapes": shapes,
        "input_dtypes": dtypes,
    }
    return rows.assign(**{name: values.iloc[place].array for name, values in every.items()})


def _threads(global_ids: pd.Series[Any]) -> pd.Series[Any]:
    """Give the thread of `process << 32 | thread` as text."""
    return (global_ids & _THREAD).astype("string").astype(object)


def _inputs(found: Rows, database: Database) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Give shapes and dtypes of input tensors. torch_npu of 2025 fills the two columns the wrong way round."""
    dims, dtypes = (found.texts(column, empty=True).astype(object) for column in ("inputShapes", "inputDtypes"))
    told_dims, told_dtypes = (_like_shapes(column) for column in (dims, dtypes))
    if not told_dims and told_dtypes:
        dims, dtypes = dtypes, dims
        text = "inputShapes holds dtypes and inputDtypes holds shapes: read the right way round"
        database.note(Severity.INFO, "PYTORCH_API", text)
    # Empty dims are stored as NULL: the only input has none, it is a scalar.
    pairs = pd.DataFrame({"dims": dims.where(dims.notna() | dtypes.isna(), ""), "dtypes": dtypes}).dropna()
    distinct = pairs.drop_duplicates()
    known = {pair: tensors_of(*pair) for pair in zip(distinct["dims"], distinct["dtypes"], strict=True)}
    tensors = [known[pair] for pair in zip(pairs["dims"], pairs["dtypes"], strict=True)]
    frame = pd.DataFrame(tensors, columns=["shapes", "dtypes"], index=pairs.index, dtype=object).reindex(dims.index)
    return frame["shapes"], frame["dtypes"]


def _like_shapes(column: pd.Series[Any]) -> bool:
    """Tell whether all texts of a column could be shapes."""
    return bool(pd.Series(column.dropna().unique(), dtype="string").str.fullmatch(_SHAPES).all())


def _runtime_calls(database: Database) -> pd.DataFrame:
    found = database.read("CANN_API", ("startNs", "endNs", "globalTid", "connectionId", "name"))
    calls = _timed(found, database)[["start_ns", "dur_ns", "correlation", "row"]]
    place = calls["row"].to_numpy()
    names = found.texts("name").astype(object).fillna("").iloc[place].array
    calls = calls.assign(name=names, thread=_threads(found.whole("globalTid")).iloc[place].array)
    return calls.sort_values("start_ns", kind="stable")


def _linked(
    database: Database, operators: pd.DataFrame, device_rows: pd.DataFrame, calls: pd.DataFrame
) -> pd.DataFrame:
    """Give one launch a connection id that a host operator has: where that operator starts.

    CONNECTION_IDS gives an operator several numbers, of three sorts (queue, forward-backward pair, kernel) that may
    fall together; of several operators with a kernel's number, the last to start before the runtime call launched it.
    """
    found = database.read("CONNECTION_IDS", ("id", "connectionId"))
    pairs = pd.DataFrame({"connection": found.whole("id"), "correlation": found.whole("connectionId")}).dropna()
    pairs = pairs[pairs["correlation"].isin(device_rows["correlation"].dropna())].drop_duplicates()
    asked = operators.dropna(subset=["connection"]).drop_duplicates("connection")
    links = asked.merge(pairs, on="connection", how="inner").drop(columns="connection")
    called = pd.concat([calls, device_rows.dropna(subset=["correlation"])])
    called = called.groupby("correlation")["start_ns"].min()
    links = links[links["start_ns"] <= links["correlation"].map(called)]
    latest = links.sort_values("start_ns", kind="stable").drop_duplicates("correlation", keep="last")
    return latest.sort_values("row", kind="stable")
