"""What is selected stays so from view to view, and one line says what it is."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from rich.cells import cell_len
from textual.widgets import Input

from profkit.schema import OPERATORS
from profkit.tui.widgets.breadcrumb import Breadcrumb


def line(pilot) -> str:
    return str(pilot.app.screen.query_one(Breadcrumb).render()).strip()


async def go_to_module(pilot, settle, module: str) -> None:
    await pilot.press("7")
    await settle(pilot)
    frame = pilot.app.screen.view.frame
    row = int(frame.index[frame["module"] == module][0])
    pilot.app.screen.table.show_row(row - 1)
    await pilot.press("j")
    await settle(pilot)


def module_at_cursor(pilot) -> str:
    screen = pilot.app.screen
    return screen.view.frame["module"].iloc[screen.table.row]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_line_names_run_step_module_and_operator(session, run_app, settle, size):
    async with run_app(session, size=size) as pilot:
        assert line(pilot) == "mindspore_run > ref step 1, run step 2"
        await pilot.press("j")
        await settle(pilot)
        told = "mindspore_run > ref step 1, run step 2 > blocks.0.attn.softmax > aten::softmax"
        assert line(pilot) == told
        for key in ("2", "4", "b", "f", "b"):
            await pilot.press(key)
            await settle(pilot)
            assert line(pilot) == told


async def test_a_slice_selects_its_step(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("8", "G")
        await settle(pilot)
        assert line(pilot).startswith("mindspore_run > step 2")


async def test_a_module_stays_selected_though_it_holds_many_operators(session, run_app, settle):
    async with run_app(session) as pilot:
        await go_to_module(pilot, settle, "blocks.0.attn")
        assert line(pilot).endswith("> blocks.0.attn")
        for key in ("1", "4", "7"):
            await pilot.press(key)
            await settle(pilot)
        assert module_at_cursor(pilot) == "blocks.0.attn"


async def test_of_many_rows_the_first_that_the_filter_shows_is_gone_to(session, run_app, settle):
    slices = pd.concat([session.alignment] * 5_000, ignore_index=True)
    step = pd.Series(range(len(slices))) // len(session.alignment)
    async with run_app(replace(session, alignment=slices.assign(step=step.astype("int32"))), view="timeline") as pilot:
        screen = pilot.app.screen
        wanted = screen.view.frame.index[screen.view.frame["unit"] == 3]
        screen.query_one("#filter", Input).value = "step=4999"
        await pilot.pause(0.15)
        await settle(pilot)
        await pilot.press("1")
        await settle(pilot)
        pilot.app.screen.table.show_row(2)
        await pilot.press(*"j" if pilot.app.screen.table.cursor_place == 0 else "k")
        await settle(pilot)
        operator = pilot.app.screen.table.row
        await pilot.press("8")
        await settle(pilot)
        frame = screen.view.frame
        assert frame["step"].iloc[screen.table.row] == 4999
        assert screen.view.link.operator[screen.table.row] == operator
        assert len(wanted) > 5_000


async def test_a_module_that_was_not_timed_is_followed_from_view_to_view(session, run_app, settle):
    async with run_app(replace(session, operators=OPERATORS.empty()), view="parity") as pilot:
        await pilot.press("j", "j", "j")
        await settle(pilot)
        assert line(pilot).endswith("> blocks.0.attn.softmax")
        for key in ("7", "3"):
            await pilot.press(key)
            await settle(pilot)
            assert module_at_cursor(pilot) == "blocks.0.attn.softmax"


async def test_a_click_leads_to_what_was_clicked(session, run_app, settle):
    async with run_app(session) as pilot:
        await pilot.press("j")
        await settle(pilot)
        for part, view in (
            ("blocks", "modules"),
            ("aten", "operators"),
            ("ref step", "timeline"),
            ("mindspore", "overview"),
        ):
            x = str(pilot.app.screen.query_one(Breadcrumb).render()).index(part)
            await pilot.click("Breadcrumb", offset=(x, 0))
            await settle(pilot)
            assert pilot.app.screen.view.name == view
        assert line(pilot).endswith("> aten::softmax")


@pytest.mark.parametrize("width", [40, 80])
async def test_long_and_hostile_names_stay_in_one_line(session, run_app, settle, width):
    hostile = "[b]m[/b]\x1b[31m\n日本" + "日本語.long" * 400
    operators = session.operators.assign(operator=hostile, module=pd.Categorical([hostile] * 8))
    async with run_app(replace(session, operators=operators), size=(width, 24)) as pilot:
        await pilot.press("j")
        await settle(pilot)
        told = str(pilot.app.screen.query_one(Breadcrumb).render())
        assert cell_len(told) <= width
        assert "\x1b" not in told
        assert "\n" not in told
        assert "…" in told
        assert told.count(" > ") == (2 if width == 40 else 3)
