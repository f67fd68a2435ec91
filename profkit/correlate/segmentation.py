"""Segmentation: which run of MindSpore kernels does the work of which unit, both sides in order of execution.

A dynamic program over units and kernels. A unit takes a run of kernels or is skipped, a kernel belongs to a unit or is
left out. A run scores by the unit's decomposition (core kernels most), by how well the tensor shapes fit, and loses for
kernels that are foreign to the unit or too many. Unit by unit, all ends of the runs are treated at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profkit.correlate.tensor_shapes import Shape
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import Variant

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_CORE, _PART, _LAYOUT = 3.0, 1.0, 0.05
_SURPLUS, _FOREIGN, _CORE_ABSENT, _LEFT_OUT = -1.0, -1.5, -4.0, 0.6
_LONGEST_RUN = 64
_IMPOSSIBLE = np.float32(-1e9)
# Half the width of the band of kernels that a unit may reach, around its proportional place; and the number of
# scores that are kept for repeated units. Both bound the memory, not the result, of networks of usual size.
_BAND = 3000
_KEPT_SCORES = 60_000_000


@dataclass(frozen=True)
class Kernels:
    """The MindSpore side of one stretch of work, in order of execution.

    Attributes:
        types: One spelling of each kernel's type.
        tensors: Shapes of each kernel's inputs; empty if unknown.
        layout: Whether the kernel only moves or converts data, which any unit may need.
        phases: forward, backward, or "" where the recording does not tell.
    """

    types: Sequence[str]
    tensors: Sequence[tuple[Shape, ...]]
    layout: npt.NDArray[np.bool_]
    phases: Sequence[str]

    def __len__(self) -> int:
        return len(self.types)


class _RunScores:
    """Scores of all runs of kernels for each kind of unit; repeated blocks share them."""

    def __init__(self, kernels: Kernels) -> None:
        signatures: dict[tuple[str, tuple[Shape, ...], str], int] = {}
        keys = list(zip(kernels.types, kernels.tensors, kernels.phases, strict=True))
        self._signature = np.array([signatures.setdefault(key, len(signatures)) for key in keys], dtype=np.int64)
        self._signatures = list(signatures)
        self._layout = np.zeros(len(signatures), dtype=bool)
        self._layout[self._signature] = kernels.layout
        self._kept: dict[Hashable, list[Floats]] = {}
        self._kept_scores = 0

    def of(self, unit: Unit) -> list[Floats]:
        """Give score[length - 1][start] of every run for this unit."""
        found = self._kept.get(unit.kind)
        if found is None:
            found = self._computed(unit)
            self._kept_scores += sum(len(scores) for scores in found)
            if self._kept_scores > _KEPT_SCORES:
                self._kept.clear()
                self._kept_scores = sum(len(scores) for scores in found)
            self._kept[unit.kind] = found
        return found

    def _computed(self, unit: Unit) -> list[Floats]:
        fit = np.zeros(len(self._signatures), dtype=np.float32)
        usable = np.zeros(len(self._signatures), dtype=bool)
        known = unit.decomposition.kernels
        for number, (kernel, tensors, phase) in enumerate(self._signatures):
            if kernel in known and phase in ("", unit.phase):
                usable[number] = True
                fit[number] = unit.shapes.fit(tensors)
        best: list[Floats] = []
        for variant in unit.decomposition.variants:
            scores = self._scored(variant, usable, fit)
            shared = min(len(scores), len(best))
            for at in range(shared):
                np.maximum(best[at], scores[at], out=best[at])
            best += scores[shared:]
        return best

    def _scored(self, variant: Variant, usable: npt.NDArray[np.bool_], fit: Floats) -> list[Floats]:
        """Score every run for one variant; counts within a run are differences of running counts."""
        slots = {kernel: at for at, slot in enumerate(variant) for kernel in slot.kernels}
        slot_of = np.array([slots.get(kernel, -1) for kernel, _, _ in self._signatures])
        slot_of[~usable] = -1
        foreign = ((slot_of < 0) & ~self._layout)[self._signature]
        slot, n = slot_of[self._signature], len(self._signature)
        most = np.array([slot.most for slot in variant], dtype=np.float32)
        is_core = np.array([slot.core for slot in variant])
        weight = np.where(is_core, np.float32(_CORE), np.float32(_PART))
        seen = np.zeros((n + 1, len(most)), dtype=np.float32)
        seen[1:] = np.cumsum(slot[:, None] == np.arange(len(most)), axis=0)
        strangers = _running_count(foreign)
        moved = _running_count((slot < 0) & ~foreign)
        best_fit = np.full(n, -1.0, dtype=np.float32)
        scores = []
        for length in range(1, min(n, _LONGEST_RUN, int(most.sum()) + 3) + 1):
            starts = n - length + 1
            counts = seen[length:] - seen[:starts]
            used = np.minimum(counts, most)
            best_fit = np.maximum(best_fit[:starts], fit[self._signature[length - 1 :]])
            score = used @ weight + _SURPLUS * (counts - used).sum(axis=1) + best_fit
            score += _FOREIGN * (strangers[length:] - strangers[:starts]) + _LAYOUT * (moved[length:] - moved[:starts])
            if is_core.any():
                score[~counts[:, is_core].any(axis=1)] += _CORE_ABSENT
            score[foreign[:starts] | foreign[length - 1 :]] = _IMPOSSIBLE
            scores.append(score.astype(np.float32))
        return scores


def _running_count(flags: npt.NDArray[np.bool_]) -> Floats:
    return np.concatenate([[0], np.cumsum(flags)]).astype(np.float32)


def segment(units: Sequence[Unit], kernels: Kernels) -> Ints:
    """Give for each kernel the number of its unit, -1 where it is left out.

    Args:
        units: The units of one stretch of work in order.
        kernels: The kernels of the same stretch in order.

    Returns:
        int64 of shape (len(kernels),), not decreasing where not -1.
    """
    n = len(kernels)
    if not units or not n:
        return np.full(n, -1, dtype=np.int64)
    runs = _RunScores(kernels)
    lows, highs = _bands(units, n)
    left_out = (np.arange(n + 1) * _LEFT_OUT).astype(np.float32)
    best = np.full(n + 1, _IMPOSSIBLE, dtype=np.float32)
    best[lows[0] : highs[0]] = -left_out[lows[0] : highs[0]]
    taken = np.zeros((len(units), int((highs - lows).max())), dtype=np.int8)
    was_left_out = np.zeros_like(taken, dtype=bool)
    for number, unit in enumerate(units):
        low, high = lows[number + 1], highs[number + 1]
        reached = best - np.float32(unit.skip_cost)
        length_taken = np.zeros(n + 1, dtype=np.int8)
        for length, scores in enumerate(runs.of(unit), start=1):
            first = max(int(lows[number]), low - length)
            last = max(first, min(int(highs[number]), high - length, n - length + 1))
            candidate = best[first:last] + scores[first:last]
            ends = slice(first + length, last + length)
            better = candidate > reached[ends]
            reached[ends][better] = candidate[better]
            length_taken[ends][better] = length
        levelled = reached[low:high] + left_out[low:high]
        highest = np.maximum.accumulate(levelled)
        best = np.full(n + 1, _IMPOSSIBLE, dtype=np.float32)
        best[low:high] = highest - left_out[low:high]
        taken[number, : high - low] = length_taken[low:high]
        was_left_out[number, : high - low] = highest > levelled
    return _traced(taken, was_left_out, lows, n)


def _bands(units: Sequence[Unit], n: int) -> tuple[Ints, Ints]:
    weight = np.array([0.0] + [max(unit.skip_cost, 0.1) for unit in units]).cumsum()
    centre = (weight / weight[-1] * n).astype(np.int64)
    lows = np.maximum(centre - _BAND, 0)
    highs = np.minimum(centre + _BAND, n) + 1
    lows[0], highs[-1] = 0, n + 1
    return lows, highs


def _traced(taken: npt.NDArray[np.int8], was_left_out: npt.NDArray[np.bool_], lows: Ints, n: int) -> Ints:
    owner = np.full(n, -1, dtype=np.int64)
    end = n
    for number in range(len(taken) - 1, -1, -1):
        low = lows[number + 1]
        while was_left_out[number, end - low]:
            end -= 1
        length = int(taken[number, end - low])
        owner[end - length : end] = number
        end -= length
    return owner
