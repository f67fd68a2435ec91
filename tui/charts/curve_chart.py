"""An amount over time as an area of bars: the curve that belongs to the marked row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.segment import Segment
from textual.strip import Strip

from profkit.tui.charts.bar_text import upright_bars
from profkit.tui.charts.chart import PLAIN, Chart
from profkit.tui.widgets.table_column import fitted

_LABEL_WIDTH = 9


@dataclass(frozen=True)
class Curve:
    """Amounts in equal parts of time.

    Attributes:
        title: What they are.
        window: Part of the time of each amount, rising, int64, shape (n,).
        amounts: float64, shape (n,); a part without one goes on with the one before.
        windows: Number of parts.
    """

    title: str
    window: npt.NDArray[np.int64]
    amounts: npt.NDArray[np.float64]
    windows: int

    def over(self, cells: int) -> npt.NDArray[np.float64]:
        """Give the largest amount in each of some equal parts; NaN before the first."""
        whole = np.full(self.windows, np.nan)
        whole[self.window] = self.amounts
        known = np.maximum.accumulate(np.where(np.isnan(whole), -1, np.arange(self.windows)))
        whole = np.where(known >= 0, whole[known], np.nan)
        if cells >= self.windows:
            return whole[np.arange(cells) * self.windows // cells]
        starts = np.arange(cells) * self.windows // cells
        return np.asarray(np.fmax.reduceat(whole, starts), dtype=np.float64)


class CurveChart(Chart):
    """Draws the curve of the marked row, from zero to its peak.

    Args:
        curve_of: Gives the curve of a row; None if it has none.
        write: Writes an amount with its unit.
    """

    def __init__(self, curve_of: Callable[[int], Curve | None], write: Callable[[float], str]) -> None:
        super().__init__()
        self._curve_of = curve_of
        self._write = write

    def render_line(self, y: int) -> Strip:
        """Draw the title, then the bars from the top."""
        curve = None if self.row is None else self._curve_of(self.row)
        if curve is None:
            text = (
                "" if y or self.row is None else " " * _LABEL_WIDTH + "no samples over time were recorded for this row"
            )
            return self.strip([Segment(fitted(text, self.size.width), self.style_of("muted"))])
        if y == 0:
            return self.strip(
                [Segment(fitted(" " * _LABEL_WIDTH + curve.title, self.size.width), self.style_of("muted"))]
            )
        lines = max(self.size.height - 1, 1)
        if y > lines:
            return Strip.blank(self.size.width, PLAIN)
        amounts = curve.over(max(self.size.width - _LABEL_WIDTH, 1))
        top = max(float(np.fmax.reduce(curve.amounts, initial=0.0)), 1.0)
        heights = np.nan_to_num(np.ceil(np.clip(amounts, 0, None) / top * 8 * lines)).astype(np.int64)
        eighths = np.clip(heights - 8 * (lines - y), 0, 8)
        label = {1: self._write(top), lines: "0"}.get(y, "")
        return self.strip(
            [
                Segment(fitted(label, _LABEL_WIDTH - 1, right=True) + " ", self.style_of("muted")),
                Segment(upright_bars(eighths), self.style_of("bar")),
            ]
        )
