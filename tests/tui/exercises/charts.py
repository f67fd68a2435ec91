"""Exercises of the picture above a table."""

from __future__ import annotations

from .registry import exercises, rows_after


async def chart_after(pilot, settle, *keys):
    await pilot.press("8")
    await settle()
    await pilot.press(*keys)
    await settle()
    return pilot.app.screen.chart


@exercises("picture")
async def toggle_chart(pilot, settle):
    chart = await chart_after(pilot, settle)
    assert chart.region.height
    await pilot.press("c")
    assert not chart.region.height
    await pilot.press("c")
    assert chart.region.height


@exercises("zoom-in")
async def zoom_in(pilot, settle):
    chart = await chart_after(pilot, settle)
    whole = chart.window
    for key in ("+", "="):
        await pilot.press("W", key)
        first, last = chart.window
        assert last - first == (whole[1] - whole[0]) // 4
        assert first <= chart.starts[chart.row] < last


@exercises("zoom-out")
async def zoom_out(pilot, settle):
    chart = await chart_after(pilot, settle, "+", "+")
    narrow = chart.window
    await pilot.press("-")
    assert chart.window[1] - chart.window[0] == 4 * (narrow[1] - narrow[0])


@exercises("zoom-whole")
async def zoom_to_everything(pilot, settle):
    chart = await chart_after(pilot, settle)
    whole = chart.window
    await pilot.press("+", "+", "W")
    assert chart.window == whole


@exercises("pan-left")
async def pan_left(pilot, settle):
    chart = await chart_after(pilot, settle, "+", ">", ">")
    before = chart.window
    for key in ("<", ","):
        await pilot.press(key)
        assert chart.window[0] < before[0]
        assert chart.window[1] - chart.window[0] == before[1] - before[0]


@exercises("pan-right")
async def pan_right(pilot, settle):
    chart = await chart_after(pilot, settle, "+")
    for key in (">", "."):
        before = chart.window
        await pilot.press(key)
        assert chart.window[0] > before[0]


@exercises("previous-drawn")
async def previous_drawn(pilot, settle):
    await pilot.press("4")
    await settle()
    assert await rows_after(pilot, "j", "j", "p") == 1


@exercises("next-drawn")
async def next_drawn(pilot, settle):
    await chart_after(pilot, settle)
    frame = pilot.app.screen.view.frame
    before = frame.iloc[pilot.app.screen.table.row]
    after = frame.iloc[await rows_after(pilot, "n")]
    assert (after["side"], after["lane"], after["pair"]) == (before["side"], before["lane"], before["pair"])
    assert after["offset_ns"] > before["offset_ns"]
