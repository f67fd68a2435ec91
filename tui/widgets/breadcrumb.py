"""The line that says what is selected: run, step, module, operator; a click on one of them leads there."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from profkit.safe_text import printable
from profkit.tui.widgets.table_column import fitted

Level = Literal["run", "step", "module", "operator"]

_BETWEEN = " > "
_LEAST_CELLS = 8
_LONGEST_TEXT = 500


class Crumb(NamedTuple):
    """One part of the line."""

    level: Level
    text: str


class Breadcrumb(Widget):
    """Shows the parts in one line; the longest is cut where they do not fit, and those in front make way."""

    class Chosen(Message):
        """The user clicked on a part."""

        def __init__(self, level: Level) -> None:
            super().__init__()
            self.level = level

    def __init__(self) -> None:
        super().__init__()
        self._crumbs: tuple[Crumb, ...] = ()

    def tell(self, crumbs: tuple[Crumb, ...]) -> None:
        """Show other parts."""
        shown = tuple(Crumb(crumb.level, printable(crumb.text[-_LONGEST_TEXT:])) for crumb in crumbs)
        if shown != self._crumbs:
            self._crumbs = shown
            self.refresh()

    def render(self) -> Content:
        """Give the line, the last part in bold."""
        shown = self._shown()
        text = Content(_BETWEEN).join([Content(crumb.text) for crumb in shown[:-1]])
        last = Content.styled(shown[-1].text, "bold") if shown else Content("")
        return Content.assemble(" ", text, _BETWEEN if len(shown) > 1 else "", last)

    def on_click(self, event: events.Click) -> None:
        """Ask for the clicked part."""
        end = 1
        for crumb in self._shown():
            end += cell_len(crumb.text)
            if event.x < end:
                self.post_message(self.Chosen(crumb.level))
                return
            end += len(_BETWEEN)

    def _shown(self) -> list[Crumb]:
        """Give the parts as they fit: first the longest is cut, then the first part is left out."""
        crumbs = list(self._crumbs)
        while crumbs:
            excess = 1 + sum(cell_len(crumb.text) + len(_BETWEEN) for crumb in crumbs) - len(_BETWEEN) - self.size.width
            if excess <= 0:
                break
            longest = max(range(len(crumbs)), key=lambda place: cell_len(crumbs[place].text))
            length = cell_len(crumbs[longest].text)
            if length > _LEAST_CELLS:
                text = fitted(crumbs[longest].text, max(_LEAST_CELLS, length - excess), keep="tail")
                crumbs[longest] = Crumb(crumbs[longest].level, text)
            elif len(crumbs) > 1:
                crumbs.pop(0)
            else:
                break
        return crumbs
