"""A frame as a text table: units in the headers, numbers to the right, nothing cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from rich.cells import cell_len

from profkit.report import quantities
from profkit.safe_text import printable

# Columns of whole numbers that are names, not amounts: no thousands separators.
_NUMBERS_THAT_NAME = {"rank", "step", "group", "iteration", "order", "unit", "row", "slot"}
# Columns of points in time; every other one that ends in `_ns` is a duration.
_TIMES = {"start_ns", "time_ns"}


def display_headers(frame: pd.DataFrame) -> list[str]:
    """Give the column titles: `total_ns` reads "total", since its cells carry their own unit."""
    return [str(name).removesuffix("_ns").replace("_", " ") for name in frame.columns]


def display_cells(frame: pd.DataFrame) -> list[list[str]]:
    """Give the cells as text for reading, row by row: durations with their unit, NA as "-", text made printable."""
    columns = [list(map(_reader(str(name), frame[name]), frame[name].astype(object))) for name in frame.columns]
    return [list(row) for row in zip(*columns, strict=True)] if columns else []


def text_table(frame: pd.DataFrame) -> str:
    """Give the frame as lines of text; widths are terminal cells."""
    headers = display_headers(frame)
    rows = display_cells(frame)
    widths = [
        max([cell_len(header), *(cell_len(row[column]) for row in rows)]) for column, header in enumerate(headers)
    ]
    to_the_right = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    lines = [_line(headers, widths, to_the_right), "  ".join("─" * width for width in widths)]
    lines += [_line(row, widths, to_the_right) for row in rows]
    return "\n".join(lines)


def _line(cells: list[str], widths: list[int], to_the_right: list[bool]) -> str:
    padded = []
    for cell, width, right in zip(cells, widths, to_the_right, strict=True):
        space = " " * (width - cell_len(cell))
        padded.append(space + cell if right else cell + space)
    return "  ".join(padded).rstrip()


def _reader(name: str, series: pd.Series[Any]) -> Callable[[Any], str]:
    if name.endswith("_ns") and name not in _TIMES:
        return quantities.duration
    if name == "ratio":
        return quantities.ratio
    if pd.api.types.is_bool_dtype(series):
        return lambda value: "-" if value is pd.NA else ("yes" if value else "")
    if pd.api.types.is_integer_dtype(series):
        separated = name not in _NUMBERS_THAT_NAME and name not in _TIMES
        return lambda value: "-" if value is pd.NA else (f"{value:,}" if separated else str(value))
    if pd.api.types.is_float_dtype(series):
        return quantities.number
    return lambda value: "-" if _is_missing(value) else printable(value)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)  # noqa: PLR0124 - NaN
