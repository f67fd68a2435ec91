"""The longest common sequence of two lists of operators, in numpy and in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

# A match of type is worth 1, equal shapes add to it: repeated types find the partner of their size.
_SHAPES_AGREE = 0.5
# Cells of the table of decisions; longer sequences are compared in a band around the diagonal.
_MOST_CELLS = 100_000_000


def common_sequence(left: tuple[Ints, Ints], right: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Pair equal operators of two sequences, keeping the order of both.

    Args:
        left: Codes of the operator types and of the input shapes, int64 of one length; a shape code of -1 is unknown.
        right: As left; codes mean the same on both sides.

    Returns:
        Places in left and in right of the pairs, int64 of one length, both increasing.
    """
    start, end = _equal_ends(left, right)
    n, m = len(left[0]), len(right[0])
    inner_left, inner_right = _paired(
        (left[0][start : n - end], left[1][start : n - end]), (right[0][start : m - end], right[1][start : m - end])
    )
    head, tail = np.arange(start), np.arange(-end, 0)
    return (
        np.concatenate([head, inner_left + start, tail + n]).astype(np.int64),
        np.concatenate([head, inner_right + start, tail + m]).astype(np.int64),
    )


def _equal_ends(left: tuple[Ints, Ints], right: tuple[Ints, Ints]) -> tuple[int, int]:
    shorter = min(len(left[0]), len(right[0]))
    if not shorter:
        return 0, 0
    ahead = np.logical_and(*(a[:shorter] == b[:shorter] for a, b in zip(left, right, strict=True)))
    start = shorter if ahead.all() else int(ahead.argmin())
    behind = np.logical_and(*(a[::-1][:shorter] == b[::-1][:shorter] for a, b in zip(left, right, strict=True)))
    end = shorter if behind.all() else int(behind.argmin())
    return start, min(end, shorter - start)


def _paired(left: tuple[Ints, Ints], right: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    n, m = len(left[0]), len(right[0])
    if not n or not m:
        empty = np.array([], dtype=np.int64)
        return empty, empty
    half = max(_MOST_CELLS // n // 2, abs(n - m) // max(n, 1) + 2)
    centre = (np.arange(n + 1) * (m / n)).astype(np.int64)
    lows, highs = np.maximum(centre - half, 0), np.minimum(centre + half, m) + 1
    matched = np.zeros((n, int((highs - lows).max())), dtype=bool)
    went_on = np.zeros_like(matched)
    best = np.zeros(m + 1, dtype=np.float32)
    for at in range(n):
        low, high = int(lows[at + 1]), int(highs[at + 1])
        worth = np.where(right[0] == left[0][at], np.float32(1.0), np.float32(-1.0))
        worth += np.where((right[1] == left[1][at]) & (right[1] >= 0), np.float32(_SHAPES_AGREE), np.float32(0.0))
        diagonal = np.concatenate([[-1.0], best[:-1] + worth])
        matched[at, : high - low] = (diagonal > best)[low:high]
        above = np.maximum(best, diagonal)[low:high]
        reached = np.maximum.accumulate(above)
        went_on[at, : high - low] = reached > above
        best = np.full(m + 1, -1.0, dtype=np.float32)
        best[low:high] = reached
        best[high:] = reached[-1]
    return _traced(matched, went_on, lows, m)


def _traced(matched: npt.NDArray[np.bool_], went_on: npt.NDArray[np.bool_], lows: Ints, m: int) -> tuple[Ints, Ints]:
    pairs = []
    place = m
    for at in range(len(matched) - 1, -1, -1):
        low, width = int(lows[at + 1]), matched.shape[1]
        place = min(place, low + width - 1)
        while place > low and went_on[at, place - low]:
            place -= 1
        if place >= low and matched[at, place - low]:
            place -= 1
            pairs.append((at, place))
    left, right = zip(*reversed(pairs), strict=True) if pairs else ((), ())
    return np.array(left, dtype=np.int64), np.array(right, dtype=np.int64)
