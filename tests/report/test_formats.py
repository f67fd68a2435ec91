"""Exact values for machines, readable ones for people, and nothing of a name reaches the page as markup."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len

from profkit.errors import ProfkitError
from profkit.report.formats import FORMATS, format_of, render
from profkit.report.text_table import text_table

HOSTILE = ["<script>alert(1)</script>", "\x1b[2J", "[red]x[/red]", "=cmd|' /C calc'!A0", "a|b`c*", "训练\u202e"]
EXACT = 1_795_415_169_153_090_001


@pytest.fixture
def frame() -> pd.DataFrame:
    count = len(HOSTILE)
    return pd.DataFrame(
        {
            "name": pd.Series(HOSTILE, dtype="category"),
            "total_ns": pd.Series([EXACT] * count, dtype="int64"),
            "wait_ns": pd.Series([None, 5, 6, 7, 8, 9], dtype="Int64"),
            "max_abs": [float("nan"), float("inf"), 0.0, 1e-9, 2.5, -1.0],
            "text": pd.Series([None, *HOSTILE[1:]], dtype=pd.StringDtype("pyarrow")),
        }
    )


def test_machine_formats_hold_the_exact_values(frame: pd.DataFrame) -> None:
    rows = json.loads(render(frame, "json"))
    assert rows[0]["total_ns"] == EXACT
    assert rows[0]["wait_ns"] is None
    assert rows[0]["max_abs"] is None
    assert rows[1]["max_abs"] == "inf"
    table = list(csv.DictReader(io.StringIO(render(frame, "csv").decode())))
    assert [int(row["total_ns"]) for row in table] == [EXACT] * len(HOSTILE)
    again = pd.read_parquet(io.BytesIO(render(frame, "parquet")))
    assert again["total_ns"].tolist() == [EXACT] * len(HOSTILE)
    assert again["name"].tolist() == HOSTILE


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in {"parquet", "json"}])
def test_no_control_or_direction_character_gets_out(frame: pd.DataFrame, form: str) -> None:
    text = render(frame, form).decode()
    assert not [letter for letter in text if (ord(letter) < 0x20 and letter != "\n") or letter in "\x7f\x9b\u202e"]


def test_csv_holds_no_formula(frame: pd.DataFrame) -> None:
    table = list(csv.DictReader(io.StringIO(render(frame, "csv").decode())))
    assert not [row for row in table if row["name"].startswith(("=", "+", "-", "@"))]


def test_html_holds_no_element_of_a_name(frame: pd.DataFrame) -> None:
    seen: list[str] = []

    class Collector(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            seen.append(tag)

    Collector().feed(render(frame, "html").decode())
    assert "script" not in seen
    assert seen.count("td") == len(frame) * len(frame.columns)


def test_text_shows_everything_in_straight_columns(frame: pd.DataFrame) -> None:
    long = frame.assign(name=frame["name"].astype(object).map(lambda name: name * 30))
    lines = text_table(long).split("\n")
    assert len(lines) == len(frame) + 2
    assert "[red]x[/red]" * 30 in lines[4]
    ruler = lines[1]
    first_gap = ruler.index("  ")
    assert all(cell_len(line[: len(line)]) >= first_gap for line in lines)


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_frame_is_written_in_every_format(frame: pd.DataFrame, form: str) -> None:
    assert render(frame.iloc[:0], form)


def test_a_suffix_without_format_is_refused() -> None:
    assert format_of(Path("a.CSV")) == "csv"
    with pytest.raises(ProfkitError, match="names no format"):
        format_of(Path("a.xlsx"))
