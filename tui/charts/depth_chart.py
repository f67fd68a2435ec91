"""A figure of every row in its order, as bars on a logarithmic scale: the error of each pair against depth."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from profkit.tui.charts.bar_text import upright_bars
from profkit.tui.charts.chart import PLAIN, Chart
from profkit.tui.row_filter import Mask
from profkit.tui.widgets.table_column import fitted

_LABEL_WIDTH = 8
_CURSOR = "▾"


class DepthChart(Chart):
    """Draws one bar a row, or a bar of the largest of several rows where there are more rows than cells.

    Args:
        values: The figure of each row, float64, shape (n,); NaN has no bar, 0 the lowest.
        bad: Which rows have a bar in the tone of a fault; it is never hidden behind others.
        title: What the bars are.
    """

    def __init__(self, values: npt.NDArray[np.float64], bad: Mask, title: str) -> None:
        super().__init__()
        self._values = values
        self._bad = bad
        self._title = title
        positive = values[np.isfinite(values) & (values > 0)]
        self._low = math.floor(math.log10(positive.min())) if len(positive) else 0
        self._high = math.ceil(math.log10(positive.max())) if len(positive) else 1
        if self._high <= self._low:
            self._high = self._low + 1

    @property
    def _cells(self) -> int:
        return max(self.size.width - _LABEL_WIDTH, 1)

    def _cell_of_row(self) -> npt.NDArray[np.int64]:
        count = len(self._values)
        numbers = np.arange(count, dtype=np.int64)
        return numbers if count <= self._cells else numbers * self._cells // count

    def _heights(self, lines: int) -> tuple[npt.NDArray[np.int64], Mask]:
        """Give the height of each cell's bar in eighths of a line, and whether it stands for a fault."""
        cells = self._cell_of_row()
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log10(self._values)
        share = np.clip((logs - self._low) / (self._high - self._low), 0, 1)
        # An infinite error is the highest there is; a known error of 0 is seen as the thinnest bar.
        height = np.where(np.isnan(self._values), 0, np.maximum(np.round(np.nan_to_num(share) * 8 * lines), 1))
        height = np.where(np.isposinf(self._values), 8 * lines, height).astype(np.int64)
        heights = np.zeros(self._cells, dtype=np.int64)
        bad = np.zeros(self._cells, dtype=np.bool_)
        np.maximum.at(heights, cells, height)
        np.logical_or.at(bad, cells, self._bad)
        heights[bad & (heights == 0)] = 1
        return heights, bad

    def render_line(self, y: int) -> Strip:
        """Draw the title with the cursor above its bar, then the bars from the top."""
        if y == 0:
            return self._title_line()
        lines = max(self.size.height - 1, 1)
        if y > lines:
            return Strip.blank(self.size.width, PLAIN)
        heights, bad = self._heights(lines)
        level = 8 * (lines - y)
        label = {1: f"1e{self._high:+d}", lines: f"1e{self._low:+d}"}.get(y, "")
        segments = [Segment(fitted(label, _LABEL_WIDTH - 1, right=True) + " ", self.style_of("muted"))]
        eighths = np.clip(heights - level, 0, 8)
        borders = np.flatnonzero(np.diff(bad.astype(np.int8))) + 1
        for part, faults in zip(np.split(eighths, borders), np.split(bad, borders), strict=True):
            segments.append(Segment(upright_bars(part), self.style_of("bad" if faults[0] else "bar")))
        return self.strip(segments)

    def _title_line(self) -> Strip:
        cell = -1 if self.row is None else _LABEL_WIDTH + int(self._cell_of_row()[self.row])
        # The title makes way for the cursor.
        to_right = 0 <= cell <= _LABEL_WIDTH + len(self._title)
        line = list(fitted(" " * _LABEL_WIDTH + self._title, self.size.width, right=to_right))
        if 0 <= cell < len(line):
            line[cell] = _CURSOR
        return self.strip([Segment("".join(line), self.style_of("muted"))])

    def step(self, direction: int) -> int | None:
        """Give the next or previous row in the order of the frame."""
        if self.row is None or not 0 <= self.row + direction < len(self._values):
            return None
        return self.row + direction

    def on_click(self, event: events.Click) -> None:
        """Point at the largest figure under the mouse."""
        rows = np.flatnonzero(self._cell_of_row() == event.x - _LABEL_WIDTH)
        if len(rows):
            self.post_message(self.RowChosen(int(rows[np.nanargmax(np.nan_to_num(self._values[rows], nan=-1.0))])))
