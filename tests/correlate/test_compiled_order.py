"""Two schedules of one compiled graph: layers in scopes of their own against layers that are numbered in one scope."""

import numpy as np

from profkit.correlate.compiled_order import Moved, Schedule, moved

LAYER, HEADS, OTHER = 0, 1, 2


def schedule(*operators: tuple[int, int, int]) -> Schedule:
    """A schedule of operators given as kind, scope and number."""
    table = np.array(operators, dtype=np.int64)
    return Schedule(table[:, 0], table[:, 1:])


def changes(ref: Schedule, run: Schedule) -> Moved:
    """What is changed about pairing the operators as they ran."""
    places = np.arange(len(ref.keys))
    return moved(ref, run, places, places)


# The key is called first. Cells run as called, each in its scope; jitted, the value runs first.
CELLS = schedule((LAYER, 10, 0), (LAYER, 11, 0), (LAYER, 12, 0), (HEADS, 5, 1), (HEADS, 5, 0), (HEADS, 5, 2))
JITTED = schedule((LAYER, 5, 2), (LAYER, 5, 0), (LAYER, 5, 1), (HEADS, 5, 2), (HEADS, 5, 0), (HEADS, 5, 1))
SAME_WORK = {(0, 2), (1, 1), (2, 0), (3, 5), (4, 4), (5, 3)}


def test_layers_are_told_by_the_numbers_of_what_follows_each() -> None:
    assert set(changes(CELLS, JITTED).pairs) == SAME_WORK
    assert {(ref, run) for run, ref in changes(JITTED, CELLS).pairs} == SAME_WORK


def test_layers_are_left_open_where_nothing_tells() -> None:
    result = changes(schedule((LAYER, 10, 0), (LAYER, 11, 0)), schedule((LAYER, 5, 1), (LAYER, 5, 0)))
    assert not result.pairs
    assert [(ours.tolist(), theirs.tolist()) for ours, theirs in result.left_open] == [([0, 1], [0, 1])]


def test_what_waits_for_all_before_is_not_in_question() -> None:
    result = changes(
        schedule((LAYER, 10, 0), (LAYER, 11, 0), (LAYER, 12, 0)), schedule((LAYER, 5, 1), (LAYER, 5, 0), (LAYER, 5, 2))
    )
    assert result.pairs == [(2, 2)]
    assert [ours.tolist() for ours, _ in result.left_open] == [[0, 1]]


def test_schedules_that_exchanged_the_same_operators_are_trusted() -> None:
    cells = schedule((OTHER, 7, 1), (OTHER, 7, 0), (LAYER, 10, 0), (LAYER, 11, 0))
    jitted = schedule((OTHER, 7, 1), (OTHER, 7, 0), (LAYER, 5, 1), (LAYER, 5, 0))
    result = changes(cells, jitted)
    assert not result.pairs
    assert not result.left_open
