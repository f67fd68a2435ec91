"""The rows of a view that the user marked, some with a note."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from profkit.tui.row_filter import Mask
from profkit.tui.session_state import KeptMark

MARKED, NOTED = "*", "¶"


class RowMarks:
    """Marks on rows of a frame.

    Args:
        frame: The rows; its index is a RangeIndex.
        told_by: Columns by which a row is known again in a frame that was made anew.
    """

    def __init__(self, frame: pd.DataFrame, told_by: Sequence[str]) -> None:
        self._frame = frame
        self._told_by = tuple(told_by)
        self._notes: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._notes)

    def glyph(self, row: int) -> str:
        """Give the sign that stands before a row: empty for one without a mark."""
        note = self._notes.get(row)
        return "" if note is None else NOTED if note else MARKED

    def note(self, row: int) -> str:
        """Give the note on a row; empty if it has none."""
        return self._notes.get(row, "")

    def toggle(self, row: int) -> bool:
        """Mark a row, or take its mark away; False where a note would be lost with it."""
        if self._notes.get(row):
            return False
        if row in self._notes:
            del self._notes[row]
        else:
            self._notes[row] = ""
        return True

    def write_note(self, row: int, note: str) -> None:
        """Mark a row with a note; an empty one takes note and mark away."""
        if note:
            self._notes[row] = note
        else:
            self._notes.pop(row, None)

    def mask(self, frame: pd.DataFrame) -> Mask:
        """Give which rows are marked."""
        marked = np.zeros(len(frame), dtype=np.bool_)
        marked[list(self._notes)] = True
        return marked

    def with_notes(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Give the frame with a column `note`, if there is any mark: "marked" for a mark that has no note."""
        if not self._notes:
            return frame
        notes = pd.Series(pd.NA, index=frame.index, dtype="string")
        for row, note in self._notes.items():
            notes.iloc[row] = note or "marked"
        return frame.assign(note=notes)

    def kept(self) -> list[KeptMark]:
        """Give the marks as they are kept between sessions."""
        return [KeptMark(row, self._telling(row), note) for row, note in sorted(self._notes.items())]

    def restore(self, kept: Sequence[KeptMark]) -> int:
        """Take marks that were kept, each by its row or, where that tells something else now, by what it tells.

        Returns:
            How many were left out, because no row or several rows tell what theirs did.
        """
        lost = 0
        for mark in kept:
            row = self._find(mark)
            if row is None:
                lost += 1
            else:
                self._notes[row] = mark.note
        return lost

    def _telling(self, row: int) -> list[str]:
        return [str(self._frame[name].iloc[row]) for name in self._told_by]

    def _find(self, mark: KeptMark) -> int | None:
        if 0 <= mark.row < len(self._frame) and self._telling(mark.row) == mark.telling:
            return mark.row
        if len(mark.telling) != len(self._told_by):
            return None
        same = np.ones(len(self._frame), dtype=np.bool_)
        for name, text in zip(self._told_by, mark.telling, strict=True):
            same &= (self._frame[name].astype(str) == text).to_numpy(dtype=np.bool_)
        rows = np.flatnonzero(same)
        return int(rows[0]) if len(rows) == 1 else None
