"""What a run did to buffers and a step to parameters: judged element by element, and explained where a rule is plain.

A change of the optimizer is held against the gradients it came from. Adam's first step is hardly more than the sign of
the gradient, so that a gradient below its own rounding gives a step of any sign: such an element tells nothing about
the optimizer, every other does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.compare.comparison import Tensor
from profkit.compare.measuring import PairToMeasure
from profkit.compare.parity import compare_pairs, tolerance_of
from profkit.difference_finder.state_files import LATER_GRADIENTS
from profkit.schema import PARITY
from profkit.weights import WeightMap, mapped_pairs

Floats = NDArray[np.float64]
ULPS = 8.0
"""In units of the last place of a tensor's largest element, in which changes are saved."""
RTOL = 1e-4
"""MindSpore keeps Adam's betas in float32: 1 - 0.999 is off by 1.3e-5 of itself. Sums in other orders give less."""
_DETERMINED = 5e-4
"""How far two gradients of an element may differ, relatively, for its step to tell anything."""
_CLOSE_SHARE = 1 - 1e-4
"""Elements of which the gradient and a decay cancel take any sign: so few say nothing about an optimizer."""
_FIT = 2e-3
_BIAS_FIT = 0.05
"""How well the factor between biased and unbiased variance has to be met, as a share of its distance from 1."""
_FEWEST = 3
_MOST = 0.99
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


@dataclass(frozen=True)
class AdamSettings:
    """Of a parameter in an optimizer of torch; decay is what of the weight is added to its gradient."""

    beta1: float
    beta2: float
    epsilon: float
    decay: float


@dataclass(frozen=True)
class _Told:
    """Gradients and weights of elements, flat."""

    gradients: Floats
    weights: Floats


@dataclass(frozen=True)
class _Change:
    """One tensor that changed on both sides, and what the change came from."""

    a: Tensor
    b: Tensor
    gradients: tuple[Tensor, Tensor] | None = None

    def read(self) -> tuple[Floats, Floats]:
        """Give both changes as the pairs of elements that tell something; the others as 0."""
        a, b = _values(self.a), _values(self.b)
        if self.gradients is None:
            return a, b
        gap = self._gap()
        size = np.maximum(np.abs(a), np.abs(b))
        with np.errstate(invalid="ignore"):
            silent = (gap > _DETERMINED) | ((np.abs(a - b) <= 2 * gap * size) & np.isfinite(size))
        return np.where(silent, 0.0, a), np.where(silent, 0.0, b)

    def undetermined(self) -> int:
        """Count the elements whose gradients are below rounding."""
        return 0 if self.gradients is None else int((self._gap() > _DETERMINED).sum())

    def told(self) -> tuple[Floats, Floats]:
        """Give both changes of the elements alone that tell something, flat."""
        told = self._is_told()
        return _values(self.a)[told], _values(self.b)[told]

    def gradients_told(self) -> Floats:
        """Give the gradients of A of the elements that tell something, flat."""
        assert self.gradients is not None, "asked only where there are some"
        return _values(self.gradients[0])[self._is_told()]

    def _is_told(self) -> NDArray[np.bool_]:
        told = np.isfinite(_values(self.a)) & np.isfinite(_values(self.b))
        return told if self.gradients is None else told & (self._gap() <= _DETERMINED)

    def only_told(self, values: Floats) -> Floats:
        """Give the elements of another tensor of the same shape that tell something, flat."""
        return values[self._is_told()]

    def _gap(self) -> Floats:
        assert self.gradients is not None, "asked only where there are some"
        one, other = (_values(tensor) for tensor in self.gradients)
        size = np.maximum(np.abs(one), np.abs(other))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(one == other, 0.0, np.abs(one - other) / size)


@dataclass(frozen=True)
class _Side:
    """Opens one side of a change, as the compare core asks for it."""

    change: _Change
    number: int

    def __call__(self) -> NDArray[Any]:
        return self.change.read()[self.number].astype(np.float32)


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
    gradients = _by_name(a[1], b[1], weight_map)
    pairs, alone = _pairs(a[0], b[0], weight_map)
    found = [_Change(one, other, gradients.get(one.name)) for one, other in pairs]
    judged = _measured(found)
    judged.alone = alone
    judged.undetermined = {one.a.name: count for one in found if (count := one.undetermined())}
    weights = _by_name(before[0], before[1], weight_map)
    factors: dict[str, float] = {}
    for number, name in _mismatches(judged.parity):
        change = found[number]
        told = change.told()
        kept = _weights_told(weights[name][0], change) if name in weights else None
        settings = adam.get(name)
        if settings is not None and kept is not None and change.gradients is not None:
            expected = _with_early_epsilon(told[0], _Told(change.gradients_told(), kept), settings, step)
            if (np.abs(expected - told[1]) <= 2 * ULPS + _DETERMINED * np.abs(expected)).mean() >= _MOST:
                judged.known.setdefault(_EPSILON, []).append(name)
                _explain(judged.parity, number, _ADDED_EARLIER)
                continue
        judged.wrong.append(name)
        why, times = _rule_of_step(*told, None if kept is None else _in_last_places(kept, weights[name][0]))
        _explain(judged.parity, number, why)
        if times is not None:
            factors[name] = times
    judged.common = _common(factors, len(found))
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
    pairs, alone = _pairs(a, b, weight_map)
    found = [_Change(one, other) for one, other in pairs]
    judged = _measured(found)
    judged.alone = alone
    states = _by_name(before[0], before[1], weight_map)
    for number, name in _mismatches(judged.parity):
        change = found[number]
        pair = states.get(change.a.name)
        state = None if pair is None else _in_last_places(_values(pair[0]), pair[0]).reshape(-1)
        count = elements.get(name.rpartition(".")[0])
        why, is_known = _rule_of_statistics(*change.told(), state, count)
        _explain(judged.parity, number, why)
        if is_known:
            judged.known.setdefault(_BIASED, []).append(name)
        else:
            judged.wrong.append(name)
    return judged


def _measured(found: Sequence[_Change]) -> Judged:
    if not found:
        return Judged(PARITY.empty())
    tolerance = tolerance_of(RTOL, ULPS, symmetric=True)
    pairs = [
        PairToMeasure(
            Tensor(one.a.name, "parameter", "float32", one.a.shape, open=_Side(one, 0)),
            Tensor(one.b.name, "parameter", "float32", one.b.shape, open=_Side(one, 1)),
            tolerance=tolerance,
        )
        for one in found
    ]
    parity = compare_pairs(pairs, ["weight map"] * len(pairs), tolerance)
    few = (parity["status"] == "mismatch") & (parity["close_ratio"] >= _CLOSE_SHARE)
    return Judged(PARITY.build(parity.assign(status=parity["status"].astype(object).mask(few, "match"))))


def _mismatches(parity: pd.DataFrame) -> list[tuple[int, str]]:
    return [
        (number, str(name))
        for number, (name, status) in enumerate(zip(parity["name_a"], parity["status"], strict=True))
        if status == "mismatch"
    ]


def _explain(parity: pd.DataFrame, number: int, why: str) -> None:
    reasons = parity["reason"].astype(object)
    reasons.iloc[number] = f"{why}. {reasons.iloc[number]}" if why else reasons.iloc[number]
    parity["reason"] = reasons.astype(parity["reason"].dtype)


def _rule_of_step(a: Floats, b: Floats, weights: Floats | None) -> tuple[str, float | None]:
    """Say by what rule the steps of B are those of A; give the factor as well where it is a factor alone."""
    if a.size == 0 or not a.any():
        return "A makes no step here, B does" if b.any() else "", None
    if not b.any():
        return "B makes no step here, A does", None
    times = float(a @ b / (a @ a))
    if abs(times - 1) > _FIT and _fits(times * a, b):
        return f"B's step is {times:.4g} times that of A: another learning rate, or gradients scaled or clipped", times
    if weights is None or a.size < _FEWEST:
        return "", None
    (times, drawn), *_ = np.linalg.lstsq(np.stack([a, weights], axis=1), b, rcond=None)
    if abs(drawn) * np.abs(weights).max(initial=0) > ULPS and _fits(times * a + drawn * weights, b):
        towards = "towards" if drawn < 0 else "away from"
        scale = "" if abs(times - 1) <= _FIT else f"{times:.4g} times "
        return (
            f"B's step is {scale}that of A and {abs(drawn):.3g} of each weight {towards} 0: another weight decay",
            None,
        )
    return "", None


def _rule_of_statistics(a: Floats, b: Floats, state: Floats | None, count: int | None) -> tuple[str, bool]:
    """Say by what rule the statistics of B moved as those of A, and whether that is a known difference."""
    if a.any() != b.any():
        return ("A's moved, B's did not" if a.any() else "B's moved, A's did not"), False
    times = float(a @ b / (a @ a)) if a.any() else 1.0
    if abs(times - 1) > _FIT and _fits(times * a, b):
        return f"B's moved {times:.4g} times as far as A's: {_OTHER_MOMENTUM}", False
    if state is None or a.size < _FEWEST or state.size != a.size:
        return "", False
    (times, kept), *_ = np.linalg.lstsq(np.stack([a, state], axis=1), b, rcond=None)
    if not _fits(times * a + kept * state, b):
        return "", False
    if count is not None and count > 1:
        share = 1 - 1 / count
        for biased, unbiased, factor in (("B", "A", share), ("A", "B", 1 / share)):
            if abs(times - factor) <= _BIAS_FIT * abs(1 - factor):
                why = f"{biased} keeps the biased variance of {count:,} elements a channel, {unbiased} the unbiased"
                return f"{why}, by the factor {count - 1:,}/{count:,}: a known difference", True
    return f"B's moved {times:.4g} times as far as A's, besides another variance: {_OTHER_MOMENTUM}", False


_OTHER_MOMENTUM = "another momentum (MindSpore's is the share that is kept, PyTorch's the share that is new)"


def _with_early_epsilon(a: Floats, told: _Told, adam: AdamSettings, number: int) -> Floats:
    """Give what steps of torch's Adam would be were epsilon added before the bias of the second moment is corrected.

    Kingma and Ba, Adam (2015), section 2: the efficient form of the algorithm has this "epsilon hat".

    Args:
        a: Steps as they were.
        told: Gradients and weights of the same elements.
        adam: Settings.
        number: Which step, from 1; the second has the later gradients.
    """
    first = second = np.zeros_like(a)
    size, early_size = np.zeros_like(a), np.zeros_like(a)
    for step, scale in zip(range(1, number + 1), (1.0, LATER_GRADIENTS), strict=False):
        gradient = scale * told.gradients + adam.decay * told.weights
        first = adam.beta1 * first + (1 - adam.beta1) * gradient
        second = adam.beta2 * second + (1 - adam.beta2) * gradient**2
        correction = np.sqrt(1 - adam.beta2**step)
        size = np.sqrt(second) / correction + adam.epsilon
        early_size = (np.sqrt(second) + adam.epsilon) / correction
    return a * size / early_size


def _common(factors: Mapping[str, float], count: int) -> float | None:
    values = list(factors.values())
    if len(values) < 2 or len(values) < count / 2 or max(values) - min(values) > 0.01 * abs(max(values)):
        return None
    return float(np.median(values))


def _fits(predicted: Floats, values: Floats) -> bool:
    gap = np.abs(predicted - values)
    return bool((gap <= 2 * ULPS + _FIT * np.abs(values)).mean() >= _MOST)


def _values(tensor: Tensor) -> Floats:
    assert tensor.open is not None, "a checkpoint opens all its tensors"
    return np.asarray(tensor.open(), dtype=np.float64)


def _in_last_places(values: Floats, tensor: Tensor) -> Floats:
    """Give elements of a tensor in units of the last place of its largest."""
    return values / float(np.spacing(np.float32(np.abs(_values(tensor)).max(initial=0) or 1)))


def _weights_told(weights: Tensor, change: _Change) -> Floats | None:
    values = _values(weights)
    return change.only_told(values) if values.shape == change.a.shape else None


def _pairs(a: Path, b: Path, weight_map: WeightMap) -> tuple[list[tuple[Tensor, Tensor]], list[str]]:
    """Give the tensors that both hold in the same shape, and the names of the others."""
    pairs: list[tuple[Tensor, Tensor]] = []
    alone: list[str] = []
    for one, other in mapped_pairs(a, b, weight_map):
        if one is not None and other is not None and one.shape == other.shape:
            pairs.append((one, other))
        else:
            alone += [tensor.name for tensor in (one, other) if tensor is not None][:1]
    return pairs, alone


def _by_name(a: Path, b: Path, weight_map: WeightMap) -> dict[str, tuple[Tensor, Tensor]]:
    return {one.name: (one, other) for one, other in _pairs(a, b, weight_map)[0]}
