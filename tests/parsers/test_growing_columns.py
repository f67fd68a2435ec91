"""Columns that grow window by window end as what was added, whatever the windows were."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from profkit.parsers.growing_columns import GrowingCodes, GrowingIntegers, GrowingNumbers, categorical

WINDOWS = st.lists(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=5), max_size=5)


@given(windows=WINDOWS)
def test_integers_keep_every_value_and_every_gap(windows: list[list[int | None]]) -> None:
    column = GrowingIntegers()
    for window in windows:
        column.append(pa.array(window, pa.int64()))
    expected = pd.array([value for window in windows for value in window], dtype="Int64")
    pd.testing.assert_extension_array_equal(column.finish(), expected)


def test_numbers_grow_beyond_their_first_rows() -> None:
    column = GrowingNumbers(np.int64)
    for first in range(0, 100_000, 7_000):
        column.append(np.arange(first, first + 7_000))
    assert (column.finish() == np.arange(105_000)).all()


def test_codes_of_windows_with_dictionaries_of_their_own_agree() -> None:
    column: GrowingCodes[str] = GrowingCodes()
    column.append(["a", "b"], np.array([1, -1, 0]))
    column.append(["c", "b"], np.array([0, 1, -1]))
    names = list(column.numbers)
    assert [None if code < 0 else names[code] for code in column.finish()] == ["b", None, "a", "c", "b", None]


def test_equal_texts_are_one_category_and_unused_ones_none() -> None:
    column = categorical(np.array([0, 1, 2, -1, 3]), ["x", "y", "x", None, "unused"])
    assert [None if pd.isna(text) else text for text in column] == ["x", "y", "x", None, None]
    assert column.categories.tolist() == ["x", "y"]
