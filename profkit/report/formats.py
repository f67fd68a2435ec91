"""A frame in the format the user asked for: text, json, csv, parquet, markdown or html."""

from __future__ import annotations

import html
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from profkit.errors import ProfkitError
from profkit.report.text_table import display_cells, display_headers, text_table
from profkit.safe_text import printable, spreadsheet_cell

FORMATS = ("text", "csv", "json", "parquet", "markdown", "html")

_FORMAT_OF_SUFFIX = {
    ".txt": "text",
    ".csv": "csv",
    ".json": "json",
    ".parquet": "parquet",
    ".md": "markdown",
    ".html": "html",
}


def format_of(path: Path) -> str:
    """Give the format a file's suffix asks for.

    Raises:
        ProfkitError: The suffix is of no format.
    """
    try:
        return _FORMAT_OF_SUFFIX[path.suffix.lower()]
    except KeyError:
        known = " ".join(_FORMAT_OF_SUFFIX)
        raise ProfkitError(f"{path}: the suffix {path.suffix!r} names no format", f"use one of {known}") from None


def render(frame: pd.DataFrame, form: str) -> bytes:
    """Give a frame in one of FORMATS.

    csv, json and parquet hold the exact values (times in ns); text, markdown and html are for reading. Text of the
    data is made safe for each: no control characters, no spreadsheet formulas, no markup.
    """
    renderers = {
        "text": lambda: text_table(frame) + "\n",
        "csv": lambda: _csv(frame),
        "json": lambda: json.dumps(records(frame), indent=1, allow_nan=False) + "\n",
        "markdown": lambda: _markdown(frame),
        "html": lambda: _html(frame),
    }
    if form == "parquet":
        return _parquet(frame)
    return renderers[form]().encode("utf-8", errors="backslashreplace")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give rows as plain JSON values; NA and NaN become None, infinities the texts "inf" and "-inf"."""
    return [
        {str(name): _json_value(value) for name, value in row.items()}
        for row in frame.astype(object).to_dict(orient="records")
    ]


def _json_value(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_json_value(one) for one in value]
    if value is None or value is pd.NA or value != value:  # noqa: PLR0124 - NaN is the value unequal to itself
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    return value


def _is_text(series: pd.Series[Any]) -> bool:
    return not pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)


def _csv(frame: pd.DataFrame) -> str:
    safe = frame.copy()
    for name in frame.columns:
        if _is_text(frame[name]):
            plain = frame[name].astype(object)
            safe[name] = plain.map(lambda value: spreadsheet_cell(str(value)), na_action="ignore")
    text: str = safe.to_csv(index=False, lineterminator="\n")
    return text


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer, write_page_checksum=True)
    return buffer.getvalue()


def _markdown(frame: pd.DataFrame) -> str:
    rows = [display_headers(frame), ["---"] * len(frame.columns), *display_cells(frame)]
    return "".join("| " + " | ".join(_markdown_cell(cell) for cell in row) + " |\n" for row in rows)


def _markdown_cell(text: str) -> str:
    escaped = "".join("\\" + letter if letter in "\\`*_[]<>|#" else letter for letter in text)
    return escaped or " "


def _html(frame: pd.DataFrame) -> str:
    head = "".join(f"<th>{html.escape(header)}</th>" for header in display_headers(frame))
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in display_cells(frame)
    )
    return html_page("profkit", f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n")


def html_page(title: str, body: str) -> str:
    """Give a whole page that needs nothing from elsewhere; the body is trusted, the title is escaped."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(printable(title))}</title>\n<style>\n"
        "body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:100rem;padding:0 1rem}\n"
        "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
        "th,td{border-bottom:1px solid #ccc;padding:.2rem .6rem;text-align:left;vertical-align:top}\n"
        f"</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
