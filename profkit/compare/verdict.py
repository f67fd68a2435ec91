"""Verdicts over a whole run: each pair in the order of computation, and where the numbers diverge first.

After the first divergence the scale of rounding stays what it was before: what comes later and still agrees is a match,
the rest follows from the divergence, and a second fault downstream cannot be told from it. Gradients are judged from
the loss back, as they are computed, and parameters each by itself. A gradient diverges first only where no output does,
and a parameter only where neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from profkit.compare.comparison import Comparison, Tolerance
from profkit.compare.precision import coarser, rule
from profkit.compare.rounding import Finding, Yardstick, decide


@dataclass(frozen=True)
class Verdict:
    """What became of a pair.

    Attributes:
        status: One of schema.PARITY_STATUS.
        reason: One or more sentences with figures.
        jump: e / max(8u, up); NaN where there is none.
        first_divergence: True for at most one of a judgement.
    """

    status: str
    reason: str
    jump: float = math.nan
    first_divergence: bool = False


@dataclass
class _Course:
    """One direction of computation, and what was seen along it so far.

    Attributes:
        yardstick: What differences are held against; its scale grows up to the first divergence.
        chained: Each is computed from those before. Parameters are not: they stand side by side.
        up: Largest e of all before, diverged or not.
        first: Position of the first divergence; None if there was none.
        follows: Name of the divergence that everything later follows from; "" if there was none.
        seen: Whether any pair could be compared.
        unjudged: How many pairs directly before could not be compared.
    """

    yardstick: Yardstick
    chained: bool = True
    up: float = 0.0
    first: int | None = None
    follows: str = ""
    seen: bool = False
    unjudged: int = 0

    def continued(self, limit: float) -> _Course:
        """Give the course of what is computed from this one's outputs."""
        return _Course(replace(self.yardstick, limit=limit), up=self.up, follows=self.follows)

    def follow(self, comparisons: Sequence[Comparison], positions: Sequence[int]) -> dict[int, Verdict]:
        """Judge the pairs at these positions one after the other."""
        measured = [comparisons[position] for position in positions]
        siblings = _largest_rms_by_module(measured)
        nearest_module = measured[0].module if measured else None
        verdicts = {}
        for position, comparison in zip(positions, measured, strict=True):
            yardstick = self.yardstick
            if comparison.tensor.io == "gradient":
                sibling_rms = siblings.get(comparison.module or "", 0.0)
                # No activation stands between the module nearest the loss and the loss.
                behind_kinks = not self.follows and comparison.module != nearest_module
                kink = rule().gradient_kink if behind_kinks else 0.0
                yardstick = replace(yardstick, sibling_rms=sibling_rms, kink=kink)
            finding = decide(comparison, yardstick)
            verdicts[position] = _verdict(self, comparison, finding)
            self._pass(position, comparison, finding)
        return verdicts

    def _pass(self, position: int, comparison: Comparison, finding: Finding) -> None:
        if finding.diverges and not self.follows:
            self.first, self.follows = position, comparison.tensor.label
        self.unjudged = 0 if finding.judged else self.unjudged + 1
        if finding.judged and self.chained:
            self.seen = True
            self.up = max(self.up, finding.difference.e)
            if not self.follows:
                self.yardstick = replace(self.yardstick, scale=self.yardstick.scale.widened(finding.difference))


def judge(comparisons: Sequence[Comparison], tolerance: Tolerance | None = None) -> list[Verdict]:
    """Give a verdict for each pair.

    Args:
        comparisons: In forward order.
        tolerance: The user's limits; None for the rule of profkit.compare.rounding.

    Returns:
        One verdict a comparison, in the same order.
    """
    forward = _Course(Yardstick(rule().jump, tolerance=tolerance))
    verdicts = forward.follow(comparisons, _positions(comparisons, "input", "output"))
    backward = forward.continued(rule().gradient_jump)
    verdicts |= backward.follow(comparisons, _positions(comparisons, "gradient")[::-1])
    parameters = _Course(Yardstick(rule().gradient_jump, tolerance=tolerance), chained=False)
    verdicts |= parameters.follow(comparisons, _positions(comparisons, "parameter"))
    for course in (forward, backward, parameters):
        if course.first is not None:
            verdicts[course.first] = replace(verdicts[course.first], first_divergence=True)
            break
    return [verdicts[position] for position in range(len(comparisons))]


def _positions(comparisons: Sequence[Comparison], *io: str) -> list[int]:
    return [position for position, comparison in enumerate(comparisons) if comparison.tensor.io in io]


def _largest_rms_by_module(comparisons: Iterable[Comparison]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for comparison in comparisons:
        module, metrics = comparison.module, comparison.metrics
        if module and metrics is not None and metrics.compared:
            largest[module] = max(largest.get(module, 0.0), metrics.rms_a)
    return largest


def _verdict(course: _Course, comparison: Comparison, finding: Finding) -> Verdict:
    jump = _jump(course, comparison, finding)
    if not finding.diverges:
        return Verdict(finding.status, finding.reason, jump)
    if course.follows and not course.chained:
        return Verdict(finding.status, finding.reason, jump)
    if course.follows:
        downstream = f"It follows the divergence at {course.follows}: a fault of its own cannot be told from that."
        return Verdict(finding.status, f"{finding.reason} {downstream}", jump)
    strength = "firm" if not jump < rule().firm_jump else "suspect"
    is_gradient = comparison.tensor.io == "gradient"
    what = "Divergence nearest the loss, where gradients come from" if is_gradient else "First divergence"
    sentences = [f"{what} ({strength}): {finding.reason}"]
    if is_gradient and not course.seen:
        sentences.append("It is the last gradient before the loss, so the loss or an output already differs.")
    if course.unjudged:
        sentences.append(f"The {course.unjudged} before it could not be compared, so it may begin earlier.")
    return Verdict(finding.status, " ".join(sentences), jump)


def _jump(course: _Course, comparison: Comparison, finding: Finding) -> float:
    precision = coarser(*finding.dtypes)
    metrics = comparison.metrics
    if precision is None or metrics is None or not metrics.elements:
        return math.nan
    if not metrics.non_finite_agree:
        return math.inf
    return metrics.rel_l2 / max(rule().floor_units * precision.roundoff, course.up)
