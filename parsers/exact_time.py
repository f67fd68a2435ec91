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
    texts = pc.utf8_trim(texts, characters='" \t\r\n')
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
