"""Exercises of the texts about rows and keys."""

from __future__ import annotations

from profkit.tui.actions import ACTIONS, actions_of
from profkit.tui.screens.text_screen import TextScreen

from .registry import exercises, said, screen_text


@exercises("detail")
async def place_detail(pilot, settle):
    table, detail = pilot.app.screen.table, pilot.app.screen.query_one("#detail")

    async def is_beside_after(*keys):
        await pilot.press(*keys)
        await settle()
        assert (detail.region.x >= table.region.right) != (detail.region.y >= table.region.bottom)
        return detail.region.x >= table.region.right

    assert not await is_beside_after()
    assert await is_beside_after("d")
    await pilot.press("2")
    await settle()
    assert pilot.app.screen.query_one("#detail").region.x >= pilot.app.screen.table.region.right
    await pilot.press("1", "d")
    await settle()
    assert not detail.region.width
    assert not await is_beside_after("d")
    await pilot.resize_terminal(140, 40)
    assert await is_beside_after()
    assert not await is_beside_after("d")
    await pilot.resize_terminal(80, 24)
    assert not await is_beside_after()


@exercises("detail-up", "detail-down")
async def scroll_detail(pilot, settle):
    await pilot.resize_terminal(80, 24)
    await settle()
    detail = pilot.app.screen.query_one("#detail")
    await pilot.press("J", "J")
    await settle()
    assert detail.scroll_offset.y == 2 * (detail.size.height // 2)
    await pilot.press("K")
    await settle()
    assert detail.scroll_offset.y == detail.size.height // 2


@exercises("read")
async def read(pilot, settle):
    await pilot.press("2", "i")
    assert isinstance(pilot.app.screen, TextScreen)
    assert "Mask with a finite number." in screen_text(pilot)


@exercises("help")
async def show_help(pilot, settle):
    for view, key, scopes in (
        ("1", "?", ()),
        ("8", "f1", ("chart",)),
        ("7", "?", ("tree",)),
        ("4", "?", ("chart", "values")),
    ):
        await pilot.press(view)
        await settle()
        await pilot.press(key)
        text = screen_text(pilot)
        here = actions_of(("table", "view", "everywhere", *scopes))
        for action in ACTIONS:
            assert (action.meaning in text) == (action in here or action.meaning in [a.meaning for a in here])
        assert f"Filter of {pilot.app.screen_stack[-2].view.title}" in text
        await pilot.press("escape")


@exercises("close-text")
async def close_text(pilot, settle):
    for key in ("escape", "q"):
        await pilot.press("?", key)
        assert pilot.app.screen.view.name == "operators"


@exercises("values")
async def show_values(pilot, settle):
    await pilot.press("4", "w")
    await pilot.app.workers.wait_for_complete()
    await settle()
    assert any("no values of side a were recorded" in text for text in said(pilot))
