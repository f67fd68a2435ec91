"""What the values of one tensor are: finite, NaN, Inf or saturated, told from their bits in one pass."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from profkit.parsers.dump.array_file import AnyArray
from profkit.parsers.dump.narrow_floats import NARROW_FLOATS

Condition = Callable[[AnyArray], npt.NDArray[np.bool_]]
"""Which elements of a flat block of real numbers are meant."""

_BLOCK = 1 << 20

# Exponents spread evenly over 0 to 31 have a standard deviation of 9.2; those of real tensors one of 1 to 4.
_FEWEST_PAIRS = 8
_WIDE_EXPONENTS = 6.0
_NARROW_EXPONENTS = 4.0


class _FloatFormat(NamedTuple):
    """Bit patterns of an IEEE format: magnitudes order like their bits once the sign is masked out."""

    words: np.dtype[Any]
    magnitude: int
    infinity: int
    largest: int


def _format(words: str, infinity: int, largest: int | None = None) -> _FloatFormat:
    dtype = np.dtype(words)
    return _FloatFormat(dtype, (1 << (8 * dtype.itemsize - 1)) - 1, infinity, largest or infinity - 1)


_FORMATS = {
    "float16": _format("uint16", 0x7C00),
    "float32": _format("uint32", 0x7F80_0000),
    "float64": _format("uint64", 0x7FF0_0000_0000_0000),
    # Opened as float32, whose largest value bfloat16 does not reach.
    "bfloat16": _format("uint32", 0x7F80_0000, 0x7F7F_0000),
    "complex64": _format("uint32", 0x7F80_0000),
    "complex128": _format("uint64", 0x7FF0_0000_0000_0000),
    # Opened as float32. Scaling puts the largest element at the largest value by intent: that is no saturation.
    **{dtype: _format("uint32", 0x7F80_0000) for dtype in sorted(NARROW_FLOATS)},
}


class Peak(NamedTuple):
    """What the largest magnitude of a tensor tells.

    Attributes:
        nan: There is a NaN.
        inf: There is an Inf and no NaN (a NaN hides it).
        saturated: The largest magnitude is the largest finite one of the dtype.
        magnitude: The largest magnitude; 0 of an empty tensor, NaN or Inf where there is one.
    """

    nan: bool
    inf: bool
    saturated: bool
    magnitude: float


@dataclass(frozen=True)
class Counts:
    """How many elements of a tensor are what; extremes are of its finite elements, NaN if it has none.

    The two parts of a complex number count as two elements.
    """

    size: int
    nan: int
    pos_inf: int
    neg_inf: int
    saturated: int
    zeros: int
    low: float
    high: float

    @property
    def nonfinite(self) -> int:
        """Number of elements that are NaN or Inf."""
        return self.nan + self.pos_inf + self.neg_inf

    @property
    def max_abs(self) -> float:
        """Largest finite magnitude; NaN if no element is finite."""
        return max(abs(self.low), abs(self.high))


def can_be_judged(dtype: object) -> bool:
    """Tell whether a dtype (numpy's name, or bfloat16) can hold NaN and Inf in a form that is known here."""
    return dtype in _FORMATS


def _blocks(array: AnyArray) -> Iterator[AnyArray]:
    """Give the elements of an array in memory order, as flat blocks of real numbers in native byte order."""
    flat = array.ravel(order="K")
    if flat.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        yield block if block.dtype.isnative else block.astype(block.dtype.newbyteorder("="))


def peak_of(array: AnyArray, dtype: str) -> Peak:
    """Look at the largest magnitude of a tensor; an empty one has none.

    Args:
        array: Any shape; bfloat16 widened to float32.
        dtype: Name of its dtype, for which `can_be_judged` holds.
    """
    form = _FORMATS[dtype]
    mask = form.words.type(form.magnitude)
    peak = max((int((block.view(form.words) & mask).max()) for block in _blocks(array)), default=0)
    magnitude = float(form.words.type(peak).reshape(1).view(form.words.str.replace("u", "f"))[0])
    return Peak(peak > form.infinity, peak == form.infinity, peak == form.largest, magnitude)


def largest_of(dtype: str) -> float:
    """Give the largest finite value of a dtype for which `can_be_judged` holds."""
    form = _FORMATS[dtype]
    return float(form.words.type(form.largest).reshape(1).view(form.words.str.replace("u", "f"))[0])


def norm_of(array: AnyArray, magnitude: float) -> float:
    """Give the L2 norm of a finite tensor, scaled by its largest magnitude so that no square overflows."""
    if magnitude == 0:
        return 0.0
    total = 0.0
    for block in _blocks(array):
        scaled = block.astype(np.float64) / magnitude
        total += float(np.dot(scaled, scaled))
    return magnitude * math.sqrt(total)


def first_where(array: AnyArray, condition: Condition) -> tuple[int, ...] | None:
    """Give the index of the first element, in memory order, for which a condition holds; None if there is none."""
    start = 0
    for block in _blocks(array):
        places = np.flatnonzero(condition(block))
        if places.size:
            flat = (start + int(places[0])) // (2 if array.dtype.kind == "c" else 1)
            order: Literal["C", "F"] = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
            return tuple(int(place) for place in np.unravel_index(flat, array.shape, order=order))
        start += block.size
    return None


def count_where(array: AnyArray, condition: Condition) -> int:
    """Count the elements for which a condition holds."""
    return sum(int(np.count_nonzero(condition(block))) for block in _blocks(array))


def count(array: AnyArray, dtype: str) -> Counts:
    """Count the NaN, Inf, saturated and zero elements of a tensor and give its finite extremes.

    Args:
        array: Any shape; bfloat16 widened to float32.
        dtype: Name of its dtype, for which `can_be_judged` holds.
    """
    form = _FORMATS[dtype]
    size = nan = pos_inf = neg_inf = saturated = zeros = 0
    low, high = math.inf, -math.inf
    for block in _blocks(array):
        magnitudes = block.view(form.words) & form.words.type(form.magnitude)
        size += block.size
        nan += int(np.count_nonzero(magnitudes > form.infinity))
        pos_inf += int(np.count_nonzero(block == np.inf))
        neg_inf += int(np.count_nonzero(block == -np.inf))
        saturated += int(np.count_nonzero(magnitudes == form.largest))
        zeros += int(np.count_nonzero(magnitudes == 0))
        finite: npt.NDArray[Any] = block[magnitudes < form.infinity]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        low = high = math.nan
    return Counts(size, nan, pos_inf, neg_inf, saturated, zeros, low, high)


def has_one_finite_value(array: AnyArray) -> bool:
    """Tell whether all finite elements are equal, as in a mask of 0 and -Inf."""
    first: float | None = None
    for block in _blocks(array):
        finite = block[np.isfinite(block)]
        if finite.size:
            first = float(finite[0]) if first is None else first
            if bool((finite != first).any()):
                return False
    return True


def looks_like_float32_half(array: AnyArray) -> bool:
    """Tell whether float16 words look like the words of a little-endian float32 buffer.

    Every second word is then the low end of a float32 fraction, whose bits are random: as float16 its exponents spread
    over the whole range and one in 32 is NaN or Inf. The words between hold the float32 exponent: theirs stay together
    and none is NaN or Inf. Real float16 values have no such difference between even and odd places.
    """
    words = array.ravel(order="K")[:_BLOCK]
    words = words[: words.size // 2 * 2].view(np.uint16).reshape(-1, 2)
    words = words[(words != 0).any(axis=1)]
    if len(words) < _FEWEST_PAIRS:
        return False
    low, high = (words >> np.uint16(10) & np.uint16(0x1F)).T.astype(np.float64)
    if bool((high == 0x1F).any()):
        return False
    return float(low.std()) > _WIDE_EXPONENTS and float(high.std()) < _NARROW_EXPONENTS


def digest(array: AnyArray) -> bytes:
    """Give a 16-byte hash of the stored words of a tensor, in memory order; shape and dtype are no part of it."""
    state = hashlib.blake2b(digest_size=16)
    for block in _blocks(array):
        state.update(np.ascontiguousarray(block).view(np.uint8).data)
    return state.digest()
