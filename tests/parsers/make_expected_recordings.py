"""Write expected_recordings.csv: what profkit makes of every file of the recorded third-party profiles.

    PROFKIT_SHARED=... python tests/parsers/make_expected_recordings.py

Read the difference before you commit it: the table is what test_expected_recordings.py holds the parsers to.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from profkit.discovery import Found, discover
from profkit.errors import ProfkitError, UnknownFormatError
from profkit.run import read_source

TABLE = Path(__file__).with_name("expected_recordings.csv")
TREES = ("samples/mindspore_profiler", "samples/torch")
FRAMES = ("ops", "spans", "steps", "memory", "comm", "nodes")
SEVERITIES = ("info", "data_loss", "error")
COLUMNS = ("path", "format", "framework", "rank", "version", *FRAMES, *SEVERITIES, "refusal")


def rows_of(shared: Path) -> list[dict[str, str]]:
    """Give one row for every recording, and for every file that belongs to none; ordered by path."""
    rows = [row for tree in TREES for row in _rows(shared / tree, shared)]
    return sorted(rows, key=lambda row: row["path"])


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
        **dict.fromkeys(COLUMNS, ""),
        "path": str(found.path.relative_to(shared)),
        "format": source.format,
        "framework": source.framework,
        "rank": str(source.rank),
        "version": source.writer_version or "",
        **{name: str(source.rows[name]) for name in FRAMES if name in source.rows},
        **{name: str(severities[name]) for name in SEVERITIES},
    }


def _refused(path: Path, shared: Path, error: ProfkitError) -> dict[str, str]:
    assert "\n" not in error.message
    assert error.hint
    refusal = error.message.replace(str(path), "it")
    return {**dict.fromkeys(COLUMNS, ""), "path": str(path.relative_to(shared)), "refusal": refusal}


def main() -> None:
    """Write the table."""
    shared = Path(os.environ["PROFKIT_SHARED"]).resolve()
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows_of(shared))


if __name__ == "__main__":
    main()
