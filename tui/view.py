"""What a view of a session is: a frame with columns to show, and what each of its rows says and leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from textual.content import Content

from profkit.tui.charts.chart import Chart
from profkit.tui.code_place import CodePlace
from profkit.tui.links import Link
from profkit.tui.row_filter import FilterWord, Mask
from profkit.tui.row_order import Sort
from profkit.tui.widgets.table_column import TableColumn


@dataclass(frozen=True)
class Place:
    """A row in a view.

    Attributes:
        view: Name of the view.
        row: Row of its frame.
        filter: Filter that shows the row among its like; empty keeps what the view has.
    """

    view: str
    row: int
    filter: str = ""


@dataclass(frozen=True)
class View:
    """One view of a session.

    Attributes:
        name: Word that names the view in actions and file names.
        title: Heading, and what its rows are called.
        frame: The rows.
        columns: What the table shows of them; the first stays in sight when the others scroll.
        flagged: Which rows are worth a stop.
        link: Which operators the rows speak of.
        describe: Gives the text about a row.
        leads_to: Gives what Enter on a row leads to; None shows the text about the row.
        when_empty: What to say if there are no rows.
        short: Title in a bar that has no room for all titles; not wanted of a part of another view.
        words: Filter words and what they select.
        sort: How the rows are sorted at first; None keeps the order of the frame.
        note: One line that stands under the table.
        chart: Makes the picture above the table; None if the view has none.
        code: Gives the line of a file that a row speaks of; None if nothing recorded tells one.
        values: Reads the tensors a row speaks of and gives what there is to see in them; takes time and may raise
            ProfkitError. None if the rows speak of none.
        is_folded: Whether only the roots of the tree are seen at first.
        first_row: Row the cursor stands on at first.
        part_of: Name of the view whose tab it stands under; empty for one with its own.
        depth: Levels above each row, for a frame that is a tree in the order of a walk; its rows can be folded.
    """

    name: str
    title: str
    frame: pd.DataFrame
    columns: tuple[TableColumn, ...]
    flagged: Mask
    link: Link
    describe: Callable[[int], Content]
    leads_to: Callable[[int], Place | None]
    when_empty: str
    short: str = ""
    words: Mapping[str, FilterWord] = field(default_factory=dict)
    sort: Sort | None = None
    note: str = ""
    chart: Callable[[], Chart] | None = None
    code: Callable[[int], CodePlace | None] = lambda row: None
    depth: npt.NDArray[np.int64] | None = None
    is_folded: bool = False
    first_row: int = 0
    part_of: str = ""
    values: Callable[[int], Content] | None = None


def place_of_operator(link: Link, row: int) -> Place | None:
    """Give the place of the first operator a row speaks of, None if it speaks of none."""
    operator = int(link.operator[row])
    return Place("operators", operator) if operator >= 0 else None
