"""Exercises of what leads to another view or another session, and out."""

from __future__ import annotations

from profkit.tui.screens.run_picker import RunPicker, SessionPicker
from profkit.tui.screens.view_screen import ViewScreen

from .registry import ORDER_BY_IMPACT, Exercise, exercises, settle_filter


@exercises("back")
async def go_back(pilot, settle):
    await pilot.press("j", "2", "j")
    await settle()
    for key in ("b", "backspace"):
        await pilot.press(key)
        await settle()
        assert pilot.app.screen.view.name == "operators"
        assert pilot.app.screen.table.row == ORDER_BY_IMPACT[1]
        await pilot.press("2")
        await settle()


@exercises("forward")
async def go_forward(pilot, settle):
    await pilot.press("2", "4", "b", "b", "f")
    await settle()
    assert pilot.app.screen.view.name == "findings"
    await pilot.press("f")
    await settle()
    assert pilot.app.screen.view.name == "parity"


@exercises("undo")
async def back(pilot, settle):
    await pilot.press("/", *"gelu", "enter")
    await settle_filter(pilot, settle)
    await pilot.press("escape")
    await settle()
    assert len(pilot.app.screen.table.order) == 8
    await pilot.press("4", "escape")
    await settle()
    assert pilot.app.screen.view.name == "operators"


@exercises("palette")
async def palette(pilot, settle):
    for key in (":", "ctrl+p"):
        await pilot.press("1")
        await settle()
        await pilot.press(key, *"each operator ran")
        await settle()
        await pilot.pause(0.3)
        await pilot.press("enter")
        await settle()
        assert pilot.app.screen.view.name == "timeline"
    await pilot.press("1", ":", *"move to the last row")
    await pilot.pause(0.3)
    await pilot.press("enter")
    await settle()
    assert pilot.app.screen.table.cursor_place == len(pilot.app.screen.table.order) - 1


@exercises("theme")
async def theme(pilot, settle):
    await pilot.press("t", *"nord")
    await pilot.pause(0.3)
    await pilot.press("enter")
    await settle()
    assert pilot.app.theme == "nord"


VIEWS = {
    "overview": "0",
    "operators": "1",
    "findings": "2",
    "overflow": "3",
    "parity": "4",
    "sources": "5",
    "issues": "6",
    "modules": "7",
    "timeline": "8",
    "unmatched": "U",
    "memory": "9",
    "communication": "x",
}


def show(name: str, key: str) -> Exercise:
    async def exercise(pilot, settle):
        await pilot.press("6" if key == "1" else "1", key)
        await settle()
        assert pilot.app.screen.view.name == name

    return exercise


for name, key in VIEWS.items():
    exercises(name)(show(name, key))


@exercises("changes")
async def show_changes(pilot, settle):
    await compare(pilot, settle, "C")


@exercises("compare")
async def compare(pilot, settle, key="B"):
    first = pilot.app.screen
    await pilot.press(key)
    await settle()
    assert isinstance(pilot.app.screen, SessionPicker)
    await pilot.press("escape")
    assert pilot.app.screen is first


@exercises("next-view")
async def next_view(pilot, settle):
    seen = []
    for _ in range(11):
        await pilot.press("tab")
        seen.append(pilot.app.screen.view.name)
    assert seen == [
        "findings", "overflow", "parity", "sources", "issues", "modules", "timeline", "memory", "communication",
        "overview", "operators",
    ]  # fmt: skip


@exercises("previous-view")
async def previous_view(pilot, settle):
    await pilot.press("shift+tab", "shift+tab")
    assert pilot.app.screen.view.name == "communication"


@exercises("group")
async def show_groups(pilot, settle):
    await pilot.press("1")
    seen = []
    for _ in range(7):
        await pilot.press("u")
        await settle()
        seen.append(pilot.app.screen.view.name)
    assert seen == ["by-class", "by-operator", "by-module", "by-kernel", "by-shape", "by-phase", "operators"]
    await pilot.press("u", "tab")
    assert pilot.app.screen.view.name == "findings"


@exercises("open")
async def open_other(pilot, settle):
    first = pilot.app.screen
    await pilot.press("O")
    await settle()
    assert isinstance(pilot.app.screen, RunPicker)
    await pilot.press("escape")
    assert pilot.app.screen is first
    await pilot.press("O", "o")
    await settle()
    assert isinstance(pilot.app.screen, ViewScreen)
    assert pilot.app.screen is not first
    assert not first.is_running
    await pilot.press("4", "b")
    await settle()
    assert pilot.app.screen.view.name == "operators"


@exercises("quit")
async def leave(pilot, settle):
    await pilot.press("q")
    assert not pilot.app.is_running or pilot.app._exit
    assert pilot.app.return_code == 0


@exercises("suspend")
async def suspend(pilot, settle):
    """There is no shell behind these tests; test_real_terminal.py goes there and back."""
    await pilot.press("Z", "ctrl+z")
    assert pilot.app.screen.view.name == "operators"
