"""Every instant of a step has one owner; the oracle colours single nanoseconds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profkit.bridge.sweep import sweep

INTERVAL = st.tuples(st.integers(-5, 40), st.integers(0, 15), st.booleans())


@given(st.lists(INTERVAL, max_size=12), st.integers(-3, 10), st.integers(0, 30))
def test_the_owner_of_each_nanosecond_is_what_the_rule_says(
    intervals: list[tuple[int, int, bool]], begin: int, length: int
) -> None:
    start = np.array([first for first, _, _ in intervals], dtype=np.int64)
    stop = start + np.array([dur for _, dur, _ in intervals], dtype=np.int64)
    yields = np.array([low for _, _, low in intervals], dtype=bool)
    segments = sweep(begin, begin + length, start, stop, yields)
    told = np.full(length, -9)
    for first, last, owner in zip(*segments, strict=True):
        assert begin <= first < last <= begin + length
        assert (told[first - begin : last - begin] == -9).all()
        told[first - begin : last - begin] = owner
    for offset in range(length):
        running = [n for n in range(len(start)) if start[n] <= begin + offset < stop[n]]
        expected = max(running, key=lambda n: (not yields[n], start[n], n), default=-1)
        assert told[offset] == expected


def test_times_of_today_are_exact_to_the_nanosecond() -> None:
    begin = 1_795_415_169_153_090_001
    start = np.array([begin + 1, begin + 2], dtype=np.int64)
    segments = sweep(begin, begin + 10, start, start + 3, np.array([False, True]))
    assert (segments.end - segments.start).tolist() == [1, 3, 1, 5]
    assert segments.owner.tolist() == [-1, 0, 1, -1]
