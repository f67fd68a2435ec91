"""Which rows of a frame are shown, and in what order: a filter and a sort give an array of row numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.tui.row_filter import Mask
from profkit.tui.widgets.table_column import TableColumn


@dataclass(frozen=True)
class Sort:
    """By which column rows are sorted.

    Attributes:
        column: The column.
        descending: Largest or worst first.
    """

    column: TableColumn
    descending: bool

    @classmethod
    def next_of(cls, current: Sort | None, column: TableColumn) -> Sort | None:
        """Give what sorting by a column once more means: its natural direction, the other one, then none."""
        natural = column.kind != "text"
        if current is None or current.column != column:
            return cls(column, natural)
        return cls(column, not natural) if current.descending == natural else None


def arranged(frame: pd.DataFrame, shown: npt.NDArray[np.bool_] | None, sort: Sort | None) -> npt.NDArray[np.intp]:
    """Give the rows to show, in order.

    Args:
        frame: The rows.
        shown: Which rows pass the filter; None shows all.
        sort: None keeps the order of the frame. Equal rows keep that order too; unknown values come last either way.
    """
    rows = np.arange(len(frame), dtype=np.intp) if shown is None else np.flatnonzero(shown)
    if sort is None or not len(rows):
        return rows
    keys = _sort_keys(frame[sort.column.name].iloc[rows], sort.column).reset_index(drop=True)
    keys = keys.sort_values(ascending=not sort.descending, kind="stable", na_position="last")
    return rows[keys.index.to_numpy()]


def _sort_keys(values: pd.Series[Any], column: TableColumn) -> pd.Series[Any]:
    if column.kind == "verdict":
        weights = {value: verdict.weight for value, verdict in column.verdicts.items()}
        return values.map(weights).astype("float64")
    if isinstance(values.dtype, pd.CategoricalDtype):
        # The order of categories is the order in which a parser met them; a reader expects the alphabet.
        categories = np.asarray(values.cat.categories.astype(str), dtype=object)
        alphabetical = np.empty(len(categories) + 1)
        alphabetical[np.argsort(categories, kind="stable")] = np.arange(len(categories))
        alphabetical[-1] = np.nan
        return pd.Series(alphabetical[values.cat.codes.to_numpy()])
    return values


def below_folded(depth: npt.NDArray[np.int64], folded: Mask) -> Mask:
    """Tell which rows of a tree, given in the order of a walk, lie below a folded one."""
    hidden = np.zeros(len(depth), dtype=np.bool_)
    end = 0
    for row in np.flatnonzero(folded):
        if row < end:
            continue
        after = np.flatnonzero(depth[row + 1 :] <= depth[row])
        end = row + 1 + int(after[0]) if len(after) else len(depth)
        hidden[row + 1 : end] = True
    return hidden
