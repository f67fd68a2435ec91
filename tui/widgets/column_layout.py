"""Which columns of a table stand where, at a given width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profkit.tui.widgets.table_column import Kind, TableColumn, Width

GUTTER = 2
WIDE_COLUMNS = 100
"""From so many cells on there is room to set things side by side, and for two blanks between columns."""
_NARROWEST_CUT_TEXT = 6
# What is made narrower first, and down to what: a verdict has its glyph before the word.
_SHRINKING: tuple[tuple[Kind, int], ...] = (("text", 20), ("verdict", 10), ("text", 14), ("verdict", 7), ("text", 9))


@dataclass(frozen=True)
class PlacedColumn:
    """A column in sight: its number, its first cell and its width."""

    column: int
    x: int
    width: int


def gap_of(available: int) -> int:
    """Give the blanks between two columns of a table of this width."""
    return 2 if available >= WIDE_COLUMNS else 1


def fitted_widths(columns: Sequence[TableColumn], widths: Sequence[Width], available: int) -> tuple[int, ...]:
    """Make the essential columns stand side by side, if they can, and use the room that is left.

    Where room is scarce, texts and verdicts become narrower, the widest first; where there is more than the essential
    columns take, cut texts among them become wider, the first before the others. The first column takes at most half
    of the table.

    Args:
        columns: The columns of the table.
        widths: Their widths, in cells.
        available: Width of the table, in cells.
    """
    fitted = [width.usual for width in widths]
    most = max(available // 2, _NARROWEST_CUT_TEXT)
    if fitted:
        fitted[0] = min(fitted[0], most)
    essential = [number for number, column in enumerate(columns) if column.is_essential]
    gap = gap_of(available)
    free = available - GUTTER - sum(fitted[number] + gap for number in essential) + gap
    for kind, narrowest in _SHRINKING:
        own = [number for number in essential if columns[number].kind == kind]
        free += _shrink(fitted, own, max(-free, 0), [max(narrowest, columns[number].min_width) for number in own])
    for number in essential:
        if columns[number].kind == "text" and free > 0:
            full = widths[number].full if number else min(widths[0].full, most)
            more = min(free, max(full - fitted[number], 0))
            fitted[number] += more
            free -= more
    return tuple(fitted)


def _shrink(fitted: list[int], own: Sequence[int], excess: int, narrowest: Sequence[int]) -> int:
    """Take up to `excess` cells from the own columns, the widest first; give how many were taken."""
    least = dict(zip(own, narrowest, strict=True))
    for taken in range(excess):
        wide = [number for number in own if fitted[number] > least[number]]
        if not wide:
            return taken
        fitted[max(wide, key=lambda number: fitted[number])] -= 1
    return excess


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
            if columns[number].kind == "text" and rest >= max(_NARROWEST_CUT_TEXT, columns[number].min_width):
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
