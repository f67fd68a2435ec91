"""Choosing which columns a table shows."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from profkit.tui.actions import bindings
from profkit.tui.screens.action_screen import ModalActionScreen
from profkit.tui.widgets.key_line import KeyLine
from profkit.tui.widgets.table_column import TableColumn


class ColumnPicker(ModalActionScreen[frozenset[str]]):
    """Lists the columns; gives the names of those to show. The first column always stays.

    Args:
        columns: All columns of the view.
        shown: Names of those shown now.
    """

    SCOPES = ("picker", "everywhere")
    BINDINGS = bindings(*SCOPES)
    AUTO_FOCUS = "SelectionList"

    def __init__(self, columns: Sequence[TableColumn], shown: frozenset[str]) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._shown = shown

    def compose(self) -> ComposeResult:
        """Lay out the list and the keys."""
        with Vertical(id="box"):
            yield Static("Columns", markup=False)
            yield SelectionList[str](
                *(Selection(column.title, column.name, column.name in self._shown) for column in self._columns[1:])
            )
        yield KeyLine()

    def action_close(self) -> None:
        """Show what is chosen."""
        chosen = self.query_one(SelectionList).selected
        self.dismiss(frozenset({self._columns[0].name, *map(str, chosen)}))

    def action_all(self) -> None:
        """Choose every column."""
        self.query_one(SelectionList).select_all()
