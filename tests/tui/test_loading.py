from __future__ import annotations

import threading
import time

import pytest
from textual.widgets import Static

from profkit.errors import CancelledError, UnreadableInputError
from profkit.tui.app import ProfkitApp
from profkit.tui.progress_line import ProgressLine
from profkit.tui.screens.loading import LoadingScreen, MessageScreen
from profkit.tui.screens.run_picker import RunPicker
from profkit.tui.screens.text_screen import TextScreen
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


@pytest.mark.parametrize("reports", [0, 1])
async def test_leaving_while_loading_fails_raises_nothing(reports):
    # It fails at different times while the screen is taken down, when some of it is there still.
    for milliseconds in range(0, 40, 4):
        app = ProfkitApp(lambda progress, pause=milliseconds / 1000: fail_late(progress, pause, reports), "synthetic")
        async with app.run_test():
            pass


def fail_late(progress, pause, reports):
    time.sleep(pause)
    for _ in range(reports):
        progress("reading", "trace.json", 0.5)
    raise UnreadableInputError("trace.json is cut", "record it again")


async def test_stopping_twice_does_not_wait(session):
    go_on = threading.Event()

    def open_session(progress):
        go_on.wait(10)
        return session

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        await pilot.press("escape")
        assert isinstance(app.screen, LoadingScreen)
        assert "stopping" in str(app.screen.query_one("#progress", Static).content)
        await pilot.press("escape")
        screen = await until(pilot, MessageScreen)
        assert "stopped" in screen.message
        go_on.set()
        await pilot.pause(0.1)
        assert app.screen is screen


async def test_stopping_once_shows_what_is_known_by_then(session, settle):
    def open_session(progress):
        try:
            while True:
                progress("comparing", "endless", None)
        except CancelledError:
            return session

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        await pilot.press("escape")
        await until(pilot, ViewScreen)
        await settle(pilot)
        assert [note.message for note in app._notifications if note.message.startswith("Stopped")]


async def test_after_a_failure_something_else_can_be_opened(session, settle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def open_session(progress):
        raise UnreadableInputError("trace.json is cut", "record it again")

    app = ProfkitApp(open_session, "synthetic", open_paths=lambda ref, run, progress: session)
    async with app.run_test() as pilot:
        message = await until(pilot, MessageScreen)
        await pilot.press("o")
        assert isinstance(app.screen, RunPicker)
        await pilot.press("escape")
        assert app.screen is message
        await pilot.press("o")
        await settle(pilot)
        await pilot.press("o")
        await until(pilot, ViewScreen)
        await settle(pilot)
        assert not any(isinstance(screen, MessageScreen | RunPicker) for screen in app.screen_stack)


async def test_what_fails_to_open_leaves_the_session_there_was(session, settle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def open_paths(ref, run, progress):
        raise UnreadableInputError("trace.json is cut", "record it again")

    app = ProfkitApp(lambda progress: session, "synthetic", open_paths=open_paths)
    async with app.run_test() as pilot:
        view = await until(pilot, ViewScreen)
        await settle(pilot)
        await pilot.press("O")
        await settle(pilot)
        await pilot.press("o")
        await until(pilot, MessageScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, RunPicker)
        await pilot.press("escape")
        assert app.screen is view


@pytest.mark.parametrize(
    "error", [MemoryError("no memory"), SystemExit(3), KeyboardInterrupt(), RecursionError("deep")]
)
async def test_whatever_ends_the_work_leaves_a_living_screen(error):
    def open_session(progress):
        raise error

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        screen = await until(pilot, MessageScreen)
        assert type(error).__name__ in screen.message
        await pilot.press("?")
        assert isinstance(app.screen, TextScreen)


async def test_killing_the_worker_leaves_a_living_screen(session):
    started, go_on = threading.Event(), threading.Event()

    def open_session(progress):
        started.set()
        go_on.wait(10)
        return session

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        started.wait(10)
        app.workers.cancel_all()
        screen = await until(pilot, MessageScreen)
        assert "stopped" in screen.message
        go_on.set()
        await pilot.press("?")
        assert isinstance(app.screen, TextScreen)


def test_the_line_estimates_the_rest_from_what_is_done_of_this_file():
    line = ProgressLine(now=100.0)
    assert line.text(100.0) == "opening"
    line.report("reading", "a.json", 0.5, 100.0)
    assert line.text(100.5) == "reading a.json   50 %"
    line.report("reading", "a.json", 0.75, 110.0)
    assert line.text(110.0) == "reading a.json   75 %  about 10 s left  (10 s so far)"
    line.report("reading", "b.json", 0.0, 111.0)
    assert line.text(111.0) == "reading b.json    0 %  (11 s so far)"
    line.report("aligning", "step 3", None, 250.0)
    assert line.text(250.0) == "aligning step 3  (2 min 30 s so far)"
    line.report("reading", "c\x1b.json", 1.0, 260.0)
    assert line.text(261.0) == "reading c\\x1b.json  100 %  (2 min 41 s so far)"
