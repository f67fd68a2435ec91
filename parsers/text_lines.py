"""Lines of a text file that its writer finished: a line without an end is where a file was cut.

Every writer of the formats read here ends its last line. A number at a cut may have lost digits and still be a number,
so the unfinished line is left out and told.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from profkit.errors import ImportIssue, Severity


def finished_lines(file: TextIO, path: Path, issues: list[ImportIssue]) -> Iterator[str]:
    """Give the lines of a text file with their ends; notes an empty file, and leaves an unfinished last line out.

    Args:
        file: Open for reading text; line ends may be of any sort.
        path: Its path, for issues.
        issues: Told what is missing.
    """
    number = 0
    for number, line in enumerate(file, start=1):
        if line.endswith(("\n", "\r")):
            yield line
        else:
            note_cut(path, number, issues, "it was left out")
    if number == 0:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", "the file is empty"))


def note_cut(path: Path, line: int, issues: list[ImportIssue], consequence: str) -> None:
    """Note that a file ends within a line, from 1, and what became of that line."""
    text = f"the last line has no end, as of a file that was cut: {consequence}"
    issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"line {line}", text))
