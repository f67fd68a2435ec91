"""What a run did to buffers and a step to parameters: judged, and explained where a rule is plain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from profkit.compare.comparison import Comparison
from profkit.compare.parity import judged as parity_of
from profkit.compare.verdict import judge
from profkit.difference_finder.change import TOLERANCE, Change, Pair, read_change
from profkit.difference_finder.rules_of_change import (
    DETERMINED,
    AdamSettings,
    fits,
    rule_of_statistics,
    rule_of_step,
    with_early_epsilon,
)
from profkit.schema import PARITY
from profkit.weights import WeightMap, mapped_pairs

_CLOSE_SHARE = 1 - 1e-4
"""Elements of which the gradient and a decay cancel take any sign: so few say nothing about an optimizer."""
_ADDED_EARLIER = (
    "B adds Adam's epsilon before the bias of the second moment is corrected, as MindSpore's Adam does, so that it "
    "acts larger by 1 / sqrt(1 - beta2 ** step): a known difference"
)
_EPSILON = "Adam's epsilon"
_BIASED = "biased variance"


@dataclass
class Judged:
    """What was found.

    Attributes:
        parity: A row a buffer or parameter; a mismatch that is a known difference of the frameworks keeps its status.
        known: Known differences of the frameworks: what, by the names that show it.
        undetermined: How many elements were not judged, by name: their gradients are below rounding.
        wrong: Names of mismatches that no known difference explains.
        alone: Names that only one side changed, or changed in another shape.
        common: By what factor every parameter's step in B is that in A; None where there is no such factor.
    """

    parity: pd.DataFrame
    known: dict[str, list[str]] = field(default_factory=dict)
    undetermined: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    common: float | None = None


def judge_steps(
    a: Sequence[Path],
    b: Sequence[Path],
    before: Sequence[Path],
    weight_map: WeightMap,
    step: int,
    adam: Mapping[str, AdamSettings],
) -> Judged:
    """Judge what a step of the optimizer did.

    Args:
        a: Checkpoints of the change and of the gradients of A.
        b: The same of B.
        before: Checkpoints of the weights of A and B before.
        weight_map: From A to B.
        step: Which step it was, from 1.
        adam: Settings of torch's Adam in A by name of the parameter, where B's Adam adds epsilon earlier; else empty.
    """
    gradients, weights = _by_name(a[1], b[1], weight_map), _by_name(before[0], before[1], weight_map)
    pairs, alone = _pairs(a[0], b[0], weight_map)
    factors: dict[str, float] = {}

    def explain(change: Change) -> tuple[str, str]:
        moved = change.elements()
        kept = None if change.before is None else change.of_elements(change.before)
        settings = adam.get(change.name)
        if settings is not None and kept is not None and change.gradients is not None:
            expected = with_early_epsilon(moved[0], change.of_elements(change.gradients), kept, settings, step)
            if fits(expected, moved[1], DETERMINED):
                return _ADDED_EARLIER, _EPSILON
        why, times = rule_of_step(*moved, None if kept is None else kept / change.unit)
        if times is not None:
            factors[change.name] = times
        return why, ""

    changes = (read_change(pair, gradients.get(pair[0].name), weights.get(pair[0].name)) for pair in pairs)
    judged = _judged(changes, explain)
    judged.alone = alone
    judged.common = _common(factors, len(pairs))
    return judged


def judge_buffers(
    a: Path, b: Path, before: Sequence[Path], weight_map: WeightMap, elements: Mapping[str, int]
) -> Judged:
    """Judge what a run did to buffers, such as the running statistics of a BatchNorm.

    Args:
        a: Checkpoint of the changes of A.
        b: That of B.
        before: Checkpoints of the weights of A and B before.
        weight_map: From A to B.
        elements: Elements a channel that a module of A took, by its path.
    """
    states = _by_name(before[0], before[1], weight_map)
    pairs, alone = _pairs(a, b, weight_map)

    def explain(change: Change) -> tuple[str, str]:
        state = None if change.before is None else change.before.reshape(-1).astype(np.float64) / change.unit
        count = elements.get(change.name.rpartition(".")[0])
        why, is_known = rule_of_statistics(*change.elements(), state, count)
        return why, _BIASED if is_known else ""

    judged = _judged((read_change(pair, None, states.get(pair[0].name)) for pair in pairs), explain)
    judged.alone = alone
    return judged


def _judged(changes: Iterable[Change], explain: Callable[[Change], tuple[str, str]]) -> Judged:
    """Judge changes one after the other, so that the arrays of one alone are in memory.

    Args:
        changes: Each is read when it is its turn.
        explain: Given a change that differs, gives the rule, and what known difference of the frameworks it is or "".
    """
    found: list[Comparison] = []
    judged = Judged(PARITY.empty())
    rules: dict[int, str] = {}
    few: set[int] = set()
    for number, change in enumerate(changes):
        comparison = change.measured()
        found.append(comparison)
        if count := change.undetermined():
            judged.undetermined[change.name] = count
        if judge([comparison], TOLERANCE)[0].status != "mismatch":
            continue
        if comparison.metrics is not None and comparison.metrics.close_ratio >= _CLOSE_SHARE:
            few.add(number)
            continue
        rules[number], known = explain(change)
        (judged.known.setdefault(known, []) if known else judged.wrong).append(change.name)
    parity = parity_of(found, ["weight map"] * len(found), TOLERANCE)
    status, reason = (parity[name].astype(object) for name in ("status", "reason"))
    status = status.mask(parity.index.isin(few), "match")
    reason = pd.Series(
        [f"{rules[number]}. {text}" if rules.get(number) else text for number, text in enumerate(reason)], dtype=object
    )
    judged.parity = PARITY.build(parity.assign(status=status, reason=reason))
    return judged


def _common(factors: Mapping[str, float], count: int) -> float | None:
    values = list(factors.values())
    if len(values) < 2 or len(values) < count / 2 or max(values) - min(values) > 0.01 * abs(max(values)):
        return None
    return float(np.median(values))


def _pairs(a: Path, b: Path, weight_map: WeightMap) -> tuple[list[Pair], list[str]]:
    """Give the tensors that both hold in the same shape, and the names of the others."""
    pairs: list[Pair] = []
    alone: list[str] = []
    for one, other in mapped_pairs(a, b, weight_map):
        if one is not None and other is not None and one.shape == other.shape:
            pairs.append((one, other))
        else:
            alone += [tensor.name for tensor in (one, other) if tensor is not None][:1]
    return pairs, alone


def _by_name(a: Path, b: Path, weight_map: WeightMap) -> dict[str, Pair]:
    return {one.name: (one, other) for one, other in _pairs(a, b, weight_map)[0]}
