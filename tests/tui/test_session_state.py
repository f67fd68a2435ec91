"""A session is found again as it was left; what is kept can be deleted, and a broken file breaks nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from profkit.cli import main
from profkit.errors import ProfkitError
from profkit.tui.session_state import ViewState, load_state, save_state, state_file


def said(pilot):
    return [notification.message for notification in pilot.app._notifications]


async def test_a_session_is_found_as_it_was_left(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("j", "m", "N", *"why", "enter", "v", "space", "escape")
        await pilot.press("l", "s", "/", *"blocks")
        await pilot.pause(0.2)
        await settle(pilot)
        await pilot.press("enter", "j")
        left = pilot.app.screen.state()
        order = list(pilot.app.screen.table.order)
        await pilot.press("4", "j", "j")
        await settle(pilot)
        parity_row = pilot.app.screen.table.row
        await pilot.press("q")
    assert left.filter == "blocks"
    async with run_app(session, view="") as pilot:
        assert pilot.app.screen.view.name == "parity"
        assert pilot.app.screen.table.row == parity_row != 0
        await pilot.press("b", "1")
        await settle(pilot)
        assert pilot.app.screen.state() == left
        assert list(pilot.app.screen.table.order) == order
        assert pilot.app.screen.query_one("#filter").value == "blocks"
        await pilot.press("escape")
        await settle(pilot)
        assert len(pilot.app.screen.table.order) == 8


async def test_a_view_that_was_never_shown_is_as_new_the_next_time(session, run_app, settle):
    async with run_app(session) as pilot:
        first = list(pilot.app.screen.table.order)
    async with run_app(session, view="parity") as pilot:
        await pilot.press("j", "q")
    kept = load_state(session)
    assert kept is not None
    assert set(kept.views) == {"parity"}
    async with run_app(session, view="operators") as pilot:
        assert list(pilot.app.screen.table.order) == first != sorted(first)
        assert pilot.app.screen.table.sort is not None


async def test_marks_are_kept_at_once(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("m")
        await settle(pilot)
        kept = load_state(session)
        assert kept is not None
        assert [mark.row for mark in kept.views["operators"].marks] == [5]
        assert state_file(session).stat().st_mode & 0o077 == 0


def test_one_file_for_the_same_inputs_however_they_were_opened(session, monkeypatch, tmp_path):
    again = replace(session, title="other words", created="2027-01-01T00:00:00Z")
    assert state_file(again) == state_file(session)
    assert state_file(replace(session, inputs={"run": "other"})) != state_file(session)
    before = state_file(session)
    monkeypatch.chdir(tmp_path)
    assert state_file(session) != before


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"inputs": 3}', b'{"inputs": {}, "version": 99}', b"[" * 100_000]
)
async def test_a_broken_file_is_told_and_written_anew(content, session, run_app, settle):
    path = state_file(session)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    async with run_app(session) as pilot:
        assert any("remembered" in text and "--forget" in text for text in said(pilot))
        await pilot.press("m", "q")
    assert load_state(session) is not None


async def test_what_does_not_fit_any_more_is_left_aside(session, run_app, settle):
    state = ViewState(filter="ratio>x", sort="gone", columns=["gone"], row=1_000_000)
    save_state(session, "gone", {"operators": state, "gone": ViewState()})
    async with run_app(session) as pilot:
        assert pilot.app.screen.view.name == "operators"
        assert len(pilot.app.screen.table.order) == 8


async def test_a_place_that_cannot_be_written_is_told(session, run_app, settle, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PROFKIT_STATE_DIR", str(tmp_path / "file"))
    with pytest.raises(ProfkitError, match="cannot be written"):
        save_state(session, "operators", {})
    async with run_app(session) as pilot:
        await pilot.press("m")
        await settle(pilot)
        assert any("cannot be written" in text for text in said(pilot))


def test_all_of_it_can_be_deleted(session, capsys):
    save_state(session, "operators", {"operators": ViewState(filter="x")})
    kept = Path(os.environ["PROFKIT_STATE_DIR"])
    (kept / "clipboard.txt").touch()
    (kept / "notes.txt").touch()
    with pytest.raises(SystemExit) as ended:
        main(["tui", "--forget"])
    assert ended.value.code == 0
    assert "1 sessions" in capsys.readouterr().err
    assert [path.name for path in kept.iterdir()] == ["notes.txt"]
    assert load_state(session) is None
