"""Executions on the clock of their steps, against times worked out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd

from profkit.schema import ALIGNMENT, SESSION_STEPS
from profkit.timeline import timeline

SIDES = ("pt", "ms")


def alignment(*rows: tuple[str, int, int, int]) -> pd.DataFrame:
    """Rows of side, step, start and group."""
    known: dict[str, Any] = {"rank": 0, "dur_ns": 5, "name": "op", "reason": "-", "unit": 0, "candidates": -1}
    return ALIGNMENT.from_rows(
        [
            {"side": side, "step": step, "start_ns": start, "group": group, "row": at, **known}
            for at, (side, step, start, group) in enumerate(rows)
        ]
    )


def steps(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return SESSION_STEPS.from_rows(
        [
            {"side": side, "rank": 0, "step": step, "start_ns": start, "dur_ns": 50, "how": "recorded", "source": "f"}
            for side, step, start in rows
        ]
    )


def test_steps_that_share_work_are_a_pair_and_start_at_0():
    frame = timeline(
        alignment(
            ("pt", 7, 1_000, 1),
            ("pt", 7, 1_010, 2),
            ("pt", 8, 2_000, 3),
            ("ms", 0, 50, 1),
            ("ms", 0, 90, 2),
            ("ms", 1, 500, 3),
            ("ms", 1, 540, -1),
        ),
        SESSION_STEPS.empty(),
        SIDES,
    )
    read = list(zip(frame["pair"], frame["side"], frame["step"], frame["offset_ns"], strict=True))
    assert read == [
        (0, "ref", 7, 0), (0, "ref", 7, 10), (0, "run", 0, 0), (0, "run", 0, 40),
        (1, "ref", 8, 0), (1, "run", 1, 0), (1, "run", 1, 40),
    ]  # fmt: skip


def test_a_recorded_start_counts_where_it_lies_before_the_first_execution():
    rows = alignment(("pt", 7, 1_000, 1), ("ms", 0, 50, 1))
    early = timeline(rows, steps(("ref", 7, 900), ("run", 0, 60)), SIDES)
    assert list(early["offset_ns"]) == [100, 0]


def test_executions_outside_every_pair_come_last():
    frame = timeline(alignment(("ms", -1, 5, -1), ("pt", 1, 50, 4), ("ms", 3, 80, 4)), SESSION_STEPS.empty(), SIDES)
    assert list(frame["pair"]) == [0, 0, -1]
    assert list(frame["offset_ns"]) == [0, 0, 0]


def test_nothing_aligned_gives_an_empty_frame():
    assert timeline(ALIGNMENT.empty(), SESSION_STEPS.empty(), SIDES).empty
