"""Measuring one pair of tensors, or saying why it cannot be measured; in this process or in several.

Worker processes import this module and nothing that it does not need: no pandas.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.compare.comparison import Caveat, Comparison, Settled, Tensor, Tolerance
from profkit.compare.element_distance import number_kind
from profkit.compare.layouts import Layout, recognised_layout
from profkit.compare.metrics import Metrics, measure
from profkit.compare.precision import coarser, precision_of
from profkit.compare.statistics_gap import Statistics, digest_of, gap_between, statistics_of
from profkit.errors import ProfkitError, UnreadableInputError

AnyArray = NDArray[Any]

# Values this far apart may be the same ones with other axes.
_UNLIKE = 0.1
# Pairs that are handed to the workers ahead of the one that is waited for.
_AHEAD = 4


@dataclass(frozen=True)
class PairToMeasure:
    """Two tensors that belong together, or one without a partner.

    Attributes:
        a, b: The sides; one may be None.
        sure: The two surely are one tensor.
        by_value: They were paired because their sorted values agree.
        note: Why there is no partner, where that is not plain.
        tolerance: The user's limits, None for those by dtype.
    """

    a: Tensor | None
    b: Tensor | None
    sure: bool = True
    by_value: bool = False
    note: str = ""
    tolerance: Tolerance | None = None


def measure_pairs(pairs: Sequence[PairToMeasure], workers: int = 1) -> Iterator[Comparison]:
    """Measure pairs one after the other, or in this many processes; the results come in the order of the pairs.

    Raises:
        ProfkitError: One of the processes was ended from outside.
    """
    if workers <= 1 or len(pairs) < 2:
        yield from map(measure_pair, pairs)
        return
    pool = ProcessPoolExecutor(min(workers, len(pairs)), mp_context=get_context("spawn"))
    try:
        waiting = [pool.submit(measure_pair, pair) for pair in pairs[: _AHEAD * workers]]
        for following in range(len(waiting), len(pairs) + len(waiting)):
            yield waiting.pop(0).result()
            if following < len(pairs):
                waiting.append(pool.submit(measure_pair, pairs[following]))
    except BrokenProcessPool as error:
        raise ProfkitError(
            "a process that compared tensors was ended, by hand or because the memory ran out",
            "compare with --workers 1, which takes less memory",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def measure_pair(pair: PairToMeasure) -> Comparison:
    """Measure one pair, or say why it cannot be measured."""
    a, b = pair.a, pair.b
    if a is None or b is None:
        return Comparison(a, b, settled=_without_partner(a, b, pair.note))
    if a.open is None or b.open is None:
        return _by_record(a, b, pair)
    try:
        x, y = _as_numbers(a.open()), _as_numbers(b.open())
    except UnreadableInputError as error:
        return Comparison(a, b, settled=Settled("unreadable", f"{error.message}."))
    a = replace(a, dtype=a.dtype or x[1], shape=x[0].shape)
    b = replace(b, dtype=b.dtype or y[1], shape=y[0].shape)
    return _by_values(a, b, x[0], y[0], pair)


def _as_numbers(values: AnyArray) -> tuple[AnyArray, str]:
    """Give an array of a dtype that numpy computes with, and the name of its own: ml_dtypes are widened to float32."""
    if values.dtype.kind == "V" and precision_of(values.dtype.name) is not None:
        return values.astype(np.float32), values.dtype.name
    return values, values.dtype.name


def _without_partner(a: Tensor | None, b: Tensor | None, note: str) -> Settled:
    missing, tensor = ("missing_b", a) if b is None else ("missing_a", b)
    assert tensor is not None, "a pair of nothing"
    side = "B" if b is None else "A"
    return Settled(missing, f"{note}." if note else f"Nothing on side {side} belongs to {tensor.label}.")


def _by_values(a: Tensor, b: Tensor, x: AnyArray, y: AnyArray, pair: PairToMeasure) -> Comparison:
    settled = _settled_by_kind(x, y)
    if settled is not None:
        return Comparison(a, b, settled=settled)
    limits = pair.tolerance or _usual_tolerance(a, b)

    def measured(other: AnyArray) -> Metrics:
        return measure(
            x, other, limits.rtol, limits.atol, symmetric=limits.symmetric, dtypes=(a.dtype or "", b.dtype or "")
        )

    if _without_ones(x.shape) != _without_ones(y.shape):
        layout = recognised_layout(x, y)
        if layout is None:
            reason = f"Shape {_text(x.shape)} against {_text(y.shape)}"
            if pair.by_value:
                reason = f"{reason}: the sorted values agree, the order they are laid out in was not recognised."
                return Comparison(a, b, settled=Settled("shape", reason))
            return Comparison(a, b, settled=Settled("shape", f"{reason}: nothing is broadcast.", diverges=True))
        caveat = Caveat("shape", f"Shape {_text(x.shape)} against {_text(y.shape)}: {layout.sentence}.")
        return Comparison(a, b, measured(layout.restored), caveat=caveat, sure=pair.sure, layout=layout.name)
    metrics = measured(y.reshape(x.shape))
    layout = _other_axes(x, y, metrics)
    remark = f"{layout.sentence}: the same values in other places." if layout else ""
    return Comparison(
        a, b, metrics, caveat=_caveat(a, b), sure=pair.sure, layout=layout.name if layout else None, remark=remark
    )


def _other_axes(x: AnyArray, y: AnyArray, metrics: Metrics) -> Layout | None:
    """Find what makes values of one shape differ although they are the same: axes of equal length exchanged."""
    if metrics.rel_l2 > _UNLIKE and x.shape == y.shape and len(set(x.shape)) < x.ndim:
        return recognised_layout(x, y)
    return None


def _settled_by_kind(x: AnyArray, y: AnyArray) -> Settled | None:
    """Give the verdict of two arrays whose values are no numbers of one kind."""
    for dtype in (x.dtype, y.dtype):
        if number_kind(dtype) is None:
            return Settled("undecidable", f"Values of dtype {dtype} are not compared.")
    if _without_ones(x.shape) == _without_ones(y.shape) and number_kind(x.dtype) != number_kind(y.dtype):
        return Settled("dtype", f"{x.dtype} against {y.dtype}: numbers of different kinds are not compared.")
    if number_kind(x.dtype) != number_kind(y.dtype):
        shapes = f"Shape {_text(x.shape)} against {_text(y.shape)}, dtype {x.dtype} against {y.dtype}"
        return Settled("shape", f"{shapes}: nothing is broadcast.", diverges=True)
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


def _by_record(a: Tensor, b: Tensor, pair: PairToMeasure) -> Comparison:
    """Compare what was recorded of tensors whose values were not kept on both sides."""
    if a.shape is not None and b.shape is not None and _without_ones(a.shape) != _without_ones(b.shape):
        reason = f"Shape {_text(a.shape)} against {_text(b.shape)}: nothing is broadcast."
        return Comparison(a, b, settled=Settled("shape", reason, diverges=True))
    try:
        records = [_record_of(a, b.digest), _record_of(b, a.digest)]
    except UnreadableInputError as error:
        return Comparison(a, b, settled=Settled("unreadable", f"{error.message}."))
    left, right = (record.statistics or Statistics() for record in records)
    gap = gap_between(left, right, math.prod(a.shape) if a.shape is not None else None)
    settled = _by_digest(records[0].digest, records[1].digest)
    if settled is None or settled.status == "mismatch":
        settled = _by_finiteness(left, right) or (settled if gap is None else None)
    if settled is None and gap is None:
        side = "A" if a.open is None else "B"
        settled = Settled("undecidable", f"{side} has no values, and nothing else that both sides have was recorded.")
    shapes_known = a.shape is not None and b.shape is not None
    dtypes_known = a.dtype is not None and b.dtype is not None
    caveat = _caveat(a, b) if shapes_known and dtypes_known else None
    if gap is not None and not shapes_known:
        gap = replace(gap, suffices=False)
    return Comparison(a, b, settled=settled, gap=gap, caveat=caveat, sure=pair.sure)


def _record_of(tensor: Tensor, other_digest: str | None) -> Tensor:
    """Add what can be computed of a tensor whose values exist: statistics, and a digest like the other side's."""
    if tensor.open is None:
        return tensor
    values = tensor.open()
    algorithm = (other_digest or "").partition(":")[0]
    as_stored = tensor.dtype is None or tensor.dtype == values.dtype.name
    digest = digest_of(values, algorithm) if as_stored else None
    return replace(tensor, statistics=statistics_of(values), digest=digest)


def _by_digest(a: str | None, b: str | None) -> Settled | None:
    if not a or not b or a.partition(":")[0] != b.partition(":")[0]:
        return None
    algorithm = a.partition(":")[0]
    if a.lower() == b.lower():
        return Settled("match", f"Equal {algorithm} of the bytes; the values were not kept.")
    reason = f"The bytes differ by their {algorithm}; rounding or a fault cannot be told, the values were not kept."
    return Settled("mismatch", reason, diverges=True)


def _by_finiteness(a: Statistics, b: Statistics) -> Settled | None:
    if a.nonfinite is None or b.nonfinite is None or not (a.nonfinite or b.nonfinite):
        return None
    if a.nonfinite and b.nonfinite:
        return Settled("undecidable", "Statistics only: both hold NaN or Inf, which proves nothing.")
    side = "A" if a.nonfinite else "B"
    return Settled("mismatch", f"Statistics only: {side} holds NaN or Inf, the other side none.", diverges=True)
