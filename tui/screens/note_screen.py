"""Writing a note on a row."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from profkit.safe_text import printable
from profkit.tui.actions import bindings
from profkit.tui.screens.action_screen import ModalActionScreen
from profkit.tui.widgets.key_line import KeyLine

_LONGEST_NOTE = 2_000


class NoteScreen(ModalActionScreen[str | None]):
    """Asks for a note; gives it, or None if it is to stay as it was.

    Args:
        subject: What it is about.
        note: The note there is; empty for none.
    """

    SCOPES = ("note",)
    BINDINGS = bindings(*SCOPES)
    AUTO_FOCUS = "Input"

    def __init__(self, subject: str, note: str) -> None:
        super().__init__()
        self._subject = printable(subject)
        self._note = note

    def compose(self) -> ComposeResult:
        """Lay out the subject, the note and the keys."""
        with Vertical(id="box"):
            yield Static(self._subject, markup=False)
            note = Input(
                self._note,
                placeholder="a note; Enter keeps it, empty takes it away",
                max_length=_LONGEST_NOTE,
                compact=True,
            )
            note.cursor_blink = False
            yield note
        yield KeyLine()

    @on(Input.Submitted)
    def _keep(self, message: Input.Submitted) -> None:
        self.dismiss(message.value.strip())

    def action_drop(self) -> None:
        """Leave the note as it was."""
        self.dismiss(None)
