"""What each dtype can decide: its unit roundoff, and the limits between rounding and a fault (precision.toml)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.compare.data_file import read_data_file

_VALUES_AT_A_TIME = 1 << 18


@dataclass(frozen=True)
class Precision:
    """What a floating-point dtype can decide.

    Attributes:
        dtype: numpy's name, or "bfloat16".
        roundoff: Unit roundoff: half the distance between 1 and the next number.
        rtol: Default relative tolerance of the share of close elements.
        decides: Whether agreement within the limits is worth a match although the values are not equal.
        exponent_bits: Of a format of 8 bits that numpy lacks; 0 for the others.
    """

    dtype: str
    roundoff: float
    rtol: float
    decides: bool
    exponent_bits: int = 0


@dataclass(frozen=True)
class Rule:
    """The limits of the first-divergence rule; precision.toml gives the meaning and source of each."""

    floor_units: float
    jump: float
    firm_jump: float
    gradient_jump: float
    element_jump: float
    noise_ratio: float
    gradient_kink: float
    drift_units: float
    statistics_floor: float


@cache
def rule() -> Rule:
    """Give the limits of the first-divergence rule."""
    return Rule(**{name: float(value) for name, value in read_data_file("precision.toml")["rule"].items()})


@cache
def precision_of(dtype: str) -> Precision | None:
    """Give what a dtype can decide; None for integers, booleans and what is no number: these are equal or not."""
    table = read_data_file("precision.toml")["dtype"]
    entry = table.get(dtype)
    if entry is None:
        return None
    entry = table[entry["like"]] if "like" in entry else entry
    return Precision(
        dtype,
        2.0 ** -entry["roundoff_bits"],
        float(entry["rtol"]),
        bool(entry["decides"]),
        entry.get("exponent_bits", 0),
    )


def coarser(a: str, b: str) -> Precision | None:
    """Give the precision of the dtype that rounds more; None if either is not a floating-point dtype."""
    first, second = precision_of(a), precision_of(b)
    if first is None or second is None:
        return None
    return first if first.roundoff >= second.roundoff else second


def held_precision(values: NDArray[Any]) -> str | None:
    """Say which 16-bit format a float32 array was computed in before it was widened, if its bits show it.

    Frameworks and scripts widen bfloat16 and float16 to float32 when they save. Then no value uses the lower mantissa
    bits, all bits of the narrow mantissa are in use, and small values are finer grained than large ones.

    Returns:
        "bfloat16" or "float16"; None for a genuine float32, for other dtypes, and for multiples of one step (whole
        numbers, dequantised values, rounding noise), which fit a narrow format by nature.
    """
    if values.dtype.newbyteorder("=") != np.float32:
        return None
    used, highest, smallest, finest = 0, -1000, 1000, 1000
    for x in _finite_pieces(values):
        used |= int(np.bitwise_or.reduce(x.view(np.uint32)))
        if used & 0x1FFF:
            return None
        fraction, exponent = np.frexp(x[x != 0])
        digits = (fraction * 2.0**24).astype(np.int64)
        lowest_digit = np.frexp((digits & -digits).astype(np.float64))[1] - 1
        highest = max(highest, int(exponent.max(initial=-1000)))
        smallest = min(smallest, int(exponent.min(initial=1000)))
        finest = min(finest, int((exponent - 24 + lowest_digit).min(initial=1000)))
    for name, unused, mantissa, bits in (("bfloat16", 0xFFFF, 0x7F0000, 7), ("float16", 0x1FFF, 0x7FE000, 10)):
        in_range = name == "bfloat16" or (highest <= 16 and smallest >= -23)
        if used & unused == 0 and in_range:
            full, floating = used & mantissa == mantissa, finest < highest - 1 - bits
            return name if full and floating else None
    return None


def _finite_pieces(values: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
    walk = np.nditer(
        (values,),
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly"]],
        op_dtypes=[np.float32],
        order="C",
        casting="equiv",
        buffersize=_VALUES_AT_A_TIME,
    )
    for piece in walk:
        finite = piece[np.isfinite(piece)]
        if len(finite):
            yield finite
