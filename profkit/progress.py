"""How long work tells its listener how far it is, and how the listener stops it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener to long work. It may raise CancelledError, which the work lets pass."""

    def __call__(self, verb: str, subject: str, fraction: float | None) -> None:
        """Take one report.

        Args:
            verb: What is being done ("reading", "aligning").
            subject: On what (a file name, a step).
            fraction: Done part of it, 0 to 1; None if unknown.
        """


def silent(verb: str, subject: str, fraction: float | None) -> None:
    """Listen to nothing: the default listener."""
