"""What was repaired and lost while reading a file, counted: one import issue a kind, however often it occurred."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity


@dataclass(frozen=True)
class Repair:
    """One kind of repair or loss.

    Attributes:
        text: What was done, to follow a count of events.
        severity: Whether something of the recording was lost by it.
    """

    text: str
    severity: Severity


class DamageLog:
    """Counts of what was repaired or lost, with the first place of each; gives one issue a kind."""

    def __init__(self, source: Path) -> None:
        self._source = str(source)
        self._seen: dict[Repair, tuple[int, str]] = {}
        self._single: list[ImportIssue] = []

    def count(self, kind: Repair, event: int, byte: int | None) -> None:
        """Note one event; the byte counts in the unpacked text."""
        count, where = self._seen.get(kind, (0, f"event {event}" if byte is None else f"event {event}, byte {byte}"))
        self._seen[kind] = (count + 1, where)

    def count_all(self, kind: Repair, events: NDArray[np.int64]) -> None:
        """Note several events, given by their numbers in file order."""
        if len(events):
            count, where = self._seen.get(kind, (0, f"event {events[0]}"))
            self._seen[kind] = (count + len(events), where)

    def note(self, severity: Severity, where: str, text: str) -> None:
        """Note what happens once a file."""
        self._single.append(ImportIssue(severity, self._source, where, text))

    def issues(self) -> list[ImportIssue]:
        """Give the issues so far, single ones first."""
        counted = [
            ImportIssue(
                kind.severity, self._source, where, f"{count} {'event' if count == 1 else 'events'}: {kind.text}"
            )
            for kind, (count, where) in self._seen.items()
        ]
        return [*self._single, *counted]
