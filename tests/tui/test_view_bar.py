"""The bar of all views says as much of each as fits."""

from __future__ import annotations

import pytest

from profkit.tui.widgets.view_bar import ViewBar


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("key", ["0", "1", "8"])
async def test_every_view_has_a_word(session, run_app, settle, width, key):
    async with run_app(session, size=(width, 24)) as pilot:
        await pilot.press(key)
        await settle(pilot)
        bar = pilot.app.screen.query_one(ViewBar)
        text = str(bar.render())
        view = pilot.app.screen.view
        assert f"{key} {view.title}" in text
        for tab in bar._tabs:
            assert f"{tab.key} {tab.short}" in text or f"{tab.key} {tab.title}" in text


async def test_where_nothing_fits_the_keys_stay(session, run_app, settle):
    async with run_app(session, size=(40, 10)) as pilot:
        bar = pilot.app.screen.query_one(ViewBar)
        text = str(bar.render())
        assert "1 Operators" in text
        assert all(f" {tab.key}" in text for tab in bar._tabs)
        assert len(text) <= 40


async def test_a_click_asks_for_what_is_under_it(session, run_app, settle):
    async with run_app(session, size=(80, 24)) as pilot:
        text = str(pilot.app.screen.query_one(ViewBar).render())
        await pilot.click(ViewBar, offset=(text.index("4 Par"), 0))
        await settle(pilot)
        assert pilot.app.screen.view.name == "parity"
