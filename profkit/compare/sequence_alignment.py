"""Pairs of two sequences that every best alignment agrees on: a missing element never shifts its neighbours."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

_LARGEST_TABLE = 1_000_000


def forced_pairs(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Pair equal labels of two sequences in order, as far as there is no choice.

    The alignments looked at are all longest common subsequences. A pair is given only if every one of them has it: of
    ten equal labels against nine, none is paired, since any may be the missing one.

    Returns:
        Positions in a and b, rising on both sides. Empty if the table of the search would be too large (over
        1,000,000 cells after equal sequences were dealt with).
    """
    if list(a) == list(b):
        return [(i, i) for i in range(len(a))]
    common = set(a) & set(b)
    kept_a = [i for i, label in enumerate(a) if label in common]
    kept_b = [j for j, label in enumerate(b) if label in common]
    if not kept_a or len(kept_a) * len(kept_b) > _LARGEST_TABLE:
        return []
    numbers = {label: number for number, label in enumerate(common)}
    x = np.array([numbers[a[i]] for i in kept_a])
    y = np.array([numbers[b[j]] for j in kept_b])
    return [(kept_a[i], kept_b[j]) for i, j in _in_every_longest_common_subsequence(x, y)]


def _in_every_longest_common_subsequence(x: NDArray[np.int64], y: NDArray[np.int64]) -> list[tuple[int, int]]:
    before = _common_lengths(x, y)
    after = _common_lengths(x[::-1], y[::-1])[::-1, ::-1]
    length = int(before[-1, -1])
    i, j = np.nonzero((x[:, None] == y[None, :]) & (before[:-1, :-1] + 1 + after[1:, 1:] == length))
    # Candidates of one rank exclude each other: whoever is alone in its rank is in every best alignment.
    rank = before[i, j]
    alone = np.bincount(rank, minlength=length)[rank] == 1
    return sorted(zip(i[alone].tolist(), j[alone].tolist(), strict=True))


def _common_lengths(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int32]:
    """Give the table whose cell (i, j) is the length of the longest common subsequence of x[:i] and y[:j]."""
    lengths = np.zeros((len(x) + 1, len(y) + 1), dtype=np.int32)
    for i, label in enumerate(x):
        above = lengths[i]
        lengths[i + 1, 1:] = np.maximum.accumulate(np.maximum(above[1:], above[:-1] + (y == label)))
    return lengths


def longest_rising(numbers: Sequence[int]) -> list[int]:
    """Give the positions of a longest strictly rising subsequence of distinct numbers."""
    tails: list[int] = []
    positions: list[int] = []
    before: list[int] = []
    for position, number in enumerate(numbers):
        at = bisect_left(tails, number)
        before.append(positions[at - 1] if at else -1)
        tails[at : at + 1] = [number]
        positions[at : at + 1] = [position]
    rising = []
    position = positions[-1] if positions else -1
    while position >= 0:
        rising.append(position)
        position = before[position]
    return rising[::-1]
