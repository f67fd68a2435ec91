"""Which columns of a table stand where, at a given width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profkit.tui.widgets.table_column import TableColumn

GUTTER = 2
WIDE_COLUMNS = 100
"""From so many cells on there is room to set things side by side, and for two blanks between columns."""
_NARROWEST_CUT_TEXT = 6
_NARROWEST_SHRUNK_TEXT = 10


@dataclass(frozen=True)
class PlacedColumn:
    """A column in sight: its number, its first cell and its width."""

    column: int
    x: int
    width: int


def gap_of(available: int) -> int:
    """Give the blanks between two columns of a table of this width."""
    return 2 if available >= WIDE_COLUMNS else 1


def fitted_widths(columns: Sequence[TableColumn], widths: Sequence[int], available: int) -> tuple[int, ...]:
    """Shrink columns of text, the widest first, until the essential columns stand side by side, if they can.

    The first column takes at most two fifths of the table.

    Args:
        columns: The columns of the table.
        widths: Their widths, in cells.
        available: Width of the table, in cells.
    """
    fitted = list(widths)
    if fitted:
        fitted[0] = min(fitted[0], max(available * 2 // 5, _NARROWEST_CUT_TEXT))
    essential = [number for number, column in enumerate(columns) if column.is_essential]
    gap = gap_of(available)
    excess = GUTTER + sum(fitted[number] + gap for number in essential) - gap - available
    texts = [number for number in essential if columns[number].kind == "text"]
    while excess > 0 and texts:
        widest = max(texts, key=lambda number: fitted[number])
        if fitted[widest] <= _NARROWEST_SHRUNK_TEXT:
            break
        fitted[widest] -= 1
        excess -= 1
    return tuple(fitted)


def place_columns(
    columns: Sequence[TableColumn], widths: Sequence[int], first: int, available: int
) -> tuple[PlacedColumn, ...]:
    """Place the frozen column 0 and then the columns from `first` on.

    A column that does not fit ends the row: text is cut to the rest of the row, a number is left out, as half a number
    is a wrong number.

    Args:
        columns: The columns of the table.
        widths: Their widths as fitted_widths gives them, in cells.
        first: The first column to show after the frozen one.
        available: Width of the table, in cells.
    """
    placed: list[PlacedColumn] = []
    x, gap = GUTTER, gap_of(available)
    for number in (0, *range(max(first, 1), len(columns))):
        width, rest = widths[number], available - x
        if width > rest:
            if columns[number].kind == "text" and rest >= _NARROWEST_CUT_TEXT:
                placed.append(PlacedColumn(number, x, rest))
            break
        placed.append(PlacedColumn(number, x, width))
        x += width + gap
    return tuple(placed)


def first_column_showing(
    columns: Sequence[TableColumn], widths: Sequence[int], first: int, wanted: int, available: int
) -> int:
    """Give the column to scroll to so that `wanted` is in sight, whole where it can be; the nearest to `first`."""
    if wanted == 0:
        return first
    if wanted < first:
        return wanted
    for candidate in range(first, wanted):
        for place in place_columns(columns, widths, candidate, available):
            if place.column == wanted and place.width >= widths[wanted]:
                return candidate
    return wanted
