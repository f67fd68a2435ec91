"""Every screen at two sizes as the text that stands on it, against files; `--snapshot-update` writes them anew.

A layout changes with Textual, so the texts are compared on the pinned version only.
"""

from __future__ import annotations

import html
import re
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from rich.cells import cell_len

from profkit.errors import UnreadableInputError
from profkit.session_comparison import SessionPair
from profkit.tui.app import ProfkitApp
from profkit.tui.screens.action_screen import ActionScreen
from profkit.tui.screens.column_picker import ColumnPicker
from profkit.tui.screens.loading import LoadingScreen, MessageScreen
from profkit.tui.screens.note_screen import NoteScreen
from profkit.tui.screens.run_picker import RunPicker, SessionPicker
from profkit.tui.screens.text_screen import TextScreen
from profkit.tui.screens.view_screen import ViewScreen

from .test_snapshots import pytestmark  # noqa: F401 - the same pinned version

_FOLDER = Path(__file__).parent / "screens"
_SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
_CELL_WIDTH = 12.2

VIEWS = {
    "overview": "0", "operators": "1", "findings": "2", "overflow": "3", "parity": "4", "sources": "5", "issues": "6",
    "modules": "7", "timeline": "8", "memory": "9", "communication": "x", "unmatched": "U", "changes": "C",
}  # fmt: skip
OTHERS = {
    "by-class": "1 u", "by-shape": "1 u u u u u", "operator-text": "1 j enter", "help": "1 ?", "palette": "1 :",
    "columns": "1 v", "note": "1 j N", "filter": "1 / s l o w", "nothing-left": "1 / z z z",
}  # fmt: skip

# A picture of every kind of screen.
SCREENS: dict[type, str] = {
    ViewScreen: "overview",
    TextScreen: "help",
    ColumnPicker: "columns",
    NoteScreen: "note",
    LoadingScreen: "loading",
    MessageScreen: "failure",
    RunPicker: "picker",
    SessionPicker: "session-picker",
}


def text_of(app: ProfkitApp) -> str:
    """Read what stands in each line of the terminal off a picture of it."""
    lines: dict[int, str] = {}
    for x, line, text in re.findall(r'<text [^>]*x="([\d.]+)"[^>]*-line-(\d+)\)">([^<]*)<', app.export_screenshot()):
        before = lines.setdefault(int(line), "")
        gap = round(float(x) / _CELL_WIDTH) - cell_len(before)
        lines[int(line)] = before + " " * gap + html.unescape(text).replace("\xa0", " ")
    return "\n".join(lines.get(line, "").rstrip() for line in range(app.size.height)) + "\n"


def compare(name: str, size: str, app: ProfkitApp, request: pytest.FixtureRequest) -> None:
    assert name in {*VIEWS, *OTHERS, SCREENS.get(type(app.screen))}, "another screen than the one meant"
    path, text = _FOLDER / f"{name}-{size}.txt", text_of(app)
    if request.config.getoption("update_snapshots"):
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{path.name} is not there: pytest --snapshot-update writes it"
    assert text == path.read_text(encoding="utf-8")


@pytest.fixture
def pair(session: Any) -> SessionPair:
    """Two sessions with something in every view, an operator without a counterpart among it."""
    operators = session.operators.assign(
        unit=[0, 1, 2, 3, 4, 5, 6, -1], ref_ns=session.operators["ref_ns"].where(session.operators.index < 7)
    )
    operators["shapes"] = pd.Categorical([None, *["8,17,192;192,192"] * 4, None, "8,17,192;192,192", ""])
    after = replace(session, operators=operators, findings=session.findings.iloc[1:].reset_index(drop=True))
    return SessionPair(session, after)


@pytest.mark.parametrize("size", _SIZES)
@pytest.mark.parametrize("name", {**VIEWS, **OTHERS})
async def test_a_screen(name: str, size: str, pair: SessionPair, settle: Any, request: pytest.FixtureRequest) -> None:
    app = ProfkitApp(lambda progress: pair, "synthetic", view="overview")
    async with app.run_test(size=_SIZES[size]) as pilot:
        await settle(pilot)
        for key in {**VIEWS, **OTHERS}[name].split():
            await pilot.press(key)
            await settle(pilot)
        # The pause between typing and filtering.
        await pilot.pause(0.2)
        await settle(pilot)
        if name in VIEWS:
            assert isinstance(app.screen, ViewScreen)
            assert app.screen.view.name == name
        compare(name, size, app, request)


@pytest.mark.parametrize("size", _SIZES)
async def test_the_screen_of_a_failure(size: str, settle: Any, request: pytest.FixtureRequest) -> None:
    def fail(progress: Any) -> Any:
        raise UnreadableInputError("run/trace.json is cut at byte 1024", "record it again")

    app = ProfkitApp(fail, "synthetic")
    async with app.run_test(size=_SIZES[size]) as pilot:
        while not isinstance(app.screen, MessageScreen):
            await pilot.pause(0.01)
        await settle_failed(pilot)
        compare("failure", size, app, request)


@pytest.mark.parametrize("size", _SIZES)
async def test_the_picker(
    size: str, samples: Path, settle: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(samples.parent)
    app = ProfkitApp(None, open_paths=lambda ref, run, progress: pytest.fail("nothing is opened"))
    async with app.run_test(size=_SIZES[size]) as pilot:
        # By a path that is the same on every machine.
        await app.switch_screen(RunPicker(Path("samples/vit")))
        await settle(pilot)
        await pilot.press("down")
        await settle(pilot)
        compare("picker", size, app, request)


@pytest.mark.parametrize("size", _SIZES)
async def test_the_picker_of_sessions(
    size: str, session: Any, settle: Any, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("before the fix", "修正后"):
        session.save(Path("sessions") / name)
    (Path("sessions") / "notes.txt").write_text("none of it", encoding="utf-8")
    app = ProfkitApp(lambda progress: session, "synthetic")
    async with app.run_test(size=_SIZES[size]) as pilot:
        await settle(pilot)
        await app.push_screen(SessionPicker(Path("sessions")))
        await settle(pilot)
        compare("session-picker", size, app, request)


@pytest.mark.parametrize("size", _SIZES)
async def test_the_screen_while_it_loads(size: str, request: pytest.FixtureRequest, monkeypatch: Any) -> None:
    clock = iter([100.0])
    monkeypatch.setattr("profkit.tui.screens.loading.time", SimpleNamespace(monotonic=lambda: next(clock, 104.0)))
    go_on = threading.Event()

    def load(progress: Any) -> Any:
        progress("reading", "mindspore_run/trace_view.json", 0.25)
        go_on.wait(60)
        raise UnreadableInputError("it is over", "")

    app = ProfkitApp(load, "torch_run against mindspore_run")
    async with app.run_test(size=_SIZES[size]) as pilot:
        while "trace_view" not in text_of(app):
            await pilot.pause(0.01)
        compare("loading", size, app, request)
        go_on.set()


def test_every_kind_of_screen_has_its_picture_at_both_sizes() -> None:
    kinds, below = set(), [ActionScreen]
    while below:
        kind = below.pop()
        below += kind.__subclasses__()
        if not kind.__subclasses__() and kind.__module__.startswith("profkit."):
            kinds.add(kind)
    assert kinds == set(SCREENS)
    for name in {*VIEWS, *OTHERS, *SCREENS.values()}:
        for size in _SIZES:
            assert (_FOLDER / f"{name}-{size}.txt").is_file()


def test_every_view_has_its_screen(pair: SessionPair) -> None:
    from profkit.tui.app import VIEW_NAMES

    assert set(VIEW_NAMES) == set(VIEWS)


async def settle_failed(pilot: Any) -> None:
    for _ in range(3):
        await pilot.pause()
