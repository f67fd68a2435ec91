from __future__ import annotations

import csv

import numpy as np
import pytest

from profkit.errors import ProfkitError
from profkit.tui.export import export


def test_rows_are_written_in_the_order_shown_with_exact_values(make_operators, tmp_path):
    path = export(make_operators(), np.array([5, 0]), tmp_path, "operators")
    assert path == tmp_path / "profkit-operators.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    assert [row["operator"] for row in rows] == ["aten::gelu", "aten::conv2d"]
    assert [row["run_ns"] for row in rows] == ["3150000", "2500000"]
    assert rows[1]["flag"] == ""


def test_no_file_is_overwritten(make_operators, tmp_path):
    names = [export(make_operators(), np.arange(1), tmp_path, "operators").name for _ in range(3)]
    assert names == ["profkit-operators.csv", "profkit-operators-2.csv", "profkit-operators-3.csv"]


def test_a_spreadsheet_runs_nothing(make_operators, tmp_path):
    operators = make_operators(operator=["=1+1", "@x", "\x1b[31m", "a,b", 'a"b', "a\nb", "中", "plain"])
    path = export(operators, np.arange(8), tmp_path, "operators")
    written = [row["operator"] for row in csv.DictReader(path.open(encoding="utf-8"))]
    assert written == ["'=1+1", "'@x", "\\x1b[31m", "a,b", 'a"b', "a\\x0ab", "中", "plain"]


def test_many_rows_have_one_heading(make_operators, tmp_path, monkeypatch):
    monkeypatch.setattr("profkit.tui.export._ROWS_AT_ONCE", 3)
    path = export(make_operators(), np.arange(8), tmp_path, "operators")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 9
    assert sum(line.startswith("unit,operator") for line in lines) == 1


def test_no_rows_give_a_heading(make_operators, tmp_path):
    path = export(make_operators(), np.arange(0), tmp_path, "operators")
    assert path.read_text(encoding="utf-8").startswith("unit,operator")


def test_a_directory_that_cannot_be_written_is_told(make_operators, tmp_path):
    with pytest.raises(ProfkitError, match="cannot be written") as caught:
        export(make_operators(), np.arange(8), tmp_path / "absent", "operators")
    assert caught.value.hint
