"""What can be done with the picture of a view."""

from __future__ import annotations

from abc import abstractmethod

from profkit.tui.charts.chart import Chart
from profkit.tui.screens.action_screen import ActionScreen


class ChartActions(ActionScreen[None]):
    """The part of a view's screen that acts on its picture.

    Attributes:
        drawn_chart: The picture; None in a view that has none.
    """

    drawn_chart: Chart | None

    @abstractmethod
    def show_row(self, row: int, text: str = "") -> None:
        """Move to a row."""

    @abstractmethod
    def tell_choice(self, row: int) -> None:
        """Tell which row the user moved to."""

    def action_chart_zoom(self, direction: int) -> None:
        """Show a shorter (1) or longer (-1) part of the picture, or all of it (0)."""
        if self._has_chart():
            self.chart.zoom(direction)

    def action_chart_pan(self, direction: int) -> None:
        """Move the picture to the left (-1) or right (1)."""
        if self._has_chart():
            self.chart.pan(direction)

    def action_chart_step(self, direction: int) -> None:
        """Move to the row before (-1) or after (1) this one as the picture orders them."""
        if not self._has_chart():
            return
        row = self.chart.step(direction)
        if row is None:
            self.notify("Nothing is drawn further on." if direction > 0 else "Nothing is drawn before this.")
            return
        self.show_row(row)
        self.tell_choice(row)

    def action_toggle_chart(self) -> None:
        """Show or hide the picture."""
        if self._has_chart():
            self.toggle_class("-without-chart")

    @property
    def chart(self) -> Chart:
        """The picture of a view that has one."""
        assert self.drawn_chart is not None, "a view without a picture"
        return self.drawn_chart

    def _has_chart(self) -> bool:
        if self.drawn_chart is None:
            self.notify("This view has no picture.")
        return self.drawn_chart is not None
