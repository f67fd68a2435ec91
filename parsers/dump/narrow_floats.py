"""Values of floating-point formats of 8 bits, which numpy lacks, as float32: a table of the 256 values of each.

float8_e4m3fn, float8_e5m2 and float8_e8m0fnu: Open Compute Project, 8-bit Floating Point Specification 1.0 and
Microscaling Formats 1.0; fnuz: arXiv:2206.02915. Every value is a float32, so that widening changes none.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class _Format(NamedTuple):
    """Sign, exponent and fraction of a format.

    Attributes:
        fraction_bits: Bits of the fraction.
        bias: Of the exponent.
        infinite: Its highest exponent holds Inf and NaN.
        unsigned_zero: It has no negative zero: that word is its one NaN.
    """

    fraction_bits: int
    bias: int
    infinite: bool = False
    unsigned_zero: bool = False


_FORMATS = {
    "float8_e4m3fn": _Format(3, 7),
    "float8_e4m3fnuz": _Format(3, 8, unsigned_zero=True),
    "float8_e5m2": _Format(2, 15, infinite=True),
    "float8_e5m2fnuz": _Format(2, 16, unsigned_zero=True),
}
_E8M0 = "float8_e8m0fnu"

NARROW_FLOATS = frozenset({*_FORMATS, _E8M0})
"""The formats that can be widened, by the names torch gives them."""


def widen_narrow_float(words: npt.NDArray[np.uint8], dtype: str) -> npt.NDArray[np.float32]:
    """Give the float32 values of raw 8-bit floats.

    Args:
        words: Any shape.
        dtype: One of NARROW_FLOATS.
    """
    return _values(dtype)[words]


@cache
def _values(dtype: str) -> npt.NDArray[np.float32]:
    if dtype == _E8M0:
        return np.array([math.nan if word == 0xFF else math.ldexp(1.0, word - 127) for word in range(256)], np.float32)
    return np.array([_value(word, _FORMATS[dtype]) for word in range(256)], np.float32)


def _value(word: int, form: _Format) -> float:
    sign = -1.0 if word & 0x80 else 1.0
    exponent, fraction = (word & 0x7F) >> form.fraction_bits, word & (1 << form.fraction_bits) - 1
    highest = 0x7F >> form.fraction_bits
    if form.infinite and exponent == highest:
        return math.nan if fraction else sign * math.inf
    if word == 0x80 if form.unsigned_zero else not form.infinite and word & 0x7F == 0x7F:
        return math.nan
    if exponent == 0:
        return sign * math.ldexp(fraction, 1 - form.bias - form.fraction_bits)
    return sign * math.ldexp((1 << form.fraction_bits) + fraction, exponent - form.bias - form.fraction_bits)
