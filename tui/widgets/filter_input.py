"""The line in which a filter is typed."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from profkit.report.quantities import count
from profkit.tui.actions import bindings

LONGEST_FILTER = 1_000


class FilterInput(Input):
    """A one-line input that refuses, and says so, what is far too long to be a filter."""

    BINDINGS = bindings("filter")

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, id="filter", compact=True, max_length=LONGEST_FILTER)
        self.cursor_blink = False

    def _on_paste(self, event: events.Paste) -> None:
        room = LONGEST_FILTER - len(self.value)
        first_line = event.text.partition("\n")[0]
        if len(first_line) > room:
            said = f"{count(len(first_line))} characters were pasted; a filter has at most {count(LONGEST_FILTER)}."
            self.notify(said, severity="warning")
            event.stop()
            event.prevent_default()
