from __future__ import annotations

import threading

from textual.widgets import Static

from profkit.errors import UnreadableInputError
from profkit.tui.app import ProfkitApp
from profkit.tui.screens.loading import LoadingScreen, MessageScreen
from profkit.tui.screens.view_screen import ViewScreen


async def until(pilot, kind):
    while not isinstance(pilot.app.screen, kind):
        await pilot.pause(0.01)
    return pilot.app.screen


async def test_progress_tells_verb_file_and_percentage(session, settle):
    reported, go_on = threading.Event(), threading.Event()

    def open_session(progress):
        progress("reading", "[b]trace\x1b.json", 0.425)
        reported.set()
        go_on.wait(10)
        return session

    app = ProfkitApp(open_session, "synthetic [run]")
    async with app.run_test() as pilot:
        assert isinstance(app.screen, LoadingScreen)
        reported.wait(10)
        await pilot.pause()
        line = str(app.screen.query_one("#progress", Static).content)
        assert line.split() == ["reading", "[b]trace\\x1b.json", "42", "%"]
        go_on.set()
        await until(pilot, ViewScreen)
        await settle(pilot)
        assert app.screen.table.has_focus


async def test_an_error_is_shown_with_its_hint():
    def open_session(progress):
        raise UnreadableInputError("[red]trace.json\x1b is cut", "record it [again]")

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        screen = await until(pilot, MessageScreen)
        assert str(screen.query_one("#message", Static).content) == "[red]trace.json\\x1b is cut"
        assert str(screen.query_one("#hint", Static).content) == "record it [again]"


async def test_a_fault_of_profkit_is_told_and_crashes_nothing():
    def open_session(progress):
        raise KeyError("column")

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        screen = await until(pilot, MessageScreen)
        assert "KeyError" in screen.message
        assert "--debug" in screen.hint


async def test_a_session_that_comes_after_stopping_is_not_shown(session):
    go_on = threading.Event()

    def open_session(progress):
        go_on.wait(10)
        return session

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        await pilot.press("escape")
        go_on.set()
        await pilot.pause(0.1)
        assert isinstance(app.screen, MessageScreen)
