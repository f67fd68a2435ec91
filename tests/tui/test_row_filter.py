from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from profkit.tui.row_filter import FilterError, parse_filter
from profkit.tui.views.operators import COLUMNS, FILTER_WORDS


def shown(operators: pd.DataFrame, text: str) -> list[int]:
    row_filter = parse_filter(text, COLUMNS, FILTER_WORDS)
    assert row_filter is not None
    return [int(row) for row in np.flatnonzero(row_filter.mask(operators.assign(part="slower")))]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("conv", [0]),
        ("CONV2D", [0]),
        ("blocks.0.attn", [2, 3, 4]),
        ("class:matmul", [2, 4, 6]),
        ("op_class:matmul", [2, 4, 6]),
        ("class=mat", []),
        ("class=MATMUL", [2, 4, 6]),
        ("module:mlp op:addmm", [6]),
        ("ratio>2", [3, 5, 7]),
        ("ratio<1", [6]),
        ("ratio>=7 ratio<=7", [5]),
        ("impact>1ms", [3, 5]),
        ("impact>=2.7ms", [5]),
        ("ref<=220us", [3, 7]),
        ("run=900000ns", [7]),
        ("slow", [3, 5]),
        ("nan", [3, 4]),
        ("mismatch", [5, 6]),
        ("slow mismatch", [5]),
        ("aten::gelu", [5]),
        ("nosuchfield:gelu", []),
        ("(", []),
    ],
)
def test_terms_select_the_rows_that_fulfil_them(make_operators, text, rows):
    assert shown(make_operators(), text) == rows


@pytest.mark.parametrize("blank", ["", "   "])
def test_a_blank_filter_is_none(blank):
    assert parse_filter(blank, COLUMNS, FILTER_WORDS) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ratio>much", "not a number"),
        ("ratio:2", "ratio>2"),
        ("impact>1", "needs a unit"),
        ("impact>xms", "not a number"),
        ("impact>infs", "not a number"),
        ("module>2", "module:2"),
    ],
)
def test_a_wrong_term_tells_what_to_type(text, told):
    with pytest.raises(FilterError, match=told):
        parse_filter(text, COLUMNS, FILTER_WORDS)


def test_unknown_values_pass_no_bound(make_operators):
    operators = make_operators(
        ratio=[np.nan] * 8, impact_ns=pd.array([None] * 8, dtype="Int64"), module=[None] * 8, flag=[None] * 8
    )
    for text in ("ratio>0", "ratio<0", "ratio=0", "impact>-1s", "module:b", "slow"):
        assert shown(operators, text) == []


def test_text_of_the_user_is_no_pattern(make_operators):
    operators = make_operators(operator=["a.b", "axb", "[red]", "\\d", "1", "2", "3", "4"])
    assert shown(operators, "op:a.b") == [0]
    assert shown(operators, "op:[red]") == [2]
    assert shown(operators, "op:\\d") == [3]
