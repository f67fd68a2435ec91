"""Who owns each instant of a step: intervals that overlap are cut so that no time counts twice and none is lost."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


class Segments(NamedTuple):
    """Disjoint, ascending segments that cover a window without a gap.

    Attributes:
        start, end: int64 (n,), ns.
        owner: int64 (n,): number of the interval that owns the segment; -1 where none runs.
    """

    start: Int64s
    end: Int64s
    owner: Int64s


def sweep(begin: int, end: int, start: Int64s, stop: Int64s, yields: NDArray[np.bool_]) -> Segments:
    """Give every instant of [begin, end) to exactly one interval, or to none.

    Where several run, those that yield (communication) own the instant only if nothing else runs; of the others the one
    that began last owns it, so that what encloses another keeps what the inner one leaves. Of equal starts the later
    row is the inner one.

    Args:
        begin: Begin of the window, ns.
        end: End of the window, ns.
        start: int64 (n,), starts of the intervals.
        stop: int64 (n,), their ends, excluded; what lies outside the window is cut off.
        yields: bool (n,).

    Returns:
        Segments that cover the window; their lengths add up to end - begin exactly.
    """
    order = np.lexsort((start, ~yields))
    start, stop = np.maximum(start, begin), np.minimum(stop, end)
    place = np.empty(len(start), dtype=np.int64)
    place[order] = np.arange(len(start))
    seen = np.flatnonzero(stop > start)
    seen = seen[np.argsort(start[seen], kind="stable")]
    times = np.unique(np.concatenate([[begin, end], start[seen], stop[seen]]))
    times = times[(times >= begin) & (times <= end)]
    owner = _owners(times[:-1], start[seen], stop[seen], place[seen])
    changes = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]])) if len(owner) else np.zeros(0, np.int64)
    bounds = np.append(times[changes], end)
    owner = owner[changes]
    numbers = np.where(owner >= 0, order[owner] if len(order) else -1, -1)
    return Segments(bounds[:-1], bounds[1:], numbers.astype(np.int64))


def _owners(times: Int64s, start: Int64s, stop: Int64s, place: Int64s) -> Int64s:
    """Give the place in the order of precedence of who owns the segment from each time on; -1 for none.

    A heap of what is open, the highest place on top; what has ended leaves it when it comes to the top.
    """
    starts, stops, places = start.tolist(), stop.tolist(), place.tolist()
    owners: list[int] = []
    opened: list[tuple[int, int]] = []
    at = 0
    for time in times.tolist():
        while at < len(starts) and starts[at] <= time:
            heappush(opened, (-places[at], stops[at]))
            at += 1
        while opened and opened[0][1] <= time:
            heappop(opened)
        owners.append(-opened[0][0] if opened else -1)
    return np.array(owners, dtype=np.int64)
