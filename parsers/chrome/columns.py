"""Columns of one window of events: the values that one field has over many events become one Arrow array.

A field's JSON texts are joined into one buffer and read there; a loop over single values is left to the rare window
that holds an unusual one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw
from numpy.typing import NDArray

from profkit.errors import Severity
from profkit.parsers.chrome.forms import ABSENT_NUMBER
from profkit.parsers.damage_log import DamageLog, Repair
from profkit.parsers.exact_time import exact_nanoseconds, plain_decimals

_INTEGER = r"^-?[0-9]{1,18}$"
_INT64_LIMIT = 2**63
_NS_OF_US = 1000


def encoded_texts(values: Sequence[int | str | None]) -> pa.DictionaryArray:
    """Give numbers and words as texts, dictionary-encoded; None is null."""
    codes: defaultdict[int | str | None, int] = defaultdict()
    codes.default_factory = codes.__len__
    rows = np.fromiter(map(codes.__getitem__, values), np.int32, len(values))
    texts: dict[str, int] = {}
    places = [-1 if value is None else texts.setdefault(str(value), len(texts)) for value in codes]
    indices = np.array([*places, -1], np.int32)[rows]
    unknown = indices < 0 if None in codes else None
    return pa.DictionaryArray.from_arrays(pa.array(indices, mask=unknown), pa.array(list(texts), pa.string()))


def plain_texts(values: Sequence[int | str | None]) -> pa.Array:
    """Give numbers and words as texts that hardly repeat."""
    if values.count(None) == len(values):
        return pa.nulls(len(values), pa.string())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def plain_numbers(values: Sequence[int | None]) -> pa.Array:
    """Give int64 of numbers that were decoded as PlainNumber; null where the key is absent or its value is null."""
    try:
        numbers = np.fromiter(values, np.int64, len(values))
    except TypeError:
        known = (ABSENT_NUMBER if value is None else value for value in values)
        numbers = np.fromiter(known, np.int64, len(values))
    absent = numbers == ABSENT_NUMBER
    if not absent.any():
        return pa.array(numbers)
    return pa.nulls(len(values), pa.int64()) if absent.all() else pa.array(numbers, mask=absent)


def raw_texts(values: Sequence[Raw]) -> pa.Array:
    """Give the JSON texts of raw values; null where the key is absent or its value is null."""
    joined = b"".join(values)
    if not joined:
        return pa.nulls(len(values), pa.string())
    if not joined.isascii() and not _is_utf8(joined):
        mended = [bytes(value).decode("utf-8", errors="replace") for value in values]
        return _without_nothing(pa.array(mended, pa.string()))
    lengths = np.fromiter(map(len, values), np.int32, len(values))
    ends = np.zeros(len(values) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    present = lengths > 0
    bits = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    column = pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(joined), bits)
    return _without_nothing(column) if b"null" in joined else column


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _without_nothing(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_in(column, pa.array(["", "null"])), None, column)


class ColumnMaker:
    """Turns JSON texts of one window into columns, and counts in the damage log what could not be read.

    Args:
        numbers: Place of each event in the list of the file.
        damage: Where unreadable values are counted.
    """

    def __init__(self, numbers: NDArray[np.int64], damage: DamageLog) -> None:
        self._numbers = numbers
        self._damage = damage

    def of(self, chosen: NDArray[np.bool_]) -> ColumnMaker:
        """Give the maker of columns of some of the events; bool, one an event."""
        return ColumnMaker(self._numbers[chosen], self._damage)

    def times(self, column: str, texts: pa.Array) -> pa.Array:
        """Give Int64 nanoseconds of microseconds, as texts or int64."""
        if pa.types.is_integer(texts.type):
            try:
                return pc.multiply_checked(texts, _NS_OF_US)
            except pa.ArrowInvalid:
                texts = texts.cast(pa.string())
        times = exact_nanoseconds(texts)
        self._count(Repair(f"{column} is no time within int64: unknown", Severity.DATA_LOSS), times.unreadable)
        self._count(Repair(f"{column} has digits below a nanosecond: rounded", Severity.INFO), times.rounded)
        return pa.array(times.ns, pa.int64(), mask=~times.known)

    def integers(self, column: str, texts: pa.Array) -> pa.Array:
        """Give int64 of numbers and of texts of digits."""
        if pa.types.is_integer(texts.type):
            return texts
        if texts.null_count == len(texts):
            return pa.nulls(len(texts), pa.int64())
        plain_values = plain_decimals(texts, decimals=0)
        if plain_values is not None:
            return pa.array(plain_values, pa.int64(), mask=texts.is_null().to_numpy(zero_copy_only=False))
        bare = pc.utf8_trim(texts, characters='" ')
        plain = pc.fill_null(pc.match_substring_regex(bare, _INTEGER), fill_value=False)
        values = pc.if_else(plain, bare, None).cast(pa.int64())
        odd = pc.and_(pc.invert(plain), pc.is_valid(bare))
        if not pc.any(odd).as_py():
            return values
        listed = values.to_pylist()
        unreadable = np.zeros(len(listed), dtype=bool)
        for i in pc.indices_nonzero(odd).to_pylist():
            listed[i] = _whole_number(bare[i].as_py())
            unreadable[i] = listed[i] is None and bare[i].as_py() != ""
        self._count(Repair(f"{column} is no integer within int64: unknown", Severity.DATA_LOSS), unreadable)
        return pa.array(listed, pa.int64())

    def texts(self, _column: str, texts: pa.Array) -> pa.Array:
        """Give texts without their JSON quotes and escapes, dictionary-encoded."""
        encoded = texts.dictionary_encode()
        plain = pa.array([_unquoted(text) for text in encoded.dictionary.to_pylist()], pa.string()).dictionary_encode()
        return pa.DictionaryArray.from_arrays(pc.take(plain.indices, encoded.indices), plain.dictionary)

    def _count(self, kind: Repair, flags: NDArray[np.bool_]) -> None:
        self._damage.count_all(kind, self._numbers[flags])


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
