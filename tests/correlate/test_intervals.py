"""Interval arithmetic against a stack walked one interval after the other, and against sets of whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profkit.correlate.intervals import (
    Enclosing,
    intersection_length,
    merge,
    nearest_ancestor,
    nest,
    self_time,
    union_length,
)

Interval = tuple[int, int, int]
INTERVALS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6), st.integers(-1, 1)), max_size=12)


def _arrays(intervals: list[Interval]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(intervals, dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _walked(intervals: list[Interval]) -> tuple[list[int], list[int], list[int]]:
    """Parents, cut ends and crossing rows by the definition."""
    end = [start + dur for start, dur, _ in intervals]
    parent = [-1] * len(intervals)
    crossing = []
    order = sorted(range(len(intervals)), key=lambda i: (intervals[i][2], intervals[i][0], -intervals[i][1], i))
    stack: list[int] = []
    for i in order:
        start, _, thread = intervals[i]
        while stack and (
            intervals[stack[-1]][2] != thread or not _covers(intervals[stack[-1]][0], end[stack[-1]], start)
        ):
            stack.pop()
        if stack:
            parent[i] = stack[-1]
            if end[i] > end[stack[-1]]:
                end[i] = end[stack[-1]]
                crossing.append(i)
        stack.append(i)
    return parent, end, sorted(crossing)


def _covers(start: int, end: int, time: int) -> bool:
    return start <= time < end or start == time == end


@given(INTERVALS)
@settings(max_examples=500, deadline=None)
def test_nesting_is_what_a_stack_gives(intervals: list[Interval]) -> None:
    nesting = nest(*_arrays(intervals))
    assert (nesting.parent.tolist(), nesting.end.tolist(), nesting.crossing.tolist()) == _walked(intervals)


@given(INTERVALS, st.lists(st.tuples(st.integers(-2, 17), st.integers(-2, 2)), max_size=6))
@settings(max_examples=500, deadline=None)
def test_innermost_is_the_deepest_that_covers_the_point(
    intervals: list[Interval], points: list[tuple[int, int]]
) -> None:
    parent, end, _ = _walked(intervals)

    def depth(row: int) -> int:
        return 0 if row < 0 else 1 + depth(parent[row])

    expected = []
    for time, thread in points:
        covering = [i for i, (start, _, on) in enumerate(intervals) if on == thread and _covers(start, end[i], time)]
        expected.append(max(covering, key=depth, default=-1))
    times, threads = np.array(points, dtype=np.int64).reshape(-1, 2).T
    assert Enclosing(*_arrays(intervals)).innermost(times, threads).tolist() == expected


def test_equal_starts_put_the_longer_outside_and_equal_intervals_the_earlier_row() -> None:
    start, dur = np.array([5, 5, 5, 0]), np.array([2, 9, 9, 20])
    assert nest(start, dur, np.zeros(4, dtype=np.int64)).parent.tolist() == [2, 3, 1, -1]


def test_touching_intervals_are_neighbours() -> None:
    start, dur = np.array([0, 10, 10, 20]), np.array([10, 10, 0, 0])
    assert nest(start, dur, np.zeros(4, dtype=np.int64)).parent.tolist() == [-1, -1, 1, -1]


def test_times_at_the_edge_of_int64_are_exact() -> None:
    top = 2**63 - 1
    start, dur = np.array([-(2**63), top - 10, top - 5]), np.array([1, 10, 5])
    nesting = nest(start, dur, np.zeros(3, dtype=np.int64))
    assert nesting.parent.tolist() == [-1, -1, 1]
    assert nesting.end.tolist() == [-(2**63) + 1, top, top]


def test_nothing_nests_in_nothing() -> None:
    empty = np.zeros(0, dtype=np.int64)
    assert nest(empty, empty, empty).parent.tolist() == []
    assert Enclosing(empty, empty, empty).innermost(np.array([1]), np.array([0])).tolist() == [-1]
    assert union_length(empty, empty) == 0


@given(INTERVALS)
@settings(max_examples=200, deadline=None)
def test_self_times_of_a_tree_add_up_to_its_root(intervals: list[Interval]) -> None:
    start, dur, thread = _arrays([(0, 40, 0), *[(start, dur, 0) for start, dur, _ in intervals]])
    nesting = nest(start, dur, thread)
    assert self_time(nesting.end - start, nesting.parent).sum() == 40


@given(INTERVALS, INTERVALS)
@settings(max_examples=300, deadline=None)
def test_lengths_are_those_of_sets_of_points(a: list[Interval], b: list[Interval]) -> None:
    points_a = {point for start, dur, _ in a for point in range(start, start + dur)}
    points_b = {point for start, dur, _ in b for point in range(start, start + dur)}
    (start_a, dur_a, _), (start_b, dur_b, _) = _arrays(a), _arrays(b)
    assert union_length(start_a, start_a + dur_a) == len(points_a)
    both = intersection_length(start_a, start_a + dur_a, start_b, start_b + dur_b)
    assert both == len(points_a & points_b)
    starts, ends = merge(start_a, start_a + dur_a)
    assert (starts[1:] > ends[:-1]).all()


@given(st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), max_size=30))
@settings(max_examples=200, deadline=None)
def test_the_nearest_marked_ancestor_is_found_by_climbing(nodes: list[tuple[int, bool]]) -> None:
    parent = [choice % i if i and choice % 5 else -1 for i, (choice, _) in enumerate(nodes)]
    marked = [mark for _, mark in nodes]

    def climb(row: int) -> int:
        return row if row < 0 or marked[row] else climb(parent[row])

    found = nearest_ancestor(np.array(parent, dtype=np.int64), np.array(marked, dtype=bool))
    assert found.tolist() == [climb(i) for i in range(len(nodes))]


@pytest.mark.parametrize("depth", [3, 5000])
def test_deep_towers_nest(depth: int) -> None:
    level = np.arange(depth, dtype=np.int64)
    nesting = nest(level, 2 * (depth - level), np.zeros(depth, dtype=np.int64))
    assert nesting.parent.tolist() == [-1, *range(depth - 1)]
