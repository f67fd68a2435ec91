"""What recorded statistics and digests tell of a pair whose values were not kept on both sides.

|max a - max b| is at most the largest |a-b|, and the difference of the norms at most the norm of the difference: what
they find apart is apart, but what they find alike may still hold other values in other places.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 16
_NAMES = ("max", "min", "mean", "norm")


@dataclass(frozen=True)
class Statistics:
    """Statistics of one tensor; NaN is not known.

    Attributes:
        max, min, mean: Over all elements.
        norm: Root of the sum of the squares.
        nonfinite: Whether it holds NaN or Inf; None if not known.
    """

    max: float = math.nan
    min: float = math.nan
    mean: float = math.nan
    norm: float = math.nan
    nonfinite: bool | None = None

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the statistics that are known and finite."""
        return tuple(name for name in _NAMES if math.isfinite(getattr(self, name)))


@dataclass(frozen=True)
class StatisticsGap:
    """How far apart the statistics of two tensors are.

    Attributes:
        e: Relative difference of the norms: never more than |a-b|2 / |a|2.
        peak: Largest difference of max, min and mean / the largest magnitude of A: the same for the largest |a-b|.
        suffices: Whether equal statistics prove equal values: one element, or all elements equal.
        sentence: What was compared, with figures.
    """

    e: float
    peak: float
    suffices: bool
    sentence: str


def statistics_of(values: NDArray[Any]) -> Statistics | None:
    """Compute the statistics of real numbers; None for complex ones and empty arrays."""
    if values.dtype.kind not in "biuf" or values.size == 0:
        return None
    flat = values.reshape(-1)
    largest, smallest, total, squares = -math.inf, math.inf, 0.0, 0.0
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK].astype(np.float64)
        if not np.isfinite(block).all():
            return Statistics(nonfinite=True)
        largest, smallest = max(largest, float(block.max())), min(smallest, float(block.min()))
        total += float(block.sum())
        squares = math.hypot(squares, float(np.linalg.norm(block)))
    return Statistics(largest, smallest, total / flat.size, squares, nonfinite=False)


def gap_between(a: Statistics, b: Statistics, elements: int | None) -> StatisticsGap | None:
    """Compare two statistics; None if they have none in common."""
    common = [name for name in a.known if name in b.known]
    if not common:
        return None
    differences = {name: abs(getattr(a, name) - getattr(b, name)) for name in common}
    scale = max((abs(getattr(a, name)) for name in ("max", "min") if name in common), default=math.nan)
    if math.isnan(scale) and "norm" in common and elements:
        scale = a.norm / math.sqrt(elements)
    apart = max((differences[name] for name in ("max", "min", "mean") if name in common), default=0.0)
    constant = {"max", "min"} <= set(common) and a.max == a.min and b.max == b.min
    figures = ", ".join(f"{name} {getattr(a, name):.6g} against {getattr(b, name):.6g}" for name in common)
    return StatisticsGap(
        e=_relative(differences.get("norm", 0.0), a.norm),
        peak=_relative(apart, scale),
        suffices=constant or elements == 1,
        sentence=f"Statistics only: {figures}",
    )


def _relative(difference: float, scale: float) -> float:
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 else math.inf


def digest_of(values: NDArray[Any], algorithm: str) -> str | None:
    """Compute the digest of an array's bytes in C order; None for algorithms that are not known here."""
    if algorithm not in ("crc32", "md5"):
        return None
    content = np.ascontiguousarray(values).data
    if algorithm == "crc32":
        return f"crc32:{zlib.crc32(content):08x}"
    return f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"
