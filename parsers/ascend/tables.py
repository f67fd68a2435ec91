"""CSV files of Ascend profilers as columns of text: found by name, exact, with the line of every record.

The writers end lines with CRLF or LF within one directory, append a tab to time stamps (a spreadsheet must not round
them), write `N/A` or nothing for what they do not know, and put newlines into cells. A record with another number of
cells than the header is refused: where a cell is missing, all behind it stand in the wrong column.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.csv_records import csv_records, header_of
from profkit.parsers.exact_time import NANOSECONDS, ExactTimes, exact_nanoseconds
from profkit.parsers.plain_csv import plain_columns
from profkit.parsers.text_lines import OVERLONG, BoundedLines, issue_at, note_cut
from profkit.progress import Progress

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_RECORDS_AT_ONCE = 50_000
_SMALL = 2**31
_NOT_AVAILABLE = "N/A"
_BLANKS = (b" ", b"\t", b"\r", b"\n", b"\v", b"\f", b"\x1c", b"\x1d", b"\x1e", b"\x1f")


@dataclass(frozen=True)
class CsvTable:
    """Some columns of a CSV file.

    Attributes:
        path: The file.
        columns: Arrow string arrays of one length by profkit's names, dictionary-encoded where that was asked for; null
            where the cell is empty or N/A. Columns the file does not have are absent.
        lines: int64, line of the file on which each record begins, from 1.
        issues: What was refused.
    """

    path: Path
    columns: dict[str, pa.Array]
    lines: NDArray[np.int64]
    issues: list[ImportIssue]

    def texts(self, name: str) -> pa.Array:
        """Give a column; all null if the file does not have it."""
        return self.columns.get(name, pa.nulls(len(self.lines), pa.string()))

    def times(self, name: str, unit: int) -> ExactTimes:
        """Give a column as whole nanoseconds (or as whole numbers), and note the cells that are none."""
        times = exact_nanoseconds(self.texts(name), unit)
        if times.unreadable.any():
            self.note(Severity.DATA_LOSS, times.unreadable, f"column {name} is no number within int64: unknown")
        return times

    def small_numbers(self, name: str) -> NDArray[np.int64]:
        """Give a column of whole numbers below 2^31, -1 where unknown, and note the cells that are none."""
        texts = self.texts(name)
        numbers = exact_nanoseconds(texts, NANOSECONDS)
        fits = numbers.known & ~numbers.rounded & (numbers.ns >= -1) & (numbers.ns < _SMALL)
        odd = texts.is_valid().to_numpy(zero_copy_only=False) & ~fits
        if odd.any():
            self.note(Severity.DATA_LOSS, odd, f"column {name} is no whole number below 2^31: unknown")
        return np.where(fits, numbers.ns, -1)

    def note(self, severity: Severity, rows: NDArray[np.bool_], text: str) -> None:
        """Add one issue for the marked records, with their count and first lines."""
        self.issues.append(issue_at(self.path, severity, self.lines[rows].tolist(), text))


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files("profkit.parsers.ascend").joinpath("columns.toml").read_text(encoding="utf-8"))


def table_facts(table: str) -> dict[str, Any]:
    """Give a table of columns.toml."""
    facts: dict[str, Any] = _tables()[table]
    return facts


def columns_of_header(header: Sequence[str], table: str) -> dict[str, int] | None:
    """Give the position of each known column of a table, or None if a required one is absent.

    Args:
        header: Cells of the first line.
        table: Table of ascend_columns.toml (`kernel_details`).
    """
    facts = _tables()[table]
    position = {cell.strip(): index for index, cell in reversed(list(enumerate(header)))}
    found = {
        column: next(position[spelling] for spelling in spellings if spelling in position)
        for column, spellings in facts["names"].items()
        if not position.keys().isdisjoint(spellings)
    }
    return found if found.keys() >= set(facts["required"]) else None


def read_table(path: Path, table: str, progress: Progress, repeating: Collection[str] = ()) -> CsvTable:
    """Read the known columns of a CSV file.

    Args:
        path: The file.
        table: Table of ascend_columns.toml that tells the columns.
        progress: Told which part of the file was read.
        repeating: Columns whose cells repeat, to be given dictionary-encoded.

    Raises:
        UnreadableInputError: The header lacks a required column.
    """
    header = header_of(path)
    position = columns_of_header(header, table)
    if position is None:
        required = ", ".join(_tables()[table]["names"][name][0] for name in _tables()[table]["required"])
        raise UnreadableInputError(
            f"{path}: the header lacks a column of {required}", f"give the {table}.csv that the profiler wrote"
        )
    return read_columns(path, header, position, progress, repeating)


def read_columns(
    path: Path,
    header: Sequence[str],
    position: Mapping[str, int],
    progress: Progress,
    repeating: Collection[str] = (),
) -> CsvTable:
    """Read chosen columns of a CSV file.

    Args:
        path: The file.
        header: Its header, as of header_of.
        position: Place of each column by the name it is given.
        progress: Told which part of the file was read.
        repeating: Columns whose cells repeat, to be given dictionary-encoded.
    """
    issues = _doubled_columns(path, header, position)
    # A column that two names share would have to be of both kinds.
    places = {place for name, place in position.items() if name in repeating}
    places -= {place for name, place in position.items() if name not in repeating}
    plain = plain_columns(path, len(header), list(position.values()), progress, places)
    if plain is not None:
        columns = {name: _known(column) for name, column in zip(position, plain, strict=True)}
        return CsvTable(path, columns, np.arange(2, len(plain[0]) + 2, dtype=np.int64), issues)
    return _record_by_record(path, position, issues, progress)


def _doubled_columns(path: Path, header: Sequence[str], position: Mapping[str, int]) -> list[ImportIssue]:
    names = [cell.strip() for cell in header]
    doubled = [names[place] for place in position.values() if names.count(names[place]) > 1]
    text = f"columns of one name stand twice, the first one was read: {', '.join(doubled)}"
    return [ImportIssue(Severity.DATA_LOSS, str(path), "line 1", text)] if doubled else []


def _record_by_record(
    path: Path, position: Mapping[str, int], issues: list[ImportIssue], progress: Progress
) -> CsvTable:
    chunks: dict[str, list[pa.Array]] = {name: [] for name in position}
    lines: list[int] = []
    records = _whole_records(path, issues, progress)
    while batch := list(islice(records, _RECORDS_AT_ONCE)):
        lines.extend(line for line, _ in batch)
        for name, index in position.items():
            chunks[name].append(pa.array([cells[index] for _, cells in batch], pa.string()))
    columns = {name: _known(pa.chunked_array(parts, pa.string())) for name, parts in chunks.items()}
    return CsvTable(path, columns, np.array(lines, dtype=np.int64), issues)


def _known(texts: pa.ChunkedArray) -> pa.Array:
    column = texts.chunk(0) if texts.num_chunks == 1 else pa.concat_arrays(texts.chunks or [pa.array([], texts.type)])
    if pa.types.is_dictionary(column.type):
        known = _known(pa.chunked_array([column.dictionary])).dictionary_encode()
        return pa.DictionaryArray.from_arrays(pc.take(known.indices, column.indices), known.dictionary)
    written = bytes(column.buffers()[2] or b"")
    if not written.isascii() or any(blank in written for blank in _BLANKS):
        column = pc.utf8_trim_whitespace(column)
    missing = pc.or_(pc.equal(pc.binary_length(column), 0), pc.equal(column, _NOT_AVAILABLE))
    return pc.if_else(missing, None, column) if pc.any(missing).as_py() else column


def _whole_records(path: Path, issues: list[ImportIssue], progress: Progress) -> Iterator[tuple[int, list[str]]]:
    """Give (line, cells) of each record after the header that has as many cells as the header."""
    misfits: list[int] = []
    swallowing: list[int] = []
    replaced: list[int] = []
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = BoundedLines(file)
        reader = csv_records(_decoded_lines(lines, path, replaced, progress))
        width = len(next(reader))
        begins = reader.line_num + 1
        try:
            for cells in reader:
                if len(cells) != width:
                    misfits += [begins] if cells else []
                elif reader.line_num > begins and _swallows_records(cells):
                    swallowing.append(begins)
                else:
                    yield begins, cells if lines.ended else [*cells[:-1], ""]
                begins = reader.line_num + 1
        except csv.Error as error:
            issues.append(
                ImportIssue(Severity.DATA_LOSS, str(path), f"line {begins}", f"not read from here on: {error}")
            )
    losses = {
        "records with another number of cells than the header were refused": misfits,
        "records with a cell that holds whole records were refused: a quote is missing": swallowing,
        "bytes that are no text were replaced by U+FFFD": replaced,
        OVERLONG: lines.overlong,
    }
    issues += [issue_at(path, Severity.DATA_LOSS, places, text) for text, places in losses.items() if places]
    if lines.end != "\n":
        consequence = "records may be missing" if lines.ended else "its last cell was taken as unknown"
        note_cut(path, reader.line_num, issues, consequence)


def _swallows_records(cells: Sequence[str]) -> bool:
    """Say whether a cell that spans lines has as many commas as a record, and is no list of lines ended by `;`."""
    return any("\n" in cell and cell.count(",") >= len(cells) - 1 and not _is_list_of_lines(cell) for cell in cells)


def _is_list_of_lines(cell: str) -> bool:
    """Tell the cells of operator_details.csv: shapes and frames, one a line, each but the last ended by `;`."""
    return all(line.endswith(";") for line in cell.splitlines()[:-1])


def _decoded_lines(lines: BoundedLines, path: Path, replaced: list[int], progress: Progress) -> Iterator[str]:
    """Give the lines of a file; notes those with bytes that are no text."""
    size = max(path.stat().st_size, 1)
    read = reported = 0
    for line in lines:
        read += len(line)
        if read - reported > 1 << 24:
            reported = read
            progress("reading", path.name, min(read / size, 1.0))
        if "\ufffd" in line:
            replaced.append(lines.number)
        yield line
