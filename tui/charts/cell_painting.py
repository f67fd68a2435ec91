"""Intervals on a line of character cells: which one each cell shows, so that what matters is never averaged away."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

NOTHING = -1
"""What a cell shows that no interval touches."""


def painted(starts: Numbers, ends: Numbers, weights: Numbers, window: tuple[int, int], cells: int) -> Numbers:
    """Give for each cell of a line the interval it shows: the heaviest that touches it, of equals the longest there.

    Args:
        starts: Where the intervals begin, any order, int64, shape (n,).
        ends: Where they end, not included; an empty interval counts as a point.
        weights: How much each matters, int64, shape (n,); a flagged interval has a larger one.
        window: First and last moment of the line, half open.
        cells: Cells of the line.

    Returns:
        Number of the interval, int64, shape (cells,); NOTHING where none is.
    """
    shown = np.full(cells, NOTHING, dtype=np.int64)
    width = window[1] - window[0]
    if cells <= 0 or width <= 0 or not len(starts):
        return shown
    inside = np.flatnonzero((starts < window[1]) & (np.maximum(ends, starts + 1) > window[0]))
    begin = np.clip(starts[inside], window[0], window[1] - 1) - window[0]
    end = np.clip(np.maximum(ends[inside], starts[inside] + 1), window[0] + 1, window[1]) - window[0]
    # A float is exact enough for the place of a cell, and a product of two int64 times may leave int64.
    first = np.minimum((begin * (cells / width)).astype(np.int64), cells - 1)
    last = np.minimum(np.maximum(np.ceil(end * (cells / width)).astype(np.int64) - 1, first), cells - 1)
    order = np.lexsort((end - begin, weights[inside]))
    narrow = order[first[order] == last[order]]
    best = np.full(cells, NOTHING, dtype=np.int64)
    # The last assignment to an index wins, so the heaviest interval of a cell stays.
    best[first[narrow]] = narrow
    place = np.empty(len(inside), dtype=np.int64)
    place[order] = np.arange(len(order))
    for interval in order[first[order] < last[order]]:
        part = best[first[interval] : last[interval] + 1]
        part[(part == NOTHING) | (place[part] < place[interval])] = interval
    taken = best != NOTHING
    shown[taken] = inside[best[taken]]
    return shown
