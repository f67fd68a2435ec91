"""The values of a compared pair, read again from its files: how their differences are spread, and the worst ones."""

from __future__ import annotations

from typing import Any

import pandas as pd
from textual.content import Content

from profkit.compare.comparison import opener_of
from profkit.compare.difference_histogram import difference_histogram
from profkit.compare.worst_elements import worst_elements
from profkit.errors import ProfkitError
from profkit.report.quantities import count, number
from profkit.session import Session
from profkit.tui.detail_text import DetailText

_BAR_CELLS = 30
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def pair_values(session: Session, row: pd.Series[Any]) -> Content:
    """Give the histogram of the differences of a pair and its worst elements.

    Args:
        session: The session, which knows where its files lie.
        row: A row of its frame `parity`.

    Raises:
        ProfkitError: A side has no file, the file cannot be read any more, or the two have no differences.
    """
    a, b = (_opened(session, row, side) for side in ("a", "b"))
    try:
        histogram, worst = difference_histogram(a, b), worst_elements(a, b)
    except ValueError as error:
        raise ProfkitError(str(error), "only tensors of one shape and kind of number are subtracted") from error
    text = DetailText().heading("Pair").field("a", row["name_a"]).field("b", row["name_b"])
    text.heading(f"|a-b| of {count(histogram['count'].sum())} of {count(a.size)} elements, finite on both sides")
    most = max(int(histogram["count"].max()), 1)
    for low, high, found in histogram.itertuples(index=False):
        label = "equal" if high == 0 else f"{low:.2e} to {high:.2e}"
        text.field(label.rjust(21), f"{_bar(found / most)} {count(found)}")
    text.heading(f"The {count(len(worst))} elements that differ most" if len(worst) else "All elements are equal")
    for index, of_a, of_b, difference in worst.itertuples(index=False):
        text.field(str(list(index)), f"a {number(of_a)}  b {number(of_b)}  |a-b| {number(difference)}")
    return text.content()


def _opened(session: Session, row: pd.Series[Any], side: str) -> Any:
    path = row[f"path_{side}"]
    opener = opener_of(path if pd.isna(path) else str(session.file(path)), row[f"member_{side}"])
    if opener is None:
        raise ProfkitError(f"no values of side {side} were recorded for this row", "dump tensors, not statistics alone")
    return opener()


def _bar(share: float) -> str:
    """Give a bar; an amount that is not zero is always seen."""
    eighths = max(round(share * _BAR_CELLS * 8), 1 if share > 0 else 0)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()).ljust(_BAR_CELLS)
