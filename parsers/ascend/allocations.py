"""Single allocations of an Ascend run: operator_memory.csv (in time) and static_op_mem.csv (in nodes of a graph)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from profkit.errors import Severity
from profkit.parsers.ascend.memory import KB, allocator_of, bytes_of
from profkit.parsers.ascend.tables import CsvTable, read_table
from profkit.parsers.base import Framework
from profkit.parsers.exact_time import MICROSECONDS, NANOSECONDS
from profkit.progress import Progress

STATIC, STATIC_TOTAL = "static", "static, whole graph"
_TOTAL = "TOTAL"
# Node Index End of what lives to the end of the graph.
_TO_THE_END = 2**32 - 1


def read_allocations(path: Path, framework: Framework, progress: Progress) -> tuple[pd.DataFrame, CsvTable]:
    """Read the lifetimes of operator_memory.csv.

    Returns:
        Columns of schema.ALLOCATIONS without rank and source, in file order; and the table with its issues.

    Raises:
        UnreadableInputError: The header lacks the name or the time of allocation.
    """
    table = read_table(path, "operator_memory", progress)
    names = table.texts("name")
    start, end = table.times("allocation_time", MICROSECONDS), table.times("release_time", MICROSECONDS)
    early = start.known & end.known & (end.ns < start.ns)
    if early.any():
        table.note(Severity.DATA_LOSS, early, "released before it was allocated: the release is taken as unknown")
    columns = {
        "component": allocator_of(names, framework).to_pandas().astype("category"),
        "name": names.dictionary_encode().to_pandas(),
        "size_bytes": bytes_of(table, "size", KB),
        "start_ns": pd.arrays.IntegerArray(start.ns, ~start.known),
        "end_ns": pd.arrays.IntegerArray(end.ns, ~end.known | early),
        "row": np.arange(len(table.lines), dtype=np.int64),
    }
    return pd.DataFrame(columns), table


def read_static_memory(path: Path, progress: Progress) -> tuple[pd.DataFrame, CsvTable]:
    """Read static_op_mem.csv; as read_allocations.

    The memory of a whole graph, in which operators take turns, is a component of its own.
    """
    table = read_table(path, "static_op_mem", progress)
    names = table.texts("name")
    first, last = table.times("first", NANOSECONDS), table.times("last", NANOSECONDS)
    is_total = pc.fill_null(pc.equal(names, _TOTAL), fill_value=False)
    graph = pc.binary_join_element_wise(
        "model", pc.fill_null(table.texts("model"), "?"), "graph", pc.fill_null(table.texts("graph"), "?"), " "
    )
    columns = {
        "component": pc.if_else(is_total, STATIC_TOTAL, STATIC).to_pandas().astype("category"),
        "name": pc.if_else(is_total, pa.scalar(None, pa.string()), names).dictionary_encode().to_pandas(),
        "size_bytes": bytes_of(table, "size", KB),
        "first_node": pd.arrays.IntegerArray(first.ns, ~first.known),
        "last_node": pd.arrays.IntegerArray(last.ns, ~last.known | (last.ns == _TO_THE_END)),
        "graph": graph.dictionary_encode().to_pandas(),
        "row": np.arange(len(table.lines), dtype=np.int64),
    }
    return pd.DataFrame(columns), table
