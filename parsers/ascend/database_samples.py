"""Steps, memory and communication of an Ascend run from its databases.

`ascend_*_profiler*.db` holds the boundaries of steps, memory in bytes and exact times of collectives; beside it
`analysis.db` (torch_npu) or `communication_analyzer.db` (MindSpore) holds what step_trace_time.csv (us) and
communication.json (ms, MB) hold in a text run.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from profkit.errors import Severity
from profkit.parsers.ascend.collective_arguments import collective_arguments
from profkit.parsers.ascend.communication import LINKS, TOTAL, communication_kind, scaled
from profkit.parsers.ascend.database_file import Database
from profkit.parsers.ascend.memory import module_component

_US_NS, _MS_NS, _MB_BYTES = 1_000, 1_000_000, 1_000_000
_SPLIT = {
    "computing": "computing_ns",
    "communication": "communication_ns",
    "overlapped": "overlapped_ns",
    "free": "free_ns",
}
_LARGEST_STEP = 2**31


def read_steps(database: Database) -> pd.DataFrame:
    """Read the boundaries of steps: step, start_ns, dur_ns (int64), ordered by start."""
    rows = database.read("STEP_TIME", ("id", "startNs", "endNs"))
    steps = pd.DataFrame({"step": rows.whole("id"), "start_ns": rows.whole("startNs"), "end_ns": rows.whole("endNs")})
    fine = (steps["step"].between(0, _LARGEST_STEP - 1) & (steps["start_ns"] >= 0)).fillna(value=False)
    fine &= (steps["end_ns"] >= steps["start_ns"]).fillna(value=False)
    if not fine.all():
        database.note(Severity.DATA_LOSS, "STEP_TIME", f"{(~fine).sum():,} steps without number, start or end: refused")
    steps = steps[fine].astype("int64").sort_values("start_ns", kind="stable", ignore_index=True)
    return steps.assign(dur_ns=steps["end_ns"] - steps["start_ns"]).drop(columns="end_ns")


def read_split(analysis: Database) -> pd.DataFrame:
    """Read StepTraceTime: step (int64, -1 unknown), device (Int64) and the four times (Int64 ns) of schema.STEPS."""
    rows = analysis.read("StepTraceTime", ("step", "deviceId", *_SPLIT))
    steps = rows.whole("step")
    known = steps.between(0, _LARGEST_STEP - 1).fillna(value=False)
    columns: dict[str, Any] = {"step": steps.where(known, -1).astype("int64"), "device": rows.whole("deviceId")}
    for recorded, column in _SPLIT.items():
        columns[column] = _scaled(rows.cells(recorded), _US_NS)
    return pd.DataFrame(columns)


def read_operations(analysis: Database) -> pd.DataFrame:
    """Read CommAnalyzerTime and CommAnalyzerBandwidth: columns of schema.COMM without rank and source."""
    rows = analysis.read("CommAnalyzerTime", ("hccl_op_name", "start_timestamp", "elapse_time", "wait_time", "step"))
    names = rows.texts("hccl_op_name").astype(object).fillna("")
    steps = rows.texts("step").astype("string").str.extract(r"^step(\d{1,9})$")[0]
    operations = pd.DataFrame(
        {
            "step": steps.fillna("-1").astype("int64"),
            "name": names,
            "kind": names.map({name: communication_kind(name) for name in names.unique()}),
            "start_ns": _scaled(rows.cells("start_timestamp"), _US_NS),
            "dur_ns": _scaled(rows.cells("elapse_time"), _MS_NS),
            "wait_ns": _scaled(rows.cells("wait_time"), _MS_NS),
        }
    )
    operations = operations[operations["name"] != TOTAL]
    return operations.join(_bytes_moved(analysis), on="name").reset_index(drop=True)


def _bytes_moved(analysis: Database) -> pd.Series[Any]:
    """Give the bytes of each operation over its links; a link has one row a package size, all with the same total."""
    rows = analysis.read("CommAnalyzerBandwidth", ("hccl_op_name", "transport_type", "transit_size", "step"))
    links = pd.DataFrame(
        {
            "name": rows.texts("hccl_op_name").astype(object),
            "link": rows.texts("transport_type").astype(object),
            "step": rows.texts("step").astype(object),
            "size_bytes": _scaled(rows.cells("transit_size"), _MB_BYTES),
        }
    )
    links = links[links["link"].isin(LINKS)].drop_duplicates(["name", "link", "step"])
    return links.groupby("name")["size_bytes"].sum(min_count=1)


def read_arguments(record: Database) -> pd.DataFrame:
    """Read what COMMUNICATION_OP tells of each operation beside its times: group and collective_arguments.ARGUMENTS.

    The index is the record number. The number of a type is looked up in the database's own table of them; where there
    is none, only a type that is written as a word is known.
    """
    rows = record.read("COMMUNICATION_OP", ("opName", "groupName", "dataType", "algType", "count"))
    table = record.read("ENUM_HCCL_DATA_TYPE", ("id", "name"))
    words = dict(zip(table.cells("id"), table.cells("name"), strict=True))
    numbers = pd.Series(rows.cells("dataType"), dtype=object)
    dtypes = numbers.map(words) if words else numbers.where(numbers.map(lambda cell: isinstance(cell, str)), None)
    names, algorithms = (rows.texts(column).astype(object) for column in ("opName", "algType"))
    arguments = collective_arguments(names.fillna(""), dtypes, rows.whole("count"), algorithms)
    return arguments.assign(group=rows.texts("groupName").astype(object))


def merge_communication(exact: pd.DataFrame, analysed: pd.DataFrame) -> pd.DataFrame:
    """Give wait and size, which only the analysis has, to the operations with exact times; alone, the analysis.

    Args:
        exact: step, name, start_ns, dur_ns of COMMUNICATION_OP, rank, and what read_arguments gives.
        analysed: As of read_operations.
    """
    if exact.empty:
        return analysed
    kinds = {name: communication_kind(name) for name in exact["name"].unique()}
    exact = exact.assign(kind=exact["name"].map(kinds))
    unique = analysed[~analysed["name"].duplicated(keep=False)].set_index("name")
    once = ~exact["name"].duplicated(keep=False)
    found = exact["name"].where(once)
    waits, sizes = (found.map(unique[column]).astype("Int64") for column in ("wait_ns", "size_bytes"))
    return exact.assign(wait_ns=waits, size_bytes=sizes)


def read_memory(database: Database) -> pd.DataFrame:
    """Read MEMORY_RECORD, NPU_MEM and NPU_MODULE_MEM: columns of schema.MEMORY without rank and source, and device."""
    parts = [_allocators(database), _npu(database), _modules(database)]
    samples = pd.concat(parts, ignore_index=True)
    known = samples["time_ns"].notna()
    if not known.all():
        database.note(Severity.DATA_LOSS, "", f"{(~known).sum():,} memory samples without a time were refused")
    samples["component"] = samples["component"].fillna("unknown")
    return samples[known].sort_values("time_ns", kind="stable", ignore_index=True)


def _allocators(database: Database) -> pd.DataFrame:
    rows = database.read("MEMORY_RECORD", ("component", "timestamp", "totalAllocated", "totalReserved", "deviceId"))
    return _samples(
        rows.whole("timestamp"),
        rows.texts("component").astype(object),
        rows.whole("totalAllocated"),
        rows.whole("totalReserved"),
        rows.whole("deviceId"),
    )


def _npu(database: Database) -> pd.DataFrame:
    """The whole of the process ("APP" in memory_record.csv) and of the device, which have one number each."""
    rows = database.read("NPU_MEM", ("type", "ddr", "hbm", "timestampNs", "deviceId"))
    held = rows.whole("hbm").add(rows.whole("ddr"), fill_value=0)
    component = rows.texts("type").astype("string").str.upper().astype(object)
    nothing = pd.Series(pd.array([None] * rows.count, dtype="Int64"))
    return _samples(rows.whole("timestampNs"), component, nothing, held, rows.whole("deviceId"))


def _modules(database: Database) -> pd.DataFrame:
    rows = database.read("NPU_MODULE_MEM", ("moduleId", "timestampNs", "totalReserved", "deviceId"))
    names = database.read("ENUM_MODULE", ("id", "name"))
    modules = dict(zip(names.cells("id"), names.cells("name"), strict=True))
    numbers = rows.whole("moduleId")
    component = numbers.astype(object).map(
        {number: module_component(str(modules.get(number, number))) for number in numbers.dropna().unique()}
    )
    nothing = pd.Series(pd.array([None] * rows.count, dtype="Int64"))
    return _samples(rows.whole("timestampNs"), component, nothing, rows.whole("totalReserved"), rows.whole("deviceId"))


def _samples(
    time: pd.Series[Any],
    component: pd.Series[Any],
    allocated: pd.Series[Any],
    reserved: pd.Series[Any],
    device: pd.Series[Any],
) -> pd.DataFrame:
    """Negative amounts mean unknown."""
    return pd.DataFrame(
        {
            "time_ns": time,
            "component": component.astype(object),
            "allocated_bytes": allocated.where(allocated >= 0),
            "reserved_bytes": reserved.where(reserved >= 0),
            "device": device,
        }
    )


def _scaled(cells: list[Any], factor: int) -> pd.Series[Any]:
    return pd.Series(pd.array([scaled(cell, factor) for cell in cells], dtype="Int64"))
