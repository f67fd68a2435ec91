"""Calls of the host into CANN by function, from api_statistic.csv of an Ascend run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.compute as pc

from profkit.errors import Severity
from profkit.parsers.ascend.tables import CsvTable, read_table
from profkit.parsers.exact_time import MICROSECONDS, NANOSECONDS
from profkit.progress import Progress

_TIMES = ("total", "min", "max")


def read_api_calls(path: Path, progress: Progress) -> tuple[pd.DataFrame, CsvTable]:
    """Read api_statistic.csv.

    Returns:
        Columns of schema.API without rank and source, in file order; and the table with its issues.

    Raises:
        UnreadableInputError: The header lacks the level, the name or the count.
    """
    table = read_table(path, "api_statistic", progress)
    count = table.times("count", NANOSECONDS)
    known = count.known & (count.ns >= 0)
    if not known.all():
        table.note(Severity.DATA_LOSS, ~known, "functions without a number of calls were refused")
    texts = {name: pc.fill_null(table.texts(name), "unknown").to_pandas() for name in ("level", "name")}
    calls = pd.DataFrame({**texts, "count": count.ns})
    for column in _TIMES:
        time = table.times(column, MICROSECONDS)
        calls[f"{column}_ns"] = pd.arrays.IntegerArray(time.ns, ~time.known)
    return calls[known].reset_index(drop=True), table
