"""Choosing what to open, in the real app on the bundled recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList

from profkit.tui.app import ProfkitApp
from profkit.tui.screens.run_picker import RunPicker, entries_of
from profkit.tui.screens.view_screen import ViewScreen

Opened = list[tuple[Path | None, Path]]


@pytest.fixture
def picking(session: Any, settle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the app in a folder; what it is asked to open is noted and answered with the synthetic session."""

    @asynccontextmanager
    async def run(folder: Path) -> Any:
        monkeypatch.chdir(folder)
        opened: Opened = []

        def open_paths(ref: Path | None, run: Path, progress: Any) -> Any:
            opened.append((ref, run))
            return session

        app = ProfkitApp(None, open_paths=open_paths)
        async with app.run_test() as pilot:
            await settle(pilot)
            yield pilot, opened

    return run


async def move_to(pilot: Any, name: str) -> None:
    picker = pilot.app.screen
    assert isinstance(picker, RunPicker)
    for _ in range(100):
        if picker.entry is not None and picker.entry.path.name == name:
            return
        await pilot.press("down")
    raise AssertionError(f"{name} is not listed")


async def shown(pilot: Any, settle: Any) -> None:
    for _ in range(100):
        await settle(pilot)
        if isinstance(pilot.app.screen, ViewScreen):
            return
        await asyncio.sleep(0.02)


def test_a_folder_lists_recordings_with_their_formats_before_folders(samples: Path) -> None:
    entries, said = entries_of(samples / "vit")
    assert [entry.path.name for entry in entries if entry.format is None] == sorted(
        path.name for path in (samples / "vit").iterdir() if path.is_dir() and path.name not in named(entries)
    )
    assert named(entries) or entries
    formats = [entry.format is None for entry in entries]
    assert formats == sorted(formats)
    assert "cannot" not in said


def named(entries: Any) -> set[str]:
    return {entry.path.name for entry in entries if entry.format is not None}


def test_what_cannot_be_listed_is_told(tmp_path: Path) -> None:
    assert entries_of(tmp_path / "gone") == ([], "cannot be read: No such file or directory")


def test_files_of_no_format_are_counted(tmp_path: Path) -> None:
    (tmp_path / "notes.bin").write_bytes(b"x")
    (tmp_path / "\x1b[2Jfolder").mkdir()
    entries, said = entries_of(tmp_path)
    assert [entry.format for entry in entries] == [None]
    assert said == "1 files of no known format"


async def test_every_entry_takes_one_line_of_a_narrow_terminal(picking: Any, settle: Any, samples: Path) -> None:
    async with picking(samples / "vit" / "pytorch") as (pilot, _):
        await pilot.resize_terminal(60, 20)
        await settle(pilot)
        picker = pilot.app.screen
        options = picker.query_one("#entries", OptionList)
        assert len(picker.entries) > 1
        shown = [options.render_line(y).text.strip() for y in range(len(picker.entries))]
        assert all(line.startswith(entry.path.name) for line, entry in zip(shown, picker.entries, strict=True))


async def test_enter_opens_a_run_alone(picking: Any, settle: Any, samples: Path) -> None:
    async with picking(samples / "vit" / "pytorch") as (pilot, opened):
        await move_to(pilot, "profile")
        await pilot.press("enter")
        await settle(pilot)
        if isinstance(pilot.app.screen, RunPicker):
            await move_to(pilot, "trace.json.gz")
            await pilot.press("enter")
        await shown(pilot, settle)
        assert [ref for ref, _ in opened] == [None]
        assert isinstance(pilot.app.screen, ViewScreen)


async def test_a_reference_and_then_a_run(picking: Any, settle: Any, samples: Path) -> None:
    async with picking(samples / "vit" / "pytorch" / "profile") as (pilot, opened):
        await move_to(pilot, "trace.json.gz")
        await pilot.press("r")
        reference = pilot.app.screen.ref
        assert reference is not None
        await pilot.press("r")
        assert pilot.app.screen.ref is None
        await pilot.press("r", "o")
        await shown(pilot, settle)
        assert opened == [(reference, samples / "vit" / "pytorch" / "profile")]


async def test_left_looks_at_the_folder_above_and_q_leaves(picking: Any, settle: Any, samples: Path) -> None:
    async with picking(samples / "vit" / "pytorch") as (pilot, opened):
        for key in ("h", "left", "backspace"):
            before = pilot.app.screen.folder
            await pilot.press(key)
            await settle(pilot)
            assert pilot.app.screen.folder == before.parent
        await pilot.press("q")
        assert not opened
    assert pilot.app.return_code == 0
