"""Marks know their rows again in a frame that was made anew."""

from __future__ import annotations

import pandas as pd

from profkit.tui.row_marks import RowMarks

FRAME = pd.DataFrame({"op": ["a", "b", "b", "c"], "module": ["m", "m", "n", "m"], "ns": [1, 2, 3, 4]})


def marked(frame: pd.DataFrame, *rows: int, note: str = "") -> RowMarks:
    marks = RowMarks(frame, ["op", "module"])
    for row in rows:
        marks.write_note(row, note) if note else marks.toggle(row)
    return marks


def test_marks_come_back_on_the_same_rows():
    kept = marked(FRAME, 1, 3, note="why").kept()
    again = RowMarks(FRAME, ["op", "module"])
    assert again.restore(kept) == 0
    assert [again.note(row) for row in range(4)] == ["", "why", "", "why"]


def test_a_mark_follows_its_row_to_another_place():
    moved = FRAME.iloc[::-1].reset_index(drop=True)
    again = RowMarks(moved, ["op", "module"])
    assert again.restore(marked(FRAME, 2).kept()) == 0
    assert list(again.mask(moved)) == [False, True, False, False]


def test_a_mark_without_its_row_or_with_several_is_counted_as_lost():
    twice = pd.DataFrame({"op": ["x", "c", "c"], "module": ["m", "m", "m"]})
    again = RowMarks(twice, ["op", "module"])
    assert again.restore(marked(FRAME, 0, 3).kept()) == 2
    assert not len(again)


def test_a_mark_of_another_layout_is_lost():
    assert RowMarks(FRAME, ["op"]).restore(marked(FRAME.iloc[::-1].reset_index(drop=True), 0).kept()) == 1


def test_a_note_is_not_lost_by_the_mark_key():
    marks = marked(FRAME, 0, note="why")
    assert not marks.toggle(0)
    marks.write_note(0, "")
    assert not len(marks)


def test_notes_become_a_column_only_if_there_are_any():
    assert "note" not in RowMarks(FRAME, ["op"]).with_notes(FRAME)
    marks = marked(FRAME, 1, note="why")
    marks.toggle(2)
    assert list(marks.with_notes(FRAME)["note"].fillna("-")) == ["-", "why", "marked", "-"]
