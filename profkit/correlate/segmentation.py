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

_CORE, _PART = 3.0, 0.3
_SURPLUS, _FOREIGN, _CORE_ABSENT = -1.0, -1.5, -2.0
# A decomposed operator is worth as much as a fused core once this part of what it may need is there.
_ENOUGH, _PIECE = 0.6, 0.4
# Kernels that belong to nothing come in runs (a decomposed or repeated operator): to begin one costs, to go on hardly.
_LEFT_OUT_FIRST, _LEFT_OUT_NEXT = 0.5, 0.1
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
        places: Scope and number of each kernel's name; number -1 where it has none.
    """

    types: Sequence[str]
    tensors: Sequence[tuple[Shape, ...]]
    layout: npt.NDArray[np.bool_]
    phases: Sequence[str]
    places: Sequence[tuple[str, int]]

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
        for number, variant in enumerate(unit.decomposition.variants):
            scores = self._scored(variant, usable, fit, unit.skip_cost, is_fused=number == 0)
            shared = min(len(scores), len(best))
            for at in range(shared):
                np.maximum(best[at], scores[at], out=best[at])
            best += scores[shared:]
        return best

    def _scored(
        self, variant: Variant, usable: npt.NDArray[np.bool_], fit: Floats, skip_cost: float, *, is_fused: bool
    ) -> list[Floats]:
        """Score every run for one variant; counts within a run are differences of running counts."""
        slots = {kernel: at for at, slot in enumerate(variant) for kernel in slot.kernels}
        slot_of = np.array([slots.get(kernel, -1) for kernel, _, _ in self._signatures])
        slot_of[~usable] = -1
        foreign = ((slot_of < 0) & ~self._layout)[self._signature]
        slot, n = slot_of[self._signature], len(self._signature)
        most = np.array([slot.most for slot in variant], dtype=np.float32)
        seen = np.zeros((n + 1, len(most)), dtype=np.float32)
        seen[1:] = np.cumsum(slot[:, None] == np.arange(len(most)), axis=0)
        strangers = _running_count(foreign)
        best_fit = np.full(n, -1.0, dtype=np.float32)
        scores = []
        for length in range(1, min(n, _LONGEST_RUN, int(most.sum()) + 3) + 1):
            starts = n - length + 1
            counts = seen[length:] - seen[:starts]
            used = np.minimum(counts, most)
            best_fit = np.maximum(best_fit[:starts], fit[self._signature[length - 1 :]])
            worth = _fused_worth if is_fused else _decomposed_worth
            score = worth(variant, used, skip_cost) + best_fit + _SURPLUS * (counts - used).sum(axis=1)
            score += _FOREIGN * (strangers[length:] - strangers[:starts])
            score[(slot[:starts] < 0) | (slot[length - 1 :] < 0)] = _IMPOSSIBLE
            scores.append(score.astype(np.float32))
        return scores


def _fused_worth(variant: Variant, used: Floats, skip_cost: float) -> Floats:
    """Score the kernels of a variant one by one; without a core kernel the unit is as good as skipped."""
    is_core = np.array([slot.core for slot in variant])
    worth: Floats = used @ np.where(is_core, np.float32(_CORE), np.float32(_PART))
    if is_core.any():
        worth[~used[:, is_core].any(axis=1)] += np.float32(_CORE_ABSENT - skip_cost)
    return worth


def _decomposed_worth(variant: Variant, used: Floats, skip_cost: float) -> Floats:
    """Score a variant of many pieces by how complete it is: from skipped, with none, to a core, with enough of them."""
    pieces = used.sum(axis=1)
    complete = np.minimum(pieces / np.float32(_ENOUGH * sum(slot.most for slot in variant)), np.float32(1.0))
    worth: Floats = complete * np.float32(_CORE + skip_cost) - np.float32(skip_cost) + np.float32(_PIECE) * pieces
    is_core = np.array([slot.core for slot in variant])
    if is_core.any():
        worth[~used[:, is_core].any(axis=1)] += np.float32(_CORE_ABSENT - skip_cost)
    return worth


def _running_count(flags: npt.NDArray[np.bool_]) -> Floats:
    return np.concatenate([[0], np.cumsum(flags)]).astype(np.float32)


class _Decisions:
    """What was best for each unit (row) and each number of kernels done with so far (column, from the band's start).

    Attributes:
        taken: Kernels the unit takes, the last ones; 0 where it is skipped.
        in_gap: Whether the last kernels are left out instead; the gap begins at the last place before that
        before_gap: marks as the best to begin one.
    """

    def __init__(self, units: int, width: int) -> None:
        self.taken = np.zeros((units, width), dtype=np.int8)
        self.in_gap = np.zeros((units, width), dtype=bool)
        self.before_gap = np.zeros((units, width), dtype=bool)

    def traced(self, lows: Ints, n: int) -> Ints:
        """Give the unit of each kernel by walking the decisions back from the end."""
        owner = np.full(n, -1, dtype=np.int64)
        end = n
        for number in range(len(self.taken) - 1, -1, -1):
            low = lows[number + 1]
            if self.in_gap[number, end - low]:
                end -= 1
                while not self.before_gap[number, end - low]:
                    end -= 1
            length = int(self.taken[number, end - low])
            owner[end - length : end] = number
            end -= length
        return owner


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
    left_out = (np.arange(n + 1) * _LEFT_OUT_NEXT).astype(np.float32)
    best = np.full(n + 1, _IMPOSSIBLE, dtype=np.float32)
    best[lows[0] : highs[0]] = -left_out[lows[0] : highs[0]]
    best[1 : highs[0]] -= np.float32(_LEFT_OUT_FIRST)
    decisions = _Decisions(len(units), int((highs - lows).max()))
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
        skipping = np.concatenate([[_IMPOSSIBLE], highest[:-1] - np.float32(_LEFT_OUT_FIRST)])
        best = np.full(n + 1, _IMPOSSIBLE, dtype=np.float32)
        best[low:high] = np.maximum(levelled, skipping) - left_out[low:high]
        decisions.taken[number, : high - low] = length_taken[low:high]
        decisions.in_gap[number, : high - low] = skipping > levelled
        decisions.before_gap[number, : high - low] = levelled >= highest
    return decisions.traced(lows, n)


def _bands(units: Sequence[Unit], n: int) -> tuple[Ints, Ints]:
    weight = np.array([0.0] + [max(unit.skip_cost, 0.1) for unit in units]).cumsum()
    centre = (weight / weight[-1] * n).astype(np.int64)
    lows = np.maximum(centre - _BAND, 0)
    highs = np.minimum(centre + _BAND, n) + 1
    lows[0], highs[-1] = 0, n + 1
    return lows, highs
