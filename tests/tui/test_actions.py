"""Every action of the table of actions, through its key, in the real app on a synthetic session."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from profkit.errors import ProfkitError
from profkit.tui.actions import ACTIONS, Action, bindings
from profkit.tui.app import ProfkitApp
from profkit.tui.screens.loading import MessageScreen
from profkit.tui.screens.text_screen import TextScreen

Exercise = Callable[[Any, Callable[[], Awaitable[None]]], Awaitable[None]]

ORDER_BY_IMPACT = [5, 3, 7, 0, 2, 1, 4, 6]


async def rows_after(pilot: Any, *keys: str) -> int | None:
    await pilot.press(*keys)
    return pilot.app.screen.table.row


async def move_row_up(pilot, settle):
    assert await rows_after(pilot, "j", "j", "k") == ORDER_BY_IMPACT[1]
    assert await rows_after(pilot, "up", "up") == ORDER_BY_IMPACT[0]


async def move_row_down(pilot, settle):
    assert await rows_after(pilot, "j") == ORDER_BY_IMPACT[1]
    assert await rows_after(pilot, *["down"] * 9) == ORDER_BY_IMPACT[-1]


async def move_page_up(pilot, settle):
    assert await rows_after(pilot, "G", "pageup") == ORDER_BY_IMPACT[0]


async def move_page_down(pilot, settle):
    assert await rows_after(pilot, "pagedown") == ORDER_BY_IMPACT[-1]
    assert await rows_after(pilot, "g", "space") == ORDER_BY_IMPACT[-1]


async def first_row(pilot, settle):
    assert await rows_after(pilot, "G", "g") == ORDER_BY_IMPACT[0]
    assert await rows_after(pilot, "G", "home") == ORDER_BY_IMPACT[0]


async def last_row(pilot, settle):
    assert await rows_after(pilot, "G") == ORDER_BY_IMPACT[-1]
    assert await rows_after(pilot, "g", "end") == ORDER_BY_IMPACT[-1]


async def move_column_left(pilot, settle):
    table = pilot.app.screen.table
    await pilot.press(*["l"] * 15)
    await pilot.press("h", "left")
    assert table.cursor_column == len(table.columns) - 3
    await pilot.press(*["h"] * 12)
    assert table.cursor_column == 0
    assert table.placed[1].column == 1


async def move_column_right(pilot, settle):
    table = pilot.app.screen.table
    for column in range(1, len(table.columns)):
        await pilot.press("l" if column % 2 else "right")
        assert table.cursor_column == column
        assert column in [place.column for place in table.placed]


async def open_row(pilot, settle):
    await pilot.press("enter")
    assert isinstance(pilot.app.screen, TextScreen)
    assert "aten::gelu" in screen_text(pilot)


async def sort_column(pilot, settle):
    table = pilot.app.screen.table
    names = table.frame["operator"]
    for expected in (sorted(names), sorted(names, reverse=True), list(names)):
        await pilot.press("s")
        await settle()
        assert list(names.iloc[table.order]) == expected


async def filter_rows(pilot, settle):
    await pilot.press("/", *"class:MATMUL")
    await settle_filter(pilot, settle)
    assert sorted(pilot.app.screen.table.order) == [2, 4, 6]
    assert status(pilot).startswith("3 of 8 | filter class:MATMUL")
    await pilot.press("enter", "j")
    assert pilot.app.screen.table.cursor_place == 1


async def previous_flagged(pilot, settle):
    assert await rows_after(pilot, "G", "[") == 4
    assert await rows_after(pilot, "[") == 7


async def next_flagged(pilot, settle):
    assert await rows_after(pilot, "]") == 3
    assert await rows_after(pilot, "]", "]") == 4
    assert await rows_after(pilot, *["]"] * 5) == 6


async def toggle_detail(pilot, settle):
    detail = pilot.app.screen.query_one("#detail")
    assert detail.region.width
    await pilot.press("d")
    assert not detail.region.width
    await pilot.press("d")
    assert detail.region.width


async def export(pilot, settle):
    await pilot.press("e")
    await settle()
    lines = (pilot.cwd / "profkit-operators.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [str(row) for row in ORDER_BY_IMPACT]
    told = [notification.message for notification in pilot.app._notifications]
    assert told == [f"8 rows written to {pilot.cwd / 'profkit-operators.csv'}"]


async def export_json(pilot, settle):
    await pilot.press("E")
    await settle()
    rows = json.loads((pilot.cwd / "profkit-operators.json").read_text(encoding="utf-8"))
    assert [row["unit"] for row in rows] == ORDER_BY_IMPACT


async def export_markdown(pilot, settle):
    await pilot.press("M")
    await settle()
    lines = (pilot.cwd / "profkit-operators.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + len(ORDER_BY_IMPACT)
    assert "aten::gelu" in lines[2]


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


async def choose_every_column(pilot, settle):
    table = pilot.app.screen.table
    before = [column.name for column in table.columns]
    await pilot.press("v", "space", "down", "space", "a", "escape")
    await settle()
    assert [column.name for column in table.columns] == before


def copied() -> str:
    return (Path(os.environ["PROFKIT_STATE_DIR"]) / "clipboard.txt").read_text(encoding="utf-8")


async def yank_cell(pilot, settle):
    await pilot.press("y")
    assert copied() == "aten::gelu\n"


async def yank_row(pilot, settle):
    await pilot.press("Y")
    lines = dict(line.split(": ", 1) for line in copied().splitlines())
    assert lines["operator"] == "aten::gelu"
    assert lines["run_ns"] == "3150000"


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


async def go_forward(pilot, settle):
    await pilot.press("2", "4", "b", "b", "f")
    await settle()
    assert pilot.app.screen.view.name == "findings"
    await pilot.press("f")
    await settle()
    assert pilot.app.screen.view.name == "parity"


async def back(pilot, settle):
    await pilot.press("/", *"gelu", "enter")
    await settle_filter(pilot, settle)
    await pilot.press("escape")
    await settle()
    assert len(pilot.app.screen.table.order) == 8
    await pilot.press("4", "escape")
    await settle()
    assert pilot.app.screen.view.name == "operators"


def show(name: str, key: str) -> Exercise:
    async def exercise(pilot, settle):
        await pilot.press("6" if key == "1" else "1", key)
        await settle()
        assert pilot.app.screen.view.name == name

    return exercise


async def next_view(pilot, settle):
    seen = []
    for _ in range(8):
        await pilot.press("tab")
        seen.append(pilot.app.screen.view.name)
    assert seen == ["findings", "overflow", "parity", "sources", "issues", "modules", "timeline", "operators"]


async def previous_view(pilot, settle):
    await pilot.press("shift+tab", "shift+tab")
    assert pilot.app.screen.view.name == "modules"


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


async def chart_after(pilot, settle, *keys):
    await pilot.press("8")
    await settle()
    await pilot.press(*keys)
    await settle()
    return pilot.app.screen.chart


async def toggle_chart(pilot, settle):
    chart = await chart_after(pilot, settle)
    assert chart.region.height
    await pilot.press("c")
    assert not chart.region.height
    await pilot.press("c")
    assert chart.region.height


async def zoom_in(pilot, settle):
    chart = await chart_after(pilot, settle)
    whole = chart.window
    for key in ("+", "="):
        await pilot.press("0", key)
        first, last = chart.window
        assert last - first == (whole[1] - whole[0]) // 4
        assert first <= chart.starts[chart.row] < last


async def zoom_out(pilot, settle):
    chart = await chart_after(pilot, settle, "+", "+")
    narrow = chart.window
    await pilot.press("-")
    assert chart.window[1] - chart.window[0] == 4 * (narrow[1] - narrow[0])


async def zoom_to_everything(pilot, settle):
    chart = await chart_after(pilot, settle)
    whole = chart.window
    await pilot.press("+", "+", "0")
    assert chart.window == whole


async def pan_left(pilot, settle):
    chart = await chart_after(pilot, settle, "+", ">", ">")
    before = chart.window
    for key in ("<", ","):
        await pilot.press(key)
        assert chart.window[0] < before[0]
        assert chart.window[1] - chart.window[0] == before[1] - before[0]


async def pan_right(pilot, settle):
    chart = await chart_after(pilot, settle, "+")
    for key in (">", "."):
        before = chart.window
        await pilot.press(key)
        assert chart.window[0] > before[0]


async def previous_drawn(pilot, settle):
    await pilot.press("4")
    await settle()
    assert await rows_after(pilot, "j", "j", "p") == 1


async def next_drawn(pilot, settle):
    await chart_after(pilot, settle)
    frame = pilot.app.screen.view.frame
    before = frame.iloc[pilot.app.screen.table.row]
    after = frame.iloc[await rows_after(pilot, "n")]
    assert (after["side"], after["lane"], after["pair"]) == (before["side"], before["lane"], before["pair"])
    assert after["offset_ns"] > before["offset_ns"]


async def show_help(pilot, settle):
    for key in ("?", "f1"):
        await pilot.press(key)
        text = screen_text(pilot)
        for action in ACTIONS:
            assert action.meaning in text
            assert action.shown in text
        assert "class" in text
        await pilot.press("escape")


async def leave(pilot, settle):
    await pilot.press("q")
    assert not pilot.app.is_running or pilot.app._exit
    assert pilot.app.return_code == 0


async def close_text(pilot, settle):
    for key in ("escape", "q"):
        await pilot.press("?", key)
        assert pilot.app.screen.view.name == "operators"


EXERCISES: dict[tuple[str, str], Exercise] = {
    ("table", "move_row(-1)"): move_row_up,
    ("table", "move_row(1)"): move_row_down,
    ("table", "move_page(-1)"): move_page_up,
    ("table", "move_page(1)"): move_page_down,
    ("table", "first_row"): first_row,
    ("table", "last_row"): last_row,
    ("table", "move_column(-1)"): move_column_left,
    ("table", "move_column(1)"): move_column_right,
    ("table", "open_row"): open_row,
    ("table", "sort_column"): sort_column,
    ("view", "filter"): filter_rows,
    ("view", "flagged(-1)"): previous_flagged,
    ("view", "flagged(1)"): next_flagged,
    ("view", "toggle_detail"): toggle_detail,
    ("view", "fold"): fold,
    ("view", "toggle_chart"): toggle_chart,
    ("view", "chart_zoom(1)"): zoom_in,
    ("view", "chart_zoom(-1)"): zoom_out,
    ("view", "chart_zoom(0)"): zoom_to_everything,
    ("view", "chart_pan(-1)"): pan_left,
    ("view", "chart_pan(1)"): pan_right,
    ("view", "chart_step(-1)"): previous_drawn,
    ("view", "chart_step(1)"): next_drawn,
    ("view", "export('csv')"): export,
    ("view", "export('json')"): export_json,
    ("view", "export('markdown')"): export_markdown,
    ("view", "columns"): choose_columns,
    ("view", "yank_cell"): yank_cell,
    ("view", "yank_row"): yank_row,
    ("view", "app.go(-1)"): go_back,
    ("view", "app.go(1)"): go_forward,
    ("picker", "close"): choose_columns,
    ("picker", "all"): choose_every_column,
    ("view", "back"): back,
    ("view", "app.show_view('operators')"): show("operators", "1"),
    ("view", "app.show_view('findings')"): show("findings", "2"),
    ("view", "app.show_view('overflow')"): show("overflow", "3"),
    ("view", "app.show_view('parity')"): show("parity", "4"),
    ("view", "app.show_view('sources')"): show("sources", "5"),
    ("view", "app.show_view('issues')"): show("issues", "6"),
    ("view", "app.show_view('modules')"): show("modules", "7"),
    ("view", "app.show_view('timeline')"): show("timeline", "8"),
    ("view", "app.next_view(1)"): next_view,
    ("view", "app.next_view(-1)"): previous_view,
    ("view", "help"): show_help,
    ("view", "app.quit"): leave,
    ("text", "close"): close_text,
}


def screen_text(pilot: Any) -> str:
    return "\n".join(str(static.content) for static in pilot.app.screen.query(Static))


def status(pilot: Any) -> str:
    return str(pilot.app.screen.query_one("#status", Static).content)


async def settle_filter(pilot: Any, settle: Any) -> None:
    """Wait for the pause after typing, then for the rows."""
    await pilot.pause(0.15)
    await settle()


@pytest.mark.parametrize(
    "action",
    [action for action in ACTIONS if action.scope in {"table", "view", "text", "picker"}],
    ids=lambda action: action.name,
)
async def test_action(*, action: Action, session, run_app, settle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with run_app(session) as pilot:
        pilot.cwd = tmp_path
        await EXERCISES[action.scope, action.name](pilot, lambda: settle(pilot))


async def test_escape_stops_loading(settle):
    started = threading.Event()

    def open_session(progress):
        while True:
            progress("reading", "endless.json", None)
            started.set()

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        started.wait(10)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, MessageScreen)
        assert "stopped" in app.screen.message


async def test_q_stops_loading_and_leaves():
    stopped = threading.Event()

    def open_session(progress):
        try:
            while True:
                progress("reading", "endless.json", None)
        finally:
            stopped.set()

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        await pilot.press("q")
    assert stopped.wait(10)
    assert app.return_code == 2


@pytest.mark.parametrize("key", ["q", "escape"])
async def test_leaving_a_failure_gives_its_code(key, settle):
    def open_session(progress):
        raise ProfkitError("trace.json is cut", "record it again")

    app = ProfkitApp(open_session, "synthetic")
    async with app.run_test() as pilot:
        await settle_failure(app, pilot)
        await pilot.press(key)
    assert app.return_code == 2


async def settle_failure(app: Any, pilot: Any) -> None:
    while not isinstance(app.screen, MessageScreen):
        await pilot.pause(0.01)


def test_every_action_has_an_exercise():
    elsewhere = {("loading", "cancel"), ("loading", "quit"), ("message", "quit")}
    elsewhere |= {("open", name) for name in ("reference", "up", "whole", "quit")}
    assert {(action.scope, action.name) for action in ACTIONS} == set(EXERCISES) | elsewhere


def test_no_key_means_two_things_in_one_place():
    for scopes in (("table", "view"), ("text",), ("picker",), ("open",), ("loading",), ("message",)):
        keys = [key for action in ACTIONS if action.scope in scopes for key in action.keys.split(",")]
        assert len(keys) == len(set(keys))


def test_no_action_needs_a_key_that_a_terminal_may_swallow():
    for action in ACTIONS:
        assert not any(key.startswith(("ctrl+", "alt+")) for key in action.keys.split(","))


def test_the_footer_shows_what_the_table_says():
    shown = {binding.action: binding.description for binding in bindings("view") if binding.show}
    assert shown == {action.name: action.footer for action in ACTIONS if action.scope == "view" and action.footer}


async def test_letters_go_to_the_filter_while_it_is_open(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("/", "q", "s", "1", "?")
        assert pilot.app.screen.query_one("#filter", Input).value == "qs1?"
