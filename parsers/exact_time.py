"""Times from their digits: decimal text to whole nanoseconds, without a float in between.

A float64 holds 0.25 us at most at today's epoch, so every number of a trace is kept as text until it arrives here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Decimals that a unit may carry down to the nanosecond.
MICROSECONDS = 3
MILLISECONDS = 6
NANOSECONDS = 0
# Sign, up to 19 digits, no more decimals than the unit has but zeros: what arrow's decimal128(38, decimals) takes
# exactly.
_PLAIN = r"^-?[0-9]{{1,19}}(\.[0-9]{{0,{decimals}}}0{{0,6}})?$"
_PLAIN_BYTES = b"0123456789.-"
_LONGEST_NUMBER = 64
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class ExactTimes:
    """Nanoseconds of a column of texts.

    Attributes:
        ns: int64, shape (n,); 0 where unknown.
        known: bool, shape (n,); false where the text is absent, no number, not finite or beyond int64.
        unreadable: bool, shape (n,); the part of the unknown that has a text.
        rounded: bool, shape (n,); digits below a nanosecond were rounded to the nearest one.
    """

    ns: NDArray[np.int64]
    known: NDArray[np.bool_]
    unreadable: NDArray[np.bool_]
    rounded: NDArray[np.bool_]


def exact_nanoseconds(texts: pa.Array, unit: int = MICROSECONDS) -> ExactTimes:
    r"""Turn texts of times into nanoseconds.

    Args:
        texts: Arrow string array; nulls are unknown. Integers, decimals, exponents, signs, and text in JSON quotes
            (also with the tab that Ascend CSV files append) are read.
        unit: MICROSECONDS, MILLISECONDS or NANOSECONDS. NANOSECONDS serves any other whole number as well.
    """
    values = plain_decimals(texts, unit)
    if values is None:
        texts = pc.utf8_trim(texts, characters='" \t\r\n')
        values = plain_decimals(texts, unit)
    if values is None:
        return _one_by_one(texts, unit)
    nothing = np.zeros(len(values), dtype=bool)
    return ExactTimes(values, texts.is_valid().to_numpy(zero_copy_only=False), nothing, nothing)


def plain_decimals(texts: pa.Array, decimals: int) -> NDArray[np.int64] | None:
    """Read texts of digits with a point or none as whole multiples of the last decimal.

    The points are taken out of all texts at once and what is left is read as integers: a third of the time that
    arrow's decimals take.

    Args:
        texts: Arrow string array; its nulls come out as 0.
        decimals: Number of decimals, at most, and what is given counts in.

    Returns:
        None if any of the texts is something else: more decimals, a blank, an exponent, beyond int64.
    """
    if texts.offset or texts.type != pa.string():
        return None
    _, offset_buffer, data = texts.buffers()
    if data is None:
        return np.zeros(len(texts), dtype=np.int64)
    offsets = np.frombuffer(offset_buffer, np.int32, len(texts) + 1)
    body = bytes(data)[offsets[0] : offsets[-1]]
    offsets = offsets - offsets[0]
    before, written = _points(body, offsets) if b"." in body else _no_points(offsets)
    if body.translate(None, _PLAIN_BYTES) or written.max(initial=0) > decimals:
        return None
    digits = pa.py_buffer(body.replace(b".", b""))
    bare = pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets - before), digits, texts.buffers()[0])
    try:
        values: NDArray[np.int64] = pc.fill_null(bare.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return _scaled(values, decimals - written)


def _no_points(offsets: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    return np.zeros(len(offsets), np.int32), np.zeros(len(offsets) - 1, np.int64)


def _points(body: bytes, offsets: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give the number of points before each offset, and the number of digits behind the only point of each text.

    A text without a point has none behind it, one with several has more than any unit allows.
    """
    places = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("."))
    before = np.searchsorted(places, offsets).astype(np.int32)
    written = np.zeros(len(offsets) - 1, dtype=np.int64)
    count = np.diff(before)
    written[count == 1] = offsets[1:][count == 1] - places[before[:-1][count == 1]] - 1
    written[count > 1] = _INT64.max
    return before, written


def _scaled(values: NDArray[np.int64], powers: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Multiply by powers of ten; None if that leaves int64."""
    if not powers.any():
        return values
    factors = 10**powers
    limits = _INT64.max // factors
    if (values > limits).any() or (values < -limits).any():
        return None
    return values * factors


def _one_by_one(texts: pa.Array, unit: int) -> ExactTimes:
    """Read texts of which some are unusual: those by Decimal, the others by arrow."""
    plain = pc.fill_null(pc.match_substring_regex(texts, _PLAIN.format(decimals=unit)), fill_value=False)
    scaled = pc.if_else(plain, texts, None).cast(pa.decimal128(38, unit))
    ns, fits = _unscaled(scaled)
    known = plain.to_numpy(zero_copy_only=False) & fits
    ns = np.where(known, ns, 0)
    unreadable = np.zeros(len(ns), dtype=bool)
    rounded = np.zeros(len(ns), dtype=bool)
    for row in np.flatnonzero(~known & texts.is_valid().to_numpy(zero_copy_only=False)):
        value, exact = _one(texts[row].as_py(), unit)
        unreadable[row] = value is None
        known[row] = value is not None
        ns[row] = value or 0
        rounded[row] = not exact
    return ExactTimes(ns, known, unreadable, rounded)


def _unscaled(values: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give each decimal128 without its point, and whether that fits int64."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    words = np.frombuffer(values.buffers()[1], dtype="<i8")
    words = words[2 * values.offset : 2 * (values.offset + len(values))]
    low, high = words[0::2].astype(np.int64), words[1::2]
    return low, high == low >> 63


def _one(text: str, unit: int) -> tuple[int | None, bool]:
    """Read one unusual number: its nanoseconds (None if it is none), and whether that is all of its digits."""
    if not text or len(text) > _LONGEST_NUMBER:
        return None, True
    with localcontext() as context:
        context.prec = 2 * _LONGEST_NUMBER
        try:
            number = Decimal(text)
            if not number.is_finite() or (number and number.adjusted() > len(str(_INT64.max))):
                return None, True
            scaled = number.scaleb(unit)
            whole = scaled.to_integral_value(rounding=ROUND_HALF_EVEN)
        except InvalidOperation:
            return None, True
    ns = int(whole)
    if not _INT64.min <= ns <= _INT64.max:
        return None, True
    return ns, whole == scaled
