"""Every action of the table of actions, through its key, in the real app."""

from __future__ import annotations

import asyncio
import threading

import pytest
from textual.widgets import Input

from profkit.errors import ProfkitError
from profkit.tui.actions import ACTIONS, SCOPE_TITLES, Action, actions_of, key_label
from profkit.tui.app import ProfkitApp
from profkit.tui.screens.column_picker import ColumnPicker
from profkit.tui.screens.loading import LoadingScreen, MessageScreen
from profkit.tui.screens.note_screen import NoteScreen
from profkit.tui.screens.run_picker import RunPicker
from profkit.tui.screens.text_screen import TextScreen
from profkit.tui.screens.view_screen import ViewScreen
from profkit.tui.widgets.filter_input import FilterInput
from profkit.tui.widgets.frame_table import FrameTable
from profkit.tui.widgets.key_line import KeyLine

from .exercises import EXERCISES

# What the actions of a scope are called on.
HANDLERS: dict[str, type] = {
    "open": RunPicker,
    "open-run": RunPicker,
    "loading": LoadingScreen,
    "message": MessageScreen,
    "table": FrameTable,
    "filter": FilterInput,
    "view": ViewScreen,
    "chart": ViewScreen,
    "tree": ViewScreen,
    "values": ViewScreen,
    "text": TextScreen,
    "picker": ColumnPicker,
    "note": NoteScreen,
    "everywhere": ProfkitApp,
}
FIRST_SCREENS = {"open": RunPicker, "open-run": RunPicker, "loading": LoadingScreen, "message": MessageScreen}


def app_at(first: type, session, opened) -> ProfkitApp:
    """The app on one of the screens before there is a session."""

    def open_paths(ref, run, progress):
        opened.append((ref, run))
        return session

    def load(progress):
        while True:
            progress("reading", "endless.json", None)

    def fail(progress):
        raise ProfkitError("trace.json is cut", "record it again")

    return ProfkitApp({LoadingScreen: load, MessageScreen: fail}.get(first), "synthetic", open_paths=open_paths)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
async def test_action(*, action: Action, session, run_app, settle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = FIRST_SCREENS.get(action.scope)
    if first is None:
        async with run_app(session) as pilot:
            pilot.cwd = tmp_path
            await EXERCISES[action.id](pilot, lambda: settle(pilot))
        return
    (tmp_path / "trace.json").write_text('{"schemaVersion": 1, "traceEvents": []}', encoding="utf-8")
    opened: list = []
    async with app_at(first, session, opened).run_test() as pilot:
        pilot.cwd, pilot.opened = tmp_path, opened
        while not isinstance(pilot.app.screen, first):
            await asyncio.sleep(0.01)
        if first is RunPicker:
            await settle(pilot)
        await EXERCISES[action.id](pilot, lambda: settle(pilot))


def test_every_action_has_an_exercise_and_every_exercise_an_action():
    assert {action.id for action in ACTIONS} == set(EXERCISES)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_has_a_handler(action):
    *place, name = action.name.partition("(")[0].split(".")
    kind = {"app": ProfkitApp, "screen": ViewScreen}[place[0]] if place else HANDLERS[action.scope]
    assert callable(getattr(kind, f"action_{name}"))


def test_every_id_stands_for_one_action():
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)


def test_no_key_means_two_things_in_one_place():
    places = (
        ("table", "view", "chart", "tree", "values"),
        ("filter",),
        ("text",),
        ("picker",),
        ("note",),
        ("open", "open-run"),
        ("loading",),
        ("message",),
    )
    assert {scope for place in places for scope in place} | {"everywhere"} == set(SCOPE_TITLES)
    for scopes in places:
        keys = [key for action in actions_of((*scopes, "everywhere")) for key in action.keys.split(",")]
        assert len(keys) == len(set(keys))


def test_no_action_needs_a_key_that_a_terminal_may_swallow():
    for action in ACTIONS:
        assert not action.keys.startswith(("ctrl+", "alt+"))


async def test_the_footer_shows_what_the_table_says(session, run_app):
    async with run_app(session) as pilot:
        scopes = pilot.app.screen.scopes
        expected = {(key_label(a.keys.split(",")[0]), a.footer) for a in actions_of(scopes) if a.footer}
        shown: set[tuple[str, str]] = set()
        # The line follows the focus when the app has nothing else to do, later on a busy machine.
        for _ in range(100):
            shown = {(hint.label, hint.meaning) for hint in pilot.app.screen.query_one(KeyLine).hints}
            if shown == expected:
                break
            await pilot.pause(0.05)
        assert shown == expected


async def test_letters_go_to_the_filter_while_it_is_open(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("/", "q", "s", "1", "?")
        assert pilot.app.screen.query_one("#filter", Input).value == "qs1?"


async def test_leaving_while_it_loads_stops_the_work():
    stopped = threading.Event()

    def open_session(progress):
        try:
            while True:
                progress("reading", "endless.json", None)
        finally:
            stopped.set()

    async with ProfkitApp(open_session, "synthetic").run_test() as pilot:
        await pilot.press("q")
    assert stopped.wait(10)
