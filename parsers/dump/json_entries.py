"""A large JSON object given entry by entry, in memory of one entry; a cut or damaged file gives the entries before it.

Not msgspec: recorders write bare NaN and Infinity, which strict readers refuse, and a whole document of 100 MB would
take ten times as much memory at once.
"""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from profkit.errors import ImportIssue, Severity

_READ_BYTES = 1 << 20
# An entry of a real dump has a few kB; a longer one is no entry, and is not read into memory.
_LONGEST_ENTRY = 1 << 26
# -Infinity, the longest word; an escape of a text is shorter.
_LONGEST_WORD = 10
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class _CutError(Exception):
    """The file ends inside what is read."""


class _DamagedError(Exception):
    """What stands in the file is no JSON; the text says what."""


class JsonEntries:
    """The entries of the object in a JSON file, and of the objects below the keys that are opened."""

    def __init__(self, path: Path, opened: str, issues: list[ImportIssue]) -> None:
        """Open a file.

        Args:
            path: The file.
            opened: A key whose object is not given as a whole but entry by entry, as (opened, key, value).
            issues: Told of what could not be read.

        Raises:
            OSError: The file cannot be opened.
        """
        self._path = path
        self._opened = opened
        self._issues = issues
        self._file: IO[bytes] = path.open("rb")
        self._size = max(path.stat().st_size, 1)
        self._decode = getincrementaldecoder("utf-8")(errors="replace").decode
        self._text = ""
        self._at = 0
        self._before = 0
        self._ended = False

    def __enter__(self) -> JsonEntries:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def fraction(self) -> float:
        """Part of the file that was read, 0 to 1."""
        return min(self._file.tell() / self._size, 1.0)

    def __iter__(self) -> Iterator[tuple[str | None, str, Any]]:
        """Give (None, key, value) of the outer object and (opened, key, value) of the opened one, in file order."""
        given = 0
        try:
            for entry in self._object(None):
                given += 1
                yield entry
            if self._peek():
                raise _DamagedError("text follows the end of the object")
        except _CutError:
            self._stop(given, "the file is cut: it ends inside an entry")
        except _DamagedError as error:
            self._stop(given, f"the file is damaged: {error}")

    def _stop(self, given: int, why: str) -> None:
        text = f"{why}; the {given:,} entries before it were read"
        where = f"character {self._before + self._at}"
        self._issues.append(ImportIssue(Severity.DATA_LOSS, str(self._path), where, text))

    def _object(self, name: str | None) -> Iterator[tuple[str | None, str, Any]]:
        self._expect("{")
        if self._peek() == "}":
            self._at += 1
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise _DamagedError("a key is no text")
            self._expect(":")
            if name is None and key == self._opened and self._peek() == "{":
                yield from self._object(key)
            else:
                yield name, key, self._value()
            if self._peek() == "}":
                self._at += 1
                return
            self._expect(",")

    def _expect(self, sign: str) -> None:
        found = self._peek()
        if not found:
            raise _CutError
        if found != sign:
            raise _DamagedError(f"{found!r} stands where {sign!r} should")
        self._at += 1

    def _peek(self) -> str:
        """Give the next character that is no space, without taking it; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _value(self) -> Any:
        if not self._peek():
            raise _CutError
        wanted = _READ_BYTES
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise _DamagedError("values are nested too deep") from None
            except json.JSONDecodeError as error:
                if not _is_unfinished(self._text, error):
                    self._at = error.pos
                    raise _DamagedError(error.msg) from None
                self._read_on(wanted)
                wanted *= 2
                continue
            except ValueError:
                raise _DamagedError("a number has too many digits") from None
            # A number near the end of what was read may go on behind it: 1 may be 1e+16, whose e+ was read.
            if len(self._text) - end < _LONGEST_WORD and self._more():
                continue
            self._at = end
            return value

    def _read_on(self, wanted: int) -> None:
        """Read until there is more than `wanted` of a value whose end was not found yet."""
        if wanted > _LONGEST_ENTRY:
            raise _DamagedError(f"an entry is longer than {_LONGEST_ENTRY:,} characters")
        if not self._more():
            raise _CutError
        while len(self._text) - self._at < wanted and self._more():
            pass

    def _more(self) -> bool:
        """Read on; what was taken already is let go. False at the end of the file."""
        if self._ended:
            return False
        piece = self._file.read(_READ_BYTES)
        self._ended = not piece
        self._before += self._at
        self._text = self._text[self._at :] + self._decode(piece, final=self._ended)
        self._at = 0
        return True


def _is_unfinished(text: str, error: json.JSONDecodeError) -> bool:
    """Tell whether a decoder missed only the end of the text: it stops there, or where its last word or text begins."""
    if error.msg.startswith("Unterminated string"):
        return True
    return len(text) - error.pos < _LONGEST_WORD
