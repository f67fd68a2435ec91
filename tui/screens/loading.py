"""The screens before there is anything to show: loading, and why it failed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Footer, Static

from profkit.safe_text import printable
from profkit.tui.actions import bindings
from profkit.tui.screens.action_screen import ActionScreen


class LoadingScreen(ActionScreen[None]):
    """Tells how far loading is."""

    SCOPES = ("loading", "everywhere")
    BINDINGS = bindings(*SCOPES)

    class Cancelled(Message):
        """The user asked to stop loading."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = printable(title)

    def compose(self) -> ComposeResult:
        """Lay out the title, the progress line and the keys."""
        with Vertical(id="box"):
            yield Static(self._title, markup=False)
            yield Static("opening", id="progress", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def show_progress(self, verb: str, subject: str, fraction: float | None) -> None:
        """Show what is being done, on what, and how much of it is done."""
        percent = "" if fraction is None else f"  {100 * fraction:3.0f} %"
        self.query_one("#progress", Static).update(printable(f"{verb} {subject}{percent}"))

    def action_cancel(self) -> None:
        """Ask to stop."""
        self.query_one("#progress", Static).update("stopping")
        self.post_message(self.Cancelled())

    def action_quit(self) -> None:
        """Leave profkit; loading is stopped too."""
        self.post_message(self.Cancelled())
        self.app.exit(return_code=2)


class MessageScreen(ActionScreen[None]):
    """Tells what went wrong and what to do next."""

    SCOPES = ("message", "everywhere")
    BINDINGS = bindings(*SCOPES)

    def __init__(self, message: str, hint: str) -> None:
        super().__init__()
        self.message = printable(message)
        self.hint = printable(hint)

    def compose(self) -> ComposeResult:
        """Lay out message, hint and the key that leaves."""
        with Vertical(id="box"):
            yield Static(self.message, id="message", markup=False)
            yield Static(self.hint, id="hint", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def action_quit(self) -> None:
        """Leave profkit, the message staying in the terminal."""
        lines = [self.message, self.hint] if self.hint else [self.message]
        self.app.exit(return_code=2, message="\n".join(lines))
