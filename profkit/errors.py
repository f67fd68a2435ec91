"""The exceptions and import issues that every room shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class ProfkitError(Exception):
    """A failure the user can act on: one sentence of what is wrong and where, one of what to do next.

    Args:
        message: What is wrong and where (path, line or byte), one line.
        hint: What to do next, one line; empty if nothing can be suggested.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UnreadableInputError(ProfkitError):
    """A file or directory that cannot be read as what it claims to be, and from which nothing could be saved."""


class UnknownFormatError(ProfkitError):
    """A path that no parser recognises."""


class AmbiguousInputError(ProfkitError):
    """A path that holds more than one answer to the question asked (two runs where one is wanted)."""


class SchemaError(ProfkitError):
    """A frame that breaks its schema: a fault of profkit or of a plug-in parser, never of the user's data."""


class CancelledError(ProfkitError):
    """The user stopped a long task; raised from a progress callback."""


def first_line_of(error: BaseException) -> str:
    """Give the first line of what an exception says; MindSpore's messages go on for pages. Empty if it says nothing."""
    return str(error).strip().partition("\n")[0]


class Severity(str, Enum):
    """How much an import issue costs the reader of the result."""

    INFO = "info"
    DATA_LOSS = "data_loss"
    ERROR = "error"


@dataclass(frozen=True)
class ImportIssue:
    """Something noticed while reading an input; data, not an exception.

    Attributes:
        severity: info (repaired without loss), data_loss (rows or values are missing), error (the source gave nothing).
        source: The file, as given to the parser.
        where: Line, byte offset, event number or column; empty if the whole file is meant.
        text: One sentence.
    """

    severity: Severity
    source: str
    where: str
    text: str


def has_losses(issues: Iterable[ImportIssue]) -> bool:
    """Say whether anything was lost or refused: an issue of severity info (a repair, a cache note) costs nothing."""
    return any(issue.severity is not Severity.INFO for issue in issues)


class NothingRecordedError(ProfkitError):
    """A recording that holds nothing of what was asked for.

    Args:
        path: What the user named.
        absent: What it does not hold, as "no operators".
        issues: What was noticed while reading it: the first loss, if there is one, may be why, and is told as well.
        hint: What to do next.
    """

    def __init__(
        self,
        path: object,
        absent: str,
        issues: Iterable[ImportIssue],
        hint: str = "`profkit inspect` tells what it holds",
    ) -> None:
        lost = [issue for issue in issues if has_losses([issue])]
        if lost:
            place = f" {lost[0].where}" if lost[0].where else ""
            told = f"{lost[0].source}{place}: {lost[0].text}"
            hint = f"{hint}; not all was read, `profkit inspect --issues` tells it: {told}"
        super().__init__(f"{path} holds {absent}", hint)
