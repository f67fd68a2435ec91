"""The screen of one view: its table, the text about the row, the filter, and a line that says what is shown."""

from __future__ import annotations

from collections.abc import Callable

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Static

from profkit.errors import ProfkitError
from profkit.report.quantities import count
from profkit.safe_text import printable
from profkit.tui.actions import Scope, bindings
from profkit.tui.charts.chart import Chart
from profkit.tui.detail_text import DetailText
from profkit.tui.row_filter import FilterError, RowFilter, parse_filter
from profkit.tui.row_marks import RowMarks
from profkit.tui.row_order import Sort
from profkit.tui.screens.chart_actions import ChartActions
from profkit.tui.screens.column_picker import ColumnPicker
from profkit.tui.screens.row_actions import RowActions
from profkit.tui.screens.text_screen import TextScreen, filter_example, filter_help
from profkit.tui.selection import Selection, rows_of, selected_by
from profkit.tui.session_state import ViewState
from profkit.tui.view import Place, View
from profkit.tui.widgets.breadcrumb import Breadcrumb, Crumb
from profkit.tui.widgets.column_layout import WIDE_COLUMNS
from profkit.tui.widgets.filter_input import FilterInput
from profkit.tui.widgets.frame_table import FrameTable
from profkit.tui.widgets.key_line import KeyLine
from profkit.tui.widgets.view_bar import Tab, ViewBar

_FILTER_DELAY_SECONDS = 0.1
# From so many cells on the text about a row stands beside the table, which then still shows names at some length.
_BESIDE_COLUMNS = 132
_DETAIL_BESIDE, _DETAIL_BELOW, _WITHOUT_DETAIL = "-detail-beside", "-detail-below", "-without-detail"
DETAIL_PLACES = frozenset({_DETAIL_BESIDE, _DETAIL_BELOW, _WITHOUT_DETAIL})
"""Classes of app.tcss: where the text about a row stands, if not where the width of the terminal puts it."""


class ViewScreen(RowActions, ChartActions):
    """Shows one view.

    Args:
        view: The view.
        tabs: All views of the session, for the bar at the top.
        title: What session this is.
        remembered: How the user left the view the last time.
    """

    AUTO_FOCUS = "FrameTable"
    SCOPES = ("view", "chart", "tree", "values", "everywhere")
    BINDINGS = bindings(*SCOPES)
    # Classes for app.tcss: from so many columns or lines on.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE_COLUMNS, "-medium"), (_BESIDE_COLUMNS, "-wide")]  # noqa: RUF012 - as Textual has it
    VERTICAL_BREAKPOINTS = [(0, "-short"), (16, "-tall")]  # noqa: RUF012 - as Textual has it

    class Selected(Message):
        """The user moved to a row that speaks of an operator or a module.

        Attributes:
            selection: What it speaks of.
        """

        def __init__(self, selection: Selection) -> None:
            super().__init__()
            self.selection = selection

    class Followed(Message):
        """The user asked to go where a row leads.

        Attributes:
            place: Where that is.
        """

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

    class DetailPlaced(Message):
        """The user wants the text about rows elsewhere.

        Attributes:
            place: As for ViewScreen.place_detail.
        """

        def __init__(self, place: str) -> None:
            super().__init__()
            self.place = place

    class Left(Message):
        """The user asked to go back, and nothing here was left to undo."""

    def __init__(self, view: View, tabs: list[Tab], title: str, remembered: ViewState | None = None) -> None:
        super().__init__()
        self.view = view
        self.marks = RowMarks(view.frame, [column.name for column in view.columns if column.kind == "text"][:2])
        self._remembered = remembered
        self._words = {**view.words, "marked": self.marks.mask}
        self._tabs = tabs
        self._session_title = title
        self._filter_timer: Timer | None = None
        self._filter_problem = ""
        self._is_to_describe = False
        self._highlighted = FrameTable.RowHighlighted(None, chosen=False)
        self.drawn_chart = view.chart() if view.chart is not None and len(view.frame) else None

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes that do something in this view: not those of what it does not have."""
        view = self.view
        absent = {"chart": self.drawn_chart is None, "tree": view.depth is None, "values": view.values is None}
        return ("table", *(scope for scope in self.SCOPES if not absent.get(scope, False)))

    def help_topic(self) -> Content:
        """Give what the filter of this view understands."""
        return filter_help(self.view)

    def compose(self) -> ComposeResult:
        """Lay out bar, table and text, filter, status and keys."""
        self._take_size()
        view = self.view
        yield ViewBar(self._tabs, view.part_of or view.name, self._session_title)
        yield Breadcrumb()
        if self.drawn_chart is not None:
            yield self.drawn_chart
        with Container(id="body"):
            yield FrameTable(
                view.frame,
                view.columns,
                flagged=view.flagged,
                when_empty=view.when_empty,
                sort=view.sort,
                glyph=self.marks.glyph,
                depth=view.depth,
                is_folded=view.is_folded,
            )
            with VerticalScroll(id="detail", can_focus=False):
                yield Static(id="detail-text", markup=False)
        yield FilterInput(filter_example(self.view, self._words))
        yield Static(id="status", markup=False)
        yield KeyLine()

    def _take_size(self) -> None:
        """Take the classes of the terminal's size: Textual gives them by an event behind the first picture."""
        width, height = self.app.size
        for length, classes in ((width, self.HORIZONTAL_BREAKPOINTS), (height, self.VERTICAL_BREAKPOINTS)):
            self.add_class(max((least, name) for least, name in classes if length >= least)[1])

    def on_mount(self) -> None:
        """Show the view as the user left it."""
        kept = self._remembered
        if kept is None:
            if self.view.first_row:
                self.table.show_row(self.view.first_row)
            return
        lost = self.marks.restore(kept.marks)
        if lost:
            self.say(f"{count(lost)} marks were left out: their rows are not there any more, or not alone.")
        columns = {column.name: column for column in self.view.columns}
        if kept.columns is not None:
            shown = [column for column in self.view.columns[1:] if column.name in kept.columns]
            self.table.show_columns([self.view.columns[0], *shown])
        sort = Sort(columns[kept.sort], kept.descending) if kept.sort in columns else None
        if kept.sort is not None and sort is None:
            # It was sorted by a column that says nothing this time.
            sort = self.view.sort
        filter_input = self.query_one("#filter", Input)
        with filter_input.prevent(Input.Changed):
            filter_input.value = kept.filter
        self.table.reorder(self._understood(kept.filter), sort, kept.row if kept.row >= 0 else None)

    def state(self) -> ViewState | None:
        """Give how the user leaves the view; None if it was never shown."""
        if not self.is_running:
            return self._remembered
        table = self.table
        shown = [column.name for column in table.columns]
        return ViewState(
            filter="" if table.row_filter is None else table.row_filter.text,
            sort=None if table.sort is None else table.sort.column.name,
            descending=table.sort is not None and table.sort.descending,
            columns=None if len(shown) == len(self.view.columns) else shown,
            row=-1 if table.row is None else table.row,
            marks=self.marks.kept(),
        )

    def target_of(self, scope: Scope) -> DOMNode:
        """Give the table for what is done in a table, else the screen."""
        return self.table if scope == "table" else self

    def follow(self, selection: Selection, *, module_first: bool) -> None:
        """Move to a row that speaks of what is selected, unless the cursor stands on one already."""
        rows = rows_of(self.view, selection, module_first=module_first)
        if len(rows) and self.table.row not in rows:
            self.table.show_first_of(rows)

    def tell_selection(self, crumbs: tuple[Crumb, ...]) -> None:
        """Show what is selected."""
        self.query_one(Breadcrumb).tell(crumbs)

    def show_row(self, row: int, text: str = "") -> None:
        """Move to a row, taking away a filter that hides it; with a filter, among the rows that fulfil it."""
        if text:
            filter_input = self.query_one("#filter", Input)
            with filter_input.prevent(Input.Changed):
                filter_input.value = text
            self.table.reorder(self._understood(text), self.table.sort, row=row)
            return
        if not self.table.show_row(row):
            self._clear_filter(row=row)
            self.notify("The filter hid the row and was cleared.")

    @on(FrameTable.RowHighlighted)
    def _describe_row(self, message: FrameTable.RowHighlighted) -> None:
        self._highlighted = message
        if not self._is_to_describe:
            # Behind the other rows that a held key has come to by now: only the last of them is described.
            self._is_to_describe = True
            self.call_later(self._describe_highlighted)

    def _describe_highlighted(self) -> None:
        self._is_to_describe = False
        message = self._highlighted
        self._update_detail(message.row)
        self._update_status()
        if self.drawn_chart is not None:
            self.drawn_chart.mark(message.row)
        if message.chosen and message.row is not None:
            self.tell_choice(message.row)

    @on(FrameTable.RowOpened)
    def _open_row(self, message: FrameTable.RowOpened) -> None:
        place = self.view.leads_to(message.row)
        if place is None:
            self.app.push_screen(TextScreen(self._described(message.row)))
        else:
            self.post_message(self.Followed(place))

    @on(FrameTable.Arranged)
    def _show_arranged(self) -> None:
        self._update_status()
        if self.drawn_chart is not None:
            self.drawn_chart.restrict(self.table.order)

    @on(Chart.RowChosen)
    def _go_to_drawn_row(self, message: Chart.RowChosen) -> None:
        self.show_row(message.row)
        self.tell_choice(message.row)

    def _update_status(self) -> None:
        self.query_one("#status", Static).update(self._status(), layout=False)

    def _update_detail(self, row: int | None) -> None:
        content = DetailText().sentence(self.table.why_empty).content() if row is None else self._described(row)
        self.query_one("#detail-text", Static).update(content)
        self.query_one("#detail").scroll_home(animate=False)

    def _described(self, row: int) -> Content:
        text, note = self.view.describe(row), self.marks.note(row)
        return Content("\n").join([DetailText().field("note", note).content(), text]) if note else text

    @on(RowActions.Marked)
    def _show_note(self) -> None:
        self._update_detail(self.table.row)

    def _status(self) -> str:
        if self._filter_problem:
            return f"filter: {printable(self._filter_problem)}"
        table = self.table
        parts = [f"{count(len(table.order))} of {count(len(table.frame))}"]
        if table.row_filter is not None:
            parts.append(f"filter {printable(table.row_filter.text)}")
        if table.sort is not None:
            parts.append(f"by {table.sort.column.title} {'▾' if table.sort.descending else '▴'}")
        in_sight = table.placed[1:]
        if in_sight and len(in_sight) + 1 < len(table.columns):
            parts.append(f"columns {in_sight[0].column + 1}-{in_sight[-1].column + 1} of {len(table.columns)}")
        return " | ".join([*parts, self.view.note] if self.view.note else parts)

    def action_filter(self) -> None:
        """Open the filter."""
        filter_input = self.query_one("#filter", Input)
        filter_input.add_class("-open")
        self.set_focus(filter_input)

    @on(Input.Changed, "#filter")
    def _filter_soon(self, message: Input.Changed) -> None:
        if self._filter_timer is not None:
            self._filter_timer.stop()
        self._filter_timer = self.set_timer(_FILTER_DELAY_SECONDS, lambda: self._apply_filter(message.value))

    @on(Input.Submitted, "#filter")
    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("-open")
        self.set_focus(self.table)

    def _apply_filter(self, text: str) -> None:
        row_filter = self._understood(text)
        if self._filter_problem:
            self._update_status()
        else:
            self.table.reorder(row_filter, self.table.sort)

    def _understood(self, text: str) -> RowFilter | None:
        self._filter_problem = ""
        try:
            return parse_filter(text, self.view.columns, self._words)
        except FilterError as error:
            self._filter_problem = str(error)
            return None

    def _clear_filter(self, row: int | None = None) -> None:
        filter_input = self.query_one("#filter", Input)
        with filter_input.prevent(Input.Changed):
            filter_input.value = ""
        self._close_filter()
        self._filter_problem = ""
        self.table.reorder(None, self.table.sort, row=row)

    def action_flagged(self, direction: int) -> None:
        """Move to the next or previous flagged row."""
        if not self.table.move_to_flagged(direction):
            self.notify("No flagged row below." if direction > 0 else "No flagged row above.")

    def action_place_detail(self) -> None:
        """Show the text about the row on the other side of the table, then not, then as at first, in every view."""
        other = {"-medium": _DETAIL_BESIDE, "-wide": _DETAIL_BELOW}
        places = ["", *(place for width, place in other.items() if self.has_class(width)), _WITHOUT_DETAIL]
        here = next((place for place in places if place and self.has_class(place)), "")
        self.post_message(self.DetailPlaced(places[(places.index(here) + 1) % len(places)]))

    def place_detail(self, place: str) -> None:
        """Show the text about the row where the width of the terminal puts it ("") or as one of DETAIL_PLACES says."""
        for name in DETAIL_PLACES:
            self.set_class(name == place, name)

    def action_scroll_detail(self, direction: int) -> None:
        """Scroll the text about the row by half of what is seen of it."""
        detail = self.query_one("#detail")
        detail.scroll_relative(y=direction * max(1, detail.size.height // 2), animate=False)

    def action_read(self) -> None:
        """Show the text about the row over the whole screen."""
        if self.table.row is not None:
            self.app.push_screen(TextScreen(self._described(self.table.row)))

    def action_fold(self) -> None:
        """Fold away what lies below the row, or bring it back."""
        row = self.table.row
        if row is None or not self.table.fold(row):
            self.notify("Nothing to fold here: a tree folds while it is neither sorted nor filtered.")

    def tell_choice(self, row: int) -> None:
        """Tell what the row that the user moved to speaks of."""
        selection = selected_by(self.view, row)
        if selection is not None:
            self.post_message(self.Selected(selection))

    def action_show_values(self) -> None:
        """Read the tensors the row speaks of and show what there is to see in them."""
        row, values = self.table.row, self.view.values
        if values is None or row is None:
            self.notify("This row speaks of no tensors.")
        else:
            self._read_values(lambda: values(row))

    @work(thread=True, exclusive=True, group="values")
    def _read_values(self, read: Callable[[], Content]) -> None:
        try:
            text = read()
        except ProfkitError as error:
            self.say(f"{error.message}: {error.hint}", is_problem=True)
            return
        self.app.call_from_thread(self.app.push_screen, TextScreen(text))

    def action_columns(self) -> None:
        """Choose the columns that are shown."""
        shown = frozenset(column.name for column in self.table.columns)
        self.app.push_screen(ColumnPicker(self.view.columns, shown), self._show_columns)

    def _show_columns(self, names: frozenset[str] | None) -> None:
        if names is not None:
            self.table.show_columns([column for column in self.view.columns if column.name in names])

    def action_back(self) -> None:
        """Clear the filter; without one, return to the view one came from."""
        filter_input = self.query_one("#filter", Input)
        if filter_input.value or self.table.row_filter is not None or filter_input.has_focus:
            self._clear_filter()
        else:
            self.post_message(self.Left())
