"""What the recovery tests share: one reading of a path as a user meets it, and the order between two readings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.errors import ImportIssue, ProfkitError
from profkit.run import load

Row = tuple[Hashable, ...]

# Where a row came from differs between two copies of a file; a reference follows from the rows that are there.
_LEFT_ASIDE = {"source", "row", "path", "parent", "launcher", "forward_op"}
_FRAMES = (
    "ops", "spans", "steps", "memory", "allocations", "comm", "links", "api", "data_pipeline", "nodes", "tensors",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What a path gave: its rows by frame and its issues, or an error."""

    rows: Mapping[str, Counter[Row]]
    issues: tuple[ImportIssue, ...] = ()
    error: ProfkitError | None = None

    @property
    def count(self) -> int:
        return sum(counted.total() for counted in self.rows.values())

    @property
    def told(self) -> str:
        """All issues as one text."""
        return " | ".join(f"{issue.where}: {issue.text}" for issue in self.issues)

    def invented(self, whole: Reading) -> list[Row]:
        """Give the rows that are no rows of the whole reading; no invention is a value that became
        unknown, or a name without the scope before it."""
        return [
            row
            for frame, rows in self.rows.items()
            for row in rows - whole.rows[frame]
            if not any(_is_part(row, other) for other in whole.rows[frame])
        ]


def _is_part(row: Row, whole: Row) -> bool:
    return all(
        value == other or value is None or value == -1 or str(other).endswith(f"/{value}")
        for value, other in zip(row, whole, strict=True)
    )


def reading_of(read: Callable[[], tuple[Mapping[str, pd.DataFrame], Iterable[ImportIssue]]]) -> Reading:
    """Read; anything but a ProfkitError passes, and fails the test."""
    error: ProfkitError | None
    try:
        frames, issues = read()
    except ProfkitError as refusal:
        error = refusal
    else:
        error = None
    if error is not None:
        assert error.message
        assert "\n" not in error.message + error.hint
        return Reading({}, error=error)
    issues = tuple(issues)
    assert all(issue.text and issue.source for issue in issues)
    return Reading({name: _rows(frame) for name, frame in frames.items()}, issues)


def _rows(frame: pd.DataFrame) -> Counter[Row]:
    columns: list[list[Any]] = [
        [None if pd.isna(value) else value for value in frame[name].tolist()]
        for name in frame.columns
        if name not in _LEFT_ASIDE
    ]
    return Counter(zip(*columns, strict=True))


@pytest.fixture(scope="session")
def reading() -> Callable[[Path], Reading]:
    """Read a path as a user does: recognised, parsed, put together."""

    def frames(path: Path) -> tuple[dict[str, pd.DataFrame], tuple[ImportIssue, ...]]:
        run = load(path)
        return {name: getattr(run, name) for name in _FRAMES}, run.issues

    return lambda path: reading_of(lambda: frames(path))


@pytest.fixture(scope="session")
def reading_with() -> Callable[..., Reading]:
    """Read with one reader, called without arguments: it gives frames by name and issues."""
    return reading_of
