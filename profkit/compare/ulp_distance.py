"""How many representable numbers lie between two floats: the distance in units in the last place (ULP).

The bits of a float, read as an integer, count the representable numbers from 0; the distance is the difference of two
such counts, -0 and +0 being one number. Where the sides have different dtypes, both are counted in the narrower one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.compare.precision import Precision, coarser

AnyArray = NDArray[Any]
Distance = Callable[[AnyArray, AnyArray], AnyArray]

# Distances below are counted one by one; above, in 256 bins for each power of two.
_COUNTED_SINGLY = 4096
_SINGLE_BITS = 12
_BINS_BITS = 8
_BINS = _COUNTED_SINGLY + (65 - _SINGLE_BITS << _BINS_BITS)

_STORED_AS: dict[str, Any] = {"float16": np.float16, "float32": np.float32, "float64": np.float64}
# Fraction bits that bfloat16 lacks against float32, in which it is held.
_BFLOAT16_SHIFT = 16


class UlpHistogram:
    """The distances of all elements seen, as a histogram that does not depend on their order."""

    def __init__(self, dtype_a: str, dtype_b: str) -> None:
        self._distance = _distance_function(dtype_a, dtype_b)
        self._counts = np.zeros(_BINS, dtype=np.int64)
        self._elements = 0
        self._largest = 0

    def add(self, a: AnyArray, b: AnyArray) -> None:
        """Add finite elements as they are stored."""
        if self._distance is None or not len(a):
            return
        distance = self._distance(a, b)
        largest = int(np.maximum.reduce(distance))
        self._largest = max(self._largest, largest)
        self._elements += len(distance)
        bins = distance if largest < _COUNTED_SINGLY else _bin_of(distance)
        counts = np.bincount(bins.astype(np.intp))
        self._counts[: len(counts)] += counts

    def add_equal(self, count: int) -> None:
        """Add elements that are equal on both sides."""
        if self._distance is not None:
            self._elements += count
            self._counts[0] += count

    @property
    def largest(self) -> float:
        """The largest distance; NaN where there is none."""
        return float(self._largest) if self._elements else np.nan

    def quantile(self, share: float) -> float:
        """Give the smallest distance that this share of the elements does not exceed.

        Exact below 4096, above rounded down by less than 1/256 of it; NaN where there is none.
        """
        if not self._elements:
            return np.nan
        needed = int(np.ceil(share * self._elements))
        index = int(np.searchsorted(np.cumsum(self._counts), max(1, needed)))
        if index < _COUNTED_SINGLY:
            return float(index)
        power, part = divmod(index - _COUNTED_SINGLY, 1 << _BINS_BITS)
        return float(np.ldexp(1 + part / (1 << _BINS_BITS), power + _SINGLE_BITS))


def _bin_of(distance: AnyArray) -> NDArray[np.int64]:
    bits = distance.astype(np.float64).view(np.int64)
    bins = (bits >> (52 - _BINS_BITS)) - ((1023 + _SINGLE_BITS) << _BINS_BITS) + _COUNTED_SINGLY
    return np.where(distance < _COUNTED_SINGLY, distance.astype(np.int64), bins)


def _distance_function(dtype_a: str, dtype_b: str) -> Distance | None:
    precision = coarser(dtype_a, dtype_b)
    if precision is None:
        return None
    if precision.dtype == "bfloat16":
        return _bfloat16_distance
    if precision.dtype in _STORED_AS:
        return _OrderedDistance(_STORED_AS[precision.dtype])
    if precision.exponent_bits:
        return lambda a, b: _counted_distance(a, b, precision)
    return None


def _bfloat16_distance(a: AnyArray, b: AnyArray) -> AnyArray:
    distance = _OrderedDistance(np.float32)(a, b).astype(np.uint64)
    return (distance + np.uint64(1 << (_BFLOAT16_SHIFT - 1))) >> np.uint64(_BFLOAT16_SHIFT)


class _OrderedDistance:
    """Gives the distance of floats of one dtype as unsigned integers of its width, valid until the next call."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)
        self._signed = np.dtype(f"i{self._dtype.itemsize}")
        self._unsigned = np.dtype(f"u{self._dtype.itemsize}")
        self._largest = np.iinfo(self._signed).max
        self._room = np.empty((2, 0), self._signed)

    def __call__(self, a: AnyArray, b: AnyArray) -> AnyArray:
        if self._room.shape[1] < len(a):
            self._room = np.empty((2, len(a)), self._signed)
        distance, signs = self._room[:, : len(a)]
        x, y = (side.astype(self._dtype, copy=False).view(self._signed) for side in (a, b))
        # The bits below the sign count the representable numbers from 0: on one side of 0 the difference is exact.
        np.subtract(x, y, out=distance)
        np.abs(distance, out=distance)
        unsigned: AnyArray = distance.view(self._unsigned)
        np.bitwise_xor(x, y, out=signs)
        across = np.flatnonzero(signs < 0)
        if len(across):
            unsigned[across] = sum((side[across] & self._largest).view(self._unsigned) for side in (x, y))
        return unsigned


def _counted_distance(a: AnyArray, b: AnyArray, precision: Precision) -> AnyArray:
    """Give the distance in a format that numpy lacks, by the table of its numbers."""
    numbers = _numbers_of(precision)

    def rank(values: AnyArray) -> NDArray[np.int64]:
        magnitude = np.abs(values.astype(np.float64))
        above = np.searchsorted(numbers, magnitude).clip(1, len(numbers) - 1)
        nearest = above - (magnitude - numbers[above - 1] < numbers[above] - magnitude)
        return np.where(np.signbit(values), -nearest, nearest)

    return np.abs(rank(a) - rank(b))


@cache
def _numbers_of(precision: Precision) -> NDArray[np.float64]:
    """Give the numbers of a small format from 0 up, as if every exponent were one of finite numbers."""
    fraction_bits = round(-np.log2(precision.roundoff)) - 1
    bias = 2 ** (precision.exponent_bits - 1) - 1
    fractions = np.arange(2**fraction_bits) / 2**fraction_bits
    exponents = np.arange(1, 2**precision.exponent_bits)[:, None] - bias
    normal = np.ldexp(1 + fractions, exponents).reshape(-1)
    numbers: NDArray[np.float64] = np.concatenate([np.ldexp(fractions, 1 - bias), normal])
    return numbers
