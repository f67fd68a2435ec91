"""Alignment that obeys the user's hints: pairs are placed first, and no group spans modules that are said to differ."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.aligner import Aligner
from profkit.correlate.executions import StepPair
from profkit.correlate.hint_labels import HintedRows
from profkit.correlate.placement import (
    HINTED_MODULE,
    HINTED_PAIR,
    NO_COUNTERPART,
    Placement,
    Rows,
    StepRows,
    keep_two_sided,
)
from profkit.correlate.units import top_level_rows

Bools = npt.NDArray[np.bool_]


class HintedAligner:
    """Aligns as another aligner does, but for what the user says.

    Args:
        inner: Aligns what no hint is about.
        hinted: The hints, left and right as the inner aligner has them.
    """

    def __init__(self, inner: Aligner, hinted: HintedRows) -> None:
        self._inner = inner
        self._hinted = hinted

    def rows(self, pair: StepPair) -> StepRows:
        """Give the rows of one pair of steps."""
        return self._inner.rows(pair)

    def sequence(self, rows: StepRows) -> tuple[Hashable, Hashable]:
        """Give what pairs of steps share that align alike; which hints apply depends on both sides."""
        left, right = self._inner.sequence(rows)
        labels = tuple(
            tuple(its[side][part].tolist())
            for its in (self._hinted.pairs, self._hinted.modules)
            for side, part in enumerate((rows.left, rows.right))
        )
        return (left, labels), (right, labels)

    def align(self, rows: StepRows) -> tuple[Placement, Placement, int]:
        """Place the rows of one step; the work of a hint has the number of its first left row behind all others."""
        pairs = list(self._paired(rows))
        free = [
            ~np.isin(part, np.concatenate([part[:0], *(pair[side] for pair in pairs)]))
            for side, part in enumerate((rows.left, rows.right))
        ]
        left, right, count = self._inner.align(self._narrowed(rows, free[0], free[1]))
        left, right = _spread(left, rows.left), _spread(right, rows.right)
        for left_rows, right_rows in pairs:
            _join(left, right, left_rows, right_rows, count, HINTED_PAIR)
        self._keep_to_modules(rows, left, right, count)
        keep_two_sided(left, right)
        return left, right, count + len(rows.left)

    def _paired(self, rows: StepRows) -> Iterator[tuple[Rows, Rows]]:
        """Give the rows that belong together; where one side has more, each of the other has as many in a row."""
        labels = self._hinted.pairs
        for number in range(len(self._hinted.hints.pairs)):
            left = rows.left[labels[0][rows.left] == number]
            right = rows.right[labels[1][rows.right] == number]
            if pairs_up(len(left), len(right)):
                parts = min(len(left), len(right))
                yield from zip(np.split(left, parts), np.split(right, parts), strict=True)

    def _narrowed(self, rows: StepRows, left: Bools, right: Bools) -> StepRows:
        """Give a part of a step; an operator on the host is in it unless all that it launched is not."""
        ops = self._hinted.ops[0]
        kept, gone = rows.left[left], rows.left[~left]
        if (ops["level"].to_numpy()[gone] == "device").any():
            top, launcher = top_level_rows(ops), ops["launcher"].to_numpy()
            launched = [top[launcher[part][launcher[part] >= 0]] for part in (gone, kept)]
            gone = np.setdiff1d(launched[0], launched[1])
        return StepRows(kept, rows.right[right], rows.left_host[~np.isin(rows.left_host, gone)])

    def _keep_to_modules(self, rows: StepRows, left: Placement, right: Placement, count: int) -> None:
        """Align anew, within their modules, the rows of renamed modules that went to another module or to nothing."""
        ours, theirs = (its[part] for its, part in zip(self._hinted.modules, (rows.left, rows.right), strict=True))
        if not (ours >= 0).any() or not (theirs >= 0).any():
            return
        _let_go(right, self._strays(left, right, ours, theirs))
        _let_go(left, (left.unit >= 0) & ~np.isin(left.unit, right.unit))
        for label in np.intersect1d(ours[ours >= 0], theirs[theirs >= 0]):
            free_left, free_right = (ours == label) & (left.unit < 0), (theirs == label) & (right.unit < 0)
            if not free_left.any() or not free_right.any():
                continue
            placed = self._inner.align(self._narrowed(rows, free_left, free_right))[:2]
            for unit in np.unique(placed[0].unit[placed[0].unit >= 0]):
                left_rows, right_rows = (one.rows[one.unit == unit] for one in placed)
                _join(left, right, left_rows, right_rows, count, HINTED_MODULE)

    def _strays(self, left: Placement, right: Placement, ours: Rows, theirs: Rows) -> Bools:
        """Say which right rows stand in a unit of another module than theirs; what is not known is no contradiction."""
        known = self._hinted.ops[1]["module"].notna().to_numpy()[right.rows]
        paired = np.isin(right.reason, [HINTED_PAIR])
        labels = pd.Series(ours[left.unit >= 0], index=left.unit[left.unit >= 0]).groupby(level=0).agg(["min", "max"])
        of_unit = labels.reindex(right.unit).fillna(-1).to_numpy(dtype=np.int64)
        differs = (of_unit != theirs[:, None]).all(axis=1)
        return (right.unit >= 0) & known & ~paired & differs


def pairs_up(left: int, right: int) -> bool:
    """Say whether so many executions of either side pair: each has one, or the same number, of the other."""
    return left > 0 and right > 0 and max(left, right) % min(left, right) == 0


def _spread(placement: Placement, rows: Rows) -> Placement:
    """Give the placement of all rows; what the inner aligner was not given is nowhere yet."""
    place = {int(row): at for at, row in enumerate(placement.rows)}
    at = [place.get(int(row), -1) for row in rows]
    unit = np.append(placement.unit, -1)[at].astype(np.int64)
    candidates = np.append(placement.candidates, -1)[at].astype(np.int64)
    return Placement(rows, unit, [placement.reason[one] if one >= 0 else HINTED_PAIR for one in at], candidates)


def _let_go(placement: Placement, rows: Bools) -> None:
    placement.unit[rows] = -1
    for at in np.flatnonzero(rows):
        placement.reason[at] = NO_COUNTERPART


def _join(left: Placement, right: Placement, left_rows: Rows, right_rows: Rows, count: int, reason: str) -> None:
    """Make one unit of rows, numbered by the place of its first left row."""
    at = [np.flatnonzero(np.isin(side.rows, rows)) for side, rows in ((left, left_rows), (right, right_rows))]
    for side, places in zip((left, right), at, strict=True):
        side.unit[places] = count + at[0][0]
        side.candidates[places] = -1
        for place in places:
            side.reason[place] = reason
