"""A table over a frame of any length: only the cells in sight are ever made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.segment import Segment
from rich.style import Style
from textual import events, on, work
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.worker import Worker, WorkerState, get_current_worker

from profkit.safe_text import printable
from profkit.tui.actions import bindings
from profkit.tui.links import Rows
from profkit.tui.row_filter import Mask, RowFilter
from profkit.tui.row_order import Sort, arranged, below_folded
from profkit.tui.widgets.cell_pages import CellPages
from profkit.tui.widgets.column_layout import (
    GUTTER,
    PlacedColumn,
    first_column_showing,
    fitted_widths,
    gap_of,
    place_columns,
)
from profkit.tui.widgets.table_column import TableColumn, fitted

_HEADER_LINES = 1
_CURSOR_MARK = "▸"

# Every segment has a style: Textual's filter for NO_COLOR fails on a segment that has none.
_PLAIN = Style.null()

_STYLES = ("header", "header-cursor", "cursor-row", "cursor-cell", "empty", "bad", "warning", "good", "muted")


class FrameTable(ScrollView, can_focus=True):
    """A virtual table: an immutable frame, an order of its rows, and a cursor on one cell.

    Sorting and filtering never touch the frame: they give a new order, computed in a thread.

    Args:
        frame: The rows; its index is a RangeIndex.
        columns: What is shown of them; the first column stays in sight.
        flagged: Which rows are worth a stop.
        when_empty: What to say in a table without rows.
        sort: How the rows are sorted at first.
        glyph: Gives the sign before a row of the frame, one cell wide; empty for none.
        depth: Levels above each row, for a tree in the order of a walk: what lies below a row can be folded away as
            long as the rows are neither sorted nor filtered.
    """

    BINDINGS = bindings("table")
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"frame-table--{name}" for name in _STYLES}

    class RowHighlighted(Message):
        """The cursor came to stand on a row of the frame, or on none.

        Attributes:
            row: Row number in the frame; None in a table without rows.
            chosen: Whether the user moved it there.
        """

        def __init__(self, row: int | None, *, chosen: bool) -> None:
            super().__init__()
            self.row = row
            self.chosen = chosen

    class RowOpened(Message):
        """The user asked for what is behind a row of the frame."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    class Arranged(Message):
        """A new order of the rows is in place, or the columns in sight are others."""

    class _OrderComputed(Message):
        def __init__(
            self, order: npt.NDArray[np.intp], row_filter: RowFilter | None, sort: Sort | None, row: int | None
        ) -> None:
            super().__init__()
            self.row = row
            self.order = order
            self.row_filter = row_filter
            self.sort = sort

    def __init__(
        self,
        frame: pd.DataFrame,
        columns: Sequence[TableColumn],
        *,
        flagged: Mask,
        when_empty: str,
        sort: Sort | None = None,
        glyph: Callable[[int], str] = lambda row: "",
        depth: npt.NDArray[np.int64] | None = None,
        is_folded: bool = False,
    ) -> None:
        super().__init__()
        self.frame = frame
        self.columns = tuple(columns)
        self.sort: Sort | None = None
        self.row_filter: RowFilter | None = None
        self.cursor_place = 0
        self.cursor_column = 0
        self._flagged = flagged
        self._glyph = glyph
        self._depth = depth
        self._folded = (depth == 0) if is_folded and depth is not None else np.zeros(len(frame), dtype=np.bool_)
        self._when_empty = when_empty
        self._first_sort = sort
        self._first_column = 1
        self._cursor_was_moved = False
        self._placed_columns: dict[tuple[int, int], tuple[PlacedColumn, ...]] = {}
        self._pages = CellPages(frame, self.columns)
        if is_folded and depth is not None:
            self._pages.reorder(np.flatnonzero(~below_folded(depth, self._folded)))

    @property
    def order(self) -> npt.NDArray[np.intp]:
        """Rows of the frame in the order they are shown."""
        return self._pages.order

    @property
    def row(self) -> int | None:
        """Row of the frame under the cursor; None in a table without rows."""
        return int(self.order[self.cursor_place]) if len(self.order) else None

    @property
    def line_width(self) -> int:
        """Cells of a line: the table without its scroll bar, which would hide the end of a number."""
        return self.scrollable_content_region.width

    @property
    def why_empty(self) -> str:
        """Why no row is shown where none is."""
        return self._when_empty if self.row_filter is None else "No row fulfils the filter; Esc clears it."

    @property
    def placed(self) -> tuple[PlacedColumn, ...]:
        """The columns in sight."""
        return self._placed_at(self.line_width, self._first_column)

    def _widths_at(self, available: int) -> tuple[int, ...]:
        return fitted_widths(self.columns, self._pages.widths, available)

    def _placed_at(self, available: int, first: int) -> tuple[PlacedColumn, ...]:
        # Every line that is drawn asks for it.
        key = (available, first)
        if key not in self._placed_columns:
            self._placed_columns = {key: place_columns(self.columns, self._widths_at(available), first, available)}
        return self._placed_columns[key]

    def on_mount(self) -> None:
        """Show the rows as they are, then sort them."""
        self._fit_virtual_size()
        self.post_message(self.RowHighlighted(self.row, chosen=False))
        if self._first_sort is not None:
            self.reorder(None, self._first_sort)

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._fit_virtual_size()
        self._show_cursor()
        self.refresh()
        self.post_message(self.Arranged())

    def reorder(self, row_filter: RowFilter | None, sort: Sort | None, row: int | None = None) -> None:
        """Filter and sort; the table goes on showing the old order until the new one is there.

        The cursor then stands on `row`, if that is given and shown; else on its row, once the user has moved it.
        """
        self._compute_order(row_filter, sort, row)

    @work(thread=True, exclusive=True, exit_on_error=False, group="order")
    def _compute_order(self, row_filter: RowFilter | None, sort: Sort | None, row: int | None) -> None:
        shown = row_filter.mask(self.frame) if row_filter else None
        if shown is None and sort is None and self._depth is not None:
            shown = ~below_folded(self._depth, self._folded)
        order = arranged(self.frame, shown, sort)
        if not get_current_worker().is_cancelled:
            self.post_message(self._OrderComputed(order, row_filter, sort, row))

    @on(Worker.StateChanged)
    def _tell_failure(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR:
            self.notify(printable(f"The rows cannot be arranged: {event.worker.error}"), severity="error", markup=False)

    @on(_OrderComputed)
    def _show_order(self, message: _OrderComputed) -> None:
        message.stop()
        self.row_filter, self.sort = message.row_filter, message.sort
        row = message.row
        if row is None and self._cursor_was_moved:
            row = self.row
        self._pages.reorder(message.order)
        self.cursor_place = self._place_of(row)
        self._fit_virtual_size()
        self._show_cursor()
        self.refresh()
        self.post_message(self.Arranged())
        self.post_message(self.RowHighlighted(self.row, chosen=False))

    def _place_of(self, row: int | None) -> int:
        if row is None:
            return 0
        places = np.flatnonzero(self.order == row)
        return int(places[0]) if len(places) else 0

    def show_row(self, row: int) -> bool:
        """Move the cursor to a row of the frame; False if the filter hides it."""
        place = self._place_of(row)
        if not len(self.order) or self.order[place] != row:
            return False
        self._move_cursor(place, chosen=False)
        return True

    def show_first_of(self, rows: Rows) -> bool:
        """Move the cursor to the first of some rows of the frame that the filter shows; False if it hides all."""
        shown = np.zeros(len(self.frame), dtype=np.bool_)
        shown[self.order] = True
        in_sight = rows[shown[rows]]
        return bool(len(in_sight)) and self.show_row(int(in_sight[0]))

    def _move_cursor(self, place: int, *, chosen: bool = True) -> None:
        if not len(self.order):
            return
        self._cursor_was_moved = True
        self._refresh_place(self.cursor_place)
        self.cursor_place = max(0, min(place, len(self.order) - 1))
        self._refresh_place(self.cursor_place)
        self._show_cursor()
        self.post_message(self.RowHighlighted(self.row, chosen=chosen))

    def _move_to_column(self, column: int) -> None:
        self.cursor_column = max(0, min(column, len(self.columns) - 1))
        self._first_column = first_column_showing(
            self.columns, self._widths_at(self.line_width), self._first_column, self.cursor_column, self.line_width
        )
        self.refresh()
        self.post_message(self.Arranged())

    def _show_cursor(self) -> None:
        rows_in_sight = max(1, self.size.height - _HEADER_LINES)
        top = self.scroll_offset.y
        if top <= self.cursor_place < top + rows_in_sight:
            return
        # Half a page at once: every scroll repaints the whole table, which is slow over a remote line.
        self.scroll_to(y=max(0, self.cursor_place - rows_in_sight // 2), animate=False, force=True)

    def _refresh_place(self, place: int) -> None:
        self.refresh(Region(0, place - self.scroll_offset.y + _HEADER_LINES, self.line_width, 1))

    def _fit_virtual_size(self) -> None:
        self.virtual_size = Size(self.line_width, len(self.order) + _HEADER_LINES)

    def action_move_row(self, rows: int) -> None:
        """Move the cursor by rows."""
        self._move_cursor(self.cursor_place + rows)

    def action_move_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self._move_cursor(self.cursor_place + pages * max(1, self.size.height - _HEADER_LINES))

    def action_first_row(self) -> None:
        """Move the cursor to the first row."""
        self._move_cursor(0)

    def action_last_row(self) -> None:
        """Move the cursor to the last row."""
        self._move_cursor(len(self.order) - 1)

    def action_move_column(self, columns: int) -> None:
        """Move the cursor by columns."""
        self._move_to_column(self.cursor_column + columns)

    def action_sort_column(self) -> None:
        """Sort by the column of the cursor."""
        self.reorder(self.row_filter, Sort.next_of(self.sort, self.columns[self.cursor_column]))

    def show_columns(self, columns: Sequence[TableColumn]) -> None:
        """Show these columns, the first of which stays in sight; the rows keep their order."""
        self.columns = tuple(columns)
        order = self.order
        self._pages = CellPages(self.frame, self.columns)
        self._pages.reorder(order)
        self._placed_columns.clear()
        self._first_column = 1
        self._move_to_column(self.cursor_column)

    def fold(self, row: int) -> bool:
        """Fold away what lies below a row, or bring it back; False where nothing lies below or rows are no tree."""
        depth = self._depth
        if depth is None or self.sort is not None or self.row_filter is not None:
            return False
        if row + 1 >= len(depth) or depth[row + 1] <= depth[row]:
            return False
        self._folded[row] = not self._folded[row]
        self.reorder(None, None, row)
        return True

    def action_open_row(self) -> None:
        """Tell that the user asked for what is behind the row."""
        if self.row is not None:
            self.post_message(self.RowOpened(self.row))

    def move_to_flagged(self, direction: int) -> bool:
        """Move the cursor to the next (1) or previous (-1) flagged row; False if there is none."""
        return self.move_to_one_of(self._flagged, direction)

    def move_to_one_of(self, rows: Mask, direction: int) -> bool:
        """Move the cursor to the next (1) or previous (-1) one of some rows; False if there is none."""
        places = np.flatnonzero(rows[self.order])
        ahead = places[places > self.cursor_place] if direction > 0 else places[places < self.cursor_place][::-1]
        if len(ahead):
            self._move_cursor(int(ahead[0]))
        return bool(len(ahead))

    def on_click(self, event: events.Click) -> None:
        """Sort by a clicked heading, move to a clicked cell, open a row clicked twice."""
        column = next((place.column for place in self.placed if place.x <= event.x < place.x + place.width), None)
        place = self.scroll_offset.y + event.y - _HEADER_LINES
        if event.y < _HEADER_LINES:
            if column is not None:
                self._move_to_column(column)
                self.action_sort_column()
        elif place < len(self.order):
            if column is not None:
                self._move_to_column(column)
            self._move_cursor(place)
            if event.chain == 2:
                self.action_open_row()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the part in sight: the heading first, then rows."""
        if y < _HEADER_LINES:
            return self._header()
        place = self.scroll_offset.y + y - _HEADER_LINES
        if place < len(self.order):
            return self._row(place)
        if not len(self.order):
            lines = wrap(self.why_empty, max(self.line_width - 2 * GUTTER, 1))
            if place < len(lines):
                return self._line([Segment(" " * GUTTER + lines[place], self._style("empty"))])
        return Strip.blank(self.line_width, _PLAIN)

    def _header(self) -> Strip:
        segments = [Segment(" " * GUTTER, _PLAIN)]
        gap = Segment(" " * gap_of(self.line_width), _PLAIN)
        for place in self.placed:
            column = self.columns[place.column]
            mark = ""
            if self.sort is not None and self.sort.column == column:
                mark = " ▾" if self.sort.descending else " ▴"
            name = "header-cursor" if place.column == self.cursor_column else "header"
            title = fitted(column.title, place.width - len(mark), right=column.is_numeric)
            segments += [Segment(title + mark, self._style(name)), gap]
        return self._line(segments).apply_style(self._style("header"))

    def _row(self, place: int) -> Strip:
        is_cursor = place == self.cursor_place
        gutter = (_CURSOR_MARK if is_cursor else " ") + self._glyph(int(self.order[place]))
        segments = [Segment(fitted(gutter, GUTTER), _PLAIN)]
        gap = Segment(" " * gap_of(self.line_width), _PLAIN)
        end = 0
        for number, placed in enumerate(self.placed):
            if placed.x < end:
                continue
            cell, end = self._pages.flowing_cell(place, self.placed[number:])
            style = self._style(cell.tone) if cell.tone else _PLAIN
            if is_cursor and placed.column == self.cursor_column:
                style += self._style("cursor-cell")
            segments += [Segment(cell.text, style), gap]
        line = self._line(segments)
        return line.apply_style(self._style("cursor-row")) if is_cursor else line

    def _line(self, segments: list[Segment]) -> Strip:
        # Neighbours of one style become one segment: fewer escape sequences, a shorter way over a remote line.
        return Strip(Segment.simplify(segments)).adjust_cell_length(self.line_width, _PLAIN)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"frame-table--{name}", partial=True)
