from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.tui.row_order import Sort, arranged
from profkit.tui.verdicts import PARITY
from profkit.tui.widgets.table_column import number_column, text_column, verdict_column

NUMBERS = number_column("x", "x")
TEXTS = text_column("x", "x")


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=16)), st.booleans())
def test_sorting_is_stable_with_unknown_values_last(values, descending):
    frame = pd.DataFrame({"x": pd.Series(values, dtype="float64")})
    known = [row for row, value in enumerate(values) if not math.isnan(value)]
    unknown = [row for row, value in enumerate(values) if math.isnan(value)]
    expected = sorted(known, key=lambda row: -values[row] if descending else values[row]) + unknown
    assert arranged(frame, None, Sort(NUMBERS, descending)).tolist() == expected


def test_categories_sort_by_their_text_not_by_when_they_were_met():
    values = pd.Categorical(["b", None, "c", "a", "b"], categories=["c", "b", "a"])
    frame = pd.DataFrame({"x": values})
    assert arranged(frame, None, Sort(TEXTS, descending=False)).tolist() == [3, 0, 4, 2, 1]


def test_verdicts_sort_by_how_bad_they_are():
    frame = pd.DataFrame({"x": pd.Categorical(["match", "mismatch", None, "missing_b"])})
    column = verdict_column("x", "x", PARITY)
    assert arranged(frame, None, Sort(column, descending=True)).tolist() == [1, 3, 0, 2]


def test_exact_integers_beyond_float64_keep_their_order():
    frame = pd.DataFrame({"x": pd.array([2**53 + 1, 2**53, None, 2**53 + 2], dtype="Int64")})
    assert arranged(frame, None, Sort(NUMBERS, descending=False)).tolist() == [1, 0, 3, 2]


def test_a_filter_keeps_only_its_rows_in_the_order_of_the_sort():
    frame = pd.DataFrame({"x": [3.0, 1.0, 2.0, 5.0]})
    shown = np.array([True, True, True, False])
    assert arranged(frame, shown, Sort(NUMBERS, descending=True)).tolist() == [0, 2, 1]
    assert arranged(frame, shown, None).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("column", "first"), [(NUMBERS, True), (TEXTS, False)])
def test_sorting_again_reverses_then_restores(column, first):
    once = Sort.next_of(None, column)
    assert once == Sort(column, descending=first)
    twice = Sort.next_of(once, column)
    assert twice == Sort(column, descending=not first)
    assert Sort.next_of(twice, column) is None
    assert Sort.next_of(twice, number_column("y", "y")) == Sort(number_column("y", "y"), descending=True)
