"""Lines of a text file that its writer finished: a line without an end is where a file was cut.

Every writer of the formats read here ends its last line. A number at a cut may have lost digits and still be a number,
so the unfinished line is left out and told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from profkit.errors import ImportIssue, Severity

LONGEST_LINE = 1 << 24  # Characters.
OVERLONG = f"longer than {LONGEST_LINE:,} characters: left out"
_LINE_ENDS = ("\n", "\r")
_LINES_NAMED = 5


def finished_lines(file: TextIO, path: Path, issues: list[ImportIssue]) -> Iterator[str]:
    """Give the lines of a text file with their ends; notes an empty file, and leaves an unfinished last line out.

    Args:
        file: Open for reading text; line ends may be of any sort.
        path: Its path, for issues.
        issues: Told what is missing.
    """
    lines = BoundedLines(file)
    for line in lines:
        if lines.ended:
            yield line
        else:
            note_cut(path, lines.number, issues, "it was left out")
    issues += [ImportIssue(Severity.DATA_LOSS, str(path), f"line {number}", OVERLONG) for number in lines.overlong]
    if lines.number == 0:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", "the file is empty"))


class BoundedLines:
    """Lines of a text file; a file without line ends does not fill the memory, and a NUL is given as U+FFFD.

    A line of more than LONGEST_LINE characters is given as an empty one, so that who takes them can count lines.

    Attributes:
        number: Number of the line given last, from 1.
        end: Its last character.
        overlong: Numbers of the lines that were too long.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0
        self.end = "\n"
        self.overlong: list[int] = []

    @property
    def ended(self) -> bool:
        """Whether the line given last has an end; a carriage return may be half of one."""
        return self.end in _LINE_ENDS

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(LONGEST_LINE):
            self.number += 1
            piece, pieces = line, 1
            while len(piece) == LONGEST_LINE and not piece.endswith(_LINE_ENDS):
                if not (rest := self._file.readline(LONGEST_LINE)):
                    break
                piece, pieces = rest, pieces + 1
            self.end = piece[-1]
            if pieces > 1:
                self.overlong.append(self.number)
                line = "\n"
            # Before Python 3.11 the csv module stops at a NUL.
            yield line.replace("\0", "\ufffd") if "\0" in line else line


def note_cut(path: Path, line: int, issues: list[ImportIssue], consequence: str) -> None:
    """Note that a file ends within a line, from 1, and what became of that line."""
    text = f"the last line has no end, as of a file that was cut: {consequence}"
    issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"line {line}", text))


def issue_at(path: Path, severity: Severity, lines: Sequence[int], text: str) -> ImportIssue:
    """Give one issue for some lines of a file, from 1, with their count and the first of them."""
    named = ", ".join(str(line) for line in lines[:_LINES_NAMED])
    where = f"line {named}" if len(lines) == 1 else f"lines {named}" + (", ..." if len(lines) > _LINES_NAMED else "")
    return ImportIssue(severity, str(path), where, f"{text} ({len(lines):,})")
