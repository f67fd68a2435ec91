"""What is summed up over the blocks of a pair: everything that its figures need, whatever the order of the blocks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.compare.element_distance import Block
from profkit.compare.scaled_sum import ScaledSum, ScaledValues, dot_product, scaled_values
from profkit.compare.ulp_distance import UlpHistogram

Floats = NDArray[np.float64]

# From this power of two on |a-b|, or the modulus of a complex number, can leave float64 although a and b are finite.
_NEAR_LARGEST = 1021
_LARGEST = float(np.finfo(np.float64).max)
# |a-b|/|a| below this share of rtol is within rtol however the division and the product were rounded.
_SURELY = 1 - 2.0**-50
# Below this rtol a quotient may have underflowed to 0 that is not within it.
_SMALLEST_RTOL = 1e-290


class RunningTotals:
    """Sums, extremes and counts of the elements seen so far; Metrics says what they mean."""

    def __init__(
        self, rtol: float, atol: float, symmetric: bool, dtypes: tuple[str, str] | None, block_elements: int
    ) -> None:
        self.rtol, self.atol, self.symmetric = rtol, atol, symmetric
        self.elements = self.compared = self.close = self.relatives = 0
        self.max_abs, self.max_rel = -1.0, 0.0
        self.peak_a = self.peak_b = 0.0
        self.nan_a = self.nan_b = self.inf_a = self.inf_b = 0
        self.first_index: int | None = None
        self.worst_index: int | None = None
        self.disagreement: int | None = None
        self.distance, self.distance_squared, self.relative = ScaledSum(), ScaledSum(), ScaledSum()
        self.square_a, self.square_b, self.product = ScaledSum(), ScaledSum(), ScaledSum()
        self.ulp = UlpHistogram(*(dtypes or ("", "")))
        self._difference = np.empty(block_elements)
        self._quotient = np.empty(block_elements)
        self._mask = np.empty(block_elements, dtype=np.bool_)

    def take(self, block: Block) -> None:
        """Add the block that follows those taken before."""
        start = self.elements
        self.elements += len(block.x)
        # A sum of squares is finite only if every element is, and costs less than looking at each.
        squares = dot_product(block.parts_x, block.parts_x), dot_product(block.parts_y, block.parts_y)
        if math.isfinite(sum(squares)):
            self._take_finite(start, None, block, squares)
            return
        finite = np.isfinite(block.x) & np.isfinite(block.y)
        if finite.all():
            self._take_finite(start, None, block, squares)
            return
        self._take_non_finite(start, block, np.flatnonzero(~finite))
        places = np.flatnonzero(finite)
        if len(places):
            kept = block.at(places)
            squares = dot_product(kept.parts_x, kept.parts_x), dot_product(kept.parts_y, kept.parts_y)
            self._take_finite(start, places, kept, squares)

    def _take_non_finite(self, start: int, block: Block, places: NDArray[np.intp]) -> None:
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
        self, start: int, places: NDArray[np.intp] | None, block: Block, squares: tuple[float, float]
    ) -> None:
        """Add elements finite on both sides.

        Args:
            start: Flat number of the first element of the block as it was walked.
            places: Numbers of the elements in that block; None if they are all of it.
            block: The elements; their values may be overwritten.
            squares: Sum of the squares of either side; infinite where it leaves float64.
        """
        self.compared += len(block.x)
        x, y = scaled_values(block.parts_x, squares[0]), scaled_values(block.parts_y, squares[1])
        self.square_a.add(x.squares, 2 * x.exponent)
        self.square_b.add(y.squares, 2 * y.exponent)
        self.product.add(dot_product(x.values, y.values), x.exponent + y.exponent)
        difference = block.difference(self._difference)
        squared = dot_product(difference, difference) if difference.dtype.kind == "f" else None
        if squared or difference.any():
            self.ulp.add(*block.native)
            self._take_different(start, places, block, difference, max(x.exponent, y.exponent), squared)
        else:
            self._take_equal(start, places, block)

    def _take_equal(self, start: int, places: NDArray[np.intp] | None, block: Block) -> None:
        self.close += len(block.x)
        self.ulp.add_equal(len(block.x))
        if self.max_abs < 0:
            self.max_abs, self.worst_index = 0.0, _place(start, places, 0)
        self.relatives += int(np.count_nonzero(block.x))
        peak = _largest_magnitude(block.x)
        self.peak_a, self.peak_b = max(self.peak_a, peak), max(self.peak_b, peak)

    def _take_different(
        self,
        start: int,
        places: NDArray[np.intp] | None,
        block: Block,
        difference: NDArray[Any],
        exponent: int,
        squared: float | None,
    ) -> None:
        distance = _magnitude(difference, overwrite=True)
        largest = float(np.maximum.reduce(distance))
        if largest > self.max_abs:
            self.max_abs = largest
            self.worst_index = _place(start, places, int(distance.argmax()))
        self._sum_up(block, distance, largest, squared)
        near_largest = exponent > _NEAR_LARGEST or largest > 2.0**_NEAR_LARGEST
        # float32 is scanned as it is stored, at half the memory; float16 would be converted one by one.
        stored = block.native[1]
        self.peak_b = max(self.peak_b, _largest_magnitude(stored if stored.dtype == np.float32 else block.y))
        magnitude = _magnitude(block.x, overwrite=not near_largest)
        self.peak_a = max(self.peak_a, float(np.maximum.reduce(magnitude)))
        quotient = np.divide(distance, magnitude, out=self._quotient[: len(distance)])
        beyond = np.empty(0, np.intp)
        if near_largest:
            beyond = np.flatnonzero(np.isinf(distance) | np.isinf(magnitude) | np.isinf(np.abs(block.y)))
            quarter = block.at(beyond).quarter()
            quotient[beyond] = np.abs(quarter.difference()) / np.abs(quarter.x)
        self._count_close(start, places, block, (distance, magnitude, quotient), beyond)
        self._sum_quotients(distance, magnitude, quotient)

    def _sum_up(self, block: Block, distance: Floats, largest: float, squared: float | None) -> None:
        if math.isinf(largest):
            # Two finite float64 can lie farther apart than the largest float64: take their quarters.
            quarter = scaled_values(np.abs(block.quarter().difference()))
            scaled = ScaledValues(quarter.values, quarter.exponent + 2, quarter.squares)
        else:
            scaled = scaled_values(distance, squared)
        self.distance.add(float(np.add.reduce(scaled.values)), scaled.exponent)
        self.distance_squared.add(scaled.squares, 2 * scaled.exponent)

    def _count_close(
        self,
        start: int,
        places: NDArray[np.intp] | None,
        block: Block,
        by_element: tuple[Floats, Floats, Floats],
        beyond: NDArray[np.intp],
    ) -> None:
        """Count what is within tolerance: almost all by the quotient |a-b|/|a|, the rest by the full formula."""
        distance, magnitude, quotient = by_element
        self.close += len(distance)
        if self.rtol > _SMALLEST_RTOL:
            doubtful = np.greater(quotient, self.rtol * _SURELY, out=self._mask[: len(quotient)]).nonzero()[0]
        else:
            doubtful = np.greater(distance, 0, out=self._mask[: len(distance)]).nonzero()[0]
        if not len(doubtful):
            return
        within = self._within(distance[doubtful], magnitude[doubtful], np.abs(block.y[doubtful]), self.atol)
        if len(beyond):
            quarter = block.at(beyond).quarter()
            distances, sides = np.abs(quarter.difference()), (np.abs(quarter.x), np.abs(quarter.y))
            near = self._within(distances, *sides, self.atol / 4)
            within[np.isin(doubtful, beyond)] = near[np.isin(beyond, doubtful)]
        outside = doubtful[~within]
        self.close -= len(outside)
        if len(outside):
            self._note_first(_place(start, places, int(outside[0])))

    def _within(self, distance: Floats, magnitude_a: Floats, magnitude_b: Floats, atol: float) -> NDArray[np.bool_]:
        bound = np.maximum(magnitude_a, magnitude_b) if self.symmetric else magnitude_a * 1.0
        bound *= self.rtol
        bound += atol
        return distance <= bound

    def _sum_quotients(self, distance: Floats, magnitude: Floats, quotient: Floats) -> None:
        counted, largest = len(quotient), float(np.maximum.reduce(quotient))
        if not math.isfinite(largest):
            zero = magnitude == 0
            counted -= int(np.count_nonzero(zero))
            quotient[zero] = 0.0
            largest = float(quotient.max())
        if not counted:
            return
        self.relatives += counted
        self.max_rel = max(self.max_rel, largest)
        if math.isfinite(largest):
            self.relative.add(float(np.add.reduce(quotient)))
            return
        known = (magnitude > 0) & (distance > 0)
        above, below = np.frexp(np.minimum(distance[known], _LARGEST)), np.frexp(np.minimum(magnitude[known], _LARGEST))
        exponents = above[1] - below[1]
        exponent = int(exponents.max())
        self.relative.add(dot_product(above[0] / below[0], np.ldexp(1.0, exponents - exponent)), exponent)


def _place(start: int, places: NDArray[np.intp] | None, position: int) -> int:
    return start + (position if places is None else int(places[position]))


def _largest_magnitude(values: NDArray[Any]) -> float:
    if values.dtype.kind == "c":
        return float(np.abs(values).max())
    return max(float(np.maximum.reduce(values)), -float(np.minimum.reduce(values)))


def _magnitude(values: NDArray[Any], *, overwrite: bool) -> Floats:
    return np.abs(values, out=values) if overwrite and values.dtype.kind == "f" else np.abs(values)
