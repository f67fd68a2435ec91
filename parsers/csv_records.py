"""Records of CSV text, whatever else in the process uses the csv module."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from profkit.parsers.text_lines import LONGEST_LINE


class CsvRecords(Protocol):
    """Records, one list of cells each."""

    @property
    def line_num(self) -> int:
        """Number of the line taken last, from 1."""

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def csv_records(lines: Iterable[str], blanks_follow_commas: bool = False) -> CsvRecords:
    """Give the records of CSV text; a cell may be as long as a line.

    Args:
        lines: Lines with their ends.
        blanks_follow_commas: Whether blanks behind a comma are no part of the cell.
    """
    # The csv module keeps one limit for the whole process: 128 KiB, or what another library made of it.
    csv.field_size_limit(LONGEST_LINE)
    return csv.reader(lines, skipinitialspace=blanks_follow_commas)


def header_of(path: Path, *, longest: int = 1 << 16, blanks_follow_commas: bool = False) -> list[str]:
    """Give the cells of a file's first line, or of its first characters; none if it is no text.

    Args:
        path: The file; its lines may end in any way.
        longest: Characters to read at most.
        blanks_follow_commas: As of csv_records.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        first = file.readline(longest)
    try:
        return [] if "\0" in first else next(csv_records([first], blanks_follow_commas), [])
    except csv.Error:
        return []
