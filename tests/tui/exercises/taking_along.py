"""Exercises of what is kept of rows: files, the clipboard, marks and notes, the line of code."""

from __future__ import annotations

import json
import os
from pathlib import Path

from textual.widgets import Static

from .registry import ORDER_BY_IMPACT, exercises, lines_of, rows_after, said, settle_filter


def copied() -> str:
    return (Path(os.environ["PROFKIT_STATE_DIR"]) / "clipboard.txt").read_text(encoding="utf-8")


@exercises("export-csv")
async def export(pilot, settle):
    await pilot.press("e")
    await settle()
    lines = (pilot.cwd / "profkit-operators.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [str(row) for row in ORDER_BY_IMPACT]
    told = [notification.message for notification in pilot.app._notifications]
    assert told == [f"8 rows written to {pilot.cwd / 'profkit-operators.csv'}"]


@exercises("export-json")
async def export_json(pilot, settle):
    await pilot.press("E")
    await settle()
    rows = json.loads((pilot.cwd / "profkit-operators.json").read_text(encoding="utf-8"))
    assert [row["unit"] for row in rows] == ORDER_BY_IMPACT


@exercises("export-markdown")
async def export_markdown(pilot, settle):
    await pilot.press("M")
    await settle()
    lines = (pilot.cwd / "profkit-operators.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + len(ORDER_BY_IMPACT)
    assert "aten::gelu" in lines[2]


@exercises("yank-cell")
async def yank_cell(pilot, settle):
    await pilot.press("y")
    assert copied() == "aten::gelu\n"


@exercises("yank-row")
async def yank_row(pilot, settle):
    await pilot.press("Y")
    lines = dict(line.split(": ", 1) for line in copied().splitlines())
    assert lines["operator"] == "aten::gelu"
    assert lines["run_ns"] == "3150000"


@exercises("mark")
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


@exercises("note")
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


@exercises("note-drop")
async def drop_note(pilot, settle):
    await pilot.press("N", *"x", "escape")
    assert not len(pilot.app.screen.marks)
    assert pilot.app.screen.view.name == "operators"


@exercises("next-mark")
async def next_mark(pilot, settle):
    await pilot.press("j", "m", "j", "j", "m", "g")
    assert await rows_after(pilot, "}") == ORDER_BY_IMPACT[1]
    assert await rows_after(pilot, "}") == ORDER_BY_IMPACT[3]
    assert await rows_after(pilot, "}") == ORDER_BY_IMPACT[3]


@exercises("previous-mark")
async def previous_mark(pilot, settle):
    await pilot.press("m", "G")
    assert await rows_after(pilot, "{") == ORDER_BY_IMPACT[0]


@exercises("code")
async def code(pilot, settle):
    await pilot.press("o")
    assert said(pilot) == ["Nothing recorded says which line of a file this row comes from."]
    await pilot.press("6", "o")
    await settle()
    assert said(pilot)[-1] == "torch_run/trace.json:3  (not found from here)"
