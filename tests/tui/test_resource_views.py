"""The views of memory and communication: what was recorded, its curve, and what to do where nothing was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from textual.widgets import Static

from profkit.session_resources import SESSION_COMMUNICATION, SESSION_MEMORY, SESSION_MEMORY_CURVE
from profkit.tui.charts.curve_chart import Curve


def detail(pilot):
    return str(pilot.app.screen.query_one("#detail-text", Static).content)


async def test_memory_shows_peaks_with_units_and_the_curve_of_the_row(session, run_app):
    async with run_app(session) as pilot:
        await pilot.press("9")
        await pilot.pause()
        screen = pilot.app.screen
        table = "\n".join(screen.table.render_line(y).text for y in range(screen.table.size.height))
        assert table.index("3.00 GiB") < table.index("5.00 MiB")
        assert "3,221,225,472 bytes" in detail(pilot)
        lines = [screen.chart.render_line(y).text for y in range(screen.chart.size.height)]
        assert "held by APP (run)" in lines[0]
        assert "3.00 GiB" in lines[1]
        lowest = lines[-1][9:]
        assert lowest[: len(lowest) // 2 - 1].strip() == ""
        assert set(lowest[len(lowest) // 2 + 1 :].rstrip()) == {"█"}
        # The peak is narrow: the upper half of the picture has it alone.
        assert 0 < lines[1].count("█") < len(lowest) // 4


async def test_a_row_without_samples_says_so(session, run_app):
    async with run_app(session) as pilot:
        await pilot.press("9", "j")
        await pilot.pause()
        assert "no samples over time" in pilot.app.screen.chart.render_line(0).text


async def test_communication_shows_time_amount_and_bandwidth(session, run_app):
    async with run_app(session) as pilot:
        await pilot.press("x")
        await pilot.pause()
        text = detail(pilot)
        assert "6.00 ms" in text
        assert "1.00 ms" in text
        assert "8.00 MiB" in text


@pytest.mark.parametrize(("key", "advice"), [("9", "profile_memory=True"), ("x", "Level1")])
async def test_where_nothing_was_recorded_the_way_to_record_it_is_told(session, run_app, key, advice):
    bare = replace(
        session,
        memory=SESSION_MEMORY.empty(),
        memory_curve=SESSION_MEMORY_CURVE.empty(),
        communication=SESSION_COMMUNICATION.empty(),
    )
    async with run_app(bare) as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert advice in detail(pilot)


@pytest.mark.parametrize("cells", [1, 7, 60, 512, 1000])
def test_a_peak_is_seen_at_any_width(cells):
    curve = Curve("held", np.array([10, 200, 201]), np.array([1.0, 9.0, 2.0]), 512)
    shown = curve.over(cells)
    assert len(shown) == cells
    assert np.nanmax(shown) == 9.0
    assert shown[-1] == (9.0 if cells == 1 else 2.0)
