"""Tables of the databases of an Ascend run that a text run has as small files: allocations, links, calls into CANN."""

from __future__ import annotations

from typing import Any

import pandas as pd

from profkit.errors import Severity
from profkit.parsers.ascend.communication import communication_kind, scaled
from profkit.parsers.ascend.communication_matrix import bandwidth, named_selection
from profkit.parsers.ascend.database_file import Database
from profkit.parsers.ascend.memory import GRAPH_ENGINE

_MS_NS, _MB_BYTES = 1_000_000, 1_000_000
_LARGEST_RANK = 10**6
# Levels of CANN_API where ENUM_API_TYPE does not tell.
_LEVELS = {20000: "acl", 15000: "model", 10000: "node", 5500: "communication", 5000: "runtime"}


def read_allocations(database: Database, allocator: str) -> pd.DataFrame:
    """Read OP_MEMORY: columns of schema.ALLOCATIONS without rank and source, and device.

    Args:
        database: The record.
        allocator: Of the framework; memory of the graph engine is told by its names, or stands in NPU_OP_MEM too.
    """
    rows = database.read("OP_MEMORY", ("name", "size", "allocationTime", "releaseTime", "deviceId"))
    names = rows.texts("name").astype(object)
    size, start, end = (rows.whole(column) for column in ("size", "allocationTime", "releaseTime"))
    early = (end < start).fillna(value=False).astype(bool)
    if early.any():
        database.note(Severity.DATA_LOSS, "OP_MEMORY", f"{early.sum():,} releases before the allocation: unknown")
    by_graph = names.astype("string").str.startswith(GRAPH_ENGINE).fillna(value=False)
    of_engine = database.read("NPU_OP_MEM", ("operatorName", "component"))
    is_engine = of_engine.texts("component").astype(object) == "GE"
    by_graph |= names.isin(of_engine.texts("operatorName").astype(object)[is_engine])
    return pd.DataFrame(
        {
            "component": pd.Series(allocator, index=names.index, dtype=object).where(~by_graph, "GE"),
            "name": names,
            "size_bytes": size.where(size >= 0),
            "start_ns": start,
            "end_ns": end.where(~early),
            "row": range(rows.count),
            "device": rows.whole("deviceId"),
        }
    )


def read_links(analysis: Database) -> pd.DataFrame:
    """Read CommAnalyzerMatrix: columns of schema.LINKS without rank and source."""
    texts = ("hccl_op_name", "group_name", "transport_type", "step", "op_name")
    amounts = ("transit_size", "transit_time", "bandwidth")
    rows = analysis.read("CommAnalyzerMatrix", (*texts, *amounts, "src_rank", "dst_rank"))
    keys = rows.texts("hccl_op_name").astype(object).fillna("unknown")
    named = {key: named_selection(key) for key in keys.unique()}
    operations = keys.map({key: operation for key, (operation, _) in named.items()})
    selections = keys.map({key: selection for key, (_, selection) in named.items()})
    steps = rows.texts("step").astype("string").str.extract(r"^step(\d{1,9})$")[0]
    picked = rows.texts("op_name").astype(object)
    return pd.DataFrame(
        {
            "step": steps.fillna("-1").astype("int64"),
            "operation": operations,
            "selection": selections,
            "name": picked.where(picked.notna() | (selections != "operation"), operations),
            "kind": operations.map({one: communication_kind(one) for one in operations.unique()}),
            "group": rows.texts("group_name").astype(object),
            "src": _rank_numbers(rows.whole("src_rank")),
            "dst": _rank_numbers(rows.whole("dst_rank")),
            "transport": rows.texts("transport_type").astype(object),
            "size_bytes": _scaled(rows.cells("transit_size"), _MB_BYTES),
            "dur_ns": _scaled(rows.cells("transit_time"), _MS_NS),
            "bandwidth_gb_s": pd.Series([bandwidth(cell) for cell in rows.cells("bandwidth")], dtype="float64"),
        }
    )


def read_api_calls(database: Database) -> pd.DataFrame:
    """Read CANN_API, summed by function: columns of schema.API without rank and source, the costliest first."""
    rows = database.read("CANN_API", ("startNs", "endNs", "type", "name"))
    types = database.read("ENUM_API_TYPE", ("id", "name"))
    levels = {**_LEVELS, **dict(zip(types.cells("id"), types.cells("name"), strict=True))}
    start, end = rows.whole("startNs"), rows.whole("endNs")
    fine = (end >= start).fillna(value=False).astype(bool)
    calls = pd.DataFrame(
        {
            "level": rows.whole("type").astype(object).map(levels).fillna("unknown"),
            "name": rows.texts("name").astype(object).fillna("unknown"),
            "dur_ns": end - start,
        }
    )[fine]
    grouped = calls.groupby(["level", "name"], sort=False)["dur_ns"]
    sums = grouped.agg(["size", "sum", "min", "max"]).reset_index()
    sums = sums.rename(columns={"size": "count", "sum": "total_ns", "min": "min_ns", "max": "max_ns"})
    return sums.sort_values(["total_ns", "level", "name"], ascending=[False, True, True], ignore_index=True)


def read_counters(database: Database) -> pd.DataFrame:
    """Read TASK_PMU_INFO: counter, value and row (place of the kernel in TASK) of schema.COUNTERS.

    Zeros are left out: cores that did not run are recorded so.
    """
    tasks = database.read("TASK", ("globalTaskId",)).whole("globalTaskId")
    place = pd.Series(tasks.index, index=tasks)
    place = place[place.index.notna() & ~place.index.duplicated()]
    rows = database.read("TASK_PMU_INFO", ("globalTaskId", "name", "value"))
    values = pd.to_numeric(pd.Series(rows.cells("value"), dtype=object), errors="coerce").astype("float64")
    counters = pd.DataFrame(
        {
            "counter": rows.texts("name").astype(object),
            "value": values,
            "row": rows.whole("globalTaskId").map(place).astype("Int64"),
        }
    )
    known = counters.notna().all(axis="columns")
    if not known.all():
        text = f"{(~known).sum():,} counters without a name, a number or a task were refused"
        database.note(Severity.DATA_LOSS, "TASK_PMU_INFO", text)
    return counters[known & (counters["value"] != 0)].astype({"row": "int64"}).reset_index(drop=True)


def _rank_numbers(numbers: pd.Series[Any]) -> pd.Series[Any]:
    return numbers.where(numbers.between(0, _LARGEST_RANK))


def _scaled(cells: list[Any], factor: int) -> pd.Series[Any]:
    return pd.Series(pd.array([scaled(cell, factor) for cell in cells], dtype="Int64"))
