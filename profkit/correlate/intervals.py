"""Arithmetic of time intervals: nesting, self time, length of unions and intersections; exact int64, no loop per row.

Intervals are half-open, [start, start + dur). One of length zero lies inside every interval that covers its start and
inside one that starts with it, not inside one that ends there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

_INT64 = np.iinfo(np.int64)
# Temporary arrays are made for about so many intervals at once.
_ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Nesting:
    """How intervals lie in one another, thread by thread.

    Attributes:
        parent: int64 (n,): row of the innermost interval around each, -1 none. Of equal intervals the earlier row is
            the outer one.
        end: int64 (n,): end of each, cut at its parent's where the two cross.
        crossing: int64 (k,): rows that were cut, ascending.
    """

    parent: Int64s
    end: Int64s
    crossing: Int64s


def nest(start: Int64s, dur: Int64s, thread: NDArray[np.integer]) -> Nesting:
    """Find the parent of every interval.

    Args:
        start: int64 (n,).
        dur: int64 (n,), negative counts as zero; start + dur must fit int64.
        thread: integer codes (n,), any values; intervals of different threads do not see each other.
    """
    return Enclosing(start, dur, thread).nesting


class Enclosing:
    """Intervals put in one another, to be asked which of them lies around a point of time.

    Sorted by start, longer first, the parent of an interval is the last one before it that is still open: the last
    whose number of open intervals around it is smaller by one. That holds for intervals that nest. Clusters with a
    crossing are walked with a stack instead, where an interval ends at the latest with its parent.

    Args:
        start, dur, thread: As for nest.
    """

    def __init__(self, start: Int64s, dur: Int64s, thread: NDArray[np.integer]) -> None:
        self._scale = _Scale(start, dur, thread)
        opens, closes = self._scale.of_intervals(start, thread)
        rows = _row_numbers(len(start))
        self._order: NDArray[np.integer] = np.lexsort((-closes, opens)).astype(rows)
        self._opens, self._closes = opens[self._order], closes[self._order]
        del opens, closes
        self._parent: NDArray[np.integer] = np.empty(len(start), dtype=rows)
        self._cut = np.zeros(0, dtype=np.int64)
        for first, last in _independent_parts(self._opens, self._closes):
            self._nest(first, last)

    def _nest(self, first: int, last: int) -> None:
        """Nest the intervals of a range that share nothing with the others."""
        opens, closes, parent = self._opens[first:last], self._closes[first:last], self._parent[first:last]
        position = np.arange(last - first, dtype=np.int64)
        depth = position - np.searchsorted(np.sort(closes), opens, side="right")
        parent[:] = _last_one_level_up(depth)
        crossing = (parent >= 0) & (closes > closes[parent])
        if crossing.any():
            before = closes.copy()
            cluster = _clusters(opens, closes)
            for begin, end in _ranges_of(cluster, np.unique(cluster[crossing])):
                _walk(opens, closes, parent, begin, end)
            self._cut = np.append(self._cut, first + np.flatnonzero(closes != before))
        parent[parent >= 0] += first

    @cached_property
    def nesting(self) -> Nesting:
        """How the intervals lie in one another."""
        parent = np.full(len(self._order), -1, dtype=np.int64)
        inner = np.flatnonzero(self._parent >= 0)
        parent[self._order[inner]] = self._order[self._parent[inner]]
        end = self._scale.ends
        if len(self._cut):
            end = end.copy()
            end[self._order[self._cut]] = self._scale.time_of(self._closes[self._cut])
        return Nesting(parent, end, np.sort(self._order[self._cut]).astype(np.int64))

    def innermost(self, time: Int64s, thread: NDArray[np.integer]) -> Int64s:
        """Give the row of the innermost interval that covers each point, -1 none.

        Args:
            time: int64 (m,).
            thread: integer codes (m,), of the same coding as the intervals'.
        """
        found = np.full(len(time), -1, dtype=np.int64)
        if len(self._order):
            for first in range(0, len(time), _ROWS_AT_ONCE):
                part = slice(first, first + _ROWS_AT_ONCE)
                found[part] = self._innermost(self._scale.of_points(time[part], thread[part]))
        return found

    def _innermost(self, place: Int64s) -> Int64s:
        found = np.searchsorted(self._opens, place, side="right") - 1
        while True:
            ended = np.flatnonzero(found >= 0)
            ended = ended[self._closes[found[ended]] <= place[ended]]
            if not len(ended):
                break
            found[ended] = self._parent[found[ended]]
        return np.where(found >= 0, self._order[found], -1)


class _Scale:
    """Times of all threads as integers on one axis, so that one sort and one search serve all threads.

    A place is twice the time since the first start; an interval of length zero closes one later than it opens. Where
    the times of all threads do not fit on the axis, ranks among all times stand for times.
    """

    def __init__(self, start: Int64s, dur: Int64s, thread: NDArray[np.integer]) -> None:
        self.ends = start + np.maximum(dur, 0)
        self._threads = np.unique(thread)
        self._first = int(start.min(initial=_INT64.max))
        span = max(int(self.ends.max(initial=self._first)) - self._first, 0)
        self._times: Int64s | None = None
        if 2 * (span + 2) * (len(self._threads) + 1) > _INT64.max:
            self._times = np.unique(np.concatenate([start, self.ends]))
            span = len(self._times)
        self._width = 2 * (span + 2)

    def of_intervals(self, start: Int64s, thread: NDArray[np.integer]) -> tuple[Int64s, Int64s]:
        """Give the places where the intervals open and close."""
        base = np.searchsorted(self._threads, thread) * self._width
        if self._times is None:
            opens = base + 2 * (start - self._first)
            return opens, opens + np.maximum(2 * (self.ends - start), 1)
        opens, closes = (2 * np.searchsorted(self._times, time) for time in (start, self.ends))
        return base + opens, base + np.maximum(closes, opens + 1)

    def time_of(self, closes: Int64s) -> Int64s:
        """Give the times of places on the axis."""
        place = (closes % self._width) // 2
        return place + self._first if self._times is None else self._times[place]

    def of_points(self, time: Int64s, thread: NDArray[np.integer]) -> Int64s:
        """Give the places of other times; -1 for a thread that has none."""
        code = np.searchsorted(self._threads, thread)
        known = code < len(self._threads)
        known[known] = self._threads[code[known]] == thread[known]
        if self._times is None:
            # Before all intervals and behind them lies nothing: one place stands for all of that.
            before, behind = self._first - 1, self._first + self._width // 2 - 1
            place = 2 * (np.clip(time, max(before, _INT64.min), min(behind, _INT64.max)) - self._first)
        else:
            place = 2 * np.searchsorted(self._times, time)
            present = place < 2 * len(self._times)
            present[present] = self._times[place[present] // 2] == time[present]
            place -= ~present
        return np.where(known & (place >= 0), code * self._width + place, -1)


def _row_numbers(count: int) -> type[np.int32] | type[np.int64]:
    """Give the narrowest dtype for row numbers: several columns of them are alive at once."""
    return np.int32 if count <= np.iinfo(np.int32).max else np.int64


def _independent_parts(opens: Int64s, closes: Int64s) -> list[tuple[int, int]]:
    """Split sorted intervals into ranges of bounded length, as far as nothing reaches from one into the next."""
    if len(opens) <= _ROWS_AT_ONCE:
        return [(0, len(opens))]
    apart = np.flatnonzero(opens[1:] >= np.maximum.accumulate(closes)[:-1]) + 1
    wanted = np.arange(_ROWS_AT_ONCE, len(opens), _ROWS_AT_ONCE)
    places = np.append(apart, len(opens))[np.searchsorted(apart, wanted)]
    ends = np.unique(np.append(places, len(opens))).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _last_one_level_up(depth: Int64s) -> Int64s:
    """Give for each position the last earlier position whose depth is smaller by one; -1 for depth zero.

    All positions are searched at once, sorted by (depth, position).
    """
    count = len(depth)
    position = np.arange(count, dtype=np.int64)
    by_depth = np.argsort(depth, kind="stable")
    keys = depth[by_depth] * count + by_depth
    found = np.searchsorted(keys, (depth - 1) * count + position, side="left") - 1
    return np.where(depth > 0, by_depth[found], -1)


def _clusters(opens: Int64s, closes: Int64s) -> Int64s:
    """Number the runs of intervals that overlap, given in order of opening; nothing reaches from one into the next."""
    if not len(opens):
        return np.zeros(0, dtype=np.int64)
    furthest = np.maximum.accumulate(closes)
    begins = np.ones(len(opens), dtype=bool)
    begins[1:] = opens[1:] >= furthest[:-1]
    return np.cumsum(begins) - 1


def _ranges_of(cluster: Int64s, wanted: Int64s) -> list[tuple[int, int]]:
    first = np.searchsorted(cluster, wanted, side="left")
    last = np.searchsorted(cluster, wanted, side="right")
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _walk(opens: Int64s, closes: Int64s, parent: NDArray[np.integer], first: int, last: int) -> None:
    """Nest the intervals of one cluster one after the other, cutting each at its parent's end; works in place.

    A loop, because where an interval is cut decides what lies in it; crossings are rare, so few clusters come here.
    """
    begin, finish = opens[first:last].tolist(), closes[first:last].tolist()
    parents: list[int] = []
    stack: list[int] = []
    for i, opened in enumerate(begin):
        while stack and finish[stack[-1]] <= opened:
            stack.pop()
        if stack:
            finish[i] = min(finish[i], finish[stack[-1]])
        parents.append(stack[-1] + first if stack else -1)
        stack.append(i)
    closes[first:last] = finish
    parent[first:last] = parents


def self_time(dur: Int64s, parent: Int64s) -> Int64s:
    """Give each interval's duration without the intervals directly below it, never below zero.

    Args:
        dur: int64 (n,), children cut to their parents (Nesting.end - start).
        parent: int64 (n,), -1 none.
    """
    inside = np.zeros(len(dur), dtype=np.int64)
    for first in range(0, len(dur), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        child = parent[part] >= 0
        np.add.at(inside, parent[part][child], dur[part][child])
    np.subtract(dur, inside, out=inside)
    return np.maximum(inside, 0, out=inside)


def merge(start: Int64s, end: Int64s) -> tuple[Int64s, Int64s]:
    """Give the union of intervals as disjoint, ascending ones; those that touch are joined, empty ones vanish."""
    filled = end > start
    start, end = start[filled], end[filled]
    if not len(start):
        return start, end
    order = np.argsort(start, kind="stable")
    start, furthest = start[order], np.maximum.accumulate(end[order])
    begins = np.ones(len(start), dtype=bool)
    begins[1:] = start[1:] > furthest[:-1]
    first = np.flatnonzero(begins)
    return start[first], furthest[np.append(first[1:], len(start)) - 1]


def union_length(start: Int64s, end: Int64s) -> int:
    """Give the length that at least one of the intervals covers."""
    starts, ends = merge(start, end)
    return int((ends - starts).sum())


def intersection_length(start_a: Int64s, end_a: Int64s, start_b: Int64s, end_b: Int64s) -> int:
    """Give the length covered both by an interval of A and by one of B: |A| + |B| - |A or B|."""
    both = union_length(np.concatenate([start_a, start_b]), np.concatenate([end_a, end_b]))
    return union_length(start_a, end_a) + union_length(start_b, end_b) - both


def nearest_ancestor(parent: Int64s, marked: NDArray[np.bool_]) -> Int64s:
    """Give for each row itself if it is marked, else the nearest marked row above it; -1 none.

    Every round doubles the distance looked up, so the rounds grow with the logarithm of the depth.

    Args:
        parent: int64 (n,), -1 none; no cycles.
        marked: bool (n,).
    """
    above: NDArray[np.signedinteger] = parent.astype(_row_numbers(len(parent)))
    own = np.flatnonzero(marked)
    above[own] = own
    del own
    open_rows = np.flatnonzero(above >= 0).astype(above.dtype)
    while True:
        open_rows = open_rows[~marked[above[open_rows]]]
        if not len(open_rows):
            return above.astype(np.int64)
        above[open_rows] = above[above[open_rows]]
        open_rows = open_rows[above[open_rows] >= 0]
