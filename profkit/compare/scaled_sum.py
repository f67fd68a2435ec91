"""Sums that neither overflow nor vanish: a float64 with a power of two of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A sum of squares in this range lost nothing that matters: what underflowed in it is smaller than its last digit.
_SMALLEST_SUM, _LARGEST_SUM = 2.0**-500, 2.0**1000


# OpenBLAS spreads a longer dot product over threads, which costs a hundred times what they save on numbers so few.
_SINGLE_THREAD_ELEMENTS = 8_192


@dataclass
class ScaledSum:
    """A sum held as value * 2**exponent."""

    value: float = 0.0
    exponent: int = 0

    def add(self, value: float, exponent: int = 0) -> None:
        """Add value * 2**exponent."""
        if value == 0:
            return
        if self.value == 0:
            self.value, self.exponent = value, exponent
            return
        if exponent > self.exponent:
            self.value = math.ldexp(self.value, self.exponent - exponent)
            self.exponent = exponent
        self.value += math.ldexp(value, exponent - self.exponent)

    def over(self, count: int) -> float:
        """Give sum / count; infinite beyond float64."""
        return scaled_up(self.value / count, self.exponent)

    def root_over(self, count: int) -> float:
        """Give sqrt(sum / count) of a sum of squares, whose exponent is even; infinite beyond float64."""
        return scaled_up(math.sqrt(self.value / count), self.exponent // 2)


def dot_product(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Give the dot product of two vectors, in one thread whatever their length."""
    if len(x) <= _SINGLE_THREAD_ELEMENTS:
        return float(np.dot(x, y))
    starts = range(0, len(x), _SINGLE_THREAD_ELEMENTS)
    ends = range(_SINGLE_THREAD_ELEMENTS, len(x) + _SINGLE_THREAD_ELEMENTS, _SINGLE_THREAD_ELEMENTS)
    return float(sum(np.dot(x[start:end], y[start:end]) for start, end in zip(starts, ends, strict=True)))


def scaled_up(value: float, exponent: int) -> float:
    """As math.ldexp, but infinite instead of an OverflowError."""
    return float(np.ldexp(np.float64(value), exponent))


def root_of_ratio(above: ScaledSum, below: ScaledSum) -> float:
    """Give sqrt(above / below) of two sums of squares; `below` is not 0."""
    return scaled_up(math.sqrt(above.value / below.value), (above.exponent - below.exponent) // 2)


@dataclass(frozen=True)
class ScaledValues:
    """Values with a power of two taken out of them, so that their squares stay inside float64.

    Attributes:
        values: The values divided by 2**exponent.
        exponent: 0 for all but extreme values.
        squares: The sum of the squares of `values`.
    """

    values: NDArray[np.float64]
    exponent: int
    squares: float


def scaled_values(values: NDArray[np.float64], squares: float | None = None) -> ScaledValues:
    """Scale finite values of any size; `squares` is the plain sum of their squares, if it is known."""
    squares = dot_product(values, values) if squares is None else squares
    if _SMALLEST_SUM < squares < _LARGEST_SUM:
        return ScaledValues(values, 0, squares)
    peak = max(float(values.max()), -float(values.min())) if len(values) else 0.0
    if peak == 0:
        return ScaledValues(values, 0, 0.0)
    exponent = math.frexp(peak)[1]
    scaled = np.ldexp(values, -exponent)
    return ScaledValues(scaled, exponent, dot_product(scaled, scaled))
