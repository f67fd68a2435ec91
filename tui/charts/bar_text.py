"""Bars as text: upright ones side by side, and one that lies in a cell of a table."""

from __future__ import annotations

from collections.abc import Iterable

UPRIGHT = " ▁▂▃▄▅▆▇█"
"""A cell of an upright bar, by the eighths of it that are filled."""

BAR_CELLS = 18

_LOST, _WON = "█", "▒"
_RIGHT_HALF, _LEFT_HALF = "▐", "▌"


def upright_bars(eighths: Iterable[int]) -> str:
    """Draw one line of upright bars, each cell filled by so many eighths (0 to 8)."""
    return "".join(UPRIGHT[eighth] for eighth in eighths)


def bar_text(begin: int, end: int, whole: int, cells: int = BAR_CELLS) -> str:
    """Draw a bar to half a cell; one that leads backwards (time won) has whole cells of another shade.

    Args:
        begin: Where it begins, from 0 to `whole`.
        end: Where it ends; before `begin` for a bar that leads backwards.
        whole: Length of the axis; 0 draws nothing.
        cells: Width of the axis.

    Returns:
        Text of `cells` characters, each one cell wide; a bar that is no 0 takes half a cell at least.
    """
    if whole <= 0 or begin == end:
        return " " * cells
    low, high = sorted((max(begin, 0), max(end, 0)))
    first = min(2 * cells * low // whole, 2 * cells - 1)
    last = min(max(-(-2 * cells * high // whole), first + 1), 2 * cells)
    if end < begin:
        return " " * (first // 2) + _WON * (-(-last // 2) - first // 2) + " " * (cells - -(-last // 2))
    halves = [first <= half < last for half in range(2 * cells)]
    shapes = {(True, True): _LOST, (True, False): _LEFT_HALF, (False, True): _RIGHT_HALF, (False, False): " "}
    return "".join(shapes[left, right] for left, right in zip(halves[::2], halves[1::2], strict=True))
