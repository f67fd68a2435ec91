"""Whatever happens to files, sizes and names, there is a living screen."""

from __future__ import annotations

import re
import shutil
import threading
from dataclasses import replace

import pytest
from textual import events
from textual.widgets import Input

from profkit.triage import Inputs, triage
from profkit.tui.app import ProfkitApp
from profkit.tui.screens.loading import MessageScreen
from profkit.tui.screens.text_screen import TextScreen
from profkit.tui.screens.view_screen import ViewScreen

HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "[red]markup[/red] [@click=app.quit]x[/]",
    "=1+1",
    "训练::算子" * 8,
    "\u202eright to left",
    "e\u0301\u0301 zero\u200bwidth",
    "\x00nul\nnew line\ttab",
    "a" * 10_000,
]
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("deleted", ["run", "ref"])
async def test_an_input_deleted_while_it_is_loaded(deleted, samples, tmp_path, settle):
    for side, recording in (("ref", "pytorch"), ("run", "mindspore_slow")):
        shutil.copytree(samples / "vit" / recording, tmp_path / side)
    begun, go_on = threading.Event(), threading.Event()

    def open_session(progress):
        def listen(verb, subject, fraction):
            if not begun.is_set():
                begun.set()
                go_on.wait(10)
            progress(verb, subject, fraction)

        return triage(Inputs(run=tmp_path / "run", ref=tmp_path / "ref"), progress=listen)

    app = ProfkitApp(open_session, "deleted")
    async with app.run_test() as pilot:
        while not begun.is_set():
            await pilot.pause(0.01)
        shutil.rmtree(tmp_path / deleted)
        go_on.set()
        while not isinstance(app.screen, MessageScreen | ViewScreen):
            await pilot.pause(0.05)
        await settle(pilot)
        if isinstance(app.screen, MessageScreen):
            assert str(tmp_path / deleted) in app.screen.message
            assert "Error" not in app.screen.message
        await pilot.press("?")
        assert isinstance(app.screen, TextScreen)


async def test_every_view_through_a_tiny_terminal_and_back(session, run_app, settle):
    async with run_app(session) as pilot:
        names = list(pilot.app._screens)
        for name in names:
            await pilot.app.action_show_view(name)
            await settle(pilot)
            before = [pilot.app.screen.table.render_line(y).text[2:] for y in range(pilot.app.screen.table.size.height)]
            for size in ((40, 10), (20, 4), (3, 2), (1, 1), (120, 40)):
                await pilot.resize_terminal(*size)
                await pilot.press("j", "l", "]", "k", "h", "g")
                await settle(pilot)
            await pilot.press(*["h"] * 20)
            await settle(pilot)
            table = pilot.app.screen.table
            assert [table.render_line(y).text[2:] for y in range(table.size.height)][1:] == before[1:]


async def test_a_hundred_kilobytes_pasted_into_the_filter(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("/")
        pilot.app.post_message(events.Paste("ratio>2 " * 12_500))
        await settle(pilot)
        assert pilot.app.screen.query_one("#filter", Input).value == ""
        assert any("100,000 characters" in note.message for note in pilot.app._notifications)
        pilot.app.post_message(events.Paste("class:matmul\nand more"))
        await pilot.pause(0.2)
        await settle(pilot)
        assert sorted(pilot.app.screen.table.order) == [2, 4, 6]


async def test_hostile_names_reach_no_terminal_in_any_view(
    session, run_app, settle, tmp_path, monkeypatch, make_operators
):
    monkeypatch.chdir(tmp_path)
    parity = session.parity.assign(name_a=HOSTILE, name_b=HOSTILE, reason=HOSTILE)
    hostile = replace(
        session,
        title=HOSTILE[0],
        operators=make_operators(operator=HOSTILE, ref_ops=HOSTILE, run_ops=HOSTILE[::-1], module=HOSTILE),
        parity=parity,
        not_judged=tuple(HOSTILE),
        inputs={"run": HOSTILE[0]},
    )
    async with run_app(hostile) as pilot:
        for name in list(pilot.app._screens):
            await pilot.app.action_show_view(name)
            await settle(pilot)
            for _ in range(8):
                await pilot.press("down", "l", "y", "m")
                for strip in pilot.app.screen._compositor.render_strips():
                    assert not CONTROL.search(strip.text)
            await pilot.press("Y", "e", "E", "M", "N", "x", "enter", "enter")
            await settle(pilot)
            await pilot.press("escape")
        await settle(pilot)
    for path in tmp_path.iterdir():
        assert not CONTROL.search(path.read_text(encoding="utf-8").replace("\n", ""))
