"""Parity of two sets of tensors: paired, measured and judged into one frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from profkit.compare.comparison import Caveat, Comparison, Settled, Tensor, Tolerance
from profkit.compare.element_distance import number_kind
from profkit.compare.metrics import measure
from profkit.compare.pairing import pair
from profkit.compare.precision import coarser
from profkit.compare.verdict import Verdict, judge
from profkit.errors import ProfkitError, UnreadableInputError
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.progress import Progress, silent
from profkit.schema import PARITY

AnyArray = NDArray[Any]


def compare_tensors(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Compare the tensors of two recordings.

    Args:
        a: A tensors frame, the reference.
        b: A tensors frame.
        rtol: Relative tolerance asked of every element; with it or atol given, tolerances decide alone (the absent one
            counts as 0). Without both, the rule of profkit.compare.rounding decides.
        atol: Absolute tolerance asked of every element.
        progress: Listens, and may cancel.

    Returns:
        A parity frame in forward order, one row a pair and one row a tensor without partner.

    Raises:
        ProfkitError: A tolerance is negative or not finite.
        CancelledError: The listener stopped the work.
    """
    tolerance = _tolerance(rtol, atol)
    pairs = pair(a, b)
    tensors_a, tensors_b = _tensors(a), _tensors(b)
    comparisons: list[Comparison] = []
    columns = (pairs[name].tolist() for name in ("row_a", "row_b", "sure", "note"))
    for done, (row_a, row_b, sure, note) in enumerate(zip(*columns, strict=True), start=1):
        left = tensors_a[row_a] if row_a >= 0 else None
        right = tensors_b[row_b] if row_b >= 0 else None
        comparisons.append(_compare(left, right, tolerance, sure=sure, note=note))
        progress("comparing", comparisons[-1].tensor.label, done / len(pairs))
    return _parity_frame(comparisons, judge(comparisons, tolerance), pairs["paired_by"].tolist())


def compare_arrays(
    a: AnyArray,
    b: AnyArray,
    name_a: str = "a",
    name_b: str = "b",
    *,
    rtol: float | None = None,
    atol: float | None = None,
) -> pd.DataFrame:
    """Compare two arrays.

    Args:
        a: The reference.
        b: The other side.
        name_a: What to call a.
        name_b: What to call b.
        rtol: As for compare_tensors.
        atol: As for compare_tensors.

    Returns:
        A parity frame of one row.

    Raises:
        ProfkitError: A tolerance is negative or not finite.
    """
    tolerance = _tolerance(rtol, atol)
    left, right = Tensor(name_a, open=lambda: a), Tensor(name_b, open=lambda: b)
    comparison = _compare(left, right, tolerance, sure=True, note="")
    return _parity_frame([comparison], judge([comparison], tolerance), ["given"])


def _tolerance(rtol: float | None, atol: float | None) -> Tolerance | None:
    if rtol is None and atol is None:
        return None
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value is not None and not 0 <= value < math.inf:
            raise ProfkitError(f"{name} {value} is no tolerance", "give a finite number of 0 or more")
    return Tolerance(rtol or 0.0, atol or 0.0)


def _tensors(frame: pd.DataFrame) -> list[Tensor]:
    columns = (frame[name].tolist() for name in ("op", "slot", "io", "dtype", "shape", "path", "member"))
    return [
        Tensor(
            name=str(op),
            slot=slot,
            io=str(io),
            dtype=None if pd.isna(dtype) else str(dtype),
            shape=None if pd.isna(shape) else tuple(int(dim) for dim in str(shape).split(",") if dim),
            path=None if pd.isna(path) else str(path),
            open=None if pd.isna(path) else partial(open_tensor, path, None if pd.isna(member) else member),
        )
        for op, slot, io, dtype, shape, path, member in zip(*columns, strict=True)
    ]


def _compare(a: Tensor | None, b: Tensor | None, tolerance: Tolerance | None, *, sure: bool, note: str) -> Comparison:
    """Measure one pair, or say why it cannot be measured."""
    if a is None or b is None:
        return Comparison(a, b, settled=_without_partner(a, b, note))
    if a.open is None or b.open is None:
        side = "A" if a.open is None else "B"
        return Comparison(a, b, settled=Settled("undecidable", f"{side} has no values, at most their statistics."))
    try:
        x, y = a.open(), b.open()
    except UnreadableInputError as error:
        return Comparison(a, b, settled=Settled("unreadable", f"{error.message}."))
    a = replace(a, dtype=a.dtype or x.dtype.name, shape=x.shape)
    b = replace(b, dtype=b.dtype or y.dtype.name, shape=y.shape)
    settled = _settled_by_form(x, y)
    if settled is not None:
        return Comparison(a, b, settled=settled)
    limits = tolerance or _usual_tolerance(a, b)
    metrics = measure(x, y.reshape(x.shape), limits.rtol, limits.atol)
    return Comparison(a, b, metrics, caveat=_caveat(a, b), sure=sure)


def _without_partner(a: Tensor | None, b: Tensor | None, note: str) -> Settled:
    missing, tensor = ("missing_b", a) if b is None else ("missing_a", b)
    assert tensor is not None, "a pair of nothing"
    side = "B" if b is None else "A"
    return Settled(missing, f"{note}." if note else f"Nothing on side {side} belongs to {tensor.label}.")


def _settled_by_form(x: AnyArray, y: AnyArray) -> Settled | None:
    """Give the verdict of two arrays whose values cannot be held against each other."""
    if _without_ones(x.shape) != _without_ones(y.shape):
        return Settled(
            "shape", f"Shape {_text(x.shape)} against {_text(y.shape)}: nothing is broadcast.", diverges=True
        )
    for dtype in (x.dtype, y.dtype):
        if number_kind(dtype) is None:
            return Settled("undecidable", f"Values of dtype {dtype} are not compared.")
    if number_kind(x.dtype) != number_kind(y.dtype):
        return Settled("dtype", f"{x.dtype} against {y.dtype}: numbers of different kinds are not compared.")
    return None


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dim for dim in shape if dim != 1)


def _caveat(a: Tensor, b: Tensor) -> Caveat | None:
    if a.shape != b.shape:
        shapes = f"{_text(a.shape)} against {_text(b.shape)}"
        return Caveat("shape", f"Shape {shapes} differs by axes of length 1 only.")
    if a.dtype != b.dtype:
        return Caveat("dtype", f"{a.dtype} against {b.dtype}.")
    return None


def _usual_tolerance(a: Tensor, b: Tensor) -> Tolerance:
    """Give the tolerance of close_ratio where the user has none: nothing for integers."""
    precision = coarser(a.dtype or "", b.dtype or "")
    return Tolerance(precision.rtol if precision else 0.0, 0.0)


def _text(shape: tuple[int, ...] | None) -> str | None:
    return None if shape is None else f"({','.join(map(str, shape))})"


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
    }
    for side in "ab":
        tensors: list[Tensor | None] = [getattr(comparison, side) for comparison in comparisons]
        columns[f"name_{side}"] = [tensor and tensor.label for tensor in tensors]
        columns[f"dtype_{side}"] = [tensor and tensor.dtype for tensor in tensors]
        columns[f"path_{side}"] = [tensor and tensor.path for tensor in tensors]
        columns[f"shape_{side}"] = [
            None if tensor is None or tensor.shape is None else ",".join(map(str, tensor.shape)) for tensor in tensors
        ]
    for name in _MEASURES:
        columns[name] = [getattr(comparison.metrics, name, math.nan) for comparison in comparisons]
    for name in _COUNTS:
        counts = [getattr(comparison.metrics, name, None) for comparison in comparisons]
        columns[name] = pd.array(counts, dtype="Int64")  # type: ignore[assignment]
    return PARITY.build(columns)


_MEASURES = ("max_abs", "mean_abs", "max_rel", "rmse", "cosine", "close_ratio", "rel_l2")
_COUNTS = ("nan_a", "nan_b", "inf_a", "inf_b")
