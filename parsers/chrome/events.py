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

`read_events` joins all batches; `EventBatches` gives them one window (1 MiB of text) at a time, so that memory stays
bounded by the caller's own columns, and leaves events out before their times and arguments are read.

Both containers are read: an object with `traceEvents` and further keys, and a bare list of events. Damage is repaired
or skipped event by event and always told; a file that gives no event at all raises UnreadableInputError.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress, repeat
from operator import is_not
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from profkit.errors import ImportIssue, UnreadableInputError
from profkit.parsers.chrome.columns import ColumnMaker, encoded_texts, plain_numbers, plain_texts, raw_texts
from profkit.parsers.chrome.forms import (
    ABSENT,
    ABSENT_NUMBER,
    TIME_FIELDS,
    FittingForms,
    Form,
    field_values,
)
from profkit.parsers.chrome.windows import WINDOW_BYTES, EventWindows, Window
from profkit.progress import Progress, silent

_JUDGED_FIELDS = ("ph", "cat", "name", "pid")
_READ_FIELDS = ("tid", "id", *TIME_FIELDS, "args")


@dataclass(frozen=True)
class Argument:
    """One value of an event's `args` that is wanted as a column.

    Attributes:
        column: Name of the column.
        kind: "int" gives Int64 (numbers, and texts of digits); "text" gives category (text as it is, other values as
            their JSON); "json" gives category (the JSON of the value, unread: for lists, decoded once a category).
        keys: The spellings it has in `args`; the first one present is taken.
        beside: A key without which an event has none of `keys` either: only events that have it are looked into, so
            that values of rare events cost the others nothing. Empty looks into all.
    """

    column: str
    kind: Literal["int", "text", "json"]
    keys: tuple[str, ...]
    beside: str

    def __init__(self, column: str, kind: Literal["int", "text", "json"], *keys: str, beside: str = "") -> None:
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "keys", keys or (column,))
        object.__setattr__(self, "beside", beside)


class Apart(NamedTuple):
    """Events of one phase that have arguments of their own, and are given apart from the others.

    Attributes:
        phase: Letter of the events.
        arguments: The values of their `args` to give as columns; no other event is looked into for them.
        take: Given the columns of those of a window.
    """

    phase: str
    arguments: Sequence[Argument]
    take: Callable[[pa.Table], None]


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
    *,
    apart: Apart | None = None,
) -> EventFile:
    """Read a whole trace.

    Args:
        path: Plain or gzip file.
        arguments: The values of `args` to give as columns.
        header_keys: The top-level keys to keep; everything else there (environment variables!) is not even decoded.
        phases: Letters of the events to keep ("XM"); all if empty.
        progress: Told the fraction of the file that was read.
        apart: Events that are given elsewhere.

    Raises:
        UnreadableInputError: The file is empty, not JSON, not a trace, or gives no event.
    """
    batches = EventBatches(path, arguments, header_keys, phases, progress, apart=apart)
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

    Args:
        path, arguments, header_keys, phases, progress: As for read_events.
        choose: Given the columns row, ph, cat, name and pid of a window, says which of its events to give: bool,
            shape (n,). All if None.
        apart: Events that are given elsewhere; `phases` need not name theirs.
        with_ids: Whether to give the column `id`.
        window_bytes: Plain bytes of a window.

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
        choose: Callable[[pa.Table], NDArray[np.bool_]] | None = None,
        apart: Apart | None = None,
        with_ids: bool = True,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self._path = path
        self._arguments = tuple(arguments)
        self._phases = frozenset(phases)
        self._choose = choose
        self._apart = apart
        self._forms = _forms(arguments, apart.arguments if apart else (), with_ids=with_ids)
        self.windows = EventWindows(path, self._forms, header_keys, progress, window_bytes)

    def __iter__(self) -> Iterator[pa.Table]:
        any_event = any_phase = False
        windows = iter(self.windows)
        while True:
            with _garbage_collection_paused():
                window = next(windows, None)
                if window is None:
                    break
                any_event = any_event or bool(window.events)
                any_phase = any_phase or any(event.ph is not None for event in window.events)
                table = self._table(window)
                del window
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
        events, numbers = window.events, np.asarray(window.numbers, dtype=np.int64)
        if self._apart is not None:
            elsewhere = [event.ph == self._apart.phase for event in events]
            if any(elsewhere):
                of_phase = list(compress(events, elsewhere)), numbers[elsewhere]
                self._apart.take(self._columns_of_events(*of_phase, self._apart.arguments, None))
                kept = np.invert(elsewhere)
                events, numbers = list(compress(events, kept)), numbers[kept]
        if self._phases:
            wanted = [event.ph in self._phases for event in events]
            events, numbers = list(compress(events, wanted)), numbers[wanted]
        return self._columns_of_events(events, numbers, self._arguments, self._choose)

    def _columns_of_events(
        self,
        events: Sequence[Any],
        numbers: NDArray[np.int64],
        arguments: Sequence[Argument],
        choose: Callable[[pa.Table], NDArray[np.bool_]] | None,
    ) -> pa.Table:
        form = self._forms.form_of(events)
        values = field_values(events, form.fields)
        columns: dict[str, pa.Array] = {"row": pa.array(numbers)}
        columns.update((name, encoded_texts(values[name])) for name in _JUDGED_FIELDS)
        if choose is not None:
            chosen = choose(pa.table(columns))
            if not chosen.all():
                columns = {name: column.filter(pa.array(chosen)) for name, column in columns.items()}
                listed = chosen.tolist()
                values = {name: list(compress(values[name], listed)) for name in _READ_FIELDS if name in values}
                numbers = numbers[chosen]
        column = ColumnMaker(numbers, self.windows.damage)
        columns["tid"] = encoded_texts(values["tid"])
        if "id" in values:
            columns["id"] = plain_texts(values["id"])
        for name in TIME_FIELDS:
            columns[f"{name}_ns"] = column.times(f"{name}_ns", _read(form, name, values[name]))
        columns.update(self._argument_columns(column, values["args"], form, arguments))
        return pa.table(columns)

    def _argument_columns(
        self, column: ColumnMaker, args: Sequence[Any], form: Form, arguments: Sequence[Argument]
    ) -> dict[str, pa.Array]:
        none = form.args()
        values = field_values([present or none for present in args], form.keys) if form.keys else {}
        usual = [argument for argument in arguments if not argument.beside]
        found = self._columns_of(column, usual, values, form)
        for beside in dict.fromkeys(argument.beside for argument in arguments if argument.beside):
            wanted = [argument for argument in arguments if argument.beside == beside]
            if beside not in values:
                continue
            absent = ABSENT_NUMBER if beside in form.numbers else ABSENT
            place = np.fromiter(map(is_not, values[beside], repeat(absent)), bool, len(args))
            if place.any():
                keys = {key for argument in wanted for key in argument.keys}
                listed = place.tolist()
                chosen = {key: list(compress(values[key], listed)) for key in keys}
                columns = self._columns_of(column.of(place), wanted, chosen, form)
                found.update({name: _spread(texts, place) for name, texts in columns.items()})
        types = {"int": pa.int64(), "text": _texts(), "json": _texts()}
        return {
            argument.column: (
                found[argument.column] if argument.column in found else pa.nulls(len(args), types[argument.kind])
            )
            for argument in arguments
        }

    def _columns_of(
        self,
        column: ColumnMaker,
        arguments: Sequence[Argument],
        values: Mapping[str, Sequence[Any]],
        form: Form,
    ) -> dict[str, pa.Array]:
        """Give the columns of those arguments that the file has had so far."""
        make: dict[str, Callable[[str, pa.Array], pa.Array]] = {
            "int": column.integers,
            "text": column.texts,
            "json": lambda _, texts: texts.dictionary_encode(),
        }
        read = {
            key: _read(form, key, values[key])
            for key in dict.fromkeys(key for argument in arguments for key in argument.keys if key in values)
        }
        spelled = ((argument, [read[key] for key in argument.keys if key in read]) for argument in arguments)
        return {
            argument.column: make[argument.kind](argument.column, _first_present(texts))
            for argument, texts in spelled
            if texts
        }


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Keep Python from searching for cycles: the values of a window are many and have none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _forms(usual_and_rare: Sequence[Argument], elsewhere: Sequence[Argument], *, with_ids: bool) -> FittingForms:
    """Make the forms in which to decode events of which some arguments are wanted."""
    usual = [key for argument in usual_and_rare if not argument.beside for key in argument.keys]
    rare: dict[str, tuple[str, ...]] = {}
    for argument in usual_and_rare:
        if argument.beside:
            rare[argument.beside] = (*rare.get(argument.beside, ()), *argument.keys)
    usual += [key for argument in elsewhere for key in argument.keys]
    texts = {key for argument in (*usual_and_rare, *elsewhere) if argument.kind != "int" for key in argument.keys}
    fields = (*_JUDGED_FIELDS, *(name for name in _READ_FIELDS if name != "id" or with_ids))
    return FittingForms(usual, rare, frozenset(texts), fields)


def _read(form: Form, name: str, values: Sequence[Any]) -> pa.Array:
    """Give the column of a field or key: int64 where the form decodes it as numbers, else JSON texts."""
    return plain_numbers(values) if name in form.numbers else raw_texts(values)


def _texts() -> pa.DictionaryType:
    return pa.dictionary(pa.int32(), pa.string())


def _spread(values: pa.Array, place: NDArray[np.bool_]) -> pa.Array:
    """Give values of some rows as a column of all rows, null in the others."""
    return values.take(pa.array(np.cumsum(place) - 1, mask=~place))


def _first_present(spellings: Sequence[pa.Array]) -> pa.Array:
    """Give of each event the first spelling that it has."""
    used = [texts for texts in spellings if texts.null_count < len(texts)] or list(spellings[:1])
    if len({texts.type for texts in used}) > 1:
        used = [texts.cast(pa.string()) for texts in used]
    return used[0] if len(used) == 1 else pc.coalesce(*used)
