"""A place in a file that a row speaks of, and opening it in the user's editor."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PLACE = re.compile(r"(?P<path>.+?):(?P<line>\d{1,9})(?:\s|:|$)")
_LINE = re.compile(r"line (?P<line>\d{1,9})")

# Editors that take the line as +N before the file, and those that take file:line.
_PLUS_LINE = frozenset(
    {"vi", "vim", "nvim", "view", "nano", "emacs", "emacsclient", "micro", "joe", "mcedit", "kak", "less"}
)
_COLON_LINE = frozenset({"hx", "helix", "subl"})


@dataclass(frozen=True)
class CodePlace:
    """A line of a file.

    Attributes:
        path: The file, as recorded.
        line: The line, from 1; None if only the file is known.
        folder: Where a relative path begins; empty for the working directory.
    """

    path: str
    line: int | None = None
    folder: str = ""

    @property
    def file(self) -> Path:
        """The file; absolute, so that an editor does not take it for an option."""
        return Path(self.folder, self.path).absolute()

    @classmethod
    def parse(cls, text: object) -> CodePlace | None:
        """Read "path:line  code"; None if the text says no place."""
        match = _PLACE.match(text) if isinstance(text, str) else None
        return cls(match["path"], int(match["line"])) if match else None

    @classmethod
    def of_file(cls, path: object, where: object = "", folder: str = "") -> CodePlace | None:
        """Give the place "line N" of a file, or the file; None without one."""
        if not isinstance(path, str) or not path:
            return None
        match = _LINE.search(where) if isinstance(where, str) else None
        return cls(path, int(match["line"]) if match else None, folder)

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


def editor_command(place: CodePlace, environment: Mapping[str, str] = os.environ) -> list[str] | None:
    """Give the command that opens a place in $VISUAL or $EDITOR; None where neither is set or the file is not here."""
    editor = shlex.split(environment.get("VISUAL") or environment.get("EDITOR") or "")
    path = place.file
    if not editor or "\0" in place.path or not path.is_file():
        return None
    name = Path(editor[0]).name
    if place.line is not None and name in _PLUS_LINE:
        return [*editor, f"+{place.line}", str(path)]
    if place.line is not None and name in _COLON_LINE:
        return [*editor, f"{path}:{place.line}"]
    return [*editor, str(path)]
