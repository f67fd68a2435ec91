"""The first view: what is known of a session on one page, and where its rows lead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from profkit.overview import overview
from profkit.schema import SESSION_STEPS
from profkit.session import Session
from profkit.triage import Inputs, triage
from profkit.tui.charts.bar_text import bar_text
from profkit.tui.screens.text_screen import TextScreen
from profkit.tui.views import make_views

HOSTILE = "[b]x[/b]\x1b[31m\n日本語" + "y" * 10_000


def rows_of(session: Session, section: str) -> pd.DataFrame:
    rows = overview(session, pd.Series(np.full(len(session.findings), -1)))
    return rows[rows["section"] == section].reset_index(drop=True)


def table_lines(pilot) -> list[str]:
    table = pilot.app.screen.table
    return [table.render_line(y).text for y in range(table.size.height)]


async def go_to(pilot, settle, item: str) -> None:
    items = pilot.app.screen.view.frame["item"].str.strip()
    pilot.app.screen.table.show_row(int(items[items == item].index[0]))
    await settle(pilot)


def test_the_bars_lead_from_one_step_to_the_other_to_the_nanosecond(session):
    rows = rows_of(session, "step_time")
    assert rows["item"].tolist() == [
        "Step time (median)", "step 1 of the reference", "slower", "faster", "host gap", "step 2 of the run",
    ]  # fmt: skip
    head, *_ = rows.to_dict("records")
    assert (head["ref_ns"], head["run_ns"], head["delta_ns"]) == (8_540_000, 13_580_000, 5_040_000)
    parts = rows[rows["part"].notna()]
    assert parts["from_ns"].tolist() == [8_540_000, 14_020_000, 13_920_000]
    assert parts["to_ns"].tolist() == [14_020_000, 13_920_000, 13_580_000]
    assert rows["to_ns"].iloc[-1] == parts["to_ns"].iloc[-1]


def test_the_parts_of_a_device_lie_one_after_the_other_and_overlap(session):
    rows = rows_of(session, "breakdown").set_index("item")
    assert rows.loc["busy", "ref_ns"] == 8_200_000
    assert rows.loc["between operators", "ref_ns"] == 340_000
    assert rows.loc["computation", "run_ns"] == 12_000_000
    ends = {item: (row["from_ns"], row["to_ns"]) for item, row in rows.iloc[3:].iterrows()}
    begin = ends["computation"][0]
    assert ends["communication"] == (begin + 12_000_000, begin + 14_000_000)


def test_a_run_without_rows_is_shown_as_the_profiler_split_its_step(shared):
    recording = "samples/mindspore_profiler/Ascend_msinsight/test/st/level2/rank_1_ascend_pt"
    rows = rows_of(triage(Inputs(run=shared / recording)), "breakdown")
    assert rows["note"].iloc[0] == "run: the profiler's split"
    # The line of step 13 in its step_trace_time.csv, in us: 230903.72, 441708.38, 0.0, 136819.56.
    assert rows["run_ns"].iloc[1:].tolist() == [230_903_720, 441_708_380, 0, 136_819_560]


def test_one_run_alone_has_its_median_step_and_no_bridge(session):
    steps = SESSION_STEPS.build(
        {
            "side": ["run"] * 4,
            "rank": [0] * 4,
            "step": [1, 2, 3, 4],
            "dur_ns": pd.array([9, 7, None, 8], dtype="Int64"),
            "how": ["recorded"] * 4,
            "source": ["x"] * 4,
        }
    )
    alone = Session("alone", "", steps=steps, breakdown=session.breakdown[session.breakdown["side"] == "run"])
    rows = rows_of(alone, "step_time")
    assert rows["item"].tolist() == ["Step time (median)", "step 4 of the run"]
    assert rows["run_ns"].tolist() == [8, 8]
    assert rows["ref_ns"].isna().all()


def test_more_findings_than_are_shown_are_told(session):
    findings = pd.concat([session.findings] * 3, ignore_index=True)
    rows = rows_of(replace(session, findings=findings), "findings")
    assert rows["item"].tolist()[0] == "Findings: 9"
    assert rows["item"].tolist()[-1] == "and 4 more"
    assert len(rows) == 7


@pytest.mark.parametrize(
    ("begin", "end", "whole", "text"),
    [
        (0, 8, 8, "████"),
        (0, 1, 8, "▌   "),
        (1, 3, 8, "▐▌  "),
        (7, 8, 8, "   ▐"),
        (0, 1, 10**18, "▌   "),
        (8, 4, 8, "  ▒▒"),
        (3, 3, 8, "    "),
        (0, 0, 0, "    "),
    ],
)
def test_bars_to_half_a_cell(*, begin, end, whole, text):
    assert bar_text(begin, end, whole, 4) == text


async def test_it_is_the_first_view(session, run_app):
    async with run_app(session, view="") as pilot:
        assert pilot.app.screen.view.name == "overview"
        lines = table_lines(pilot)
        assert lines[1].startswith("▸ Findings: 3")
        assert any("slower" in line and "5.48 ms" in line and "█" in line for line in lines)
        assert any("Not judged: 1" in line for line in lines)


async def test_enter_on_a_finding_leads_to_its_operator(session, run_app, settle):
    async with run_app(session, view="") as pilot:
        await pilot.press("j", "j", "enter")
        await settle(pilot)
        assert (pilot.app.screen.view.name, pilot.app.screen.table.row) == ("operators", 5)
        assert len(pilot.app.screen.table.order) == 8


async def test_enter_on_a_part_of_the_bridge_leads_to_its_operators(session, run_app, settle):
    async with run_app(session, view="") as pilot:
        await go_to(pilot, settle, "faster")
        await pilot.press("enter")
        await settle(pilot)
        screen = pilot.app.screen
        assert (screen.view.name, screen.table.row, list(screen.table.order)) == ("operators", 6, [6])
        await pilot.press("escape")
        await settle(pilot)
        assert len(screen.table.order) == 8
        await pilot.press("escape")
        await settle(pilot)
        assert pilot.app.screen.view.name == "overview"


async def test_enter_on_a_part_without_operators_tells_what_it_is_made_of(session, run_app, settle):
    async with run_app(session, view="") as pilot:
        await go_to(pilot, settle, "host gap")
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, TextScreen)
        assert "-340 us  idle" in str(pilot.app.screen._text)


def unknown(session: Session) -> Session:
    """The session with nothing known wherever a column may be NA."""
    numbers = {"ref_ns": None, "run_ns": None, "ratio": np.nan, "impact_ns": None, "max_abs": np.nan}
    operators = session.operators.copy()
    for name in numbers:
        operators[name] = pd.array([None] * len(operators), dtype=operators[name].dtype)
    findings = session.findings.assign(impact_ns=pd.array([None] * 3, dtype="Int64"), ratio=np.nan, confidence=np.nan)
    steps = session.steps.assign(dur_ns=pd.array([None] * 2, dtype="Int64"))
    return replace(session, operators=operators, findings=findings, steps=steps)


def hostile(session: Session) -> Session:
    operators = session.operators.assign(operator=HOSTILE, module=pd.Categorical([HOSTILE] * 8))
    bridge = session.bridge.assign(operator=HOSTILE, module=pd.Categorical([HOSTILE] * 9))
    findings = session.findings.assign(op=HOSTILE, module=HOSTILE, evidence=HOSTILE, advice=HOSTILE)
    sources = session.sources.assign(path=HOSTILE, version=HOSTILE)
    return replace(
        session, operators=operators, bridge=bridge, findings=findings, sources=sources, title=HOSTILE,
        not_judged=(HOSTILE,),
    )  # fmt: skip


def one_row(session: Session) -> Session:
    """One row in each frame."""
    frames = ("operators", "parity", "overflow", "findings", "steps", "breakdown", "sources", "issues")
    return replace(session, **{name: getattr(session, name).iloc[:1].reset_index(drop=True) for name in frames})


@pytest.mark.parametrize("size", [(80, 24), (40, 10)], ids=["80x24", "40x10"])
@pytest.mark.parametrize("made", [lambda session: Session("", ""), one_row, unknown, hostile])
async def test_every_view_renders_any_session(*, session, run_app, settle, made, size):
    changed = made(session)
    async with run_app(changed, size=size, view="") as pilot:
        for view in make_views(changed):
            await pilot.app.action_show_view(view.name)
            await settle(pilot)
            screen = pilot.app.screen
            assert screen.view.name == view.name
            await pilot.press("G")
            lines = table_lines(pilot)
            assert any(line.strip() for line in lines)
            assert not any(mark in "".join(lines) for mark in ("\x1b", "\n"))
            assert len(screen._compositor.render_strips()) == size[1]
