"""The view of what changed between two sessions, and the command that prints it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner
from textual.widgets import Static

from profkit.cli import changes, tui
from profkit.errors import ProfkitError
from profkit.session_comparison import SessionPair
from profkit.tui.app import ProfkitApp
from profkit.tui.screens.loading import MessageScreen
from profkit.tui.screens.run_picker import SessionPicker
from profkit.tui.screens.view_screen import ViewScreen


@pytest.fixture
def later(session):
    """The session after its second finding was fixed, without a dump."""
    findings = session.findings.iloc[2:].reset_index(drop=True)
    return replace(session, findings=findings, unanswered=frozenset({"overflow"}))


async def test_it_shows_what_became_of_each_finding(session, later, settle):
    app = ProfkitApp(lambda progress: SessionPair(session, later), "pair", view="changes")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        table = app.screen.table
        text = [table.render_line(y).text for y in range(table.size.height)]
        assert app.screen.view.name == "changes"
        assert any("slow" in line and "✓ gone" in line and "2.70 ms" in line for line in text)
        assert any("overflow" in line and "? not judged" in line for line in text)
        assert any("parity" in line and "▸ still" in line for line in text)
        await pilot.press("1", "C")
        await settle(pilot)
        assert app.screen.view.name == "changes"


async def test_the_parts_of_the_step_stand_below_it_in_words(session, later, settle):
    app = ProfkitApp(lambda progress: SessionPair(session, later), "pair", view="changes")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        table = app.screen.table
        items = [table.render_line(y).text[2:14].rstrip() for y in range(1, 5)]
        assert items[0] == "step of the"
        assert {"  slower", "  host gap"} <= set(items[1:])
        assert "(whole network)" in set(app.screen.view.frame["item"])


async def go_to(pilot, settle, name: str) -> None:
    await settle(pilot)
    for _ in range(100):
        if pilot.app.screen.entry.path.name == name:
            return
        await pilot.press("down")
    raise AssertionError(f"{name} is not listed")


async def until(pilot, kind):
    while not isinstance(pilot.app.screen, kind):
        await pilot.pause(0.01)
    return pilot.app.screen


@pytest.mark.parametrize("key", ["B", "C"])
async def test_the_session_before_is_chosen_from_inside(session, later, run_app, settle, tmp_path, monkeypatch, key):
    (tmp_path / "runs" / "fixes").mkdir(parents=True)
    session.save(tmp_path / "runs" / "before")
    monkeypatch.chdir(tmp_path / "runs" / "before")
    async with run_app(later) as pilot:
        await pilot.press("j", "m", key)
        await go_to(pilot, settle, "before")
        assert "Choose the session before this one." in str(pilot.app.screen.query_one("#status", Static).content)
        assert pilot.app.screen.folder == tmp_path / "runs"
        await pilot.press("enter")
        await until(pilot, ViewScreen)
        await settle(pilot)
        assert pilot.app.screen.view.name == "changes"
        frame = pilot.app.screen.view.frame
        assert set(frame.loc[frame["section"] == "finding", "change"]) == {"gone", "still", "not_judged"}
        await pilot.press("1")
        await settle(pilot)
        assert len(pilot.app.screen.marks) == 1
        await pilot.press("C")
        await settle(pilot)
        assert pilot.app.screen.view.name == "changes"


async def test_a_broken_session_before_leaves_the_one_there_is(session, later, run_app, settle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session.save(tmp_path / "before")
    (tmp_path / "before" / "parity.parquet").write_bytes(b"PAR1 cut")
    async with run_app(later) as pilot:
        first = pilot.app.screen
        await pilot.press("B")
        await go_to(pilot, settle, "before")
        await pilot.press("enter")
        message = await until(pilot, MessageScreen)
        assert "parity.parquet" in message.message
        await pilot.press("escape", "escape")
        assert pilot.app.screen is first


async def test_a_recording_is_no_session_before(later, run_app, settle, samples, monkeypatch):
    monkeypatch.chdir(samples / "vit" / "pytorch" / "profile")
    async with run_app(later) as pilot:
        await pilot.press("B")
        await go_to(pilot, settle, "trace.json.gz")
        assert "None is here" in str(pilot.app.screen.query_one("#status", Static).content)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, SessionPicker)
        assert [note.message for note in pilot.app._notifications if "This is a recording" in note.message]


async def test_enter_leads_to_the_operator(session, later, settle):
    app = ProfkitApp(lambda progress: SessionPair(session, later), "pair", view="changes")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        rows = app.screen.view.frame
        app.screen.table.show_row(int(rows.index[rows["change"] == "gone"][0]))
        await pilot.press("enter")
        await settle(pilot)
        assert (app.screen.view.name, app.screen.table.row) == ("operators", 5)


def test_the_command_prints_the_changes_and_fails_on_new_ones(session, later, tmp_path):
    for name, one in (("before", session), ("after", later)):
        one.save(tmp_path / name)
    run = CliRunner().invoke
    arguments = [str(tmp_path / "before"), str(tmp_path / "after"), "--format", "csv"]
    result = run(changes.command, arguments, standalone_mode=False)
    assert any(line.startswith("finding,gone,slow,blocks.0.mlp.act") for line in result.output.splitlines())
    assert result.return_value == 0
    backwards = [*reversed(arguments[:2]), "--fail-on", "slow"]
    assert run(changes.command, backwards, standalone_mode=False).return_value == 1


def test_a_session_and_a_run_are_not_compared(session, tmp_path):
    session.save(tmp_path / "before")
    with pytest.raises(ProfkitError, match=r"is a session and .* is none"):
        tui._load_pair(tmp_path / "before", tmp_path)
