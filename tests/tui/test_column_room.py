"""Which columns stand side by side: both times beside what they are judged by, whatever names and verdicts are."""

from __future__ import annotations

import pandas as pd
import pytest

_FIGURES = {"flag", "ratio", "impact_ns", "parity", "overflow", "ref_ns", "run_ns"}


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (140, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_both_times_stand_beside_ratio_parity_and_overflow(session_of, make_operators, run_app, settle, size):
    operators = make_operators(
        operator=["aclnnInplaceCopy_TensorMoveAiCore_TensorMove"] * 8,
        module=["network.backbone.blocks.11.attn.softmax"] * 8,
        flag=["missing_op"] * 8,
        parity=["undecidable"] * 8,
        overflow=["saturated"] * 8,
    )
    async with run_app(session_of(operators), size=size) as pilot:
        # Where the text stands by itself at this size, and on the other side if there is one.
        for keys in ((), ("d",)) if size[0] >= 120 else ((),):
            await pilot.press(*keys)
            await settle(pilot)
            table = pilot.app.screen.table
            shown = {table.columns[place.column].name: place for place in table.placed}
            assert set(shown) >= {"operator", "module", *_FIGURES}
            line = table.render_line(1).text
            assert "TensorMove"[-4:] in line
            assert "softmax"[-4:] in line


async def test_a_name_takes_the_room_that_is_free(session, run_app):
    async with run_app(session, size=(140, 40), view="overview") as pilot:
        table = pilot.app.screen.table
        assert "slow blocks.0.mlp.act" in "\n".join(table.render_line(y).text for y in range(8))
        assert not any("…" in table.render_line(y).text[: table.placed[0].width] for y in range(8))


async def test_a_rare_verdict_is_as_wide_as_it_needs(session_of, make_operators, run_app):
    many = 2_000
    operators = make_operators().loc[[0] * many].reset_index(drop=True)
    operators["flag"] = pd.Categorical([None] * (many - 1) + ["missing_op"])
    operators["impact_ns"] = -operators.index.to_series()
    async with run_app(session_of(operators)) as pilot:
        await pilot.press("G")
        assert "∅ missing" in pilot.app.screen.table.render_line(pilot.app.screen.table.size.height - 1).text


async def test_a_text_without_figures_beside_it_goes_on_over_the_blank_cells(session, run_app):
    async with run_app(session, size=(80, 24), view="overview") as pilot:
        await pilot.press("G")
        table = pilot.app.screen.table
        last = table.render_line(table.cursor_place - table.scroll_offset.y + 1).text
        assert "Gradients were not dumped on either side" in last
