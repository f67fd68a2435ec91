"""A text over the whole screen: the help, or all that is known of one row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from profkit.tui.actions import SCOPE_TITLES, Action, Scope, actions_of, bindings, key_labels
from profkit.tui.detail_text import DetailText
from profkit.tui.screens.action_screen import ActionScreen
from profkit.tui.view import View
from profkit.tui.widgets.key_line import KeyLine

_KEY_WIDTH = 12


class TextScreen(ActionScreen[None]):
    """Shows a text that scrolls."""

    SCOPES = ("text",)
    BINDINGS = bindings(*SCOPES)

    def __init__(self, text: Content) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Lay out the text and the keys."""
        with VerticalScroll():
            yield Static(self._text, markup=False)
        yield KeyLine()

    def action_close(self) -> None:
        """Return to what lies under the text."""
        self.app.pop_screen()


def help_text(scopes: Collection[Scope], keys_of: Callable[[Action], str], topic: Content) -> Content:
    """Give the help of a screen.

    Args:
        scopes: What the screen has, in the table of actions.
        keys_of: Gives the keys of an action, divided by commas.
        topic: What the screen adds to the keys.
    """
    text = DetailText()
    for scope, title in SCOPE_TITLES.items():
        if scope not in scopes:
            continue
        text.heading(title)
        for action in actions_of([scope]):
            text.field(key_labels(keys_of(action)).ljust(_KEY_WIDTH), action.meaning)
    return Content("\n\n").join([text.content(), *([topic] if topic else [])])


def filter_help(view: View) -> Content:
    """Give what the filter of a view understands."""
    text = DetailText()
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


def filter_example(view: View, words: Iterable[str]) -> str:
    """Give what an empty filter of a view shows: one example of each kind of term, and the words it understands."""
    columns = {column.kind: column.short or column.name for column in reversed(view.columns)}
    examples = ["any text", *words]
    if "text" in columns:
        examples.append(f"{columns['text']}:text")
    if "number" in columns:
        examples.append(f"{columns['number']}>2")
    return "filter: " + "  ".join(examples)
