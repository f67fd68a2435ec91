from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest
from textual.widgets import Static

from profkit.tui.screens.text_screen import TextScreen
from profkit.tui.views import make_views
from profkit.tui.widgets.view_bar import ViewBar


def detail(pilot):
    return str(pilot.app.screen.query_one("#detail-text", Static).content)


def table_text(pilot):
    table = pilot.app.screen.table
    return "\n".join(table.render_line(y).text for y in range(table.size.height))


def test_every_view_has_columns_of_its_frame(session):
    views = make_views(session)
    assert [view.name for view in views] == [
        "overview", "operators", "findings", "overflow", "parity", "sources", "issues", "modules", "timeline",
        "memory", "communication", "unmatched", "by-class", "by-operator", "by-module", "by-kernel", "by-shape",
        "by-phase",
    ]  # fmt: skip
    for view in views:
        assert {column.name for column in view.columns} <= set(view.frame.columns)
        assert len(view.flagged) == len(view.link.operator) == len(view.frame)
        names = [column.short or column.name for column in view.columns]
        assert len(names) == len(set(names))
        for row in range(len(view.frame)):
            assert str(view.describe(row))


def test_findings_lead_to_the_operators_of_their_groups_or_their_module(session):
    findings = make_views(session)[2]
    assert findings.link.operator.tolist() == [3, 5, -1]
    assert findings.link.rows(5).tolist() == [1]
    assert findings.link.rows(0).tolist() == []


def test_a_finding_without_groups_leads_to_its_operator_by_name(session):
    findings = session.findings.assign(groups=[[], [], []])
    findings.loc[2, ["module", "op"]] = ["blocks.0.attn.proj", "aten::unknown"]
    view = make_views(replace(session, findings=findings))[2]
    assert view.link.operator.tolist() == [3, 5, 4]


def test_parity_and_overflow_lead_to_the_operators_of_their_module(session):
    _, _, _, overflow, parity, *_ = make_views(session)
    assert overflow.link.operator.tolist() == [-1, 3, 4]
    assert overflow.link.rows(4).tolist() == [2]
    assert parity.link.operator.tolist() == [0, 1, 2, 3, 4, 5, 6, -1]


async def test_operators_tell_all_that_is_known_of_one(session, run_app):
    async with run_app(session) as pilot:
        text = detail(pilot)
        for part in ("aten::gelu", "▴ slow", "blocks.0.mlp.act", "450 us", "3.15 ms", "7.0x", "same module, class"):
            assert part in text
        assert "7.0x in 3 of 3 steps" in text
        assert "✗ mismatch" in text
        status = str(pilot.app.screen.query_one("#status", Static).content)
        assert "ref 8.20 ms, run 13.6 ms, 1.7x" in status


@pytest.mark.parametrize(
    ("key", "in_table", "in_detail"),
    [
        ("2", ["overflow", "slow", "2.70 ms"], ["the first NaN of iteration 0", "Mask with a finite number."]),
        ("3", ["✱ origin", "▸ carrier", "4,096"], ["-inf by intent", "execution order"]),
        ("4", ["✗ mismatch", "▸ first", "0.01230"], ["within tolerance", "patch_embed.proj"]),
        ("5", ["kineto-trace", "ascend-trace"], ["schemaVersion", "Gradients were not dumped", "▾ data loss"]),
        ("6", ["▾ data loss", "unescaped quote"], ["line 3", "torch_run/trace.json"]),
        ("7", ["(whole network)", "        act", "7.0x", "✱ origin"], ["flagged slow  2", "✗ mismatch"]),
        ("8", ["aten::conv2d", "2.40 ms"], ["lane  main", "start in its step  0 ns", "patch_embed.proj"]),
    ],
)
async def test_each_view_shows_its_rows(*, session, run_app, settle, key, in_table, in_detail):
    async with run_app(session) as pilot:
        await pilot.press(key)
        await settle(pilot)
        for part in in_table:
            assert part in table_text(pilot)
        for part in in_detail:
            assert part in detail(pilot)


async def test_enter_leads_from_a_finding_to_its_operator_and_escape_back(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("2", "j", "enter")
        await settle(pilot)
        assert pilot.app.screen.view.name == "operators"
        assert pilot.app.screen.table.row == 5
        await pilot.press("escape")
        await settle(pilot)
        assert pilot.app.screen.view.name == "findings"
        assert pilot.app.screen.table.row == 1


async def test_enter_leads_from_a_finding_without_operator_to_its_evidence(session, run_app, settle):
    findings = session.findings.assign(
        groups=[[], [], []],
        module=pd.array([None] * 3, dtype="string"),
        op=pd.array(["Softmax", "unknown", "head.extra"], dtype="string"),
    )
    async with run_app(replace(session, findings=findings)) as pilot:
        for line, place in enumerate([("overflow", 1), None, ("parity", 7)]):
            await pilot.press("2", "g", *["j"] * line, "enter")
            await settle(pilot)
            screen = pilot.app.screen
            if place is None:
                assert isinstance(screen, TextScreen)
                await pilot.press("escape")
            else:
                assert (screen.view.name, screen.table.row) == place


async def test_an_operator_that_a_filter_hides_is_shown_all_the_same(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("/", *"conv", "enter")
        await pilot.pause(0.15)
        await settle(pilot)
        assert len(pilot.app.screen.table.order) == 1
        await pilot.press("2", "enter")
        await settle(pilot)
        assert pilot.app.screen.table.row == 3
        assert len(pilot.app.screen.table.order) == 8


async def test_the_operator_stays_selected_from_view_to_view(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("j")
        assert pilot.app.screen.table.row == 3
        for key, row in (("2", 0), ("3", 1), ("4", 3), ("1", 3)):
            await pilot.press(key)
            await settle(pilot)
            assert pilot.app.screen.table.row == row
        await pilot.press("4", "j")
        await pilot.press("1")
        await settle(pilot)
        assert pilot.app.screen.table.row == 4


async def test_a_view_nobody_moved_in_moves_no_other(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("4")
        await settle(pilot)
        assert pilot.app.screen.table.row == 0


async def test_a_click_in_the_bar_shows_a_view(session, run_app, settle):
    async with run_app(session) as pilot:
        bar = pilot.app.screen.query_one(ViewBar)
        await pilot.click(bar, offset=(str(bar.render()).index("Findings"), 0))
        await settle(pilot)
        assert pilot.app.screen.view.name == "findings"


async def test_without_colour_glyphs_and_words_remain(session, run_app, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with run_app(session) as pilot:
        assert pilot.app.no_color
        text = table_text(pilot)
        assert "▴ slow" in text
        assert "+ extra" in text
        assert re.search(r"^▸ aten::gelu", text, re.MULTILINE)
        assert coloured(pilot.app.export_screenshot()) == set()


def coloured(svg: str) -> set[str]:
    """Colours of the terminal's text and ground that are not grey."""
    colours = set(re.findall(r"-r\d+ \{ fill: #([0-9a-f]{6})", svg)) | set(
        re.findall(r'<rect fill="#([0-9a-f]{6})" x="[\d.]+" y="[\d.]+" width="[\d.]+" height="[\d.]+" shape', svg)
    )
    assert colours
    defaults = {"c5c8c6"}  # of the exporter, where the app asks for no colour
    return {colour for colour in colours - defaults if not colour[0:2] == colour[2:4] == colour[4:6]}


async def test_nothing_ticks_while_nobody_does_anything(session, run_app, settle):
    async with run_app(session) as pilot:
        for key in "0123456/":
            await pilot.press(key)
        await settle(pilot)
        assert pilot.app.animation_level == "none"
        assert not pilot.app.screen.query_one("#filter").cursor_blink
