"""What a chart of a view is: a widget that shows the rows of the view's frame and knows which one is meant."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rich.segment import Segment
from rich.style import Style
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

Rows = npt.NDArray[np.intp]

_STYLES = ("bar", "other", "bad", "warning", "good", "muted", "cursor")

# Every segment has a style: Textual's filter for NO_COLOR fails on a segment that has none.
PLAIN = Style.null()


class Chart(Widget):
    """A picture of rows of a frame, one line of characters at a time.

    Attributes:
        row: The row of the frame that is marked; None if there is none.
        shown: The rows that the table shows; a chart leaves out or dims the others.
    """

    COMPONENT_CLASSES = {f"chart--{name}" for name in _STYLES}  # noqa: RUF012 - Textual reads it as a class variable

    class RowChosen(Message):
        """The user pointed at a row of the frame."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    def __init__(self) -> None:
        super().__init__()
        self.row: int | None = None
        self.shown: Rows | None = None

    def mark(self, row: int | None) -> None:
        """Mark a row, bringing it into sight."""
        if row != self.row:
            self.row = row
            self.bring_into_sight()
            self.refresh()

    def restrict(self, shown: Rows) -> None:
        """Take note of which rows the table shows."""
        self.shown = shown
        self.refresh()

    def bring_into_sight(self) -> None:
        """Move the window of the chart to the marked row; a chart that shows everything need not."""

    def zoom(self, direction: int) -> None:
        """Show less (1) or more (-1) around the marked row, or everything (0); a chart may have one scale only."""

    def pan(self, direction: int) -> None:
        """Move the window to the left (-1) or right (1)."""

    def step(self, direction: int) -> int | None:
        """Give the row after (1) or before (-1) the marked one as the chart orders them; None if there is none."""
        return None

    def style_of(self, name: str) -> Style:
        """Give the style of a part of the chart, one of the component classes without its prefix."""
        return self.get_component_rich_style(f"chart--{name}", partial=True)

    def strip(self, segments: list[Segment]) -> Strip:
        """Make a line of the width of the chart; neighbours of one style become one segment."""
        return Strip(Segment.simplify(segments)).adjust_cell_length(self.size.width, PLAIN)
