"""Exercises of the screens before there is a session: choosing, loading, a failure. The folder holds `trace.json`."""

from __future__ import annotations

from profkit.tui.screens.loading import MessageScreen
from profkit.tui.screens.run_picker import RunPicker
from profkit.tui.screens.view_screen import ViewScreen

from .registry import exercises, said


@exercises("folder-above")
async def look_above(pilot, settle):
    for key in ("backspace", "h", "left"):
        before = pilot.app.screen.folder
        await pilot.press(key)
        await settle()
        assert pilot.app.screen.folder == before.parent


@exercises("whole-folder")
async def open_whole_folder(pilot, settle):
    await pilot.press("o")
    await settle()
    assert pilot.opened == [(None, pilot.cwd)]
    assert isinstance(pilot.app.screen, ViewScreen)


@exercises("reference")
async def take_reference(pilot, settle):
    await pilot.press("r")
    assert pilot.app.screen.ref == pilot.cwd / "trace.json"
    await pilot.press("o")
    await settle()
    assert pilot.opened == [(pilot.cwd / "trace.json", pilot.cwd)]


@exercises("close-open")
async def close_picker(pilot, settle):
    await pilot.press("escape")
    assert said(pilot) == ["Nothing is open yet; q leaves profkit."]
    await pilot.press("o")
    await settle()
    view = pilot.app.screen
    await pilot.press("O")
    assert isinstance(pilot.app.screen, RunPicker)
    await pilot.press("escape")
    assert pilot.app.screen is view


@exercises("quit-open")
async def leave_picker(pilot, settle):
    await pilot.press("q")
    assert pilot.app.return_code == 0


@exercises("stop")
async def stop_loading(pilot, settle):
    await pilot.press("escape")
    await settle()
    assert isinstance(pilot.app.screen, MessageScreen)
    assert "stopped" in pilot.app.screen.message


@exercises("quit-loading", "quit-message")
async def leave_without_a_session(pilot, settle):
    await pilot.press("q")
    assert pilot.app.return_code == 2


@exercises("leave-message")
async def leave_message(pilot, settle):
    await pilot.press("escape")
    assert pilot.app.return_code == 2


@exercises("open-message")
async def open_after_failure(pilot, settle):
    await pilot.press("o")
    assert isinstance(pilot.app.screen, RunPicker)
