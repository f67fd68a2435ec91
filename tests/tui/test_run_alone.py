"""One run without a reference fills its views, without columns that could say nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Static

from profkit.correlate import operator_rows
from profkit.run import Run
from profkit.schema import ALIGNMENT
from profkit.session import Session
from profkit.triage import Inputs, triage
from profkit.tui.widgets.breadcrumb import Breadcrumb


@pytest.fixture(scope="module")
def alone(samples) -> Session:
    return triage(Inputs(run=samples / "vit" / "pytorch"))


def titles(pilot) -> list[str]:
    return [column.title for column in pilot.app.screen.table.columns]


async def test_its_operators_are_shown_the_costliest_first(alone, run_app, settle):
    async with run_app(alone) as pilot:
        table = pilot.app.screen.table
        times = alone.operators["run_ns"].iloc[table.order].tolist()
        assert times == sorted(times, reverse=True)
        assert len(times) == len(alone.operators) > 0
        assert not {"ratio", "impact", "ref", "flag", "ref operators"} & set(titles(pilot))
        # No tensors were given: columns of verdicts would be empty from top to bottom.
        assert not {"parity", "overflow", "max abs"} & set(titles(pilot))
        await pilot.press("7")
        await settle(pilot)
        assert "run" in titles(pilot)
        assert not {"ratio", "impact", "ref", "slow"} & set(titles(pilot))
        await pilot.press("1", "u")
        await settle(pilot)
        frame = pilot.app.screen.view.frame
        sums = frame.loc[frame["depth"] == 0, "run_ns"].tolist()
        assert sums == sorted(sums, reverse=True)


async def test_the_first_page_has_no_columns_of_a_reference(alone, run_app):
    async with run_app(alone, size=(80, 24), view="overview") as pilot:
        assert titles(pilot) == ["what", "run", "of the step", "note"]
        assert "nothing was aligned and noth" in "\n".join(
            pilot.app.screen.table.render_line(y).text for y in range(24)
        )


async def test_each_of_its_steps_is_drawn_by_itself(alone, run_app, settle):
    async with run_app(alone, view="timeline") as pilot:
        screen = pilot.app.screen
        frame, chart = screen.view.frame, screen.chart
        assert len(frame) == len(alone.alignment)
        for row in (0, len(frame) - 1):
            screen.show_row(row)
            await settle(pilot)
            drawn = frame.iloc[[row for lane in chart.lanes for row in lane.rows]]
            assert set(drawn["step"]) == {frame["step"].iloc[row]}
        assert frame["step"].nunique() == 3


async def test_the_timeline_opens_at_the_step_that_the_line_names(alone, run_app, settle):
    async with run_app(alone, view="timeline") as pilot:
        step = pilot.app.screen.view.frame["step"].iloc[pilot.app.screen.table.row]
        assert f"run step {step}" in str(pilot.app.screen.query_one(Breadcrumb).render())
        assert step > alone.steps["step"].min()


async def test_a_recording_without_steps_tells_that_its_times_are_of_all_of_it(alone, run_app, settle):
    stepless = ALIGNMENT.build(alone.alignment.assign(step=-1))
    operators = operator_rows(stepless, None, Run(Path("run"), "pytorch"))
    assert operators["run_ns"].sum() == alone.alignment["dur_ns"].sum()
    async with run_app(replace(alone, operators=operators, alignment=stepless)) as pilot:
        text = str(pilot.app.screen.query_one("#detail-text", Static).content)
        assert "in the whole recording, which has no steps" in text
        assert "median of" not in text


async def test_a_row_leads_from_the_operator_to_its_slice(alone, run_app, settle):
    async with run_app(alone) as pilot:
        await pilot.press("j")
        await settle(pilot)
        operator = alone.operators.iloc[pilot.app.screen.table.row]
        await pilot.press("8")
        await settle(pilot)
        slice_ = pilot.app.screen.view.frame.iloc[pilot.app.screen.table.row]
        assert slice_["unit"] == operator["unit"]
