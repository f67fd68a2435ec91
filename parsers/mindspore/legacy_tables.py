"""Tables of MindSpore 1.0 to 2.4 as columns of text, found by the names in mindspore_legacy_files.toml.

A header may carry a unit behind a name (`start_time(ms)`) and spaces behind commas. A record with another number of
cells than the header is refused, and told.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.csv_records import csv_records, header_of
from profkit.parsers.exact_time import ExactTimes, exact_nanoseconds
from profkit.parsers.mindspore.legacy_files import legacy_facts
from profkit.parsers.text_lines import OVERLONG, BoundedLines, issue_at

_LONGEST_HEADER = 1 << 20
_UNIT = re.compile(r"^(?P<name>.*?)\s*\((?P<unit>[a-z]+)\)$")


@dataclass(frozen=True)
class LegacyTable:
    """A table.

    Attributes:
        path: The file.
        header: Its cells as written, without units.
        records: One list of cells a record, as many as the header has.
        lines: int64, line of the file on which each record ends, from 1.
        position: Place of each known column.
        units: Unit of the known columns whose header tells one.
    """

    path: Path
    header: list[str]
    records: list[list[str]]
    lines: NDArray[np.int64]
    position: dict[str, int]
    units: dict[str, str]

    def texts(self, column: str) -> list[str | None]:
        """Give a known column; None where the cell is empty or the file does not have the column."""
        index = self.position.get(column)
        if index is None:
            return [None] * len(self.records)
        return [record[index].strip() or None for record in self.records]

    def times(self, column: str, unit: int, issues: list[ImportIssue]) -> ExactTimes:
        """Give a known column as whole nanoseconds, and note the cells that are no numbers."""
        times = exact_nanoseconds(pa.array(self.texts(column), pa.string()), unit)
        self.note(issues, Severity.DATA_LOSS, times.unreadable, f"column {column} is no number: unknown")
        return times

    def note(self, issues: list[ImportIssue], severity: Severity, rows: NDArray[np.bool_], text: str) -> None:
        """Add one issue for the marked records, with their count and first lines."""
        if rows.any():
            issues.append(issue_at(self.path, severity, self.lines[rows].tolist(), text))


def columns_of(header: Sequence[str], table: str) -> tuple[dict[str, int], dict[str, str]] | None:
    """Give place and unit of each known column, or None if a required one is absent.

    Args:
        header: Cells of the first line.
        table: Table of mindspore_legacy_files.toml (`timeline_data`).
    """
    facts = legacy_facts()["tables"][table]
    split = [_split_unit(cell.strip()) for cell in header]
    place = {name: index for index, (name, _) in reversed(list(enumerate(split)))}
    position: dict[str, int] = {}
    for column, spellings in facts["names"].items():
        spelling = next((spelling for spelling in spellings if spelling in place), None)
        if spelling is not None:
            position[column] = place[spelling]
    if not position.keys() >= set(facts["required"]):
        return None
    return position, {column: split[index][1] for column, index in position.items() if split[index][1]}


def _split_unit(cell: str) -> tuple[str, str]:
    match = _UNIT.match(cell)
    return (match["name"], match["unit"]) if match else (cell, "")


def read_table(path: Path, table: str, issues: list[ImportIssue]) -> LegacyTable:
    """Read a table.

    Raises:
        UnreadableInputError: The header lacks a required column.
    """
    header = header_of(path, longest=_LONGEST_HEADER, blanks_follow_commas=True)
    known = columns_of(header, table)
    if known is None:
        required = ", ".join(
            legacy_facts()["tables"][table]["names"][name][0] for name in legacy_facts()["tables"][table]["required"]
        )
        raise UnreadableInputError(f"{path}: the header lacks a column of {required}", "give the file as written")
    records: list[list[str]] = []
    lines: list[int] = []
    misfits: list[int] = []
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        source = BoundedLines(file)
        reader = csv_records(source, blanks_follow_commas=True)
        try:
            next(reader)
            for cells in reader:
                if len(cells) == len(header):
                    records.append(cells)
                    lines.append(reader.line_num)
                elif any(cell.strip() for cell in cells):
                    misfits.append(reader.line_num)
        except csv.Error as error:
            where = f"line {reader.line_num}"
            issues.append(ImportIssue(Severity.DATA_LOSS, str(path), where, f"not read from here on: {error}"))
    if source.overlong:
        issues.append(issue_at(path, Severity.DATA_LOSS, source.overlong, OVERLONG))
    if misfits:
        text = "records with another number of cells than the header were refused"
        issues.append(issue_at(path, Severity.DATA_LOSS, misfits, text))
    if records and not source.ended:
        records[-1][-1] = ""
        text = "the last line has no end: the file was cut, the last cell was taken as unknown"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"line {lines[-1]}", text))
    names = [_split_unit(cell.strip())[0] for cell in header]
    return LegacyTable(path, names, records, np.array(lines, dtype=np.int64), *known)
