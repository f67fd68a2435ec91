"""A row of numbers as one line of bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from profkit.tui.charts.bar_text import UPRIGHT

# From the lowest that is seen: a known 0 is no gap.
_BARS = UPRIGHT[1:]
_GAP = " "


def sparkline(values: Sequence[float], cells: int = 40) -> str:
    """Give one bar a value, from zero to the largest; of more values than cells the largest of each part.

    A value that is not known (NaN) is a gap; a part is one only if none of its values is known.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) > cells:
        starts = np.arange(cells) * len(numbers) // cells
        numbers = np.fmax.reduceat(numbers, starts)
    known = numbers[np.isfinite(numbers)]
    top = float(known.max()) if len(known) else 0.0
    if top <= 0:
        return "".join(_GAP if np.isnan(number) else _BARS[0] for number in numbers)
    levels = np.nan_to_num(np.clip(numbers, 0, top) / top * (len(_BARS) - 1)).round().astype(np.int64)
    return "".join(_GAP if np.isnan(number) else _BARS[level] for number, level in zip(numbers, levels, strict=True))
