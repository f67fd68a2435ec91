"""Which columns of a table stand where, at a given width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profkit.tui.widgets.table_column import TableColumn

GUTTER = 2
GAP = 2
_NARROWEST_CUT_TEXT = 6


@dataclass(frozen=True)
class PlacedColumn:
    """A column in sight: its number, its first cell and its width."""

    column: int
    x: int
    width: int


def place_columns(
    columns: Sequence[TableColumn], widths: Sequence[int], first: int, available: int
) -> tuple[PlacedColumn, ...]:
    """Place the frozen column 0 and then the columns from `first` on.

    The frozen column takes at most two fifths of the table. A column that does not fit ends the row: text is cut to the
    rest of the row, a number is left out, as half a number is a wrong number.

    Args:
        columns: The columns of the table.
        widths: Their widths, in cells.
        first: The first column to show after the frozen one.
        available: Width of the table, in cells.
    """
    placed: list[PlacedColumn] = []
    x = GUTTER
    for number in (0, *range(max(first, 1), len(columns))):
        width = min(widths[0], max(available * 2 // 5, _NARROWEST_CUT_TEXT)) if number == 0 else widths[number]
        rest = available - x
        if width > rest:
            if columns[number].kind == "text" and rest >= _NARROWEST_CUT_TEXT:
                placed.append(PlacedColumn(number, x, rest))
            break
        placed.append(PlacedColumn(number, x, width))
        x += width + GAP
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
