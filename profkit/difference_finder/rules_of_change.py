"""By what plain rule a change in B is that in A: another learning rate, weight decay, momentum, epsilon or variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profkit.difference_finder.state_files import LATER_GRADIENTS

Floats = NDArray[np.float64]
ULPS = 8.0
"""In units of the last place of a tensor's largest element: what roundings on the way to a change may add up to."""
DETERMINED = 5e-4
"""How far two gradients of an element may differ, relatively, for its step to tell anything."""
_FIT = 2e-3
_BIAS_FIT = 0.05
"""How well the factor between biased and unbiased variance has to be met, as a share of its distance from 1."""
_FEWEST = 3
_MOST = 0.99
_OTHER_MOMENTUM = "another momentum (MindSpore's is the share that is kept, PyTorch's the share that is new)"


@dataclass(frozen=True)
class AdamSettings:
    """Of a parameter in an optimizer of torch; decay is what of the weight is added to its gradient."""

    beta1: float
    beta2: float
    epsilon: float
    decay: float


def rule_of_step(a: Floats, b: Floats, weights: Floats | None) -> tuple[str, float | None]:
    """Say by what rule the steps of B are those of A; give the factor as well where it is a factor alone.

    Args:
        a: Steps of A, in units of the last place.
        b: Those of B.
        weights: The same elements before, in these units; None where not known.
    """
    if a.size == 0 or not a.any():
        return "A makes no step here, B does" if b.any() else "", None
    if not b.any():
        return "B makes no step here, A does", None
    times = float(a @ b / (a @ a))
    if abs(times - 1) > _FIT and fits(times * a, b):
        return f"B's step is {times:.4g} times that of A: another learning rate, or gradients scaled or clipped", times
    if weights is None or a.size < _FEWEST:
        return "", None
    (times, drawn), *_ = np.linalg.lstsq(np.stack([a, weights], axis=1), b, rcond=None)
    if abs(drawn) * np.abs(weights).max(initial=0) > ULPS and fits(times * a + drawn * weights, b):
        towards = "towards" if drawn < 0 else "away from"
        scale = "" if abs(times - 1) <= _FIT else f"{times:.4g} times "
        return (
            f"B's step is {scale}that of A and {abs(drawn):.3g} of each weight {towards} 0: another weight decay",
            None,
        )
    return "", None


def rule_of_statistics(a: Floats, b: Floats, state: Floats | None, count: int | None) -> tuple[str, bool]:
    """Say by what rule the statistics of B moved as those of A, and whether that is a known difference.

    Args:
        a: What was added to those of A, in units of the last place.
        b: The same of B.
        state: What they were before, in these units; None where not known.
        count: Elements a channel that they were taken of; None where not known.
    """
    if a.any() != b.any():
        return ("A's moved, B's did not" if a.any() else "B's moved, A's did not"), False
    times = float(a @ b / (a @ a)) if a.any() else 1.0
    if abs(times - 1) > _FIT and fits(times * a, b):
        return f"B's moved {times:.4g} times as far as A's: {_OTHER_MOMENTUM}", False
    if state is None or a.size < _FEWEST or state.size != a.size:
        return "", False
    (times, kept), *_ = np.linalg.lstsq(np.stack([a, state], axis=1), b, rcond=None)
    if not fits(times * a + kept * state, b):
        return "", False
    if count is not None and count > 1:
        share = 1 - 1 / count
        for biased, unbiased, factor in (("B", "A", share), ("A", "B", 1 / share)):
            if abs(times - factor) <= _BIAS_FIT * abs(1 - factor):
                why = f"{biased} keeps the biased variance of {count:,} elements a channel, {unbiased} the unbiased"
                return f"{why}, by the factor {count - 1:,}/{count:,}: a known difference", True
    return f"B's moved {times:.4g} times as far as A's, besides another variance: {_OTHER_MOMENTUM}", False


def with_early_epsilon(a: Floats, gradients: Floats, weights: Floats, adam: AdamSettings, number: int) -> Floats:
    """Give what steps of torch's Adam would be were epsilon added before the bias of the second moment is corrected.

    Kingma and Ba, Adam (2015), section 2: the efficient form of the algorithm has this "epsilon hat".

    Args:
        a: Steps as they were.
        gradients: Of the same elements.
        weights: The same elements before.
        adam: Settings.
        number: Which step, from 1; the second has the later gradients.
    """
    first = second = np.zeros_like(a)
    size, early_size = np.zeros_like(a), np.zeros_like(a)
    for step, scale in zip(range(1, number + 1), (1.0, LATER_GRADIENTS), strict=False):
        gradient = scale * gradients + adam.decay * weights
        first = adam.beta1 * first + (1 - adam.beta1) * gradient
        second = adam.beta2 * second + (1 - adam.beta2) * gradient**2
        correction = np.sqrt(1 - adam.beta2**step)
        size = np.sqrt(second) / correction + adam.epsilon
        early_size = (np.sqrt(second) + adam.epsilon) / correction
    return a * size / early_size


def fits(predicted: Floats, values: Floats, share: float = _FIT) -> bool:
    """Tell whether nearly all values are what was predicted, within roundings and a share of each."""
    gap = np.abs(predicted - values)
    return bool((gap <= 2 * ULPS + share * np.abs(values)).mean() >= _MOST)
