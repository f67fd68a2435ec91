"""Fingerprints of tensors: figures that do not depend on the layout, by which equal values find each other.

Until the first divergence two networks compute the same numbers, so that tensors can be paired that share no name.
Rule, limits and tolerances were measured on outputs of torch modules against operator dumps of MindSpore graphs of
seven networks (246 of 259 paired, none wrongly).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.compare.element_distance import number_kind

Fingerprint = NDArray[np.float64]
"""L2, L4, sum, L1 and root mean square, then 11 quantiles with both extremes."""

TOLERANCE = {"bfloat16": 1e-1, "float16": 3e-2}
USUAL_TOLERANCE = 1e-2
COPY = 1e-6
"""Tensors of one side closer than this are copies of each other."""

_FIGURES = 5
_QUANTILES = np.linspace(0, 1, 11)
_DISTINCT_VALUES = 8
_COMPARED_AT_A_TIME = 1 << 17
# More pairs than this of one element count are not looked through.
_MOST_PAIRS = 1 << 22
_MOST_ELEMENTS = 1 << 26
# A partner must be this much nearer than the next one.
_CLEARLY = 0.5


@dataclass(frozen=True)
class ValuePair:
    """Two rows that hold the same values, and the distance of their fingerprints."""

    row_a: int
    row_b: int
    distance: float


def fingerprint(values: NDArray[Any]) -> Fingerprint | None:
    """Compute the fingerprint; None for what cannot be told from others.

    That is: no more than 8 distinct values, NaN or Inf among them, complex numbers, or more than 2**26 elements, which
    would have to be sorted in memory.
    """
    if number_kind(values.dtype) not in ("float", "integer") or values.dtype == np.bool_:
        return None
    if not _DISTINCT_VALUES < values.size <= _MOST_ELEMENTS:
        return None
    ordered = np.sort(values, axis=None)
    # NaN is sorted behind everything else.
    if not np.isfinite(ordered[[0, -1]]).all() or np.count_nonzero(ordered[1:] != ordered[:-1]) < _DISTINCT_VALUES:
        return None
    quantiles = ordered[np.rint(_QUANTILES * (ordered.size - 1)).astype(np.int64)].astype(np.float64)
    scale = float(np.abs(quantiles[[0, -1]]).max())
    squares = fourth = total = absolute = 0.0
    for start in range(0, ordered.size, 1 << 16):
        part = ordered[start : start + (1 << 16)].astype(np.float64) / scale
        square = part * part
        squares += float(square.sum())
        fourth += float(np.square(square).sum())
        total += float(part.sum())
        absolute += float(np.abs(part).sum())
    figures = [squares**0.5, fourth**0.25, total, absolute, (squares / ordered.size) ** 0.5]
    return np.concatenate([np.array(figures) * scale, quantiles])


def distances(a: Sequence[Fingerprint], b: Sequence[Fingerprint]) -> NDArray[np.float64]:
    """Give the distance of every fingerprint of a to every one of b, of tensors with as many elements each.

    The largest of: relative difference of L2 and of L4, difference of the sums / L1, largest difference of a quantile /
    root mean square.
    """
    rows = max(1, _COMPARED_AT_A_TIME // len(b))
    parts = [_distances(np.array(a[start : start + rows]), np.array(b)) for start in range(0, len(a), rows)]
    return np.concatenate(parts)


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    left, right = a[:, None, :], b[None, :, :]
    larger = np.maximum(left[..., :_FIGURES], right[..., :_FIGURES])
    apart = np.abs(left - right)
    parts = (
        apart[..., 0] / larger[..., 0],
        apart[..., 1] / larger[..., 1],
        apart[..., 2] / larger[..., 3],
        apart[..., _FIGURES:].max(axis=-1) / larger[..., 4],
    )
    distance: NDArray[np.float64] = np.maximum.reduce(parts)
    return distance


def paired_by_value(
    a: dict[int, Fingerprint], b: dict[int, Fingerprint], tolerance: float
) -> tuple[list[ValuePair], dict[int, int], dict[int, int]]:
    """Pair rows with as many elements each: mutual best, within tolerance, and clearly nearer than the next one.

    Args:
        a: Fingerprints by row, rows in forward order.
        b: The same of the other side.
        tolerance: Largest distance.

    Returns:
        The pairs, and for each side by row of a copy the row that it is a copy of.
    """
    if max(len(a), len(b)) ** 2 > _MOST_PAIRS:
        return [], {}, {}
    copies_a, copies_b = _copies(a), _copies(b)
    kept_a = [row for row in a if row not in copies_a]
    kept_b = [row for row in b if row not in copies_b]
    if not kept_a or not kept_b:
        return [], copies_a, copies_b
    table = distances([a[row] for row in kept_a], [b[row] for row in kept_b])
    pairs: list[ValuePair] = []
    for i, j in enumerate(table.argmin(axis=1)):
        best = float(table[i, j])
        others = np.concatenate([np.delete(table[i], j), np.delete(table[:, j], i)])
        if best <= tolerance and best <= _CLEARLY * others.min(initial=np.inf):
            pairs.append(ValuePair(kept_a[i], kept_b[j], best))
            pairs += _pairs_of_copies(kept_a[i], kept_b[j], best, copies_a, copies_b)
    return pairs, copies_a, copies_b


def _copies(fingerprints: dict[int, Fingerprint]) -> dict[int, int]:
    """Give by row of a copy the first row that holds the same values."""
    rows = list(fingerprints)
    if len(rows) < 2:
        return {}
    table = distances(list(fingerprints.values()), list(fingerprints.values())) <= COPY
    first = table.argmax(axis=1)
    return {row: rows[i] for row, i in zip(rows, first, strict=True) if rows[i] != row}


def _pairs_of_copies(
    row_a: int, row_b: int, distance: float, copies_a: dict[int, int], copies_b: dict[int, int]
) -> list[ValuePair]:
    """Pair the copies of two paired tensors one by one where both sides have as many of them."""
    of_a = [row for row, original in copies_a.items() if original == row_a]
    of_b = [row for row, original in copies_b.items() if original == row_b]
    if len(of_a) != len(of_b):
        return []
    return [ValuePair(i, j, distance) for i, j in zip(of_a, of_b, strict=True)]
