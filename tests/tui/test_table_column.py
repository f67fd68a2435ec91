from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from profkit.tui.charts.bar_text import BAR_CELLS
from profkit.tui.verdicts import PARITY
from profkit.tui.widgets.column_layout import GUTTER, first_column_showing, fitted_widths, gap_of, place_columns
from profkit.tui.widgets.table_column import (
    Width,
    bar_column,
    count_column,
    duration_column,
    essential,
    fitted,
    place_column,
    text_column,
    verdict_column,
)


@given(
    st.text(alphabet=st.sampled_from("ab 中文ü…e\u0301"), max_size=40),
    st.integers(0, 20),
    st.booleans(),
    st.sampled_from(["head", "tail", "ends"]),
)
def test_fitted_text_has_exactly_the_cells_asked_for(text, width, right, keep):
    assert cell_len(fitted(text, width, right=right, keep=keep)) == width


def test_a_cut_is_visible_at_the_end_that_is_cut():
    assert fitted("abcdef", 4) == "abc…"
    assert fitted("abcdef", 4, keep="tail") == "…def"
    assert fitted("abcdefgh", 6, keep="ends") == "ab…fgh"
    assert fitted("abcdefgh", 2, keep="ends") == "…h"
    assert fitted("中中中", 4) == "中 …"


def test_text_of_the_data_is_printable_and_bounded():
    column = text_column("x", "x", max_width=10)
    assert column.text("\x1b[31mred") == "\\x1b[31mred"
    assert column.text("[bold]") == "[bold]"
    assert column.text("a\nb") == "a\\x0ab"
    assert len(column.text("y" * 10_240)) < 100
    assert column.cell("y" * 10_240, 10).text.endswith("…")


@pytest.mark.parametrize("unknown", [None, np.nan, pd.NA])
def test_an_unknown_value_is_shown_as_unknown(unknown):
    for column in (text_column("x", "x"), count_column("x", "x"), duration_column("x", "x", short="x")):
        assert column.text(unknown) == "-"
    assert verdict_column("x", "x", PARITY).text(unknown) == ""


def test_numbers_stand_to_the_right_and_text_to_the_left():
    assert duration_column("x", "x", short="x").cell(1_500_000, 10).text == "   1.50 ms"
    assert text_column("x", "x").cell("a", 4).text == "a   "


def test_a_verdict_has_glyph_word_and_tone():
    cell = verdict_column("x", "x", PARITY).cell("mismatch", 12)
    assert cell == ("✗ mismatch  ", "bad")


def test_a_number_is_left_out_rather_than_cut():
    columns = [text_column("a", "a"), count_column("b", "b"), text_column("c", "c")]
    narrow = place_columns(columns, [10, 18, 20], first=1, available=GUTTER + 10 + gap_of(0) + 17)
    assert [place.column for place in narrow] == [0]
    wide = place_columns(columns, [10, 18, 20], first=1, available=GUTTER + 10 + gap_of(0) + 18 + gap_of(0) + 7)
    assert [(place.column, place.width) for place in wide] == [(0, 10), (1, 18), (2, 7)]


def widths_of(*widths: tuple[int, int] | int) -> list[Width]:
    return [Width(*width) if isinstance(width, tuple) else Width(width, width) for width in widths]


def test_a_narrow_table_cuts_text_and_verdicts_until_what_is_essential_is_in_sight():
    columns = [
        *essential(text_column("a", "a"), text_column("b", "b")),
        count_column("c", "c"),
        *essential(count_column("d", "d"), verdict_column("e", "e", PARITY)),
    ]
    widths = widths_of(24, 28, 8, 9, 12)
    assert fitted_widths(columns, widths, 100) == (24, 28, 8, 9, 12)
    assert fitted_widths(columns, widths, 60) == (18, 18, 8, 9, 10)
    assert fitted_widths(columns, widths, 50) == (14, 14, 8, 9, 8)
    assert fitted_widths(columns, widths, 45) == (12, 12, 8, 9, 7)
    for available in (60, 50, 45):
        fitted = fitted_widths(columns, widths, available)
        assert GUTTER + sum(fitted) - fitted[2] + 3 * gap_of(available) == available
    assert fitted_widths(columns, widths, 20) == (9, 9, 8, 9, 7)


def test_cut_text_takes_the_room_that_is_free_the_first_column_at_most_half_of_it():
    columns = [*essential(text_column("a", "a"), text_column("b", "b"), count_column("c", "c"))]
    assert fitted_widths(columns, widths_of((20, 30), (20, 40), 8), 70) == (30, 28, 8)
    assert fitted_widths(columns, widths_of((20, 60), (20, 22), 8), 70) == (35, 22, 8)


def test_a_bar_is_whole_or_not_there():
    columns = [*essential(text_column("a", "a"), bar_column("b", "b"))]
    widths = [columns[0].width(["x" * 12]), columns[1].width(["▐█"])]
    for available in range(60):
        placed = place_columns(columns, fitted_widths(columns, widths, available), 1, available)
        assert [place.width for place in placed if place.column == 1] in ([], [BAR_CELLS])


@pytest.mark.parametrize("none", [-1, pd.NA, np.int64(-1)])
def test_no_rank_is_no_number(none):
    assert place_column("rank", "rank").cell(none, 4).text.strip() == "-"
    assert place_column("rank", "rank").cell(0, 4).text == "   0"


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 90), st.data())
def test_columns_never_overlap_nor_leave_the_table(widths, available, data):
    columns = [text_column(str(number), "") for number in range(len(widths))]
    wanted = data.draw(st.integers(0, len(widths) - 1))
    first = first_column_showing(columns, widths, 1, wanted, available)
    end = 0
    for place in place_columns(columns, widths, first, available):
        assert place.x >= end
        end = place.x + place.width
        assert end <= available
