"""The elements of a pair that differ most, with their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.compare.element_distance import BlockWalk, number_kind

_BLOCK_ELEMENTS = 1 << 16


def worst_elements(a: NDArray[Any], b: NDArray[Any], count: int = 10) -> pd.DataFrame:
    """Give the elements with the largest |a-b|; those that are finite on one side alone, or NaN there, come first.

    Args:
        a: Numbers.
        b: Numbers of the same kind and shape.
        count: How many, at most; equal elements are not among them.

    Returns:
        index (object: tuple of int), a, b (object: the elements as stored), difference (float64: |a-b|, infinite where
        it is none), the worst first, of equal ones the first in C order.

    Raises:
        ValueError: Shapes or kinds of number differ.
    """
    kind = number_kind(a.dtype)
    if a.shape != b.shape or kind is None or kind != number_kind(b.dtype):
        raise ValueError(f"{a.dtype} {a.shape} and {b.dtype} {b.shape} have no differences")
    places, distances = np.empty(0, np.int64), np.empty(0)
    start = 0
    with np.errstate(all="ignore"):
        for block in BlockWalk(a, b, kind, _BLOCK_ELEMENTS):
            distance = np.abs(block.difference()).astype(np.float64)
            same = (block.x == block.y) & ~(distance > 0) | (np.isnan(block.x) & np.isnan(block.y))
            distance = np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
            distances = np.concatenate([distances, distance])
            places = np.concatenate([places, np.arange(start, start + len(distance))])
            start += len(distance)
            keep = np.lexsort((places, -distances))[:count]
            places, distances = places[keep], distances[keep]
    differing = distances > 0
    places, distances = places[differing], distances[differing]
    indices = [tuple(int(part) for part in np.unravel_index(place, a.shape)) for place in places]
    return pd.DataFrame(
        {
            "index": pd.Series(indices, dtype=object),
            "a": pd.Series([a[index] for index in indices], dtype=object),
            "b": pd.Series([b[index] for index in indices], dtype=object),
            "difference": distances,
        }
    )
