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
    """One view in the bar: its name, its key, its title in full and short, and the number of its rows."""

    name: str
    key: str
    title: str
    short: str
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
        """Give the line; where it is narrow, counts go first, then titles become short, then the last ones go."""
        parts = [(text, "reverse bold" if tab.name == self._current else "") for tab, text in self._texts()]
        rest = self.size.width - sum(cell_len(text) for text, _ in parts)
        title = f" {fitted(self._title, rest - 2, right=True, keep='tail')} " if rest > _NARROWEST_TITLE else ""
        return Content.assemble(*parts, (title, "dim"))

    def on_click(self, event: events.Click) -> None:
        """Ask for the clicked view."""
        end = 0
        for tab, text in self._texts():
            end += cell_len(text)
            if event.x < end:
                self.post_message(self.Chosen(tab.name))
                return

    def _texts(self) -> list[tuple[Tab, str]]:
        """Give as much of every view as fits, of the current one its title in any case."""
        full = [f" {tab.key} {tab.title} {tab.rows} " for tab in self._tabs]
        titled = [f" {tab.key} {tab.title}" for tab in self._tabs]
        short = [
            text if tab.name == self._current else f" {tab.key} {tab.short}"
            for tab, text in zip(self._tabs, titled, strict=True)
        ]
        texts = next((texts for texts in (full, titled) if _length(texts) <= self.size.width), short)
        for place in reversed(range(len(texts))):
            if _length(texts) <= self.size.width:
                break
            if self._tabs[place].name != self._current:
                texts[place] = f" {self._tabs[place].key}"
        return list(zip(self._tabs, texts, strict=True))


def _length(texts: list[str]) -> int:
    return sum(map(cell_len, texts))
