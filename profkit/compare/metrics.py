"""How far two arrays are from each other: one pass over bounded blocks, in float64, whatever the values.

Every figure is taken over the elements that are finite on both sides, and sums of squares carry their own power of two,
so that neither float16 nor 1e300 overflows and 1e-300 does not vanish. Nothing is broadcast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.compare.element_distance import BlockWalk, number_kind
from profkit.compare.running_totals import RunningTotals
from profkit.compare.scaled_sum import ScaledSum, root_of_ratio, scaled_up

BLOCK_ELEMENTS = 65_536
"""Elements in a block: more cost memory, fewer cost calls."""


@dataclass(frozen=True)
class Metrics:
    """What separates array b from array a.

    Attributes:
        elements: Elements of each side.
        compared: Elements that are finite on both sides; the figures below are taken over these.
        max_abs: Largest |a-b|; 0 exactly if and only if all compared elements are equal; NaN if none was compared.
        mean_abs: Mean |a-b|.
        max_rel: Largest |a-b|/|a|. Elements whose a is 0 have no relative difference and are left out, here and in
            mean_rel; NaN if a is 0 everywhere.
        mean_rel: Mean |a-b|/|a| over the elements whose a is not 0.
        rmse: Root of the mean squared |a-b|.
        cosine: Cosine of the angle between the flattened sides; NaN if one is all zero. A complex array counts as its
            real and imaginary parts side by side.
        rel_l2: |a-b|2 / |a|2; 0 if both are 0, infinite if only a is all zero.
        l2_ratio: |b|2 / |a|2; NaN if both are 0, infinite if only a is.
        close_ratio: Share of all elements, finite or not, with |a-b| <= atol + rtol * max(|a|, |b|). The larger of the
            two is the measure, so that swapping the sides never changes it; measured against |a| alone on request.
        ulp_p50, ulp_p99, ulp_max: Median, 99th percentile and largest number of representable values between a and b
            in the narrower dtype of the two, exact up to 4096 and the percentiles within 1/256 above. NaN for integers
            and complex numbers.
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
    mean_rel: float
    rmse: float
    cosine: float
    rel_l2: float
    l2_ratio: float
    close_ratio: float
    ulp_p50: float
    ulp_p99: float
    ulp_max: float
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
    a: NDArray[Any],
    b: NDArray[Any],
    rtol: float = 0.0,
    atol: float = 0.0,
    *,
    symmetric: bool = True,
    dtypes: tuple[str, str] | None = None,
    block_elements: int = BLOCK_ELEMENTS,
) -> Metrics:
    """Measure how far b is from a.

    Integers and booleans are compared exactly (int64 above 2**53 included), floats and complex numbers in float64.
    Memory beyond the inputs is a few blocks; a memory-mapped input is read once, in order, and not kept resident.

    Args:
        a: The reference; boolean, integer, float of up to 64 bits or complex of up to 128 bits, any shape and strides.
        b: The other side; same shape and same kind of number, the width may differ.
        rtol: Relative tolerance of close_ratio.
        atol: Absolute tolerance of close_ratio.
        symmetric: Hold the tolerance against the larger of |a| and |b|; else against |a|.
        dtypes: The dtypes that the values have, where they are held in a wider one ("bfloat16" in float32).
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
    if kind == "float":
        dtypes = dtypes or (a.dtype.name, b.dtype.name)
    totals = RunningTotals(rtol, atol, symmetric, dtypes if kind == "float" else ("", ""), block_elements)
    with np.errstate(all="ignore"):
        for block in BlockWalk(a, b, kind, block_elements):
            totals.take(block)
        return _metrics(totals)


def _metrics(totals: RunningTotals) -> Metrics:
    n = totals.compared
    return Metrics(
        elements=totals.elements,
        compared=n,
        max_abs=totals.max_abs if n else math.nan,
        mean_abs=totals.distance.over(n) if n else math.nan,
        max_rel=totals.max_rel if totals.relatives else math.nan,
        mean_rel=totals.relative.over(totals.relatives) if totals.relatives else math.nan,
        rmse=totals.distance_squared.root_over(n) if n else math.nan,
        cosine=_cosine(totals),
        rel_l2=_rel_l2(totals),
        l2_ratio=_ratio(totals.square_b, totals.square_a) if n else math.nan,
        close_ratio=totals.close / totals.elements if totals.elements else math.nan,
        ulp_p50=totals.ulp.quantile(0.5),
        ulp_p99=totals.ulp.quantile(0.99),
        ulp_max=totals.ulp.largest,
        rms_a=totals.square_a.root_over(n) if n else math.nan,
        rms_b=totals.square_b.root_over(n) if n else math.nan,
        peak_a=totals.peak_a if n else math.nan,
        peak_b=totals.peak_b if n else math.nan,
        nan_a=totals.nan_a,
        nan_b=totals.nan_b,
        inf_a=totals.inf_a,
        inf_b=totals.inf_b,
        non_finite_agree=totals.disagreement is None,
        first_index=totals.first_index,
        worst_index=totals.worst_index if totals.disagreement is None else totals.disagreement,
    )


def _cosine(totals: RunningTotals) -> float:
    a, b, product = totals.square_a, totals.square_b, totals.product
    if a.value == 0 or b.value == 0:
        return math.nan
    cosine = product.value / math.sqrt(a.value) / math.sqrt(b.value)
    return min(1.0, max(-1.0, scaled_up(cosine, product.exponent - (a.exponent + b.exponent) // 2)))


def _rel_l2(totals: RunningTotals) -> float:
    if not totals.compared:
        return math.nan
    return 0.0 if totals.max_abs == 0 else _ratio(totals.distance_squared, totals.square_a)


def _ratio(above: ScaledSum, below: ScaledSum) -> float:
    if below.value == 0:
        return math.nan if above.value == 0 else math.inf
    return root_of_ratio(above, below)
