"""Memory of an Ascend run from its text tables: memory_record.csv and npu_module_mem.csv, else operator_memory.csv.

Units differ by writer and file (measured on files of mindspore 2.10 and torch_npu): "MB" in MindSpore's
memory_record.csv is 1,024,000 bytes (it divides KB by 1000), everywhere else 1,048,576; npu_module_mem.csv is in KB
from MindSpore and in MB from torch_npu, and says so in its header.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from profkit.errors import Severity
from profkit.parsers.ascend.tables import CsvTable, read_table
from profkit.parsers.base import Framework
from profkit.parsers.csv_records import header_of
from profkit.parsers.exact_time import MICROSECONDS
from profkit.progress import Progress

KB, _MB = 1 << 10, 1 << 20
_MINDSPORE_RECORD_MB = 1_024_000
# Beyond it a float64 holds no single bytes; no device has as much.
_MOST_BYTES = 2**53
_NUMBER = r"^-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$"
GRAPH_ENGINE = "cann::"
_COLUMNS = ("time_ns", "component", "allocated_bytes", "reserved_bytes")


def module_component(module: str) -> str:
    """Name the memory of a CANN module: GE is an allocator of memory_record.csv as well."""
    return f"module {module}"


def read_memory_record(path: Path, framework: Framework, progress: Progress) -> tuple[pd.DataFrame, CsvTable]:
    """Read memory_record.csv.

    Returns:
        Columns of schema.MEMORY without rank and source, ordered by time; and the table with its issues.

    Raises:
        UnreadableInputError: The header lacks the component, the time or the reserved memory.
    """
    table = read_table(path, "memory_record", progress)
    components = table.texts("component")
    allocators = set(pc.unique(components).to_pylist())
    is_mindspore = framework == "mindspore" or "MindSpore" in allocators
    if framework == "unknown" and not allocators & {"MindSpore", "PTA"}:
        every = np.ones(len(table.lines), dtype=bool)
        table.note(Severity.INFO, every, "written by MindSpore or torch_npu, not told: MB taken as 1,048,576 bytes")
    unit = _MINDSPORE_RECORD_MB if is_mindspore else _MB
    return _samples(table, "time", components, ("allocated", "reserved"), unit), table


def read_module_memory(path: Path, progress: Progress) -> tuple[pd.DataFrame, CsvTable]:
    """Read npu_module_mem.csv; as read_memory_record."""
    table = read_table(path, "npu_module_mem", progress)
    unit = KB if any("(KB)" in cell for cell in header_of(path)) else _MB
    components = pc.binary_join_element_wise("module", table.texts("component"), " ")
    return _samples(table, "time", components, (None, "reserved"), unit), table


def read_operator_memory(path: Path, framework: Framework, progress: Progress) -> tuple[pd.DataFrame, CsvTable]:
    """Read the totals that operator_memory.csv tells at each allocation and release; as read_memory_record."""
    table = read_table(path, "operator_memory", progress)
    components = allocator_of(table.texts("name"), framework)
    columns = ("allocation_allocated", "allocation_reserved"), ("release_allocated", "release_reserved")
    if framework == "mindspore" and _are_swapped(table, columns[0]):
        columns = (columns[0][1], columns[0][0]), (columns[1][1], columns[1][0])
        every = np.ones(len(table.lines), dtype=bool)
        table.note(Severity.INFO, every, "allocated exceeds reserved: columns swapped by MindSpore 2.6, read swapped")
    parts = [
        _samples(table, "allocation_time", components, columns[0], _MB),
        _samples(table, "release_time", components, columns[1], _MB, may_lack_time=True),
    ]
    return pd.concat(parts, ignore_index=True).sort_values("time_ns", kind="stable", ignore_index=True), table


def allocator_of(names: pa.Array, framework: Framework) -> pa.Array:
    """Name the allocator, as memory_record.csv does, of each row of operator_memory.csv."""
    allocator = {"mindspore": "MindSpore", "pytorch": "PTA"}.get(framework, "operators")
    by_graph = pc.fill_null(pc.starts_with(names, pattern=GRAPH_ENGINE), fill_value=False)
    return pc.if_else(by_graph, "GE", allocator)


def _are_swapped(table: CsvTable, columns: tuple[str, str]) -> bool:
    allocated, reserved = (bytes_of(table, column, _MB) for column in columns)
    known = allocated.notna() & reserved.notna()
    allocated, reserved = allocated[known], reserved[known]
    return bool(known.any() and (allocated >= reserved).all() and (allocated > reserved).any())


def _samples(
    table: CsvTable,
    time: str,
    components: pa.Array,
    amounts: tuple[str | None, str],
    unit: int,
    *,
    may_lack_time: bool = False,
) -> pd.DataFrame:
    times = table.times(time, MICROSECONDS)
    if not may_lack_time and not times.known.all():
        table.note(Severity.DATA_LOSS, ~times.known, "memory samples without a time were refused")
    _note_spreadsheet(table, time)
    allocated, reserved = amounts
    nothing = pd.Series(pd.array([None] * len(table.lines), dtype="Int64"))
    samples = pd.DataFrame(
        {
            "time_ns": times.ns,
            "component": pc.fill_null(components, "unknown").to_pandas().astype("category"),
            "allocated_bytes": nothing if allocated is None else bytes_of(table, allocated, unit),
            "reserved_bytes": bytes_of(table, reserved, unit),
        },
        columns=list(_COLUMNS),
    )
    return samples[times.known].sort_values("time_ns", kind="stable", ignore_index=True)


def _note_spreadsheet(table: CsvTable, time: str) -> None:
    mangled = pc.fill_null(pc.match_substring_regex(table.texts(time), "[eE]"), fill_value=False)
    marked = mangled.to_numpy(zero_copy_only=False)
    if marked.any():
        table.note(Severity.DATA_LOSS, marked, "times were rounded by a spreadsheet (1.69512E+15)")


def bytes_of(table: CsvTable, column: str, unit: int) -> pd.Series[Any]:
    """Give a column in bytes, Int64; NA where it is absent or negative (the recorder's "unknown")."""
    texts = table.texts(column)
    plain = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), fill_value=False)
    amounts = pc.if_else(plain, texts, None).cast(pa.float64()).to_numpy(zero_copy_only=False) * unit
    strange = texts.is_valid().to_numpy(zero_copy_only=False) & ~(np.abs(amounts) < _MOST_BYTES)
    if strange.any():
        table.note(Severity.DATA_LOSS, strange, f"column {column} is no amount of memory: unknown")
    known = ~strange & (amounts >= 0)
    return pd.Series(pd.arrays.IntegerArray(np.rint(np.where(known, amounts, 0)).astype(np.int64), ~known))
