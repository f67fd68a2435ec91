"""Parity of two sets of tensors: paired, measured and judged into one frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from profkit.compare.comparison import Comparison, Tensor, Tolerance, opener_of
from profkit.compare.measuring import PairToMeasure, measure_pair, measure_pairs
from profkit.compare.pairing import GIVEN, VALUE, pair
from profkit.compare.statistics_gap import Statistics
from profkit.compare.verdict import Verdict, judge
from profkit.errors import ProfkitError
from profkit.parsers.module_renames import ModuleRenames
from profkit.progress import Progress, silent
from profkit.schema import PARITY

AnyArray = NDArray[Any]


def compare_tensors(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    symmetric: bool = True,
    equal_nan: bool = False,
    names: Mapping[str, str] | None = None,
    given: Mapping[int, int] | None = None,
    renames: ModuleRenames | None = None,
    pair_by: Sequence[str] | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Compare the tensors of two recordings.

    Args:
        a: A tensors frame, the reference.
        b: A tensors frame.
        rtol: Relative tolerance asked of every element; with it or atol given, tolerances decide alone (the absent one
            counts as 0). Without both, the rule of profkit.compare.rounding decides.
        atol: Absolute tolerance asked of every element.
        symmetric: Hold rtol against the larger of |a| and |b|; else against |a|, the reference.
        equal_nan: Take NaN and Inf at the same places for agreement; only with a tolerance.
        names: Name on side B by name on side A, as a weight map gives them.
        given: Row of b by row of a, where the caller knows which belong together.
        renames: Modules that have another name on side B.
        pair_by: Strategies of pairing.STRATEGIES to use, in their own order; None for all.
        workers: Processes that measure; 1 measures in this one.
        progress: Listens, and may cancel.

    Returns:
        A parity frame in forward order, one row a pair and one row a tensor without partner.

    Raises:
        ProfkitError: A tolerance is negative or not finite, or equal_nan stands without one.
        CancelledError: The listener stopped the work.
    """
    tolerance = tolerance_of(rtol, atol, symmetric, equal_nan)
    pairs = pair(a, b, names=names, given=given, renames=renames, strategies=pair_by, progress=progress)
    tensors_a, tensors_b = _tensors(a), _tensors(b)
    columns = (pairs[name].tolist() for name in ("row_a", "row_b", "sure", "paired_by", "note"))
    to_measure = [
        PairToMeasure(
            tensors_a[row_a] if row_a >= 0 else None,
            tensors_b[row_b] if row_b >= 0 else None,
            sure=sure,
            by_value=how == VALUE,
            note=note,
            tolerance=tolerance,
        )
        for row_a, row_b, sure, how, note in zip(*columns, strict=True)
    ]
    return compare_pairs(to_measure, pairs["paired_by"].tolist(), tolerance, workers=workers, progress=progress)


def compare_pairs(
    pairs: Sequence[PairToMeasure],
    paired_by: Sequence[str | None],
    tolerance: Tolerance | None,
    *,
    workers: int = 1,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Measure and judge pairs that are known already.

    Args:
        pairs: In forward order.
        paired_by: How each was paired; None for one without a partner.
        tolerance: From tolerance_of.
        workers: Processes that measure; 1 measures in this one.
        progress: Listens, and may cancel.

    Returns:
        A parity frame of one row a pair, in their order.

    Raises:
        CancelledError: The listener stopped the work.
    """
    comparisons: list[Comparison] = []
    for comparison in measure_pairs(pairs, workers):
        comparisons.append(comparison)
        progress("comparing", comparison.tensor.label, len(comparisons) / len(pairs))
    return judged(comparisons, paired_by, tolerance)


def judged(
    comparisons: Sequence[Comparison], paired_by: Sequence[str | None], tolerance: Tolerance | None = None
) -> pd.DataFrame:
    """Give the parity frame of pairs that were measured, in their order."""
    return _parity_frame(comparisons, judge(comparisons, tolerance), paired_by)


def compare_arrays(
    a: AnyArray,
    b: AnyArray,
    name_a: str = "a",
    name_b: str = "b",
    *,
    rtol: float | None = None,
    atol: float | None = None,
    symmetric: bool = True,
) -> pd.DataFrame:
    """Compare two arrays.

    Args:
        a: The reference: numbers of any shape; bfloat16 and float8 of ml_dtypes are taken too.
        b: The other side.
        name_a: What to call a.
        name_b: What to call b.
        rtol: As for compare_tensors.
        atol: As for compare_tensors.
        symmetric: As for compare_tensors.

    Returns:
        A parity frame of one row.

    Raises:
        ProfkitError: A tolerance is negative or not finite.
    """
    tolerance = tolerance_of(rtol, atol, symmetric)
    left, right = Tensor(name_a, open=lambda: a), Tensor(name_b, open=lambda: b)
    comparison = measure_pair(PairToMeasure(left, right, tolerance=tolerance))
    return judged([comparison], [GIVEN], tolerance)


def tolerance_of(rtol: float | None, atol: float | None, symmetric: bool, equal_nan: bool = False) -> Tolerance | None:
    """Give the user's limits; None where there are none, so that the rule by dtype and depth decides.

    Raises:
        ProfkitError: One is negative or not finite, or equal_nan stands without one.
    """
    if rtol is None and atol is None:
        if equal_nan:
            raise ProfkitError("equal_nan needs a tolerance to go with", "give rtol or atol as well")
        return None
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value is not None and not 0 <= value < math.inf:
            raise ProfkitError(f"{name} {value} is no tolerance", "give a finite number of 0 or more")
    return Tolerance(rtol or 0.0, atol or 0.0, symmetric, equal_nan)


def _tensors(frame: pd.DataFrame) -> list[Tensor]:
    columns = (frame[name].tolist() for name in ("op", "slot", "io", "dtype", "shape", "path", "member", "digest"))
    numbers = (frame[name].tolist() for name in ("max", "min", "mean", "norm", "nonfinite"))
    statistics = [
        Statistics(largest, smallest, mean, norm, None if pd.isna(nonfinite) else bool(nonfinite))
        for largest, smallest, mean, norm, nonfinite in zip(*numbers, strict=True)
    ]
    return [
        Tensor(
            name=str(op),
            slot=slot,
            io=str(io),
            dtype=None if pd.isna(dtype) else str(dtype),
            shape=None if pd.isna(shape) else tuple(int(dim) for dim in str(shape).split(",") if dim),
            path=None if pd.isna(path) else str(path),
            open=opener_of(path, member),
            statistics=recorded,
            digest=None if pd.isna(digest) else str(digest),
            member=None if pd.isna(member) else str(member),
        )
        for op, slot, io, dtype, shape, path, member, digest, recorded in zip(*columns, statistics, strict=True)
    ]


def _parity_frame(
    comparisons: Sequence[Comparison], verdicts: Sequence[Verdict], paired_by: Sequence[str | None]
) -> pd.DataFrame:
    columns: dict[str, list[Any]] = {
        "status": [verdict.status for verdict in verdicts],
        "first_divergence": [verdict.first_divergence for verdict in verdicts],
        "paired_by": list(paired_by),
        "reason": [verdict.reason for verdict in verdicts],
        "jump": [verdict.jump for verdict in verdicts],
        "io": [comparison.tensor.io for comparison in comparisons],
        "module": [comparison.module for comparison in comparisons],
        "layout": [comparison.layout for comparison in comparisons],
    }
    for side in "ab":
        tensors: list[Tensor | None] = [getattr(comparison, side) for comparison in comparisons]
        columns[f"name_{side}"] = [tensor and tensor.label for tensor in tensors]
        columns[f"dtype_{side}"] = [tensor and tensor.dtype for tensor in tensors]
        columns[f"path_{side}"] = [tensor and tensor.path for tensor in tensors]
        columns[f"member_{side}"] = [tensor and tensor.member for tensor in tensors]
        columns[f"shape_{side}"] = [
            None if tensor is None or tensor.shape is None else ",".join(map(str, tensor.shape)) for tensor in tensors
        ]
    for name in _MEASURES:
        columns[name] = [getattr(comparison.metrics, name, math.nan) for comparison in comparisons]
    for name in _COUNTS:
        counts = [getattr(comparison.metrics, name, None) for comparison in comparisons]
        columns[name] = pd.array(counts, dtype="Int64")  # type: ignore[assignment]
    return PARITY.build(columns)


_MEASURES = (
    "max_abs", "mean_abs", "max_rel", "mean_rel", "rmse", "cosine", "close_ratio", "rel_l2", "l2_ratio",
    "ulp_p50", "ulp_p99", "ulp_max", "peak_a", "peak_b", "rms_a", "rms_b",
)  # fmt: skip
_COUNTS = ("nan_a", "nan_b", "inf_a", "inf_b", "first_index", "worst_index")
