"""The operators that only one side has: counts of either side, their operators below, and the way there and back."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from textual.widgets import Static

from profkit.session import Session
from profkit.triage import Inputs, triage


@pytest.fixture
def lacking(session: Session) -> Session:
    """The session, two operators of the run and one of the reference without a counterpart."""
    operators = session.operators.copy()
    operators.loc[[1, 5, 7], "unit"] = -1
    operators.loc[[1, 5, 7], ["ratio", "impact_ns"]] = pd.NA
    operators.loc[[1, 7], "ref_ns"] = pd.NA
    operators.loc[[5], "run_ns"] = pd.NA
    operators.loc[[1, 5, 7], "reason"] = "no counterpart found"
    operators["flag"] = pd.Categorical([None, "extra_op", None, "slow", None, "missing_op", None, "extra_op"])
    return replace(session, operators=operators)


def lines(pilot) -> list[str]:
    table = pilot.app.screen.table
    return [table.render_line(y).text for y in range(table.size.height)]


async def test_both_sides_are_counted_with_their_time(lacking, run_app, settle):
    async with run_app(lacking, size=(80, 24)) as pilot:
        await pilot.press("U")
        await settle(pilot)
        told = str(pilot.app.screen.query_one("#status", Static).content)
        assert "ref only: 1, 450 us | run only: 2, 1.23 ms" in told
        text = "\n".join(lines(pilot))
        assert "run only: no counterpart found" in text
        assert "ref only: no counterpart found" in text
        assert [int(row) for row in pilot.app.screen.view.frame["row"]] == [7, 7, 1, 5, 5]


async def test_an_operator_is_followed_there_and_enter_leads_back(lacking, run_app, settle):
    async with run_app(lacking) as pilot:
        pilot.app.screen.table.show_row(0)
        await pilot.press("/", *"aten::gelu", "enter")
        await pilot.pause(0.15)
        await settle(pilot)
        await pilot.press("g", "j", "U")
        await settle(pilot)
        screen = pilot.app.screen
        screen.show_row(4)
        await pilot.press("enter")
        await settle(pilot)
        assert (pilot.app.screen.view.name, pilot.app.screen.table.row) == ("operators", 5)


@pytest.mark.parametrize(("word", "rows"), [("ref", [3, 4]), ("run", [0, 1, 2]), ("flagged", [1, 2, 4])])
async def test_a_word_keeps_one_side(lacking, run_app, settle, word, rows):
    async with run_app(lacking, view="unmatched") as pilot:
        await pilot.press("/", *word)
        await pilot.pause(0.15)
        await settle(pilot)
        assert sorted(pilot.app.screen.table.order) == rows


async def test_in_a_run_alone_nothing_is_called_unmatched(run_app, samples):
    alone = triage(Inputs(run=samples / "vit" / "mindspore_slow" / "pynative"))
    async with run_app(alone, view="unmatched") as pilot:
        assert "nothing was aligned" in "\n".join(lines(pilot))
