"""Write expected_recordings.csv and dump/expected_dumps.csv: what profkit makes of every third-party profile and dump.

    PROFKIT_SHARED=... python tests/parsers/make_expected_recordings.py

Read the difference before you commit it: the tables are what test_expected_recordings.py holds the parsers to.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from profkit.discovery import Found, discover
from profkit.errors import ProfkitError, UnknownFormatError
from profkit.run import read_source

SEVERITIES = ("info", "data_loss", "error")


class Table(NamedTuple):
    """A table, the trees of samples it tells of, and the frames it counts the rows of."""

    file: Path
    trees: tuple[str, ...]
    frames: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns in order."""
        return ("path", "format", "framework", "rank", "version", *self.frames, *SEVERITIES, "refusal")


RECORDINGS = Table(
    Path(__file__).with_name("expected_recordings.csv"),
    ("samples/mindspore_profiler", "samples/torch"),
    (
        *("ops", "spans", "steps", "memory", "allocations", "comm", "links", "api"),
        *("host_calls", "device_samples", "data_pipeline", "nodes"),
    ),
)
DUMPS = Table(
    Path(__file__).with_name("dump") / "expected_dumps.csv",
    ("samples/dump",),
    ("tensors", "overflow_records", "graph_nodes", "graph_edges"),
)


def rows_of(shared: Path, table: Table) -> list[dict[str, str]]:
    """Give one row for every recording, and for every file that belongs to none; ordered by path."""
    rows = [dict.fromkeys(table.columns, "") | row for tree in table.trees for row in _rows(shared / tree, shared)]
    return sorted(({name: row[name] for name in table.columns} for row in rows), key=lambda row: row["path"])


def _rows(path: Path, shared: Path) -> Iterator[dict[str, str]]:
    try:
        discovery = discover(path)
    except UnknownFormatError as error:
        if path.is_file():
            yield _refused(path, shared, error)
            return
        for child in sorted(path.iterdir()):
            yield from _rows(child, shared)
        return
    for found in discovery.found:
        yield _read(found, shared)
    for other in (*discovery.unrecognised, *discovery.too_deep):
        yield from _rows(other, shared)


def _read(found: Found, shared: Path) -> dict[str, str]:
    try:
        _, source = read_source(found)
    except ProfkitError as error:
        return {**_refused(found.path, shared, error), "format": found.format}
    severities = Counter(issue.severity.value for issue in source.issues)
    return {
        "path": str(found.path.relative_to(shared)),
        "format": source.format,
        "framework": source.framework,
        "rank": str(source.rank),
        "version": source.writer_version or "",
        **{name: str(count) for name, count in source.rows.items()},
        **{name: str(severities[name]) for name in SEVERITIES},
    }


def _refused(path: Path, shared: Path, error: ProfkitError) -> dict[str, str]:
    assert "\n" not in error.message
    assert error.hint
    refusal = error.message.replace(str(path), "it")
    return {"path": str(path.relative_to(shared)), "refusal": refusal}


def main() -> None:
    """Write the tables."""
    shared = Path(os.environ["PROFKIT_SHARED"]).resolve()
    for table in (RECORDINGS, DUMPS):
        with table.file.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, table.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows_of(shared, table))


if __name__ == "__main__":
    main()
