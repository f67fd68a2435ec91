"""The lanes of both sides over one pair of steps, on one scale, so that what takes longer is longer.

A step that belongs to no pair is drawn by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from profkit.correlate.unit_facts import short_names
from profkit.report.quantities import duration
from profkit.safe_text import printable
from profkit.tui.charts.cell_painting import NOTHING, Numbers, painted
from profkit.tui.charts.chart import PLAIN, Chart
from profkit.tui.row_filter import Mask
from profkit.tui.widgets.table_column import fitted

_WIDEST_LABEL = 24
_FEWEST_CELLS = 10
_ZOOM = 4
_SHORTEST_WINDOW_NS = 100
_AXIS_LINES = 1
_MOST_LANES = 10
_MARK = "▾"
_FLAGGED = "▴"


@dataclass(frozen=True)
class _Lane:
    """One line of the chart: the rows of one side, rank and thread or stream in a pair of steps."""

    label: str
    rows: Numbers


class TimelineChart(Chart):
    """Draws one pair of steps; which one is told by the marked row.

    Args:
        timeline: Frame of schema.TIMELINE.
        flagged: Which rows are never hidden behind others.
        lane_words: What the lanes of a side are: threads or streams.

    Attributes:
        starts: Start of each row since the start of its step, ns, int64, shape (n,).
    """

    def __init__(self, timeline: pd.DataFrame, flagged: Mask, lane_words: Mapping[str, str]) -> None:
        super().__init__()
        self.starts = timeline["offset_ns"].to_numpy(dtype=np.int64)
        self._ends = self.starts + timeline["dur_ns"].to_numpy(dtype=np.int64)
        self._flagged = flagged
        self._names = short_names(timeline["name"])
        self._pair_of_row = _drawn_together(timeline)
        self._lanes_of_pair = _lanes_by_pair(timeline, self._pair_of_row, lane_words)
        self._lane_of_row = _lane_numbers(self._lanes_of_pair, len(timeline))
        most = max(map(len, self._lanes_of_pair.values()), default=0)
        labels = (lane.label for lanes in self._lanes_of_pair.values() for lane in lanes)
        self._label_width = min(max(map(cell_len, labels), default=0), _WIDEST_LABEL) + 1
        self.styles.height = min(most, _MOST_LANES) + _AXIS_LINES
        self._window: tuple[int, int] | None = None
        self._is_shown: Mask | None = None

    @property
    def lanes(self) -> list[_Lane]:
        """The lanes of the pair of steps that is shown."""
        return self._lanes_of_pair.get(self._pair, [])

    @property
    def _pair(self) -> int:
        if self.row is not None:
            return int(self._pair_of_row[self.row])
        return next(iter(self._lanes_of_pair), -1)

    @property
    def window(self) -> tuple[int, int]:
        """First and last moment shown, ns since the start of the step."""
        return self._window or self._whole

    @property
    def _whole(self) -> tuple[int, int]:
        rows = [lane.rows for lane in self.lanes]
        last = max((int(self._ends[part].max()) for part in rows if len(part)), default=1)
        return 0, max(last, 1)

    @property
    def _cells(self) -> int:
        return max(self.size.width - self._label_width, _FEWEST_CELLS)

    def mark(self, row: int | None) -> None:
        """Mark a row; a row of another pair of steps shows that pair whole."""
        if row is not None and self.row is not None and self._pair_of_row[row] != self._pair:
            self._window = None
        super().mark(row)

    def restrict(self, shown: npt.NDArray[np.intp]) -> None:
        """Dim what the table does not show."""
        self._is_shown = np.zeros(len(self.starts), dtype=np.bool_)
        self._is_shown[shown] = True
        super().restrict(shown)

    def bring_into_sight(self) -> None:
        """Move the window to the marked row, unless it is in it."""
        if self._window is None or self.row is None:
            return
        first, last = self._window
        start, end = int(self.starts[self.row]), int(self._ends[self.row])
        if start >= last or end <= first:
            self._show_window(start + (end - start) // 2, last - first)

    def zoom(self, direction: int) -> None:
        """Show a quarter of the time around the marked row, four times as much, or the whole step."""
        if direction == 0:
            self._window = None
        else:
            first, last = self.window
            length = (last - first) // _ZOOM if direction > 0 else (last - first) * _ZOOM
            middle = (first + last) // 2
            if self.row is not None:
                middle = int(self.starts[self.row] + self._ends[self.row]) // 2
            self._show_window(middle, max(length, _SHORTEST_WINDOW_NS))
        self.refresh()

    def pan(self, direction: int) -> None:
        """Move the window by half its length."""
        first, last = self.window
        self._show_window((first + last) // 2 + direction * (last - first) // 2, last - first)
        self.refresh()

    def step(self, direction: int) -> int | None:
        """Give the row after or before the marked one in its lane."""
        if self.row is None:
            return None
        rows = self.lanes[self._lane_of_row[self.row]].rows
        place = int(np.flatnonzero(rows == self.row)[0]) + direction
        return int(rows[place]) if 0 <= place < len(rows) else None

    def _show_window(self, middle: int, length: int) -> None:
        whole = self._whole
        if length >= whole[1]:
            self._window = None
            return
        first = min(max(middle - length // 2, 0), whole[1] - length)
        self._window = (first, first + length)

    def render_line(self, y: int) -> Strip:
        """Draw the time axis, then one lane a line."""
        if y < _AXIS_LINES:
            return self._axis()
        lanes = self._lanes_in_sight()
        if y - _AXIS_LINES < len(lanes):
            return self._lane(lanes[y - _AXIS_LINES])
        return Strip.blank(self.size.width, PLAIN)

    def _lanes_in_sight(self) -> list[_Lane]:
        """Give as many lanes as there are lines: those around the marked row's. The axis tells of the hidden."""
        lanes, lines = self.lanes, max(self.size.height - _AXIS_LINES, 1)
        if len(lanes) <= lines:
            return lanes
        at = int(self._lane_of_row[self.row]) if self.row is not None else 0
        first = min(max(at - lines // 2, 0), len(lanes) - lines)
        return lanes[first : first + lines]

    def _axis(self) -> Strip:
        first, last = self.window
        lines = max(self.size.height - _AXIS_LINES, 1)
        hidden = len(self.lanes) - lines
        label = f"+{hidden} lanes" if hidden > 0 else ""
        left, right = duration(first), duration(last)
        middle = " " * max(self._cells - cell_len(left) - cell_len(right), 1)
        line = list(left + middle + right)
        if self.row is not None and first <= self.starts[self.row] < last:
            cell = int((self.starts[self.row] - first) * (self._cells / (last - first)))
            if cell < len(line) and line[cell] == " ":
                line[cell] = _MARK
        text = fitted(label, self._label_width) + "".join(line)
        return self.strip([Segment(text, self.style_of("muted"))])

    def _lane(self, lane: _Lane) -> Strip:
        rows = lane.rows
        weights = self._flagged[rows].astype(np.int64)
        if self._is_shown is not None:
            weights += 2 * self._is_shown[rows]
        if self.row is not None:
            weights += 4 * (rows == self.row)
        shown = painted(self.starts[rows], self._ends[rows], weights, self.window, self._cells)
        segments = [Segment(fitted(lane.label, self._label_width - 1, keep="ends") + " ", self.style_of("muted"))]
        borders = np.flatnonzero(np.diff(shown)) + 1
        for cells in np.split(shown, borders):
            slice_ = int(cells[0])
            segments.append(self._slice(slice_ if slice_ == NOTHING else int(rows[slice_]), len(cells)))
        return self.strip(segments)

    def _slice(self, row: int, cells: int) -> Segment:
        if row == NOTHING:
            return Segment(" " * cells, PLAIN)
        dimmed = self._is_shown is not None and not self._is_shown[row]
        flagged = bool(self._flagged[row])
        # Neighbours of one kind would run into one bar: every second one is of another shade.
        tone = "muted" if dimmed else "bad" if flagged else "other" if row % 2 else "bar"
        style = self.style_of("cursor" if row == self.row else tone)
        if cells < 3:
            return Segment((_FLAGGED if flagged and not dimmed else "▌") * cells, style)
        name = printable(str(self._names.iloc[row])).removeprefix("aten::")
        text = fitted(("▴" if flagged else "▏") + name, cells)
        return Segment(text, style)

    def on_click(self, event: events.Click) -> None:
        """Point at what is drawn under the mouse."""
        lanes = self._lanes_in_sight()
        at, cell = event.y - _AXIS_LINES, event.x - self._label_width
        if not 0 <= at < len(lanes) or not 0 <= cell < self._cells:
            return
        rows = lanes[at].rows
        shown = painted(
            self.starts[rows], self._ends[rows], self._flagged[rows].astype(np.int64), self.window, self._cells
        )
        if shown[cell] != NOTHING:
            self.post_message(self.RowChosen(int(rows[shown[cell]])))


def _drawn_together(timeline: pd.DataFrame) -> Numbers:
    """Number what is drawn together: the pairs of steps as they are, after them every step outside of them."""
    pair = timeline["pair"].to_numpy(dtype=np.int64)
    alone = timeline[["side", "rank", "step"]].astype({"side": object}).groupby(["side", "rank", "step"]).ngroup()
    return np.asarray(np.where(pair >= 0, pair, pair.max(initial=-1) + 1 + alone.to_numpy()), dtype=np.int64)


def _lanes_by_pair(
    timeline: pd.DataFrame, pair_of_row: Numbers, lane_words: Mapping[str, str]
) -> dict[int, list[_Lane]]:
    lanes: dict[int, list[_Lane]] = {}
    keys = timeline[["side", "rank", "lane"]].astype({"side": object, "lane": object}).assign(pair=pair_of_row)
    several_ranks = timeline["rank"].nunique() > 1
    for key, group in keys.groupby(["pair", "side", "rank", "lane"], dropna=False, sort=True):
        pair, side, rank, lane = key
        word = lane_words.get(str(side), "lane")
        parts = [str(side), *([f"rank {rank}"] if several_ranks else [])]
        # Most writers give a thread or a stream its number alone.
        parts.append(f"no {word}" if pd.isna(lane) else f"{word} {lane}" if str(lane).isdigit() else str(lane))
        lanes.setdefault(int(pair), []).append(_Lane(printable(" ".join(parts)), group.index.to_numpy(dtype=np.int64)))
    return {pair: lanes[pair] for pair in sorted(lanes)}


def _lane_numbers(lanes_of_pair: dict[int, list[_Lane]], rows: int) -> npt.NDArray[np.int64]:
    numbers = np.zeros(rows, dtype=np.int64)
    for lanes in lanes_of_pair.values():
        for number, lane in enumerate(lanes):
            numbers[lane.rows] = number
    return numbers
