"""The screens before there is anything to show: loading, and why it failed."""

from __future__ import annotations

import time

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from profkit.safe_text import printable
from profkit.tui.actions import bindings
from profkit.tui.progress_line import ProgressLine
from profkit.tui.screens.action_screen import ActionScreen
from profkit.tui.widgets.key_line import KeyLine

_SECONDS_BETWEEN_LINES = 1.0


class LoadingScreen(ActionScreen[None]):
    """Tells how far loading is."""

    SCOPES = ("loading", "everywhere")
    BINDINGS = bindings(*SCOPES)

    class Cancelled(Message):
        """The user asked to stop loading; a second time, not to wait until it has stopped."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = printable(title)
        self._progress = ProgressLine(time.monotonic())
        self._is_stopping = False

    def compose(self) -> ComposeResult:
        """Lay out the title, the progress line and the keys."""
        with Vertical(id="box"):
            yield Static(self._title, markup=False)
            yield Static("opening", id="progress", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Show that time goes by, even if nothing is reported."""
        self.set_interval(_SECONDS_BETWEEN_LINES, self._show_line)

    def show_progress(self, verb: str, subject: str, fraction: float | None) -> None:
        """Show what is being done, on what, and how much of it is done."""
        self._progress.report(verb, subject, fraction, time.monotonic())
        self._show_line()

    def _show_line(self) -> None:
        line = self._progress.text(time.monotonic())
        if self._is_stopping:
            line = f"stopping, to show what is known so far; Esc again does not wait.  {line}"
        # A report may arrive while the screen is taken down, its parts before itself.
        for shown in self.query("#progress").results(Static):
            shown.update(line)

    def action_cancel(self) -> None:
        """Ask to stop."""
        self._is_stopping = True
        self._show_line()
        self.post_message(self.Cancelled())

    def action_quit(self) -> None:
        """Leave profkit; loading is stopped too."""
        self.app.exit(return_code=2)


class MessageScreen(ActionScreen[None]):
    """Tells what went wrong and what to do next.

    Args:
        message: What went wrong.
        hint: What to do next; may be empty.
        can_return: Whether there is a screen to return to.
    """

    SCOPES = ("message", "everywhere")
    BINDINGS = bindings(*SCOPES)

    def __init__(self, message: str, hint: str, *, can_return: bool) -> None:
        super().__init__()
        self.message = printable(message)
        self.hint = printable(hint)
        self._can_return = can_return

    def compose(self) -> ComposeResult:
        """Lay out message, hint and the keys."""
        with Vertical(id="box"):
            yield Static(self.message, id="message", markup=False)
            yield Static(self.hint, id="hint", markup=False)
        yield KeyLine()

    def action_leave(self) -> None:
        """Return to what was there before; leave profkit if there was nothing."""
        if self._can_return:
            self.dismiss()
        else:
            self.action_quit()

    def action_quit(self) -> None:
        """Leave profkit, the message staying in the terminal."""
        lines = [self.message, self.hint] if self.hint else [self.message]
        self.app.exit(return_code=2, message="\n".join(lines))
