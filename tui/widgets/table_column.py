"""A column of a table: which values it shows, how they are written, how wide and how it sorts and filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import pandas as pd
from rich.cells import cell_len, set_cell_size

from profkit.report.quantities import UNKNOWN, confidence, count, duration, number, ratio, size
from profkit.safe_text import printable
from profkit.tui.charts.bar_text import BAR_CELLS
from profkit.tui.verdicts import Tone, Verdict

CUT_MARK = "…"

Kind = Literal["text", "number", "duration", "verdict"]
Keep = Literal["head", "tail", "ends"]
"""What is left of a text that is cut."""


class Width(NamedTuple):
    """How wide a column is, in cells: as a rule, and so that no sampled value is cut."""

    usual: int
    full: int


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
        min_width, max_width: Bounds of the width, in cells; a table with room to spare goes beyond the upper one.
        keep: What is left of text that is cut: the end of a module path tells more than its root; the two ends of
            a kernel's name tell more than its middle.
        verdicts: The verdict of each value, for kind "verdict"; an absent value leaves the cell empty.
        is_essential: Whether the columns are made narrower in a narrow table, so that this one is in sight.
    """

    name: str
    title: str
    kind: Kind
    write: Callable[[Any], str]
    short: str = ""
    min_width: int = 1
    max_width: int = 32
    keep: Keep = "head"
    verdicts: Mapping[object, Verdict] = field(default_factory=dict)
    is_essential: bool = field(default=False, compare=False)

    @property
    def is_numeric(self) -> bool:
        """Whether values are numbers: set to the right, sorted largest first."""
        return self.kind in {"number", "duration"}

    def width(self, sample: Iterable[Any]) -> Width:
        """Give the widths that show the heading and every sampled value, within the bounds and whole."""
        widest = max((cell_len(self.text(value)) for value in sample), default=0)
        full = max(widest, cell_len(self.title) + 2, self.min_width)
        return Width(min(full, max(self.max_width, self.min_width)), full)

    def text(self, value: Any) -> str:
        """Give a value as one printable line, cut to a length that no column shows in full."""
        text = self.write(value)
        # Far more characters than cells are kept, as some characters take no cell.
        limit = 8 * max(self.max_width, self.min_width)
        if len(text) > limit:
            text = _cut(text, limit, self.keep)
        return printable(text)

    def cell(self, value: Any, width: int) -> Cell:
        """Give the cell of a value, padded or visibly cut to the width."""
        verdict = self.verdicts.get(value) if self.kind == "verdict" and not pd.isna(value) else None
        text = fitted(self.text(value), width, right=self.is_numeric, keep=self.keep)
        return Cell(text, verdict.tone if verdict else None)


def fitted(text: str, width: int, *, right: bool = False, keep: Keep = "head") -> str:
    """Give the text in exactly `width` terminal cells: padded, or cut with a mark."""
    length = cell_len(text)
    if length <= width:
        padding = " " * (width - length)
        return padding + text if right else text + padding
    if width <= 1:
        return CUT_MARK * width
    room = width - 1
    front = {"head": room, "tail": 0, "ends": room // 2}[keep]
    head = set_cell_size(text, front) if front else ""
    tail = text[len(text) - (room - front) :]
    while cell_len(tail) > room - front:
        tail = tail[1:]
    return head + CUT_MARK + tail + " " * (room - front - cell_len(tail))


def _cut(text: str, length: int, keep: Keep) -> str:
    front = {"head": length, "tail": 0, "ends": length // 2}[keep]
    return text[:front] + CUT_MARK + text[len(text) - (length - front) :]


def essential(*columns: TableColumn) -> tuple[TableColumn, ...]:
    """Give the columns as ones that a narrow table makes room for."""
    return tuple(replace(column, is_essential=True) for column in columns)


def text_column(name: str, title: str, *, short: str = "", max_width: int = 32, keep: Keep = "head") -> TableColumn:
    """Give a column of text; NA is shown as unknown."""
    return TableColumn(name, title, "text", _plain, short, max_width=max_width, keep=keep)


def blank_unless_known(column: TableColumn) -> TableColumn:
    """Give the column for rows of several kinds, of which some have no such value: there it is left blank."""
    return replace(column, write=lambda value: "" if pd.isna(value) else column.write(value))


def bar_column(name: str, title: str) -> TableColumn:
    """Give a column of bars, which are never cut."""
    return TableColumn(name, title, "text", _plain, min_width=BAR_CELLS, max_width=BAR_CELLS)


def duration_column(name: str, title: str, *, short: str, can_be_negative: bool = False) -> TableColumn:
    """Give a column of durations in ns."""
    return TableColumn(name, title, "duration", duration, short, min_width=8 if can_be_negative else 7)


def ratio_column(name: str, title: str) -> TableColumn:
    """Give a column of ratios."""
    return TableColumn(name, title, "number", ratio, min_width=6)


def number_column(name: str, title: str) -> TableColumn:
    """Give a column of measurements."""
    return TableColumn(name, title, "number", number, min_width=9)


def size_column(name: str, title: str, *, short: str) -> TableColumn:
    """Give a column of bytes."""
    return TableColumn(name, title, "number", size, short, min_width=8)


def confidence_column() -> TableColumn:
    """Give the column of confidences."""
    return TableColumn("confidence", "confidence", "number", confidence, min_width=4)


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
