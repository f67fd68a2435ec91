"""What can be done with the rows of a view: copy, write to a file, mark, note, open the line they speak of."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from textual import work
from textual.app import SuspendNotSupported
from textual.message import Message

from profkit.errors import ProfkitError
from profkit.report.quantities import count
from profkit.safe_text import printable
from profkit.tui.clipboard import osc52, write_clipboard_file
from profkit.tui.code_place import editor_command
from profkit.tui.export import export
from profkit.tui.row_marks import RowMarks
from profkit.tui.screens.action_screen import ActionScreen
from profkit.tui.screens.note_screen import NoteScreen
from profkit.tui.view import View
from profkit.tui.widgets.frame_table import FrameTable


class RowActions(ActionScreen[None]):
    """The part of a view's screen that acts on rows.

    Attributes:
        view: The view.
        marks: Its marked rows.
    """

    view: View
    marks: RowMarks

    class Yanked(Message):
        """The user copied something.

        Attributes:
            sequence: What the terminal is to be sent.
        """

        def __init__(self, sequence: str) -> None:
            super().__init__()
            self.sequence = sequence

    class Marked(Message):
        """A mark or a note is another now."""

    @property
    def table(self) -> FrameTable:
        """The table of the view."""
        return self.query_one(FrameTable)

    def say(self, text: str, *, is_problem: bool = False) -> None:
        """Tell the user something, for some seconds."""
        self.notify(printable(text), severity="error" if is_problem else "information", markup=False)

    def action_yank_cell(self) -> None:
        """Copy the cell at the cursor, uncut."""
        if self.table.row is not None:
            column = self.table.columns[self.table.cursor_column]
            self._yank(column.write(self.view.frame[column.name].iloc[self.table.row]), column.title)

    def action_yank_row(self) -> None:
        """Copy every column of the row at the cursor, exact values, and its note."""
        row = self.table.row
        if row is not None:
            lines = [f"{name}: {value}" for name, value in self.view.frame.iloc[row].items()]
            note = self.marks.note(row)
            self._yank("\n".join([*lines, f"note: {note}"] if note else lines), "row")

    def _yank(self, text: str, what: str) -> None:
        safe = "\n".join(printable(line) for line in text.split("\n"))
        try:
            path = write_clipboard_file(safe)
        except ProfkitError as error:
            self.say(f"{error.message}: {error.hint}", is_problem=True)
            return
        sequence = osc52(safe, inside_tmux="TMUX" in os.environ)
        if sequence is not None:
            self.post_message(self.Yanked(sequence))
        sent = "sent to the terminal's clipboard and " if sequence is not None else "too long for the clipboard, "
        self.say(f"{what}: {sent}written to {path}")

    def action_export(self, form: str) -> None:
        """Write the rows shown to a file, with their notes if there are any."""
        self._export(Path.cwd(), form)

    @work(thread=True, group="export")
    def _export(self, directory: Path, form: str) -> None:
        order = self.table.order
        try:
            path = export(self.marks.with_notes(self.view.frame), order, directory, self.view.name, form)
        except ProfkitError as error:
            self.say(f"{error.message}: {error.hint}", is_problem=True)
            return
        self.say(f"{count(len(order))} rows written to {path}")

    def action_mark(self) -> None:
        """Mark the row, or take its mark away."""
        row = self.table.row
        if row is None:
            return
        if not self.marks.toggle(row):
            self.say("The row has a note; empty the note to take the mark away.")
            return
        self._show_marks()

    def action_note(self) -> None:
        """Write a note on the row."""
        row = self.table.row
        if row is None:
            return

        def keep(note: str | None) -> None:
            if note is not None:
                self.marks.write_note(row, note)
                self._show_marks()

        subject = self.view.columns[0].write(self.view.frame[self.view.columns[0].name].iloc[row])
        self.app.push_screen(NoteScreen(subject, self.marks.note(row)), keep)

    def _show_marks(self) -> None:
        table = self.table
        table.refresh()
        if table.row_filter is not None and "marked" in table.row_filter.text.lower().split():
            table.reorder(table.row_filter, table.sort)
        self.post_message(self.Marked())

    def action_marked(self, direction: int) -> None:
        """Move to the next or previous marked row."""
        if not self.table.move_to_one_of(self.marks.mask(self.view.frame), direction):
            self.say("No marked row below." if direction > 0 else "No marked row above.")

    def action_code(self) -> None:
        """Tell the line of code or of a file that the row speaks of, and open it in the editor where it is here."""
        place = None if self.table.row is None else self.view.code(self.table.row)
        if place is None:
            self.say("Nothing recorded says which line of a file this row comes from.")
            return
        command = editor_command(place)
        if command is None:
            path = place.file
            why = "set $EDITOR to open it" if path.is_file() else "a folder" if path.is_dir() else "not found from here"
            self.say(f"{place}  ({why})")
            return
        try:
            with self.app.suspend():
                subprocess.run(command, check=False)  # noqa: S603 - the user's own editor
        except SuspendNotSupported:
            self.say(str(place))
        except OSError as error:
            self.say(f"{place}  ({command[0]} cannot be started: {error.strerror})", is_problem=True)
