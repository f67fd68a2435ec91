"""How far two arrays are from each other: one pass over bounded blocks, in float64, whatever the values.

Every figure is taken over the elements that are finite on both sides, and sums of squares carry their own power of two,
so that neither float16 nor 1e300 overflows and 1e-300 does not vanish. Nothing is broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from profkit.compare.element_distance import Block, blocks_of, is_finite_block, number_kind

BLOCK_ELEMENTS = 8_192
"""Elements in a block: its temporaries stay in cache, and a BLAS dot product this short is not spread over threads."""

# Squares of values with exponents in this range, and ratios of their sums, stay far inside float64.
_SAFE_EXPONENT = 200
# From here on |a-b|, or the modulus of a complex number, can leave float64 although a and b are finite.
_NEAR_LARGEST = 2.0**1021


@dataclass(frozen=True)
class Metrics:
    """What separates array b from array a.

    Attributes:
        elements: Elements of each side.
        compared: Elements that are finite on both sides; the figures below are taken over these.
        max_abs: Largest |a-b|; 0 exactly if and only if all compared elements are equal; NaN if none was compared.
        mean_abs: Mean |a-b|.
        max_rel: Largest |a-b|/|a| where a is not 0; NaN if a is 0 everywhere.
        rmse: Root of the mean squared |a-b|.
        cosine: Cosine of the angle between the flattened sides; NaN if one is all zero. A complex array counts as its
            real and imaginary parts side by side.
        rel_l2: |a-b|2 / |a|2; 0 if both are 0, infinite if only a is all zero.
        close_ratio: Share of all elements, finite or not, with |a-b| <= atol + rtol * max(|a|, |b|). The larger of the
            two is the measure, so that swapping the sides never changes it.
        rms_a, rms_b: Root of the mean square of each side.
        peak_a, peak_b: Largest magnitude of each side.
        nan_a, nan_b: NaN elements.
        inf_a, inf_b: Infinite elements of either sign that are not NaN.
        non_finite_agree: Whether NaN, +Inf and -Inf stand at the same places on both sides.
        first_index: Flat (C order) number of the first element that is not close or not finite in the same way.
        worst_index: Flat number of the element farthest apart; a disagreement of NaN or Inf is farther than any number.
    """

    elements: int
    compared: int
    max_abs: float
    mean_abs: float
    max_rel: float
    rmse: float
    cosine: float
    rel_l2: float
    close_ratio: float
    rms_a: float
    rms_b: float
    peak_a: float
    peak_b: float
    nan_a: int
    nan_b: int
    inf_a: int
    inf_b: int
    non_finite_agree: bool
    first_index: int | None
    worst_index: int | None

    @property
    def equal(self) -> bool:
        """Whether every element of a is the same finite number in b."""
        return self.compared == self.elements and self.max_abs == 0


def measure(
    a: NDArray[Any], b: NDArray[Any], rtol: float = 0.0, atol: float = 0.0, *, block_elements: int = BLOCK_ELEMENTS
) -> Metrics:
    """Measure how far b is from a.

    Integers and booleans are compared exactly (int64 above 2**53 included), floats and complex numbers in float64.
    Memory beyond the inputs is a few blocks; a memory-mapped input is read once, in order.

    Args:
        a: The reference; boolean, integer, float of up to 64 bits or complex of up to 128 bits, any shape and strides.
        b: The other side; same shape and same kind of number, the width may differ.
        rtol: Relative tolerance of close_ratio.
        atol: Absolute tolerance of close_ratio.
        block_elements: Elements taken at a time.

    Raises:
        ValueError: The shapes differ, the kinds of number differ, a dtype is no number, or a tolerance is negative or
            not finite.
    """
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ, and nothing is broadcast")
    kind = number_kind(a.dtype)
    if kind is None or kind != number_kind(b.dtype):
        raise ValueError(f"{a.dtype} and {b.dtype} are not numbers of one kind")
    if not (0 <= rtol < math.inf and 0 <= atol < math.inf):
        raise ValueError(f"tolerances rtol={rtol}, atol={atol} must be finite and not negative")
    totals = _Totals(rtol, atol)
    with np.errstate(all="ignore"):
        for block in _numbered(a, b, kind, block_elements):
            totals.take(*block)
        return totals.metrics()


def _numbered(
    a: NDArray[Any], b: NDArray[Any], kind: Literal["integer", "float", "complex"], block_elements: int
) -> Iterator[tuple[int, Block]]:
    start = 0
    for block in blocks_of(a, b, kind, block_elements):
        yield start, block
        start += len(block.x)


@dataclass
class _ScaledSum:
    """A sum held as value * 2**exponent."""

    value: float = 0.0
    exponent: int = 0

    def add(self, value: float, exponent: int) -> None:
        if value == 0:
            return
        if self.value == 0:
            self.value, self.exponent = value, exponent
            return
        if exponent > self.exponent:
            self.value = math.ldexp(self.value, self.exponent - exponent)
            self.exponent = exponent
        self.value += math.ldexp(value, exponent - self.exponent)

    def root_over(self, count: int) -> float:
        """Give sqrt(sum / count) of a sum of squares, whose exponent is even; infinite beyond float64."""
        return _ldexp(math.sqrt(self.value / count), self.exponent // 2)


def _ldexp(value: float, exponent: int) -> float:
    """As math.ldexp, but infinite instead of an OverflowError."""
    return float(np.ldexp(np.float64(value), exponent))


def _scale_of(peak: float) -> int:
    """Give the exponent to take out of values with this largest magnitude; 0 for all but extreme ones."""
    exponent = math.frexp(peak)[1]
    return exponent if abs(exponent) > _SAFE_EXPONENT and peak > 0 else 0


def _scaled(values: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    return np.ldexp(values, -scale) if scale else values


@dataclass
class _Totals:
    """What has been summed up over the blocks so far."""

    rtol: float
    atol: float
    elements: int = 0
    compared: int = 0
    close: int = 0
    max_abs: float = -1.0
    max_rel: float = -1.0
    peak_a: float = 0.0
    peak_b: float = 0.0
    nan_a: int = 0
    nan_b: int = 0
    inf_a: int = 0
    inf_b: int = 0
    first_index: int | None = None
    worst_index: int | None = None
    disagreement: int | None = None
    distance: _ScaledSum = field(default_factory=_ScaledSum)
    distance_squared: _ScaledSum = field(default_factory=_ScaledSum)
    square_a: _ScaledSum = field(default_factory=_ScaledSum)
    square_b: _ScaledSum = field(default_factory=_ScaledSum)
    product: _ScaledSum = field(default_factory=_ScaledSum)

    def take(self, start: int, block: Block) -> None:
        """Add a block whose first element has the flat number `start`."""
        self.elements += len(block.x)
        magnitude_a, magnitude_b = np.abs(block.x), np.abs(block.y)
        peak_a, peak_b = float(magnitude_a.max()), float(magnitude_b.max())
        if math.isfinite(peak_a) and math.isfinite(peak_b):
            self._take_finite(start, None, block, (magnitude_a, magnitude_b), (peak_a, peak_b))
            return
        finite = is_finite_block(block)
        if not finite.all():
            self._take_non_finite(start, block, finite)
        places = np.flatnonzero(finite)
        if not len(places):
            return
        kept = block.at(places)
        magnitudes = np.abs(kept.x), np.abs(kept.y)
        peaks = float(magnitudes[0].max()), float(magnitudes[1].max())
        self._take_finite(start, places, kept, magnitudes, peaks)

    def _take_non_finite(self, start: int, block: Block, finite: NDArray[np.bool_]) -> None:
        places = np.flatnonzero(~finite)
        x, y = block.x[places], block.y[places]
        nan_x, nan_y = np.isnan(x), np.isnan(y)
        self.nan_a += int(nan_x.sum())
        self.nan_b += int(nan_y.sum())
        self.inf_a += int((np.isinf(x) & ~nan_x).sum())
        self.inf_b += int((np.isinf(y) & ~nan_y).sum())
        agree = np.ones(len(places), dtype=bool)
        for part_x, part_y in ((x.real, y.real), (x.imag, y.imag)):
            both_finite = np.isfinite(part_x) & np.isfinite(part_y)
            agree &= both_finite | (part_x == part_y) | (np.isnan(part_x) & np.isnan(part_y))
        if not agree.all():
            place = start + int(places[agree.argmin()])
            self.disagreement = place if self.disagreement is None else self.disagreement
            self._note_first(place)

    def _note_first(self, place: int) -> None:
        self.first_index = place if self.first_index is None else min(self.first_index, place)

    def _take_finite(
        self,
        start: int,
        places: NDArray[np.intp] | None,
        block: Block,
        magnitudes: tuple[NDArray[np.float64], NDArray[np.float64]],
        peaks: tuple[float, float],
    ) -> None:
        """Add elements finite on both sides; `places` are their numbers in the block, None if they are all of it."""
        distance = block.distance()
        self.compared += len(distance)
        self.peak_a, self.peak_b = max(self.peak_a, peaks[0]), max(self.peak_b, peaks[1])
        worst = int(distance.argmax())
        largest = float(distance[worst])
        if largest > self.max_abs:
            self.max_abs = largest
            self.worst_index = start + (worst if places is None else int(places[worst]))
        self._sum_up(block, distance, largest, peaks)
        relative, close = self._by_element(block, distance, magnitudes)
        if max(*peaks, largest) > _NEAR_LARGEST:
            self._correct_overflown(block, distance, magnitudes, relative, close)
        self.max_rel = max(self.max_rel, float(relative.max()))
        count = int(np.count_nonzero(close))
        self.close += count
        if count < len(close) and (self.first_index is None or self.first_index >= start):
            place = int(close.argmin())
            self._note_first(start + (place if places is None else int(places[place])))

    def _sum_up(self, block: Block, distance: NDArray[np.float64], largest: float, peaks: tuple[float, float]) -> None:
        if largest > 0:
            scale = _scale_of(largest)
            if math.isinf(largest):
                # Two finite float64 can lie farther apart than the largest float64: take their quarters.
                scale, scaled = 1024, np.ldexp(block.quarter().distance(), 2 - 1024)
            else:
                scaled = _scaled(distance, scale)
            self.distance.add(float(scaled.sum()), scale)
            self.distance_squared.add(float(np.dot(scaled, scaled)), 2 * scale)
        scale_a, scale_b = _scale_of(min(peaks[0], 2.0**1023)), _scale_of(min(peaks[1], 2.0**1023))
        x, y = _scaled(block.parts_x, scale_a), _scaled(block.parts_y, scale_b)
        self.square_a.add(float(np.dot(x, x)), 2 * scale_a)
        self.square_b.add(float(np.dot(y, y)), 2 * scale_b)
        self.product.add(float(np.dot(x, y)), scale_a + scale_b)

    def _by_element(
        self,
        block: Block,
        distance: NDArray[np.float64],
        magnitudes: tuple[NDArray[np.float64], NDArray[np.float64]],
        shrink: float = 1.0,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Give |a-b|/|a| (-1 where a is 0) and whether each element is close; `shrink` goes with shrunk values."""
        magnitude_a, magnitude_b = magnitudes
        relative = distance / magnitude_a
        zero = magnitude_a == 0
        if zero.any():
            relative[zero] = -1.0
        bound = np.maximum(magnitude_a, magnitude_b)
        bound *= self.rtol
        bound += self.atol * shrink
        return relative, distance <= bound

    def _correct_overflown(
        self,
        block: Block,
        distance: NDArray[np.float64],
        magnitudes: tuple[NDArray[np.float64], NDArray[np.float64]],
        relative: NDArray[np.float64],
        close: NDArray[np.bool_],
    ) -> None:
        """Judge the elements at the very end of float64 again, on quarters of their values."""
        beyond = np.flatnonzero(np.isinf(distance) | np.isinf(magnitudes[0]) | np.isinf(magnitudes[1]))
        if len(beyond):
            quarter = block.at(beyond).quarter()
            shrunk = np.abs(quarter.x), np.abs(quarter.y)
            relative[beyond], close[beyond] = self._by_element(quarter, quarter.distance(), shrunk, 0.25)

    def metrics(self) -> Metrics:
        n = self.compared
        return Metrics(
            elements=self.elements,
            compared=n,
            max_abs=self.max_abs if n else math.nan,
            mean_abs=_ldexp(self.distance.value / n, self.distance.exponent) if n else math.nan,
            max_rel=self.max_rel if self.max_rel >= 0 else math.nan,
            rmse=self.distance_squared.root_over(n) if n else math.nan,
            cosine=self._cosine(),
            rel_l2=self._rel_l2(),
            close_ratio=self.close / self.elements if self.elements else math.nan,
            rms_a=self.square_a.root_over(n) if n else math.nan,
            rms_b=self.square_b.root_over(n) if n else math.nan,
            peak_a=self.peak_a if n else math.nan,
            peak_b=self.peak_b if n else math.nan,
            nan_a=self.nan_a,
            nan_b=self.nan_b,
            inf_a=self.inf_a,
            inf_b=self.inf_b,
            non_finite_agree=self.disagreement is None,
            first_index=self.first_index,
            worst_index=self.worst_index if self.disagreement is None else self.disagreement,
        )

    def _cosine(self) -> float:
        a, b, product = self.square_a, self.square_b, self.product
        if a.value == 0 or b.value == 0:
            return math.nan
        cosine = product.value / math.sqrt(a.value) / math.sqrt(b.value)
        return min(1.0, max(-1.0, _ldexp(cosine, product.exponent - (a.exponent + b.exponent) // 2)))

    def _rel_l2(self) -> float:
        if not self.compared:
            return math.nan
        if self.max_abs == 0:
            return 0.0
        if self.square_a.value == 0:
            return math.inf
        squared = self.distance_squared
        ratio = math.sqrt(squared.value / self.square_a.value)
        return _ldexp(ratio, (squared.exponent - self.square_a.exponent) // 2)
