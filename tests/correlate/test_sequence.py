"""The common sequence against the textbook table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profkit.correlate import sequence
from profkit.correlate.sequence import common_sequence


def codes(values: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(values, dtype=np.int64), np.full(len(values), -1, dtype=np.int64)


def longest(left: list[int], right: list[int]) -> int:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


short = st.lists(st.integers(0, 4), max_size=40)


@given(short, short)
@settings(max_examples=300, deadline=None)
def test_it_is_a_longest_common_sequence(left: list[int], right: list[int]) -> None:
    ours, theirs = common_sequence(codes(left), codes(right))
    assert len(ours) == longest(left, right)
    assert [left[at] for at in ours] == [right[at] for at in theirs]
    assert (np.diff(ours) > 0).all()
    assert (np.diff(theirs) > 0).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_a_band_still_gives_a_common_sequence(left: list[int], dropped: int) -> None:
    right = [value for at, value in enumerate(left) if at % 7 != dropped]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequence, "_MOST_CELLS", 8 * len(left))
        ours, theirs = common_sequence(codes(left), codes(right))
    assert [left[at] for at in ours] == [right[at] for at in theirs]
    assert (np.diff(ours) > 0).all()
    assert (np.diff(theirs) > 0).all()
