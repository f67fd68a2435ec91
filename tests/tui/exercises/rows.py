"""Exercises of what moves among the rows of a table, and says which are shown and how."""

from __future__ import annotations

from profkit.tui.screens.text_screen import TextScreen
from profkit.tui.widgets.key_line import KeyLine

from .registry import ORDER_BY_IMPACT, exercises, rows_after, screen_text, settle_filter, status


@exercises("up")
async def move_row_up(pilot, settle):
    assert await rows_after(pilot, "j", "j", "k") == ORDER_BY_IMPACT[1]
    assert await rows_after(pilot, "up", "up") == ORDER_BY_IMPACT[0]


@exercises("down")
async def move_row_down(pilot, settle):
    assert await rows_after(pilot, "j") == ORDER_BY_IMPACT[1]
    assert await rows_after(pilot, *["down"] * 9) == ORDER_BY_IMPACT[-1]


@exercises("page-up")
async def move_page_up(pilot, settle):
    assert await rows_after(pilot, "G", "pageup") == ORDER_BY_IMPACT[0]


@exercises("page-down")
async def move_page_down(pilot, settle):
    assert await rows_after(pilot, "pagedown") == ORDER_BY_IMPACT[-1]
    assert await rows_after(pilot, "g", "space") == ORDER_BY_IMPACT[-1]


@exercises("first-row")
async def first_row(pilot, settle):
    assert await rows_after(pilot, "G", "g") == ORDER_BY_IMPACT[0]
    assert await rows_after(pilot, "G", "home") == ORDER_BY_IMPACT[0]


@exercises("last-row")
async def last_row(pilot, settle):
    assert await rows_after(pilot, "G") == ORDER_BY_IMPACT[-1]
    assert await rows_after(pilot, "g", "end") == ORDER_BY_IMPACT[-1]


@exercises("left")
async def move_column_left(pilot, settle):
    table = pilot.app.screen.table
    await pilot.press(*["l"] * len(table.columns))
    await pilot.press("h", "left")
    assert table.cursor_column == len(table.columns) - 3
    await pilot.press(*["h"] * len(table.columns))
    assert table.cursor_column == 0
    assert table.placed[1].column == 1


@exercises("right")
async def move_column_right(pilot, settle):
    table = pilot.app.screen.table
    for column in range(1, len(table.columns)):
        await pilot.press("l" if column % 2 else "right")
        assert table.cursor_column == column
        assert column in [place.column for place in table.placed]


@exercises("open-row")
async def open_row(pilot, settle):
    await pilot.press("enter")
    assert isinstance(pilot.app.screen, TextScreen)
    assert "aten::gelu" in screen_text(pilot)


@exercises("sort")
async def sort_column(pilot, settle):
    table = pilot.app.screen.table
    names = table.frame["operator"]
    for expected in (sorted(names), sorted(names, reverse=True), list(names)):
        await pilot.press("s")
        await settle()
        assert list(names.iloc[table.order]) == expected


@exercises("filter")
async def filter_rows(pilot, settle):
    await pilot.press("/", *"class:MATMUL")
    await settle_filter(pilot, settle)
    assert sorted(pilot.app.screen.table.order) == [2, 4, 6]
    assert status(pilot).startswith("3 of 8 | filter class:MATMUL")
    await pilot.press("enter", "j")
    assert pilot.app.screen.table.cursor_place == 1


@exercises("filter-keep")
async def keep_filter(pilot, settle):
    await pilot.press("/", *"gelu", "enter")
    await settle_filter(pilot, settle)
    assert list(pilot.app.screen.table.order) == ORDER_BY_IMPACT[:1]
    assert pilot.app.screen.table.has_focus


@exercises("filter-drop")
async def drop_filter(pilot, settle):
    await pilot.press("/", *"gelu")
    await settle_filter(pilot, settle)
    assert [hint.meaning for hint in pilot.app.screen.query_one(KeyLine).hints] == ["keep", "all rows", "help"]
    await pilot.press("escape")
    await settle()
    assert list(pilot.app.screen.table.order) == ORDER_BY_IMPACT
    assert pilot.app.screen.table.has_focus


@exercises("previous-flag")
async def previous_flagged(pilot, settle):
    assert await rows_after(pilot, "G", "[") == 4
    assert await rows_after(pilot, "[") == 7


@exercises("next-flag")
async def next_flagged(pilot, settle):
    assert await rows_after(pilot, "]") == 3
    assert await rows_after(pilot, "]", "]") == 4
    assert await rows_after(pilot, *["]"] * 5) == 6


@exercises("columns", "columns-done")
async def choose_columns(pilot, settle):
    table = pilot.app.screen.table
    before = [column.name for column in table.columns]
    for key in ("escape", "q", "v"):
        await pilot.press("v", "space", key)
        await settle()
        assert [column.name for column in table.columns] == [before[0], *before[2:]]
        await pilot.press("v", "space", key)
        await settle()
        assert [column.name for column in table.columns] == before
    assert list(table.order) == ORDER_BY_IMPACT


@exercises("columns-all")
async def choose_every_column(pilot, settle):
    table = pilot.app.screen.table
    before = [column.name for column in table.columns]
    await pilot.press("v", "space", "down", "space", "a", "escape")
    await settle()
    assert [column.name for column in table.columns] == before


@exercises("fold")
async def fold(pilot, settle):
    await pilot.press("7")
    await settle()
    table = pilot.app.screen.table
    everything = len(table.order)
    await pilot.press("j", "j", "j")
    assert table.frame["module"].iloc[table.row] == "blocks"
    await pilot.press("z")
    await settle()
    left = list(table.frame["module"].iloc[table.order])
    assert "blocks" in left
    assert "loss" in left
    assert not [module for module in left if module.startswith("blocks.")]
    await pilot.press("z")
    await settle()
    assert len(table.order) == everything
