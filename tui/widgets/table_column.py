"""A column of a table: which values it shows, how they are written, how wide and how it sorts and filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import pandas as pd
from rich.cells import cell_len, set_cell_size

from profkit.report.quantities import UNKNOWN, count, duration, number, ratio, size
from profkit.safe_text import printable
from profkit.tui.verdicts import Tone, Verdict

CUT_MARK = "…"

Kind = Literal["text", "number", "duration", "verdict"]


class Cell(NamedTuple):
    """What stands in one cell: text of exactly the column's width, and the tone of a verdict."""

    text: str
    tone: Tone | None


@dataclass(frozen=True)
class TableColumn:
    """One column of a table.

    Attributes:
        name: Column of the frame.
        title: Heading.
        kind: What its values are; decides sorting direction and filter operators.
        write: Gives the text of a value; the text is made printable afterwards.
        short: Name in filters, besides `name`.
        min_width, max_width: Bounds of the width, in cells.
        keep_tail: Cut long text at its front (the end of a module path tells more than its root).
        verdicts: The verdict of each value, for kind "verdict"; an absent value leaves the cell empty.
        is_essential: Whether text is cut further in a narrow table, so that this column is in sight.
    """

    name: str
    title: str
    kind: Kind
    write: Callable[[Any], str]
    short: str = ""
    min_width: int = 1
    max_width: int = 32
    keep_tail: bool = False
    verdicts: Mapping[object, Verdict] = field(default_factory=dict)
    is_essential: bool = field(default=False, compare=False)

    @property
    def is_numeric(self) -> bool:
        """Whether values are numbers: set to the right, sorted largest first."""
        return self.kind in {"number", "duration"}

    def width(self, sample: Iterable[Any]) -> int:
        """Give the width that shows every sampled value and the heading, within the bounds."""
        widest = max((cell_len(self.text(value)) for value in sample), default=0)
        return min(max(widest, cell_len(self.title) + 2, self.min_width), max(self.max_width, self.min_width))

    def text(self, value: Any) -> str:
        """Give a value as one printable line, cut to a length that no column shows in full."""
        text = self.write(value)
        # Far more characters than cells are kept, as some characters take no cell.
        limit = 8 * max(self.max_width, self.min_width)
        if len(text) > limit:
            text = CUT_MARK + text[-limit:] if self.keep_tail else text[:limit] + CUT_MARK
        return printable(text)

    def cell(self, value: Any, width: int) -> Cell:
        """Give the cell of a value, padded or visibly cut to the width."""
        verdict = self.verdicts.get(value) if self.kind == "verdict" and not pd.isna(value) else None
        text = fitted(self.text(value), width, right=self.is_numeric, keep_tail=self.keep_tail)
        return Cell(text, verdict.tone if verdict else None)


def fitted(text: str, width: int, *, right: bool = False, keep_tail: bool = False) -> str:
    """Give the text in exactly `width` terminal cells: padded, or cut with a mark."""
    length = cell_len(text)
    if length <= width:
        padding = " " * (width - length)
        return padding + text if right else text + padding
    if width <= 1:
        return CUT_MARK * width
    if not keep_tail:
        return set_cell_size(text, width - 1) + CUT_MARK
    tail = text[-(width - 1) :]
    while cell_len(tail) > width - 1:
        tail = tail[1:]
    return CUT_MARK + tail + " " * (width - 1 - cell_len(tail))


def essential(*columns: TableColumn) -> tuple[TableColumn, ...]:
    """Give the columns as ones that a narrow table makes room for."""
    return tuple(replace(column, is_essential=True) for column in columns)


def text_column(name: str, title: str, *, short: str = "", max_width: int = 32, keep_tail: bool = False) -> TableColumn:
    """Give a column of text; NA is shown as unknown."""
    return TableColumn(name, title, "text", _plain, short, max_width=max_width, keep_tail=keep_tail)


def duration_column(name: str, title: str, *, short: str) -> TableColumn:
    """Give a column of durations in ns."""
    return TableColumn(name, title, "duration", duration, short, min_width=8)


def ratio_column(name: str, title: str) -> TableColumn:
    """Give a column of ratios."""
    return TableColumn(name, title, "number", ratio, min_width=6)


def number_column(name: str, title: str) -> TableColumn:
    """Give a column of measurements."""
    return TableColumn(name, title, "number", number, min_width=9)


def size_column(name: str, title: str, *, short: str) -> TableColumn:
    """Give a column of bytes."""
    return TableColumn(name, title, "number", size, short, min_width=8)


def count_column(name: str, title: str) -> TableColumn:
    """Give a column of whole numbers."""
    return TableColumn(name, title, "number", count, min_width=3)


def place_column(name: str, title: str) -> TableColumn:
    """Give a column of ranks, steps or groups, where -1 stands for none."""
    return TableColumn(
        name, title, "number", lambda value: UNKNOWN if is_no_place(value) else count(value), min_width=3
    )


def verdict_column(name: str, title: str, verdicts: Mapping[object, Verdict], *, short: str = "") -> TableColumn:
    """Give a column of verdicts; a value without one is shown as it is, NA and False as nothing."""

    def write(value: Any) -> str:
        if pd.isna(value) or value is False:
            return ""
        verdict = verdicts.get(value)
        return verdict.text if verdict else str(value)

    return TableColumn(name, title, "verdict", write, short, verdicts=verdicts)


def is_no_place(value: Any) -> bool:
    """Whether a rank, step or group stands for none."""
    return bool(pd.isna(value)) or value == -1


def _plain(value: Any) -> str:
    return UNKNOWN if pd.isna(value) else str(value)
