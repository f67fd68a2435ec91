"""The line that tells how long work is going: what is done, on what, how much of it, and how long it may still take."""

from __future__ import annotations

from profkit.safe_text import printable

# Before so much is done, or so long went by, an estimate would be a guess.
_LEAST_FRACTION = 0.02
_LEAST_SECONDS = 1.0


class ProgressLine:
    """Makes the line from the reports of long work.

    Args:
        now: When it began, in seconds of a clock that only goes forward.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._verb = "opening"
        self._subject = ""
        self._fraction: float | None = None
        self._first: tuple[float, float] = (now, 0.0)

    def report(self, verb: str, subject: str, fraction: float | None, now: float) -> None:
        """Take a report, as profkit.progress defines it."""
        is_other = (verb, subject) != (self._verb, self._subject)
        if is_other or fraction is None or self._fraction is None or fraction < self._fraction:
            self._first = (now, fraction or 0.0)
        self._verb, self._subject, self._fraction = verb, subject, fraction

    def text(self, now: float) -> str:
        """Give the line: "reading trace.json  42 %  about 3 s left  (12 s so far)"."""
        parts = [f"{self._verb} {self._subject}".strip()]
        if self._fraction is not None:
            parts.append(f"{100 * self._fraction:3.0f} %")
            since, first = self._first
            done, seconds = self._fraction - first, now - since
            if done >= _LEAST_FRACTION and seconds >= _LEAST_SECONDS and self._fraction < 1:
                parts.append(f"about {_time(seconds / done * (1 - self._fraction))} left")
        if now - self._began >= _LEAST_SECONDS:
            parts.append(f"({_time(now - self._began)} so far)")
        return printable("  ".join(parts))


def _time(seconds: float) -> str:
    if seconds < 99.5:
        return f"{max(seconds, 1):.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
