"""Which exercise shows that an action does what it says, and what exercises ask of the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.widgets import Static

Exercise = Callable[[Any, Callable[[], Awaitable[None]]], Awaitable[None]]
"""Takes the pilot of the running app, and what waits until the app has nothing to do."""

EXERCISES: dict[str, Exercise] = {}

ORDER_BY_IMPACT = [5, 3, 7, 0, 2, 1, 4, 6]
"""Rows of the synthetic operators as the table shows them at first."""


def exercises(*actions: str) -> Callable[[Exercise], Exercise]:
    """Name the actions, by their ids, that a function exercises."""

    def register(exercise: Exercise) -> Exercise:
        for action in actions:
            assert action not in EXERCISES, f"{action} has two exercises"
            EXERCISES[action] = exercise
        return exercise

    return register


async def rows_after(pilot: Any, *keys: str) -> int | None:
    await pilot.press(*keys)
    return pilot.app.screen.table.row


def lines_of(table: Any) -> list[str]:
    return [table.render_line(y).text for y in range(table.size.height)]


def said(pilot: Any) -> list[str]:
    return [notification.message for notification in pilot.app._notifications]


def screen_text(pilot: Any) -> str:
    return "\n".join(str(static.content) for static in pilot.app.screen.query(Static))


def status(pilot: Any) -> str:
    return str(pilot.app.screen.query_one("#status", Static).content)


async def settle_filter(pilot: Any, settle: Any) -> None:
    """Wait for the pause after typing, then for the rows."""
    await pilot.pause(0.15)
    await settle()
