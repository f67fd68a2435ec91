"""Arithmetic of time intervals: nesting, self time, length of unions and intersections; exact int64, no loop per row.

Intervals are half-open, [start, start + dur). One of length zero lies inside every interval that covers its start and
inside one that starts with it, not inside one that ends there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


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
        self._scale = _Scale(start, start + np.maximum(dur, 0), thread)
        self._order = np.lexsort((-self._scale.close, self._scale.open))
        self._opens, self._closes = self._scale.open[self._order], self._scale.close[self._order]
        position = np.arange(len(start), dtype=np.int64)
        depth = position - np.searchsorted(np.sort(self._closes), self._opens, side="right")
        self._parent = _last_one_level_up(depth)
        crossing = (self._parent >= 0) & (self._closes > self._closes[self._parent])
        if crossing.any():
            cluster = _clusters(self._opens, self._closes)
            for first, last in _ranges_of(cluster, np.unique(cluster[crossing])):
                _walk(self._opens, self._closes, self._parent, first, last)

    @property
    def nesting(self) -> Nesting:
        """How the intervals lie in one another."""
        parent = np.full(len(self._order), -1, dtype=np.int64)
        parent[self._order] = np.where(self._parent >= 0, self._order[self._parent], -1)
        cut = np.flatnonzero(self._closes != self._scale.close[self._order])
        end = self._scale.end.copy()
        end[self._order[cut]] = self._scale.time_of(self._closes[cut])
        return Nesting(parent, end, np.sort(self._order[cut]))

    def innermost(self, time: Int64s, thread: NDArray[np.integer]) -> Int64s:
        """Give the row of the innermost interval that covers each point, -1 none.

        Args:
            time: int64 (m,).
            thread: integer codes (m,), of the same coding as the intervals'.
        """
        place = self._scale.place(time, thread)
        found = np.searchsorted(self._opens, place, side="right") - 1
        while True:
            ended = np.flatnonzero(found >= 0)
            ended = ended[self._closes[found[ended]] <= place[ended]]
            if not len(ended):
                break
            found[ended] = self._parent[found[ended]]
        return np.where(found >= 0, self._order[found], -1) if len(self._order) else found


class _Scale:
    """Times of all threads as small integers on one axis, so that one sort and one search serve all threads.

    A time is twice its rank among all times; an interval of length zero closes one later than it opens.
    """

    def __init__(self, start: Int64s, end: Int64s, thread: NDArray[np.integer]) -> None:
        self.end = end
        self.times, ranks = np.unique(np.concatenate([start, end]), return_inverse=True)
        self.threads, thread_rank = np.unique(thread, return_inverse=True)
        self.width = 2 * len(self.times) + 2
        ranks = 2 * ranks.reshape(-1).astype(np.int64)
        base = thread_rank.reshape(-1).astype(np.int64) * self.width
        opens, closes = ranks[: len(start)], ranks[len(start) :]
        self.open = base + opens
        self.close = base + np.maximum(closes, opens + 1)

    def time_of(self, closes: Int64s) -> Int64s:
        """Give the times of places on the axis."""
        return self.times[(closes % self.width) // 2]

    def place(self, time: Int64s, thread: NDArray[np.integer]) -> Int64s:
        """Give the places of other times, between those of the intervals; -1 for a thread that has none."""
        rank = np.searchsorted(self.times, time)
        present = rank < len(self.times)
        present[present] = self.times[rank[present]] == time[present]
        code = np.searchsorted(self.threads, thread)
        known = code < len(self.threads)
        known[known] = self.threads[code[known]] == thread[known]
        return np.where(known, code * self.width + 2 * rank - ~present, -1)


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


def _walk(opens: Int64s, closes: Int64s, parent: Int64s, first: int, last: int) -> None:
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
    child = parent >= 0
    np.add.at(inside, parent[child], dur[child])
    return np.maximum(dur - inside, 0)


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
    above = np.where(marked, np.arange(len(parent), dtype=np.int64), parent)
    while True:
        open_rows = np.flatnonzero(above >= 0)
        open_rows = open_rows[~marked[above[open_rows]]]
        if not len(open_rows):
            return above
        above[open_rows] = above[above[open_rows]]
