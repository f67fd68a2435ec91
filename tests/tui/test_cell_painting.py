"""Each cell of a line shows the heaviest interval that touches it, as a plain search over all of them says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profkit.tui.charts.cell_painting import NOTHING, painted

intervals = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 200), st.integers(0, 2)).map(
        lambda drawn: (drawn[0], drawn[0] + drawn[1], drawn[2])
    ),
    max_size=25,
)


def paint(drawn, window, cells):
    table = np.asarray(drawn, dtype=np.int64).reshape(-1, 3)
    return painted(table[:, 0], table[:, 1], table[:, 2], window, cells)


@given(intervals, st.integers(0, 300), st.integers(1, 400), st.integers(1, 40))
def test_a_cell_shows_the_heaviest_interval_that_touches_it(drawn, first, length, cells):
    last = first + length * cells
    shown = paint(drawn, (first, last), cells)
    for cell, interval in enumerate(shown):
        begin, end = first + cell * length, first + (cell + 1) * length
        touching = [at for at, (start, stop, _) in enumerate(drawn) if start < end and max(stop, start + 1) > begin]
        if not touching:
            assert interval == NOTHING
        else:
            assert interval in touching
            assert drawn[interval][2] == max(drawn[at][2] for at in touching)


def test_a_short_flagged_interval_is_not_hidden_by_a_long_one():
    shown = paint([(0, 1_000_000, 0), (500_000, 500_003, 1)], (0, 1_000_000), 10)
    assert list(shown) == [0] * 5 + [1] + [0] * 4


def test_nothing_is_drawn_on_a_line_without_length_or_cells():
    assert list(paint([(0, 5, 0)], (3, 3), 4)) == [NOTHING] * 4
    assert not len(paint([(0, 5, 0)], (0, 5), 0))


def test_times_near_the_end_of_int64_keep_their_place():
    base = 2**62
    assert list(paint([(base, base + 10, 0), (base + 90, base + 100, 0)], (base, base + 100), 10)) == [
        0, *[NOTHING] * 8, 1,
    ]  # fmt: skip
