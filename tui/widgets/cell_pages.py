"""Formatted cells of a frame, made a page at a time as they come into sight and forgotten when the cache is full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from textual.cache import LRUCache

from profkit.tui.widgets.column_layout import PlacedColumn
from profkit.tui.widgets.table_column import CUT_MARK, Cell, TableColumn

PAGE_ROWS = 64
WIDTH_SAMPLE_ROWS = 512
_CACHED_PAGES = 512


class CellPages:
    """The cells of a frame in the order they are shown.

    Args:
        frame: The rows; never changed.
        columns: What is shown of them.
    """

    def __init__(self, frame: pd.DataFrame, columns: Sequence[TableColumn]) -> None:
        self._frame = frame
        self._columns = columns
        self._order: npt.NDArray[np.intp] = np.arange(len(frame), dtype=np.intp)
        self._pages: LRUCache[tuple[int, int, int], list[Cell]] = LRUCache(_CACHED_PAGES)
        self.widths = [column.width(_sample(frame, column)) for column in columns]

    @property
    def order(self) -> npt.NDArray[np.intp]:
        """Rows of the frame in the order they are shown."""
        return self._order

    def reorder(self, order: npt.NDArray[np.intp]) -> None:
        """Show these rows in this order."""
        self._order = order
        self._pages.clear()

    def cell(self, place: int, column: int, width: int) -> Cell:
        """Give the cell of the row shown at `place` (from 0), `width` cells wide."""
        page, within = divmod(place, PAGE_ROWS)
        key = (page, column, width)
        cells = self._pages.get(key)
        if cells is None:
            cells = self._pages[key] = self._make(page, column, width)
        return cells[within]

    def flowing_cell(self, place: int, placed: Sequence[PlacedColumn]) -> tuple[Cell, int]:
        """Give the cell of the first of some columns in sight, and where it ends.

        A cut text goes on over the blank cells to its right.
        """
        first = placed[0]
        cell, end = self.cell(place, first.column, first.width), first.x + first.width
        if CUT_MARK not in cell.text or self._columns[first.column].kind != "text":
            return cell, end
        for other in placed[1:]:
            if self.cell(place, other.column, other.width).text.strip():
                break
            end = other.x + other.width
        return self.cell(place, first.column, end - first.x), end

    def _make(self, page: int, column: int, width: int) -> list[Cell]:
        spec = self._columns[column]
        rows = self._order[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
        return [spec.cell(value, width) for value in self._frame[spec.name].iloc[rows]]


def _sample(frame: pd.DataFrame, column: TableColumn) -> Iterable[Any]:
    """Give values as wide as most of the column; every verdict there is, as the rare ones are those to be read."""
    values = frame[column.name]
    return values.unique() if column.kind == "verdict" else values.iloc[:WIDTH_SAMPLE_ROWS]
