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
from textual.widgets._footer import FooterKey

from profkit.errors import ProfkitError
from profkit.tui.actions import ACTIONS, Action, actions_of, key_label
from profkit.tui.app import ProfkitApp
from profkit.tui.screens.column_picker import ColumnPicker
from profkit.tui.screens.loading import LoadingScreen, MessageScreen
from profkit.tui.screens.note_screen import NoteScreen
from profkit.tui.screens.run_picker import RunPicker, SessionPicker
from profkit.tui.screens.text_screen import TextScreen
from profkit.tui.screens.view_screen import ViewScreen
from profkit.tui.widgets.frame_table import FrameTable

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
    await pilot.press(*["l"] * len(table.columns))
    await pilot.press("h", "left")
    assert table.cursor_column == len(table.columns) - 3
    await pilot.press(*["h"] * len(table.columns))
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


async def place_detail(pilot, settle):
    table, detail = pilot.app.screen.table, pilot.app.screen.query_one("#detail")
    assert detail.region.x >= table.region.right
    await pilot.press("d")
    await settle()
    assert detail.region.y >= table.region.bottom
    await pilot.press("2")
    await settle()
    assert pilot.app.screen.query_one("#detail").region.y >= pilot.app.screen.table.region.bottom
    await pilot.press("1", "d")
    await settle()
    assert not detail.region.width
    await pilot.press("d")
    await settle()
    assert detail.region.x >= table.region.right


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


async def read(pilot, settle):
    await pilot.press("2", "i")
    assert isinstance(pilot.app.screen, TextScreen)
    assert "Mask with a finite number." in screen_text(pilot)


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


async def mark(pilot, settle):
    table = pilot.app.screen.table
    await pilot.press("m", "j", "m", "m")
    assert lines_of(table)[1].startswith("▸*aten::gelu") or lines_of(table)[1].startswith(" *aten::gelu")
    assert lines_of(table)[2].startswith("▸ ")
    await pilot.press("/", *"marked")
    await settle_filter(pilot, settle)
    assert list(table.order) == ORDER_BY_IMPACT[:1]
    await pilot.press("enter", "m")
    await settle()
    assert list(table.order) == []


async def note(pilot, settle):
    await pilot.press("N", *"look [b]", "enter")
    assert lines_of(pilot.app.screen.table)[1].startswith("▸¶")
    assert "look [b]" in str(pilot.app.screen.query_one("#detail-text", Static).content)
    await pilot.press("m")
    assert pilot.app.screen.marks.note(ORDER_BY_IMPACT[0]) == "look [b]"
    await pilot.press("Y")
    assert "note: look [b]" in copied()
    await pilot.press("e")
    await settle()
    lines = (pilot.cwd / "profkit-operators.csv").read_text(encoding="utf-8").splitlines()
    assert [line.rsplit(",", 1)[1] for line in lines] == ["note", "look [b]", *[""] * 7]
    await pilot.press("N", *["backspace"] * 8, "enter")
    assert not len(pilot.app.screen.marks)


async def drop_note(pilot, settle):
    await pilot.press("N", *"x", "escape")
    assert not len(pilot.app.screen.marks)
    assert pilot.app.screen.view.name == "operators"


async def next_mark(pilot, settle):
    await pilot.press("j", "m", "j", "j", "m", "g")
    assert await rows_after(pilot, "}") == ORDER_BY_IMPACT[1]
    assert await rows_after(pilot, "}") == ORDER_BY_IMPACT[3]
    assert await rows_after(pilot, "}") == ORDER_BY_IMPACT[3]


async def previous_mark(pilot, settle):
    await pilot.press("m", "G")
    assert await rows_after(pilot, "{") == ORDER_BY_IMPACT[0]


async def code(pilot, settle):
    await pilot.press("o")
    assert said(pilot) == ["Nothing recorded says which line of a file this row comes from."]
    await pilot.press("6", "o")
    await settle()
    assert said(pilot)[-1] == "torch_run/trace.json:3  (not found from here)"


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


async def theme(pilot, settle):
    await pilot.press("t", *"nord")
    await pilot.pause(0.3)
    await pilot.press("enter")
    await settle()
    assert pilot.app.theme == "nord"


async def back(pilot, settle):
    await pilot.press("/", *"gelu", "enter")
    await settle_filter(pilot, settle)
    await pilot.press("escape")
    await settle()
    assert len(pilot.app.screen.table.order) == 8
    await pilot.press("4", "escape")
    await settle()
    assert pilot.app.screen.view.name == "operators"


async def show_changes(pilot, settle):
    await compare(pilot, settle, "C")


async def compare(pilot, settle, key="B"):
    first = pilot.app.screen
    await pilot.press(key)
    await settle()
    assert isinstance(pilot.app.screen, SessionPicker)
    await pilot.press("escape")
    assert pilot.app.screen is first


def show(name: str, key: str) -> Exercise:
    async def exercise(pilot, settle):
        await pilot.press("6" if key == "1" else "1", key)
        await settle()
        assert pilot.app.screen.view.name == name

    return exercise


async def next_view(pilot, settle):
    seen = []
    for _ in range(11):
        await pilot.press("tab")
        seen.append(pilot.app.screen.view.name)
    assert seen == [
        "findings", "overflow", "parity", "sources", "issues", "modules", "timeline", "memory", "communication",
        "overview", "operators",
    ]  # fmt: skip


async def previous_view(pilot, settle):
    await pilot.press("shift+tab", "shift+tab")
    assert pilot.app.screen.view.name == "communication"


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
        await pilot.press("W", key)
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
    await pilot.press("+", "+", "W")
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


async def show_values(pilot, settle):
    await pilot.press("4", "w")
    await pilot.app.workers.wait_for_complete()
    await settle()
    assert any("no values of side a were recorded" in text for text in said(pilot))


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


async def leave(pilot, settle):
    await pilot.press("q")
    assert not pilot.app.is_running or pilot.app._exit
    assert pilot.app.return_code == 0


async def close_text(pilot, settle):
    for key in ("escape", "q"):
        await pilot.press("?", key)
        assert pilot.app.screen.view.name == "operators"


EXERCISES: dict[str, Exercise] = {
    "up": move_row_up,
    "down": move_row_down,
    "page-up": move_page_up,
    "page-down": move_page_down,
    "first-row": first_row,
    "last-row": last_row,
    "left": move_column_left,
    "right": move_column_right,
    "open-row": open_row,
    "sort": sort_column,
    "filter": filter_rows,
    "previous-flag": previous_flagged,
    "next-flag": next_flagged,
    "detail": place_detail,
    "detail-up": scroll_detail,
    "detail-down": scroll_detail,
    "read": read,
    "fold": fold,
    "picture": toggle_chart,
    "zoom-in": zoom_in,
    "zoom-out": zoom_out,
    "zoom-whole": zoom_to_everything,
    "pan-left": pan_left,
    "pan-right": pan_right,
    "previous-drawn": previous_drawn,
    "next-drawn": next_drawn,
    "export-csv": export,
    "export-json": export_json,
    "export-markdown": export_markdown,
    "columns": choose_columns,
    "mark": mark,
    "note": note,
    "note-drop": drop_note,
    "next-mark": next_mark,
    "previous-mark": previous_mark,
    "code": code,
    "palette": palette,
    "theme": theme,
    "yank-cell": yank_cell,
    "yank-row": yank_row,
    "back": go_back,
    "forward": go_forward,
    "columns-done": choose_columns,
    "columns-all": choose_every_column,
    "undo": back,
    "overview": show("overview", "0"),
    "operators": show("operators", "1"),
    "findings": show("findings", "2"),
    "overflow": show("overflow", "3"),
    "parity": show("parity", "4"),
    "sources": show("sources", "5"),
    "issues": show("issues", "6"),
    "modules": show("modules", "7"),
    "timeline": show("timeline", "8"),
    "unmatched": show("unmatched", "U"),
    "memory": show("memory", "9"),
    "communication": show("communication", "x"),
    "changes": show_changes,
    "compare": compare,
    "next-view": next_view,
    "previous-view": previous_view,
    "help": show_help,
    "open": open_other,
    "quit": leave,
    "close-text": close_text,
    "values": show_values,
    "group": show_groups,
}


def lines_of(table: Any) -> list[str]:
    return [table.render_line(y).text for y in range(table.size.height)]


def said(pilot: Any) -> list[str]:
    return [notification.message for notification in pilot.app._notifications]


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
    [action for action in ACTIONS if action.scope not in {"open", "open-run", "loading", "message"}],
    ids=lambda action: action.id,
)
async def test_action(*, action: Action, session, run_app, settle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with run_app(session) as pilot:
        pilot.cwd = tmp_path
        await EXERCISES[action.id](pilot, lambda: settle(pilot))


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
        await settle(pilot)
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


# What each scope's actions are called on; those of the first three are exercised in the tests of their screens.
HANDLERS: dict[str, type] = {
    "open": RunPicker,
    "open-run": RunPicker,
    "loading": LoadingScreen,
    "message": MessageScreen,
    "table": FrameTable,
    "view": ViewScreen,
    "chart": ViewScreen,
    "tree": ViewScreen,
    "values": ViewScreen,
    "text": TextScreen,
    "picker": ColumnPicker,
    "note": NoteScreen,
    "everywhere": ProfkitApp,
}


def test_every_action_has_an_exercise():
    elsewhere = {action.id for action in ACTIONS if action.scope in {"open", "open-run", "loading", "message"}}
    assert {action.id for action in ACTIONS} == set(EXERCISES) | elsewhere


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_has_a_handler(action):
    name = action.name.partition("(")[0]
    kind = ProfkitApp if name.startswith("app.") else HANDLERS[action.scope]
    assert callable(getattr(kind, f"action_{name.removeprefix('app.')}"))


def test_every_id_stands_for_one_action():
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)


def test_no_key_means_two_things_in_one_place():
    for scopes in (
        ("table", "view", "chart", "tree", "values"),
        ("text",),
        ("picker",),
        ("note",),
        ("open", "open-run"),
        ("loading",),
        ("message",),
    ):
        keys = [key for action in actions_of((*scopes, "everywhere")) for key in action.keys.split(",")]
        assert len(keys) == len(set(keys))


def test_no_action_needs_a_key_that_a_terminal_may_swallow():
    for action in ACTIONS:
        assert not action.keys.startswith(("ctrl+", "alt+"))


async def test_the_footer_shows_what_the_table_says(session, run_app):
    async with run_app(session) as pilot:
        scopes = pilot.app.screen.scopes
        expected = {(key_label(a.keys.split(",")[0]), a.footer) for a in actions_of(scopes) if a.footer}
        assert {(key.key_display, key.description) for key in pilot.app.screen.query(FooterKey)} == expected


async def test_letters_go_to_the_filter_while_it_is_open(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("/", "q", "s", "1", "?")
        assert pilot.app.screen.query_one("#filter", Input).value == "qs1?"
