"""Is the difference of one pair rounding, a fault, or more than the precision can decide?

With e the relative L2 difference, up the largest e upstream and u the unit roundoff, a tensor diverges where
e > 4k * max(8u, up). Not the size of e decides but its jump: clean error grows with depth, a fault jumps. k is 1, or
the amplification of a softmax. The largest single difference is held against the same scale, so that one wrong element
among a million does not drown. precision.toml has the figures and their source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from profkit.compare.comparison import Comparison, Tolerance
from profkit.compare.metrics import Metrics
from profkit.compare.precision import Precision, coarser, held_precision, rule
from profkit.compare.sharpness import softmax_amplification
from profkit.compare.statistics_gap import StatisticsGap
from profkit.errors import UnreadableInputError


@dataclass(frozen=True)
class Difference:
    """How far a pair is apart, in two measures without unit.

    Attributes:
        e: |a-b|2 / |a|2.
        peak: Largest |a-b| / largest |a|.
    """

    e: float = 0.0
    peak: float = 0.0


@dataclass(frozen=True)
class Scale:
    """The largest differences upstream that were no divergence."""

    e: float = 0.0
    peak: float = 0.0

    def widened(self, difference: Difference) -> Scale:
        """Give the scale with one more difference upstream."""
        return Scale(max(self.e, difference.e), max(self.peak, difference.peak))


@dataclass(frozen=True)
class Finding:
    """The answer for one pair.

    Attributes:
        status: One of schema.PARITY_STATUS.
        reason: One sentence.
        diverges: Whether the networks differ here by more than rounding.
        judged: Whether floating-point values were held against each other; else the pair tells nothing of what
            is downstream.
        difference: How far the two are apart.
        dtypes: The dtypes it was judged by: those the values were computed in, as far as their bits show it.
    """

    status: str
    reason: str
    diverges: bool = False
    judged: bool = False
    difference: Difference = field(default_factory=Difference)
    dtypes: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Yardstick:
    """What a difference is held against.

    Attributes:
        limit: The jump that is no rounding any more.
        scale: What was upstream.
        tolerance: The user's limits, which then decide alone.
        sibling_rms: Largest root mean square among the tensors of its module, for gradients; else 0.
        kink: Relative difference that a flipped ReLU or max-pool may leave, for gradients behind one; else 0.
    """

    limit: float
    scale: Scale = field(default_factory=Scale)
    tolerance: Tolerance | None = None
    sibling_rms: float = 0.0
    kink: float = 0.0


def decide(comparison: Comparison, yardstick: Yardstick) -> Finding:
    """Decide one pair."""
    settled, metrics = comparison.settled, comparison.metrics
    if settled is not None:
        return Finding(settled.status, settled.reason, diverges=settled.diverges)
    if comparison.gap is not None:
        return _by_statistics(comparison, comparison.gap, yardstick)
    if metrics is None or metrics.elements == 0:
        return Finding("undecidable", "Both are empty: there is nothing to compare.")
    if not metrics.non_finite_agree:
        finding = Finding("mismatch", _non_finite_differs(comparison, metrics), diverges=True)
    elif metrics.compared == 0 and not _counts_non_finite(yardstick):
        return Finding("undecidable", f"No element is finite: {_non_finite_counts(metrics)} on both sides.")
    else:
        finding = _by_values(comparison, metrics, yardstick)
    if not finding.diverges:
        return _with_reservations(comparison, metrics, finding, yardstick)
    return _with_doubt(comparison, finding)


def _counts_non_finite(yardstick: Yardstick) -> bool:
    return yardstick.tolerance is not None and yardstick.tolerance.equal_nan


def _with_doubt(comparison: Comparison, finding: Finding) -> Finding:
    """Say in which layout a divergence was measured, and withhold it where the two may be no pair."""
    layout = comparison.caveat.sentence if comparison.layout and comparison.caveat else ""
    reason = " ".join(filter(None, [layout, finding.reason, comparison.remark]))
    if comparison.sure:
        return replace(finding, reason=reason)
    doubt = "The two were paired by order, shape or module path only, so they may not be the same tensor."
    return Finding("undecidable", f"{reason} {doubt}")


def _with_reservations(comparison: Comparison, metrics: Metrics, finding: Finding, yardstick: Yardstick) -> Finding:
    """Withhold the match from values that agree but are not finite, or come in another dtype or shape."""
    if metrics.compared < metrics.elements:
        counts = _non_finite_counts(metrics)
        if _counts_non_finite(yardstick):
            return replace(finding, reason=f"{finding.reason} Both hold {counts} at the same places.")
        reason = f"Both hold {counts} at the same places, which proves nothing. {finding.reason}"
        return replace(finding, status="undecidable", reason=reason)
    if comparison.caveat is not None:
        reason = f"{comparison.caveat.sentence} {finding.reason}"
        return replace(finding, status=comparison.caveat.status, reason=reason)
    return replace(finding, status="dtype") if finding.dtypes[0] != finding.dtypes[1] else finding


def _by_values(comparison: Comparison, metrics: Metrics, yardstick: Yardstick) -> Finding:
    precision = coarser(*comparison.dtypes)
    if yardstick.tolerance is not None:
        status, reason = _by_tolerance(comparison, metrics, yardstick.tolerance)
    elif metrics.max_abs == 0:
        status, reason = "match", f"All {metrics.compared:,} finite elements are equal."
    elif precision is None:
        status, reason = "mismatch", _integers_differ(comparison, metrics)
    else:
        return _by_rounding(comparison, metrics, precision, yardstick)
    return Finding(
        status,
        reason,
        diverges=status == "mismatch",
        judged=precision is not None,
        difference=_difference(metrics),
        dtypes=comparison.dtypes,
    )


def _by_statistics(comparison: Comparison, gap: StatisticsGap, yardstick: Yardstick) -> Finding:
    """Decide by statistics: they bound the difference from below, so that they can show a fault and no agreement."""
    precision = coarser(*comparison.dtypes)
    roundoff = precision.roundoff if precision is not None else 0.0
    floor = max(rule().floor_units * roundoff, rule().statistics_floor)
    tolerance = yardstick.tolerance
    if tolerance is not None:
        excess = gap.peak / max(tolerance.rtol, floor)
    else:
        overall = gap.e / (yardstick.limit * max(floor, yardstick.scale.e))
        single = gap.peak / (rule().element_jump * max(floor, yardstick.scale.peak))
        excess = max(overall, single)
    if excess > 1:
        reason = f"{gap.sentence}; that is {excess:.3g} times what rounding may leave."
        status, diverges = ("mismatch", True) if comparison.sure else ("undecidable", False)
        return Finding(status, reason, diverges, judged=True, dtypes=comparison.dtypes)
    difference = Difference(gap.e, gap.peak)
    if gap.suffices and gap.e == gap.peak == 0 and comparison.caveat is None:
        reason = f"{gap.sentence}: equal, and they leave no other values."
        return Finding("match", reason, judged=True, difference=difference, dtypes=comparison.dtypes)
    reason = f"{gap.sentence}; they agree, but the elements themselves were not kept to be compared."
    if comparison.caveat is not None:
        return Finding(comparison.caveat.status, f"{comparison.caveat.sentence} {reason}", dtypes=comparison.dtypes)
    return Finding("undecidable", reason, judged=True, difference=difference, dtypes=comparison.dtypes)


def _difference(metrics: Metrics) -> Difference:
    if metrics.max_abs == 0:
        return Difference()
    return Difference(metrics.rel_l2, metrics.max_abs / metrics.peak_a if metrics.peak_a else math.inf)


def _by_tolerance(comparison: Comparison, metrics: Metrics, tolerance: Tolerance) -> tuple[str, str]:
    outside = metrics.compared - round(metrics.close_ratio * metrics.elements)
    if outside == 0:
        return "match", f"All {metrics.compared:,} finite elements agree within {tolerance}."
    share = f"{outside:,} of {metrics.compared:,} finite elements differ by more than {tolerance}"
    return "mismatch", f"{share}; {_largest(comparison, metrics)}."


def _integers_differ(comparison: Comparison, metrics: Metrics) -> str:
    different = metrics.compared - round(metrics.close_ratio * metrics.elements)
    return f"{different:,} of {metrics.compared:,} integers differ; {_largest(comparison, metrics)}."


def _by_rounding(comparison: Comparison, metrics: Metrics, precision: Precision, yardstick: Yardstick) -> Finding:
    difference, dtypes, note, gain = _difference(metrics), comparison.dtypes, "", 1.0
    excess = _excess(difference, precision, yardstick)
    noise = excess > 1 and _is_noise_of_nothing(metrics, precision, yardstick)
    if excess > 1 and not noise:
        dtypes, precision, gain, note = _second_look(comparison, precision)
        excess = _excess(difference, precision, yardstick)
    figures = _figures(comparison, metrics, precision, yardstick, gain)
    if noise:
        status = "undecidable"
        remark = f" Both are rounding noise beside the {yardstick.sibling_rms:.3g} of their module: the gradient is 0."
    elif excess <= gain:
        status, remark = _within_rounding(difference, precision)
    elif difference.e <= yardstick.kink:
        status = "undecidable"
        remark = " A fault, or a ReLU or max-pool that rounding sent to the other side of its kink: both do this."
    else:
        status, remark = "mismatch", ""
    return Finding(
        status,
        f"{figures}{remark}{note}",
        diverges=status == "mismatch",
        judged=True,
        # Noise around 0 and a flipped ReLU are no measure of the rounding upstream of others.
        difference=difference if excess <= gain or status == "mismatch" else Difference(),
        dtypes=dtypes,
    )


def _is_noise_of_nothing(metrics: Metrics, precision: Precision, yardstick: Yardstick) -> bool:
    """Say whether a gradient is 0 but for rounding (a bias before a BatchNorm): its relative difference is anything."""
    floor = max(rule().floor_units * precision.roundoff, yardstick.scale.e)
    return max(metrics.rms_a, metrics.rms_b) < rule().noise_ratio * floor * yardstick.sibling_rms


def _excess(difference: Difference, precision: Precision, yardstick: Yardstick) -> float:
    """Give by how much the worse of the two measures exceeds its limit; up to 1 is rounding."""
    floor = rule().floor_units * precision.roundoff
    overall = difference.e / (yardstick.limit * max(floor, yardstick.scale.e))
    single = difference.peak / (rule().element_jump * max(floor, yardstick.scale.peak))
    return max(overall, single)


def _within_rounding(difference: Difference, precision: Precision) -> tuple[str, str]:
    if not precision.decides:
        hidden = rule().floor_units * precision.roundoff
        return "undecidable", f" {precision.dtype} cannot tell a fault below about {hidden:.1g} from its rounding."
    if difference.e > rule().drift_units * precision.roundoff:
        return (
            "undecidable",
            " It grew to this size without a jump: accumulated rounding or a fault, both are possible.",
        )
    return "match", ""


def _second_look(comparison: Comparison, precision: Precision) -> tuple[tuple[str, str], Precision, float, str]:
    """Look for what excuses a large difference: values computed in a narrower dtype, or the output of a softmax.

    Returns:
        The dtypes the values were computed in, the coarser precision of the two, the amplification, and a remark.
    """
    dtypes = comparison.dtypes
    left, right = comparison.a, comparison.b
    if left is None or right is None or left.open is None or right.open is None:
        return dtypes, precision, 1.0, ""
    try:
        a, b = left.open(), right.open()
    except UnreadableInputError:
        return dtypes, precision, 1.0, ""
    held = held_precision(a) or dtypes[0], held_precision(b) or dtypes[1]
    notes = [
        f" All values of {side} are {new} numbers held in {old}."
        for side, new, old in zip("AB", held, dtypes, strict=True)
        if new != old
    ]
    precision = coarser(*held) or precision
    gain = softmax_amplification(a, precision.roundoff)
    if gain > 1:
        notes.append(f" A softmax over logits this far apart amplifies rounding {gain:.3g} times.")
    return held, precision, gain, "".join(notes)


def _figures(comparison: Comparison, metrics: Metrics, precision: Precision, yardstick: Yardstick, gain: float) -> str:
    floor, upstream = rule().floor_units * precision.roundoff, yardstick.scale.e
    against = "the largest upstream" if upstream > floor else f"what {precision.dtype} leaves of one module"
    return (
        f"Relative L2 difference {metrics.rel_l2:.3g} is {metrics.rel_l2 / max(floor, upstream):.3g} times {against} "
        f"(limit {yardstick.limit * gain:.3g}); {_largest(comparison, metrics)}."
    )


def _largest(comparison: Comparison, metrics: Metrics) -> str:
    return f"largest |a-b| {metrics.max_abs:.3g} at {_place(metrics.worst_index, comparison.tensor.shape)}"


def _place(index: int | None, shape: tuple[int, ...] | None) -> str:
    if index is None or not shape:
        return "the only element"
    return "[" + ", ".join(str(int(i)) for i in np.unravel_index(index, shape)) + "]"


def _non_finite_counts(metrics: Metrics) -> str:
    return f"{metrics.nan_a:,} NaN and {metrics.inf_a:,} Inf"


def _non_finite_differs(comparison: Comparison, metrics: Metrics) -> str:
    return (
        f"NaN or Inf stand at different places or with different signs: A has {metrics.nan_a:,} NaN and "
        f"{metrics.inf_a:,} Inf, B {metrics.nan_b:,} NaN and {metrics.inf_b:,} Inf; "
        f"first at {_place(metrics.worst_index, comparison.tensor.shape)}."
    )
