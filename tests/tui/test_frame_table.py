from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rich.cells import cell_len
from textual.widgets import Static

from profkit.schema import OPERATORS
from profkit.session import Session
from profkit.tui.screens.text_screen import TextScreen

HOSTILE = ["[bold red]x[/]", "\x1b[2J\x1b]0;title\x07", "算子融合与反向传播的名字很长很长很长", "y" * 10_240]
HOSTILE += ["\u202eabc", "a\r\nb", "", "[@click=app.quit]q[/]"]


def lines(table):
    return [table.render_line(y).text for y in range(table.size.height)]


async def press_every_key(pilot, settle):
    for key in (
        "j",
        "G",
        "g",
        "pagedown",
        "l",
        "s",
        "]",
        "[",
        "d",
        "d",
        "enter",
        "escape",
        "2",
        "3",
        "4",
        "5",
        "6",
        "1",
    ):
        await pilot.press(key)
    await settle(pilot)


async def test_the_cells_stand_under_their_headings(session, run_app):
    async with run_app(session) as pilot:
        table = pilot.app.screen.table
        heading, first, *_ = lines(table)
        for place in table.placed:
            column = table.columns[place.column]
            assert column.title in heading[place.x : place.x + place.width]
            value = table.frame[column.name].iloc[table.row]
            assert first[place.x : place.x + place.width].strip() == column.text(value)
        assert first.startswith("▸")
        assert "impact ▾" in heading


@pytest.mark.parametrize("rows", [0, 1])
async def test_hardly_any_rows(session_of, make_operators, run_app, settle, rows):
    async with run_app(session_of(make_operators().iloc[:rows].reset_index(drop=True))) as pilot:
        await press_every_key(pilot, settle)
        assert len(pilot.app.screen.table.order) == rows


async def test_an_empty_session_says_so_in_every_view(run_app, settle):
    async with run_app(Session(title="", created="")) as pilot:
        await press_every_key(pilot, settle)
        for key in "123456":
            await pilot.press(key)
            await settle(pilot)
            view = pilot.app.screen.view
            assert lines(pilot.app.screen.table)[1].strip().startswith(view.when_empty[:20])
        assert view.name == "issues"


async def test_nothing_known(session_of, make_operators, run_app, settle):
    nullable = [column for column in OPERATORS.columns if column.nullable]
    unknown = {column.name: [np.nan if column.dtype == "float64" else None] * 8 for column in nullable}
    async with run_app(session_of(make_operators(**unknown))) as pilot:
        await press_every_key(pilot, settle)
        assert "aten::conv2d" in "".join(lines(pilot.app.screen.table))


async def test_hostile_text_is_shown_as_text(session_of, make_operators, run_app, settle):
    operators = make_operators(operator=HOSTILE, module=HOSTILE, reason=HOSTILE, ref_ops=HOSTILE)
    async with run_app(session_of(operators)) as pilot:
        await press_every_key(pilot, settle)
        table = pilot.app.screen.table
        await pilot.press("g")
        shown = "\n".join(lines(table))
        assert "[bold red]x[/]" in shown
        assert "\\x1b[2J" in shown
        assert "\\u202eabc" in shown
        assert not any(ord(character) < 32 and character != "\n" for character in shown)
        assert all(cell_len(line) == table.line_width for line in lines(table))
        for _ in range(8):
            await pilot.press("enter", "escape", "j")


async def test_a_small_terminal_and_back(session, run_app, settle):
    async with run_app(session, size=(120, 40)) as pilot:
        screen = pilot.app.screen
        await pilot.press("j", "l", "l", "l")
        wide = lines(screen.table)
        await pilot.resize_terminal(40, 10)
        await settle(pilot)
        assert not screen.query_one("#detail").region.width
        assert all(cell_len(line) == screen.table.line_width <= 40 for line in lines(screen.table))
        assert any(line.startswith("▸") for line in lines(screen.table))
        await pilot.resize_terminal(120, 40)
        await settle(pilot)
        assert screen.query_one("#detail").region.width
        assert lines(screen.table) == wide


async def test_the_scroll_bar_hides_no_cell(session_of, make_operators, run_app, settle):
    operators = make_operators().iloc[np.arange(80) % 8].reset_index(drop=True)
    async with run_app(session_of(operators), size=(80, 12)) as pilot:
        table = pilot.app.screen.table
        for width in (40, 57, 66, 80):
            await pilot.resize_terminal(width, 12)
            await settle(pilot)
            assert table.show_vertical_scrollbar
            free = width - table.scrollbar_size_vertical
            assert all(place.x + place.width <= free for place in table.placed)
            assert all(cell_len(line) == free for line in lines(table))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50), (20, 6), (10, 3)])
async def test_every_size_works(session, run_app, settle, size):
    async with run_app(session, size=size) as pilot:
        for key in ("G", "l", "enter", "escape", "4", "1"):
            await pilot.press(key)
        await settle(pilot)
        detail = pilot.app.screen.query_one("#detail").region
        table = pilot.app.screen.table.region
        if size == (160, 50):
            assert detail.x >= table.right
        if size in {(80, 24), (120, 40)}:
            assert detail.y >= table.bottom


async def test_time_parity_and_overflow_of_an_operator_stand_in_one_row_of_120_columns(session, run_app, settle):
    async with run_app(session, size=(120, 40)) as pilot:
        await settle(pilot)
        header = lines(pilot.app.screen.table)[0]
        assert {"ratio", "impact", "parity", "overflow", "ref", "run"} <= set(header.split())
        text = str(pilot.app.screen.query_one("#detail-text", Static).content)
        assert "ref  450 us" in text
        assert "run  3.15 ms" in text


async def test_a_click_on_a_heading_sorts_and_on_a_cell_moves(session, run_app, settle):
    async with run_app(session) as pilot:
        table = pilot.app.screen.table
        ratio = next(place for place in table.placed if table.columns[place.column].name == "ratio")
        await pilot.click(table, offset=(ratio.x + 1, 0))
        await settle(pilot)
        ratios = table.frame["ratio"].iloc[table.order]
        assert list(ratios) == sorted(ratios, reverse=True)
        await pilot.click(table, offset=(ratio.x + 1, 3))
        assert (table.cursor_place, table.cursor_column) == (2, ratio.column)
        await pilot.click(table, offset=(ratio.x + 1, 30))
        assert table.cursor_place == 2
        await pilot.click(table, offset=(4, 2), times=2)
        assert isinstance(pilot.app.screen, TextScreen)


async def test_the_cursor_stays_on_its_row_through_sort_and_filter(session, run_app, settle):
    async with run_app(session) as pilot:
        table = pilot.app.screen.table
        await pilot.press("j", "j")
        row = table.row
        await pilot.press("s")
        await settle(pilot)
        assert table.row == row
        await pilot.press("/", *"loss", "enter")
        await pilot.pause(0.15)
        await settle(pilot)
        assert table.row == row == int(table.order[table.cursor_place])


async def test_a_wrong_filter_is_told_and_changes_nothing(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("/", *"impact>1")
        await pilot.pause(0.15)
        await settle(pilot)
        assert "unit" in str(pilot.app.screen.query_one("#status").content)
        assert len(pilot.app.screen.table.order) == 8


async def test_a_filter_that_nothing_fulfils_says_so(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("/", *"zzz", "enter")
        await pilot.pause(0.15)
        await settle(pilot)
        assert "No row fulfils the filter" in lines(pilot.app.screen.table)[1]
        assert "No row fulfils the filter" in str(pilot.app.screen.query_one("#detail-text", Static).content)
        await pilot.press("j", "enter", "]", "s", "escape")
        await settle(pilot)
        assert len(pilot.app.screen.table.order) == 8


async def test_sums_are_folded_at_first_and_opened_by_a_key(session, run_app, settle):
    async with run_app(session, view="operators") as pilot:
        await pilot.press("u")
        await settle(pilot)
        table = pilot.app.screen.table
        sums = (table.frame["depth"] == 0).sum()
        assert len(table.order) == sums < len(table.frame)
        await pilot.press("z")
        await settle(pilot)
        assert len(table.order) == sums + table.frame["operators"].iloc[table.row]


async def test_a_million_rows(session_of, make_operators, run_app, settle):
    rows = 1_000_000
    operators = make_operators().iloc[np.arange(rows) % 8].reset_index(drop=True)
    impact = np.random.default_rng(0).permutation(rows)
    operators = operators.assign(unit=np.arange(rows), impact_ns=pd.array(impact, dtype="Int64"))
    async with run_app(session_of(OPERATORS.build(operators))) as pilot:
        table = pilot.app.screen.table
        assert table.frame["impact_ns"].iloc[table.row] == rows - 1
        await pilot.press("G")
        assert table.cursor_place == rows - 1
        assert table.frame["impact_ns"].iloc[table.row] == 0
        assert lines(table)[-1].strip() or any(line.startswith("▸") for line in lines(table))
        await pilot.press("/", *"class:conv")
        await pilot.pause(0.15)
        await settle(pilot)
        assert len(table.order) == rows // 8
        assert str(pilot.app.screen.query_one("#status").content).startswith("125,000 of 1,000,000")
