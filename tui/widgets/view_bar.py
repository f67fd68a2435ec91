"""The line at the top: every view with its key and number of rows, and what session this is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from profkit.safe_text import printable
from profkit.tui.widgets.table_column import fitted

_NARROWEST_TITLE = 12


@dataclass(frozen=True)
class Tab:
    """One view in the bar: its name, its key, its title and the number of its rows."""

    name: str
    key: str
    title: str
    rows: str


class ViewBar(Widget):
    """Shows all views, the current one marked; a click on one asks for it.

    Args:
        tabs: The views in the order of their keys.
        current: Name of the view shown.
        title: What session this is; shown where there is room.
    """

    class Chosen(Message):
        """The user clicked on a view."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, tabs: Sequence[Tab], current: str, title: str) -> None:
        super().__init__()
        self._tabs = tabs
        self._current = current
        self._title = printable(title)

    def render(self) -> Content:
        """Give the line; where it is narrow, counts go first, then the titles of all but the current view."""
        parts = [(f" {text} ", "reverse bold" if tab.name == self._current else "") for tab, text in self._texts()]
        rest = self.size.width - sum(cell_len(text) for text, _ in parts)
        title = fitted(self._title, rest - 1, right=True) if rest > _NARROWEST_TITLE else ""
        return Content.assemble(*parts, (title, "dim"))

    def on_click(self, event: events.Click) -> None:
        """Ask for the clicked view."""
        end = 0
        for tab, text in self._texts():
            end += cell_len(text) + 2
            if event.x < end:
                self.post_message(self.Chosen(tab.name))
                return

    def _texts(self) -> list[tuple[Tab, str]]:
        """Give all there is to say of every view, else their titles, else the keys of all but the current one."""
        full = [(tab, f"{tab.key} {tab.title} {tab.rows}") for tab in self._tabs]
        titled = [(tab, f"{tab.key} {tab.title}") for tab in self._tabs]
        least = [(tab, text if tab.name == self._current else tab.key) for tab, text in full]
        for texts in (full, titled):
            if sum(cell_len(text) + 2 for _, text in texts) <= self.size.width:
                return texts
        return least
