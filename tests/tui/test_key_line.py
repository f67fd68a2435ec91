from __future__ import annotations

from profkit.tui.screens.text_screen import TextScreen
from profkit.tui.widgets.key_line import KeyLine


def line_of(pilot):
    return pilot.app.screen.query_one(KeyLine).render().plain


async def test_a_line_too_narrow_for_all_keys_keeps_help_and_the_way_out(session, run_app, settle):
    async with run_app(session) as pilot:
        assert line_of(pilot).startswith("Enter open s sort / filter ")
        assert line_of(pilot).endswith(" : do ? help q quit")
        for width in (80, 60, 40, 20):
            await pilot.resize_terminal(width, 24)
            await settle(pilot)
            assert len(line_of(pilot)) <= width
            assert line_of(pilot).endswith("? help q quit")


async def test_a_click_presses_the_key(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.click(KeyLine, offset=(line_of(pilot).index("? help") + 3, 0))
        await settle(pilot)
        assert isinstance(pilot.app.screen, TextScreen)
        assert line_of(pilot) == "Esc close"
