"""A sparkline shows every peak, whatever its width, and never a number that is not known."""

from __future__ import annotations

import math

import pytest
from textual.widgets import Static

from profkit.tui.charts.sparkline import sparkline


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([5.0], "█"),
        ([0.0, 0.0], "▁▁"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([7, math.nan, 7], "█ █"),
        ([math.nan], " "),
        ([-3.0, 7.0], "▁█"),
    ],
)
def test_one_bar_a_value(values, line):
    assert sparkline(values) == line


def test_of_many_values_the_largest_of_each_part_is_seen():
    values = [1.0] * 1000
    values[617] = 100.0
    line = sparkline(values, 40)
    assert len(line) == 40
    assert line.index("█") == 617 * 40 // 1000
    assert line.count("█") == 1


async def test_an_operator_shows_its_time_by_step(session, run_app):
    async with run_app(session) as pilot:
        text = str(pilot.app.screen.query_one("#detail-text", Static).content)
        assert "ref by step  ██  450 us to 450 us" in text
        assert "run by step  ██  3.15 ms to 3.15 ms" in text
