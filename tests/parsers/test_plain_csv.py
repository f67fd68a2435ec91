"""Columns read at once hold what a reading by records gives, or are not given at all."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profkit.parsers.plain_csv import plain_columns
from profkit.progress import silent

WIDTH = 3


def _columns(path: Path, text: str) -> list[list[str]] | None:
    path.write_bytes(text.encode())
    found = plain_columns(path, WIDTH, [0, 2], silent)
    return None if found is None else [column.to_pylist() for column in found]


@given(body=st.lists(st.sampled_from(["a", "é", ",", '"', '""', "\n", "\r\n", "\r", "\t", " ", "N/A", "a,b,c\n"])))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_columns_are_those_of_the_csv_module(tmp_path: Path, body: list[str]) -> None:
    path = tmp_path / "table.csv"
    found = _columns(path, "x,y,z\n" + "".join(body))
    if found is None:
        return
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        records = list(reader)
        assert reader.line_num == len(records) + 1
    assert found == [[record[0] for record in records], [record[2] for record in records]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quoted_cells_and_both_line_ends_are_plain(tmp_path: Path, end: str) -> None:
    text = end.join(["x,y,z", 'a,b,"1,2"', 'c,d,"""3;4"""', ""])
    assert _columns(tmp_path / "table.csv", text) == [["a", "c"], ["1,2", '"3;4"']]


@pytest.mark.parametrize(
    "text",
    [
        "x,y,z\na,b\n",
        "x,y,z\n\na,b,c\n",
        'x,y,z\na,b,"c\nd"\n',
        "x,y,z\na,b,c\rd,e,f\n",
        "x,y,z\na,b,\0\n",
    ],
    ids=["short record", "blank line", "line end in a cell", "lone carriage return", "NUL"],
)
def test_other_files_are_left_to_the_caller(tmp_path: Path, text: str) -> None:
    assert _columns(tmp_path / "table.csv", text) is None
