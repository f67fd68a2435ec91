"""Keys of one burst have their effect one after the other."""

from __future__ import annotations

import pytest
from textual import events
from textual.widgets import Input


def burst(app, text: str) -> None:
    """Send keys without waiting in between, as a terminal does with what is pasted or typed ahead."""
    names = {"/": "slash", "\n": "enter", "?": "question_mark"}
    for letter in text:
        app.post_message(events.Key(names.get(letter, letter), letter))


async def test_letters_after_a_slash_go_to_the_filter(session, run_app, settle):
    async with run_app(session) as pilot:
        burst(pilot.app, "/slow")
        await settle(pilot)
        assert pilot.app.screen.query_one("#filter", Input).value == "slow"
        assert pilot.app.screen.table.sort.column.name == "impact_ns"


async def test_what_is_pasted_after_a_slash_goes_to_the_filter(session, run_app, settle):
    async with run_app(session) as pilot:
        burst(pilot.app, "/")
        pilot.app.post_message(events.Paste("slow"))
        burst(pilot.app, "\nj")
        await settle(pilot)
        await pilot.pause(0.3)
        assert pilot.app.screen.query_one("#filter", Input).value == "slow"
        assert pilot.app.screen.table.has_focus


async def test_keys_after_a_change_of_view_go_to_that_view(session, run_app, settle):
    async with run_app(session) as pilot:
        burst(pilot.app, "4gjj")
        await settle(pilot)
        await settle(pilot)
        assert pilot.app.screen.view.name == "parity"
        assert pilot.app.screen.table.cursor_place == 2


async def test_a_note_can_be_typed_ahead(session, run_app, settle):
    async with run_app(session) as pilot:
        burst(pilot.app, "Nwhy\n")
        await pilot.pause(0.5)
        await settle(pilot)
        assert [mark.note for mark in pilot.app.screen.marks.kept()] == ["why"]


@pytest.mark.parametrize("keys", ["?q?q?q", "vqvqjjj", "4b4b4b", "zzzz"])
async def test_no_key_is_stuck_behind_a_screen_that_went_away(keys, session, run_app, settle):
    async with run_app(session) as pilot:
        burst(pilot.app, keys)
        await pilot.pause(0.6)
        await pilot.press("1", "g", "j")
        await settle(pilot)
        assert pilot.app.screen.view.name == "operators"
        assert pilot.app.screen.table.cursor_place == 1


async def test_a_held_key_describes_only_where_it_ends(session_of, make_operators, run_app, settle):
    operators = make_operators().loc[list(range(8)) * 50].reset_index(drop=True)
    async with run_app(session_of(operators)) as pilot:
        screen, described = pilot.app.screen, []
        describe = screen.view.describe
        object.__setattr__(screen.view, "describe", lambda row: described.append(row) or describe(row))
        for _ in range(300):
            pilot.app.post_message(events.Key("j", "j"))
        while screen.table.cursor_place < 300:
            await pilot.pause(0.01)
        await settle(pilot)
        assert screen.table.cursor_place == 300
        assert described[-1] == screen.table.row
        assert len(described) < 30
