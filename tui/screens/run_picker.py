"""Choosing what to open: the folders and recordings at a place, each with the format it was recognised as."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from profkit.errors import ProfkitError
from profkit.parsers.registry import claim
from profkit.report.quantities import count
from profkit.safe_text import printable
from profkit.session import is_session
from profkit.tui.actions import Scope, bindings
from profkit.tui.screens.action_screen import ActionScreen
from profkit.tui.widgets.key_line import KeyLine

_MOST_ENTRIES = 2_000
_NAME_WIDTH = 44
SESSION = "session"
"""What a saved session is recognised as."""


@dataclass(frozen=True)
class Entry:
    """Something at a place.

    Attributes:
        path: Where it is.
        format: What it was recognised as; None for a folder to look into.
        reason: Why.
    """

    path: Path
    format: str | None
    reason: str


class FolderPicker(ActionScreen[None]):
    """Shows one folder at a time; what is chosen in it, and told when, is up to the kind of picker.

    Args:
        folder: Where to begin.
    """

    SCOPES: ClassVar[tuple[Scope, ...]] = ("open", "everywhere")
    BINDINGS = bindings(*SCOPES)
    AUTO_FOCUS = "OptionList"

    class _Listed(Message):
        def __init__(self, folder: Path, entries: list[Entry], problem: str) -> None:
            super().__init__()
            self.folder = folder
            self.entries = entries
            self.problem = problem

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.entries: list[Entry] = []

    def compose(self) -> ComposeResult:
        """Lay out the place, the list, what is to be chosen and the keys."""
        yield Static(id="place", markup=False)
        yield OptionList(id="entries")
        yield Static(id="status", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        """Look at the first folder."""
        self._enter(self.folder)

    def _enter(self, folder: Path) -> None:
        self._say_status(f"looking at {folder}")
        self._look(folder)

    @work(thread=True, exclusive=True, exit_on_error=False, group="look")
    def _look(self, folder: Path) -> None:
        entries, problem = entries_of(folder)
        if not get_current_worker().is_cancelled:
            self.post_message(self._Listed(folder, entries, problem))

    @on(_Listed)
    def _show(self, message: _Listed) -> None:
        message.stop()
        self.folder, self.entries = message.folder, message.entries
        self.query_one("#place", Static).update(printable(str(message.folder)))
        options = self.query_one("#entries", OptionList)
        options.clear_options()
        names = [cell_len(printable(entry.path.name)) for entry in message.entries if entry.format is not None]
        width = min(max(names, default=0), _NAME_WIDTH)
        options.add_options([Option(_line(entry, width)) for entry in message.entries])
        if message.entries:
            options.highlighted = 0
        self._say_status(message.problem)

    def _say_status(self, text: str) -> None:
        parts = [part for part in (self.question(), text) if part]
        self.query_one("#status", Static).update(printable("  ".join(parts)))

    def question(self) -> str:
        """Say what is to be chosen; nothing by default."""
        return ""

    def choose(self, entry: Entry) -> None:
        """Take an entry that was recognised as something."""
        raise NotImplementedError

    @property
    def entry(self) -> Entry | None:
        """The entry under the cursor."""
        place = self.query_one("#entries", OptionList).highlighted
        return None if place is None else self.entries[place]

    @on(OptionList.OptionSelected)
    def _open(self) -> None:
        entry = self.entry
        if entry is None:
            return
        if entry.format is None:
            self._enter(entry.path)
        else:
            self.choose(entry)

    def action_up(self) -> None:
        """Look at the folder that holds this one."""
        self._enter(self.folder.parent)

    def action_close(self) -> None:
        """Return to what is open."""
        if isinstance(self.app.screen_stack[-2], ActionScreen):
            self.dismiss()
        else:
            self.notify("Nothing is open yet; q leaves profkit.")

    def action_quit(self) -> None:
        """Leave profkit."""
        self.app.exit(return_code=0)


class RunPicker(FolderPicker):
    """Lets the user choose a run, a reference and a run, or a saved session."""

    SCOPES: ClassVar[tuple[Scope, ...]] = ("open", "open-run", "everywhere")
    BINDINGS = bindings("open-run")

    class Chosen(Message):
        """The user chose what to open.

        Attributes:
            ref: The reference; None to look at one run alone.
            run: The run, or a saved session.
        """

        def __init__(self, ref: Path | None, run: Path) -> None:
            super().__init__()
            self.ref = ref
            self.run = run

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ref: Path | None = None

    def question(self) -> str:
        """Say what Enter does, and which reference was chosen, once there is one."""
        if self.ref is None:
            return "Enter opens a session or a run by itself; r takes the run as the reference of another."
        return f"reference: {self.ref}; Enter opens the run."

    def choose(self, entry: Entry) -> None:
        """Open a run, against the reference if one was chosen, or a session."""
        self.post_message(self.Chosen(None if entry.format == SESSION else self.ref, entry.path))

    def action_reference(self) -> None:
        """Take the entry as the reference; again to let it go."""
        entry = self.entry
        if entry is None or entry.format in (None, SESSION):
            self.notify("A reference is a run: move to a line that names a format.")
            return
        self.ref = None if self.ref == entry.path else entry.path
        self._say_status("")

    def action_whole(self) -> None:
        """Open everything below this folder as one run."""
        self.post_message(self.Chosen(self.ref, self.folder))


class SessionPicker(FolderPicker):
    """Lets the user choose a saved session."""

    class Chosen(Message):
        """The user chose a session.

        Attributes:
            path: Its directory.
        """

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    def question(self) -> str:
        """Say what is to be chosen, or how there would be something to choose."""
        if any(entry.format == SESSION for entry in self.entries):
            return "Choose the session before this one."
        return "Choose the session before this one. None is here: `profkit triage REF RUN -o DIR` saves one."

    def choose(self, entry: Entry) -> None:
        """Take a session; a recording has to be triaged first."""
        if entry.format == SESSION:
            self.post_message(self.Chosen(entry.path))
        else:
            self.notify(
                "This is a recording. Two sessions are compared: `profkit triage REF RUN -o DIR` saves one.",
                markup=False,
            )


def entries_of(folder: Path) -> tuple[list[Entry], str]:
    """Give what lies in a folder, recordings first, and what is to be said about it.

    Nothing is read but what recognising a format needs; what is neither a folder nor recognised is counted.
    """
    try:
        with os.scandir(folder) as found:
            paths = [Path(entry.path) for entry in islice(found, _MOST_ENTRIES + 1)]
    except OSError as error:
        return [], f"cannot be read: {error.strerror}"
    entries = [entry for path in sorted(paths[:_MOST_ENTRIES]) if (entry := _entry(path)) is not None]
    others = min(len(paths), _MOST_ENTRIES) - len(entries)
    parts = [f"{count(others)} files of no known format"] if others else []
    if len(paths) > _MOST_ENTRIES:
        parts.append(f"only the first {count(_MOST_ENTRIES)} entries were looked at: name the path instead")
    return sorted(entries, key=lambda entry: entry.format is None), "; ".join(parts)


def _entry(path: Path) -> Entry | None:
    if path.name.startswith("."):
        return None
    try:
        if path.is_dir() and is_session(path):
            return Entry(path, SESSION, "a saved answer of profkit triage")
        claimed = claim(path) if path.is_dir() or path.is_file() else None
        if claimed is not None:
            return Entry(path, claimed.parser.descriptor.name, claimed.recognition.reason)
        return Entry(path, None, "") if path.is_dir() else None
    except (OSError, ProfkitError):
        return None


def _line(entry: Entry, width: int) -> Content:
    name = printable(entry.path.name)
    if entry.format is None:
        return Content(f"{name}/")
    return Content.assemble(
        name + " " * max(width - cell_len(name), 0),
        ("  " + entry.format, "bold"),
        (f"  {printable(entry.reason)}", "dim"),
    )
