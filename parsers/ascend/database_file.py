"""Read-only access to the sqlite files of Ascend profilers: plain tables by name, columns as arrays.

Nothing in the file is run: only ordinary tables are read (no view, no virtual table), by SELECT of named columns, and
sqlite itself refuses everything else. The file is opened as immutable, so neither it nor its directory is written to.
Changes that still stand in a log beside it (`-wal`, `-journal`) are taken in on a private copy.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.exact_time import NANOSECONDS, exact_nanoseconds
from profkit.progress import Progress

_MAGIC = b"SQLite format 3\0"
_LOGS = ("-wal", "-journal")
# Copying a larger database to take its log in would cost more than the log can hold.
_LARGEST_COPY = 1 << 30
_LONGEST_CELL = 1 << 24
# sqlite3.SQLITE_LIMIT_LENGTH, which has a name since Python 3.11.
_LIMIT_LENGTH = 0
_ROWS_AT_ONCE = 1 << 16
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})
_WHOLE = re.compile(r"[+-]?\d{1,19}")
_INT64 = np.iinfo(np.int64)
_EXACT_FLOAT = 2**53


@dataclass(frozen=True)
class Rows:
    """Some columns of one table, one element a row in the order of the file.

    Attributes:
        table: Name of the table.
        count: Number of rows read.
    """

    table: str
    count: int
    _database: Database
    _parts: dict[str, list[pa.Array | list[Any]]]

    def has(self, column: str) -> bool:
        """Tell whether the table has the column."""
        return column in self._parts

    def whole(self, column: str) -> pd.Series[Any]:
        """Give a column as Int64 (n,): integers, and texts of integers (torch_npu writes times so); NA otherwise."""
        parts = self._parts.get(column, [])
        numbers = [_whole_numbers(part) for part in parts]
        if not numbers:
            return pd.Series(pd.array([None] * self.count, dtype="Int64"))
        lost = sum(found.null_count for found in numbers) - sum(_absent(part) for part in parts)
        if lost:
            text = f"column {column}: {lost:,} values are no whole numbers: unknown"
            self._database.note(Severity.DATA_LOSS, self.table, text)
        whole = pa.chunked_array(numbers, pa.int64())
        known = whole.is_valid().to_numpy()
        return pd.Series(pd.arrays.IntegerArray(pc.fill_null(whole, 0).to_numpy().astype(np.int64), ~known))

    def cells(self, column: str) -> list[Any]:
        """Give a column as sqlite gives it; None where it is absent."""
        parts = self._parts.get(column)
        if parts is None:
            return [None] * self.count
        return [cell for part in parts for cell in (part if isinstance(part, list) else part.to_pylist())]

    def texts(self, column: str, *, empty: bool = False) -> pd.Series[Any]:
        """Give a column as text (categorical, n): a number is looked up in STRING_IDS; N/A is NA.

        Args:
            column: Name of the column.
            empty: Whether an empty text is a value (the dims of a scalar); else it is NA.
        """
        cells = pd.Series(self.cells(column), dtype=object)
        distinct = {cell: self._database.text_of(cell) for cell in cells.dropna().unique()}
        if not empty:
            distinct = {cell: text or None for cell, text in distinct.items()}
        return cells.map(distinct).astype("category")


@dataclass
class Database:
    """An open database.

    Attributes:
        path: The file.
        tables: Column names of each ordinary table, by the table's name.
        issues: What was lost so far.
    """

    path: Path
    tables: dict[str, list[str]]
    progress: Progress
    _connection: sqlite3.Connection
    issues: list[ImportIssue] = field(default_factory=list)
    _strings: dict[int, str] | None = None

    def note(self, severity: Severity, where: str, text: str) -> None:
        """Add an issue; where is the name of a table."""
        self.issues.append(ImportIssue(severity, str(self.path), where, text))

    def read(self, table: str, columns: Sequence[str]) -> Rows:
        """Read columns of a table; none of its rows if there is no such table.

        A table that is damaged gives the rows before the damage, and an issue.
        """
        present = [column for column in columns if column in self.tables.get(table, ())]
        parts: dict[str, list[pa.Array | list[Any]]] = {column: [] for column in present}
        count = 0
        try:
            for batch in self._batches(table, present) if present else ():
                count += len(batch)
                for column, values in zip(present, zip(*batch, strict=True), strict=bool(batch)):
                    parts[column].append(_compact(list(values)))
        except sqlite3.Error as error:
            self.note(Severity.DATA_LOSS, table, f"not read from row {count:,} on: {error}")
        return Rows(table, count, self, parts)

    def _batches(self, table: str, columns: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        names = ", ".join(map(_quoted, columns))
        self.progress("reading", f"{self.path.name} {table}", None)
        # A name cannot be bound as a parameter; it is quoted, and the authorizer refuses all but reading.
        rows = self._connection.execute(f"SELECT {names} FROM {_quoted(table)}")  # noqa: S608
        while True:
            batch: list[tuple[Any, ...]] = []
            try:
                # What stands before the damage stays in the list.
                batch.extend(islice(rows, _ROWS_AT_ONCE))
            except sqlite3.Error:
                yield batch
                raise
            if not batch:
                return
            yield batch
            self.progress("reading", f"{self.path.name} {table}", None)

    def text_of(self, cell: object) -> str | None:
        """Give the text of a cell: itself, or the entry of STRING_IDS that it numbers; None for N/A and unknown."""
        if isinstance(cell, int):
            if self._strings is None:
                rows = self.read("STRING_IDS", ("id", "value"))
                pairs = zip(rows.cells("id"), rows.cells("value"), strict=True)
                self._strings = {number: text for number, text in pairs if isinstance(text, str)}
            cell = self._strings.get(cell)
        return cell if isinstance(cell, str) and cell != "N/A" else None

    def has_rows(self, table: str) -> bool:
        """Tell whether a table can be read and is not empty."""
        try:
            # As in _batches: quoted, and only reading is allowed.
            return self._connection.execute(f"SELECT 1 FROM {_quoted(table)} LIMIT 1").fetchone() is not None  # noqa: S608
        except sqlite3.Error:
            return False


def is_sqlite(path: Path) -> bool:
    """Tell by its first bytes whether a file is an sqlite database."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


@contextmanager
def open_database(path: Path, progress: Progress) -> Iterator[Database]:
    """Open a database for reading.

    Raises:
        UnreadableInputError: The file is no sqlite database, or its list of tables is damaged.
    """
    hint = "copy it again from where it was recorded, or export the run as text"
    if not is_sqlite(path):
        raise UnreadableInputError(f"{path} is no sqlite database", hint)
    with ExitStack() as stack:
        opened, issues = _with_its_log(path, stack)
        try:
            connection = sqlite3.connect(_address(opened, path), uri=True)
            stack.callback(connection.close)
            tables = _guarded_tables(connection)
        except sqlite3.Error as error:
            raise UnreadableInputError(f"{path}: the database cannot be opened: {error}", hint) from error
        yield Database(path, tables, progress, connection, issues)


def _with_its_log(path: Path, stack: ExitStack) -> tuple[Path, list[ImportIssue]]:
    """Give the file to open: the database, or a private copy of it where a log beside it holds changes."""
    logs = [log for suffix in _LOGS if (log := path.with_name(path.name + suffix)).is_file() and log.stat().st_size]
    if not logs:
        return path, []
    if sum(file.stat().st_size for file in (path, *logs)) > _LARGEST_COPY:
        text = f"changes in {logs[0].name} were not read: too large to be merged into a copy"
        return path, [ImportIssue(Severity.DATA_LOSS, str(path), "", text)]
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="profkit-", ignore_cleanup_errors=True)))
    copy = folder / "database"
    shutil.copyfile(path, copy)
    for log in logs:
        shutil.copyfile(log, folder / ("database" + log.name.removeprefix(path.name)))
    text = f"changes in {logs[0].name} were merged into a copy"
    return copy, [ImportIssue(Severity.INFO, str(path), "", text)]


def _address(opened: Path, original: Path) -> str:
    options = "?mode=ro&immutable=1" if opened == original else ""
    return opened.resolve().as_uri() + options


def _guarded_tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Shut off everything but reading, and give the columns of each ordinary table."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA mmap_size = 0")
    if hasattr(connection, "setlimit"):
        connection.setlimit(_LIMIT_LENGTH, _LONGEST_CELL)
    connection.text_factory = lambda text: text.decode("utf-8", errors="replace")
    # A view has no root page, nor has a virtual table, behind which a module of sqlite would run.
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0").fetchall()
    tables = {}
    for (name,) in found:
        tables[name] = [column[1] for column in connection.execute(f"PRAGMA table_info({_quoted(name)})")]
    connection.set_authorizer(_only_reading)
    return tables


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _only_reading(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _compact(values: list[Any]) -> pa.Array | list[Any]:
    """Hold integers and texts as arrays; anything else stays as it is (arrow would cut 2.5 to the integer 2)."""
    try:
        compact = pa.array(values)
    except (ValueError, TypeError, OverflowError):
        return values
    return compact if compact.type in (pa.int64(), pa.string(), pa.null()) else values


def _whole_numbers(part: pa.Array | list[Any]) -> pa.Array:
    if isinstance(part, list):
        return pa.array([_whole(cell) for cell in part], pa.int64())
    if part.type != pa.string():
        return part.cast(pa.int64())
    exact = exact_nanoseconds(part, NANOSECONDS)
    return pa.array(exact.ns, pa.int64(), mask=~exact.known)


def _absent(part: pa.Array | list[Any]) -> int:
    return part.null_count if isinstance(part, pa.Array) else sum(cell is None for cell in part)


def _whole(cell: object) -> int | None:
    if isinstance(cell, str):
        text = cell.strip()
        number = int(text) if _WHOLE.fullmatch(text) else None
    elif isinstance(cell, float):
        number = int(cell) if abs(cell) < _EXACT_FLOAT and cell.is_integer() else None
    else:
        number = cell if isinstance(cell, int) else None
    return number if number is not None and _INT64.min <= number <= _INT64.max else None
