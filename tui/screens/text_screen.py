"""A text over the whole screen: the help, or all that is known of one row."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from profkit.tui.actions import ACTIONS, SCOPE_TITLES, bindings
from profkit.tui.detail_text import DetailText
from profkit.tui.view import View

_KEY_WIDTH = 12


class TextScreen(Screen[None]):
    """Shows a text that scrolls."""

    BINDINGS = bindings("text")

    def __init__(self, text: Content) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Lay out the text and the keys."""
        with VerticalScroll():
            yield Static(self._text, markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def action_close(self) -> None:
        """Return to what lies under the text."""
        self.app.pop_screen()


def help_text(view: View) -> Content:
    """Give the help: all actions of the table of actions, and what the filter of a view understands."""
    text = DetailText()
    for scope, title in SCOPE_TITLES.items():
        text.heading(title)
        for action in ACTIONS:
            if action.scope == scope:
                text.field(action.shown.ljust(_KEY_WIDTH), action.meaning)
    text.heading(f"Filter of {view.title}")
    text.sentence("Terms divided by blanks, all of which must hold; upper and lower case are the same.")
    fields = [column for column in view.columns if not column.is_numeric]
    numbers = [column for column in view.columns if column.is_numeric]
    text.field("any text".ljust(_KEY_WIDTH), "occurs in one of the text columns")
    if view.words:
        text.field("a word".ljust(_KEY_WIDTH), ", ".join(view.words))
    if fields:
        names = ", ".join(column.short or column.name for column in fields)
        text.field("field:text".ljust(_KEY_WIDTH), f"the field holds the text, field=text: it is the text ({names})")
    if numbers:
        names = ", ".join(column.short or column.name for column in numbers)
        text.field("field>2".ljust(_KEY_WIDTH), f"also < >= <= =; times need a unit, as in >1.5ms ({names})")
    return text.content()
