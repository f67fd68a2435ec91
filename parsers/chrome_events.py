"""Events of a chrome trace (JSON, plain or gzip) as columns: what every parser of such files reads through.

    trace = read_events(path, [Argument("connection_id", "int", "connection_id")], header_keys=["baseTimeNanoseconds"])
    trace.events   # pandas, one row an event, in file order
    trace.header   # {"baseTimeNanoseconds": 1790857026000000000}
    trace.issues   # repairs and losses, one ImportIssue a kind, with count and first place

Columns of `events` (absent values are NA):

    row      int64     place of the event in the file's list, from 0
    ph       category  phase letter: X complete, M metadata, s t f flow, i instant, C counter
    cat, name, pid, tid    category; pid and tid are text, the recorders write numbers and words
    id       string    of flow events; numbers are given as their digits
    ts_ns    Int64     exact, from the digits of microseconds, given as number or as text
    dur_ns   Int64     as ts_ns
    ...                one column an Argument, see there

`read_events` joins all batches; `EventBatches` gives them one window (8 MiB of text) at a time, so that memory stays
bounded by the caller's own columns.

Both containers are read: an object with `traceEvents` and further keys, and a bare list of events. Damage is repaired
or skipped event by event and always told; a file that gives no event at all raises UnreadableInputError.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.chrome_windows import WINDOW_BYTES, EventWindows, Window
from profkit.parsers.damage_log import DamageLog, Repair
from profkit.parsers.exact_time import exact_nanoseconds
from profkit.progress import Progress, silent

_ABSENT = Raw(b"")
_NOTHING = pa.array(["", "null"])
_INTEGER = r"^-?[0-9]{1,18}$"
_INT64_LIMIT = 2**63

_TEXT_COLUMNS = ("ph", "cat", "name")
_TIME_COLUMNS = {"ts": "ts_ns", "dur": "dur_ns"}


@dataclass(frozen=True)
class Argument:
    """One value of an event's `args` that is wanted as a column.

    Attributes:
        column: Name of the column.
        kind: "int" gives Int64 (numbers, and texts of digits); "text" gives category (text as it is, other values as
            their JSON); "json" gives category (the JSON of the value, unread: for lists, decoded once a category).
        keys: The spellings it has in `args`; the first one present is taken.
    """

    column: str
    kind: Literal["int", "text", "json"]
    keys: tuple[str, ...]

    def __init__(self, column: str, kind: Literal["int", "text", "json"], *keys: str) -> None:
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "keys", keys or (column,))


@dataclass(frozen=True)
class EventFile:
    """A trace that was read whole.

    Attributes:
        events: Columns as in the description of this module.
        header: The wanted top-level values; keys the file does not have are absent.
        is_object: Whether the file is an object; a bare list otherwise.
        issues: What was repaired or lost.
    """

    events: pd.DataFrame
    header: dict[str, Any]
    is_object: bool
    issues: list[ImportIssue]


def read_events(
    path: Path,
    arguments: Sequence[Argument] = (),
    header_keys: Sequence[str] = (),
    phases: str = "",
    progress: Progress = silent,
) -> EventFile:
    """Read a whole trace.

    Args:
        path: Plain or gzip file.
        arguments: The values of `args` to give as columns.
        header_keys: The top-level keys to keep; everything else there (environment variables!) is not even decoded.
        phases: Letters of the events to keep ("XM"); all if empty.
        progress: Told the fraction of the file that was read.

    Raises:
        UnreadableInputError: The file is empty, not JSON, not a trace, or gives no event.
    """
    batches = EventBatches(path, arguments, header_keys, phases, progress)
    tables = list(batches)
    joined = pa.concat_tables(tables).unify_dictionaries() if tables else batches.empty()
    events = joined.to_pandas(types_mapper=_pandas_type)
    events["row"] = events["row"].astype("int64")
    return EventFile(events, batches.windows.header, batches.windows.is_object, batches.windows.damage.issues())


def _pandas_type(arrow_type: pa.DataType) -> Any:
    if arrow_type == pa.string():
        return pd.StringDtype("pyarrow")
    # Arrow's own conversion makes a float64 of an int64 column with nulls: metadata events have no time.
    return pd.Int64Dtype() if arrow_type == pa.int64() else None


class EventBatches:
    """Iterator over the columns of a trace, one Arrow table a window; text columns are dictionary-encoded.

    Attributes:
        windows: The reader behind; its `header`, `is_object` and `damage` are complete after the iteration.

    Raises:
        UnreadableInputError: While iterating; see read_events.
    """

    def __init__(
        self,
        path: Path,
        arguments: Sequence[Argument] = (),
        header_keys: Sequence[str] = (),
        phases: str = "",
        progress: Progress = silent,
        *,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._path = path
        self._arguments = tuple(arguments)
        self._phases = frozenset(phases)
        self._keys = tuple(dict.fromkeys(key for argument in arguments for key in argument.keys))
        self._args_type, self._event_type = _struct_types(self._keys)
        self.windows = EventWindows(path, self._event_type, header_keys, progress, window_bytes)

    def __iter__(self) -> Iterator[pa.Table]:
        any_event = any_phase = False
        for window in self.windows:
            any_event = any_event or bool(window.events)
            any_phase = any_phase or any(event.ph is not None for event in window.events)
            table = self._table(window)
            if table.num_rows:
                yield table
        if any_event and not any_phase:
            raise UnreadableInputError(
                f"{self._path}: a list of objects, but not of trace events (none has a phase `ph`)",
                "give a trace written by the profiler (.json or .json.gz)",
            )

    def empty(self) -> pa.Table:
        """Give the table of no events."""
        return self._table(Window([], []))

    def _table(self, window: Window) -> pa.Table:
        events, numbers = window.events, window.numbers
        if self._phases:
            kept = [i for i, event in enumerate(events) if event.ph in self._phases]
            events, numbers = [events[i] for i in kept], [numbers[i] for i in kept]
        column = _ColumnMaker(pa.array(numbers, pa.int64()), self.windows.damage)
        columns: dict[str, pa.Array] = {"row": column.numbers}
        fields = _values(events, self._event_type)
        for name in _TEXT_COLUMNS:
            columns[name] = pa.array(fields[name], pa.string()).dictionary_encode()
        for name in ("pid", "tid"):
            columns[name] = _as_text(fields[name]).dictionary_encode()
        columns["id"] = _as_text(fields["id"])
        for name, target in _TIME_COLUMNS.items():
            columns[target] = column.times(target, _raw_texts(fields[name]))
        columns.update(self._argument_columns(column, fields["args"]))
        return pa.table(columns)

    def _argument_columns(self, column: _ColumnMaker, args: Sequence[Any]) -> dict[str, pa.Array]:
        none = self._args_type()
        fields = _values([present or none for present in args], self._args_type)
        raw = {key: _raw_texts(values) for key, values in zip(self._keys, fields.values(), strict=True)}
        make: dict[str, Callable[[str, pa.Array], pa.Array]] = {
            "int": column.integers,
            "text": column.texts,
            "json": lambda _, texts: texts.dictionary_encode(),
        }
        return {
            argument.column: make[argument.kind](argument.column, pc.coalesce(*(raw[key] for key in argument.keys)))
            for argument in self._arguments
        }


def _struct_types(keys: Sequence[str]) -> tuple[type[msgspec.Struct], type[msgspec.Struct]]:
    """Give the structs of the wanted values of args, as raw JSON, and of an event with what every recorder writes."""
    args = msgspec.defstruct(
        "Args", [(f"a{i}", Raw, msgspec.field(name=key, default=_ABSENT)) for i, key in enumerate(keys)], gc=False
    )
    text = str | None
    number_or_text = int | str | None
    event = msgspec.defstruct(
        "Event",
        [
            *((name, text, None) for name in _TEXT_COLUMNS),
            *((name, number_or_text, None) for name in ("pid", "tid", "id")),
            *((name, Raw, _ABSENT) for name in _TIME_COLUMNS),
            ("args", args | None, None),
        ],
        gc=False,
    )
    return args, event


def _values(structs: Sequence[msgspec.Struct], struct_type: type[msgspec.Struct]) -> dict[str, list[Any]]:
    """Give the values of each field of many structs."""
    return {name: list(map(operator.attrgetter(name), structs)) for name in struct_type.__struct_fields__}


def _as_text(values: Sequence[int | str | None]) -> pa.Array:
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _raw_texts(values: Sequence[Raw]) -> pa.Array:
    """Give the JSON texts of raw values; null where the key is absent or its value is null."""
    texts = [b"" if value is _ABSENT else bytes(value) for value in values]
    try:
        column = pa.array(texts, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        column = pa.array([text.decode("utf-8", errors="replace") for text in texts], pa.string())
    return pc.if_else(pc.is_in(column, _NOTHING), None, column)


class _ColumnMaker:
    """Turns JSON texts of one window into columns, and counts in the damage log what could not be read."""

    def __init__(self, numbers: pa.Array, damage: DamageLog) -> None:
        self.numbers = numbers
        self._damage = damage

    def times(self, column: str, texts: pa.Array) -> pa.Array:
        """Give Int64 nanoseconds of texts of microseconds."""
        times = exact_nanoseconds(texts)
        self._count(Repair(f"{column} is no time within int64: unknown", Severity.DATA_LOSS), times.unreadable)
        self._count(Repair(f"{column} has digits below a nanosecond: rounded", Severity.INFO), times.rounded)
        return pa.array(times.ns, pa.int64(), mask=~times.known)

    def integers(self, column: str, texts: pa.Array) -> pa.Array:
        """Give int64 of numbers and of texts of digits."""
        bare = pc.utf8_trim(texts, characters='" ')
        plain = pc.fill_null(pc.match_substring_regex(bare, _INTEGER), fill_value=False)
        values = pc.if_else(plain, bare, None).cast(pa.int64())
        odd = pc.and_(pc.invert(plain), pc.is_valid(bare))
        if not pc.any(odd).as_py():
            return values
        listed = values.to_pylist()
        unreadable = [False] * len(listed)
        for i in pc.indices_nonzero(odd).to_pylist():
            listed[i] = _whole_number(bare[i].as_py())
            unreadable[i] = listed[i] is None and bare[i].as_py() != ""
        self._count(Repair(f"{column} is no integer within int64: unknown", Severity.DATA_LOSS), unreadable)
        return pa.array(listed, pa.int64())

    def texts(self, _column: str, texts: pa.Array) -> pa.Array:
        """Give texts without their JSON quotes and escapes, dictionary-encoded."""
        encoded = texts.dictionary_encode()
        plain = pa.array([_unquoted(text) for text in encoded.dictionary.to_pylist()], pa.string())
        return pc.take(plain, encoded.indices).dictionary_encode()

    def _count(self, kind: Repair, flags: Any) -> None:
        for number in self.numbers.filter(pa.array(flags, pa.bool_())).to_pylist():
            self._damage.count(kind, number, byte=None)


def _whole_number(text: str) -> int | None:
    """Read an integer that is written unusually (19 digits, 3.0, 1e3); None if it is none or beyond int64."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64_LIMIT <= value < _INT64_LIMIT:
        return None
    return value


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return text[1:-1]
