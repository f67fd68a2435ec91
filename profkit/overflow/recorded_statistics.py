"""Statistics that a dump recorded of tensors, in place of their values or beside them.

What they tell of NaN and Inf differs by writer: up to MindSpore 2.3 the extremes leave both out and only counts tell;
since 2.4 a NaN makes every statistic NaN; msprobe on MindSpore's CPU gives finite extremes beside a NaN mean. The
parsers sum it up in the column `nonfinite`.
"""

from __future__ import annotations

import math

import pandas as pd

_FIGURES = ("max", "min", "mean", "norm")
_COUNTS = ("nan_count", "pos_inf_count", "neg_inf_count")


class RecordedStatistics:
    """The recorded statistics of a tensors frame, by row."""

    def __init__(self, tensors: pd.DataFrame) -> None:
        """Take the columns of a valid tensors frame with a RangeIndex."""
        self._nonfinite = [None if pd.isna(flag) else bool(flag) for flag in tensors["nonfinite"]]
        self._figures = {name: tensors[name].tolist() for name in _FIGURES}
        self._counts = {name: [None if pd.isna(n) else int(n) for n in tensors[name]] for name in _COUNTS}
        self._described = [
            None if pd.isna(shape) or pd.isna(dtype) else f"{dtype}[{shape}]"
            for shape, dtype in zip(tensors["shape"], tensors["dtype"], strict=True)
        ]
        self._recorded_digest = [None if pd.isna(text) else str(text) for text in tensors["digest"]]

    def nonfinite(self, row: int) -> bool | None:
        """Tell whether the tensor holds NaN or Inf; None if the statistics do not tell."""
        flag = self._nonfinite[row]
        if any(math.isinf(self._figures[name][row]) for name in ("max", "min", "mean")) or any(self.counts(row)):
            return True
        return flag

    def has_no_nan(self, row: int) -> bool:
        """Tell whether what is not finite is Inf: by the counts, or by an extreme that a NaN would have taken."""
        nan = self.counts(row)[0]
        return nan == 0 if nan is not None else bool(self.inf_signs(row))

    def inf_signs(self, row: int) -> set[int]:
        """Give the signs of the Inf elements: by the counts, else by the extremes, of which those of Inf are not kept.

        Without counts, an unknown extreme beside a known one is Inf: a NaN makes both unknown.
        """
        nan, pos_inf, neg_inf = self.counts(row)
        if pos_inf is not None or neg_inf is not None:
            return {sign for sign, number in ((1, pos_inf), (-1, neg_inf)) if number}
        ends = {-1: self._figures["min"][row], 1: self._figures["max"][row]}
        infinite = {int(math.copysign(1, end)) for end in ends.values() if math.isinf(end)}
        unknown = {sign for sign, end in ends.items() if math.isnan(end)}
        return infinite or (unknown if len(unknown) == 1 and nan is None else set())

    def counts(self, row: int) -> tuple[int | None, int | None, int | None]:
        """Give the numbers of NaN, +Inf and -Inf elements; None where not told."""
        nan, pos_inf, neg_inf = (self._counts[name][row] for name in _COUNTS)
        return nan, pos_inf, neg_inf

    def span(self, row: int) -> tuple[float, float]:
        """Give the least and the largest value; NaN where not told, or not finite."""
        low, high = (self._figures[name][row] for name in ("min", "max"))
        return low if math.isfinite(low) else math.nan, high if math.isfinite(high) else math.nan

    def magnitude(self, row: int) -> float:
        """Give the largest magnitude; NaN if not told."""
        return max(abs(end) for end in self.span(row)) if not any(map(math.isnan, self.span(row))) else math.nan

    def norm(self, row: int) -> float:
        """Give the L2 norm; NaN if not told."""
        norm: float = self._figures["norm"][row]
        return norm

    def likeness(self, row: int) -> bytes | None:
        """Give what equal tensors have in common: a recorded digest, else shape, dtype and all statistics."""
        digest, described = self._recorded_digest[row], self._described[row]
        if digest is not None:
            return digest.encode()
        if self._nonfinite[row] is None or described is None:
            return None
        figures = [repr(self._figures[name][row]) for name in _FIGURES]
        return "|".join([described, *figures, *map(str, self.counts(row))]).encode()
