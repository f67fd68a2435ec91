"""How the differences of one pair are spread: counts of |a-b| by size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.compare.element_distance import BlockWalk, number_kind

BINS_A_DECADE = 4

_BLOCK_ELEMENTS = 1 << 16


def difference_histogram(a: NDArray[Any], b: NDArray[Any]) -> pd.DataFrame:
    """Count |a-b| over the elements that are finite on both sides.

    Args:
        a: Numbers.
        b: Numbers of the same kind and shape.

    Returns:
        Columns low, high (float64: low <= |a-b| < high, four bins a decade) and count (int64), rising, gaps as zeros.
        The first row is that of equal elements, with low = high = 0.

    Raises:
        ValueError: Shapes or kinds of number differ.
    """
    kind = number_kind(a.dtype)
    if a.shape != b.shape or kind is None or kind != number_kind(b.dtype):
        raise ValueError(f"{a.dtype} {a.shape} and {b.dtype} {b.shape} have no differences")
    equal, counts = 0, dict[int, int]()
    with np.errstate(all="ignore"):
        for block in BlockWalk(a, b, kind, _BLOCK_ELEMENTS):
            distance = np.abs(block.difference())
            equal += int(np.count_nonzero(distance == 0))
            distance = distance[np.isfinite(distance) & (distance > 0)]
            bins, found = np.unique(np.floor(np.log10(distance) * BINS_A_DECADE).astype(np.int64), return_counts=True)
            for number, count in zip(bins.tolist(), found.tolist(), strict=True):
                counts[number] = counts.get(number, 0) + count
    numbers = range(min(counts), max(counts) + 1) if counts else range(0)
    edges = [10.0 ** (number / BINS_A_DECADE) for number in (*numbers, numbers.stop)] if counts else []
    return pd.DataFrame(
        {
            "low": np.array([0.0, *edges[:-1]]),
            "high": np.array([0.0, *edges[1:]]),
            "count": np.array([equal, *(counts.get(number, 0) for number in numbers)], dtype=np.int64),
        }
    )
