"""Forced pairs against all longest common subsequences, enumerated."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profkit.compare.sequence_alignment import forced_pairs, longest_rising


def in_every_best_alignment(a: str, b: str) -> list[tuple[int, int]]:
    for length in range(min(len(a), len(b)), 0, -1):
        alignments = [
            set(zip(left, right, strict=True))
            for left in combinations(range(len(a)), length)
            for right in combinations(range(len(b)), length)
            if all(a[i] == b[j] for i, j in zip(left, right, strict=True))
        ]
        if alignments:
            return sorted(set.intersection(*alignments))
    return []


@settings(deadline=None, max_examples=300)
@given(st.text("xyz", max_size=7), st.text("xyz", max_size=7))
def test_a_pair_is_given_if_and_only_if_there_is_no_choice(a: str, b: str) -> None:
    assert forced_pairs(a, b) == in_every_best_alignment(a, b)


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        ("", "", []),
        ("abc", "abc", [(0, 0), (1, 1), (2, 2)]),
        ("aaaa", "aaaa", [(0, 0), (1, 1), (2, 2), (3, 3)]),
        ("aaaa", "aaa", []),
        ("axbx", "xbx", [(1, 0), (2, 1), (3, 2)]),
        ("ihihih", "ihhih", [(0, 0), (1, 1), (3, 2), (4, 3), (5, 4)]),
    ],
)
def test_a_missing_element_never_shifts_its_neighbours(a: str, b: str, pairs: list[tuple[int, int]]) -> None:
    assert forced_pairs(a, b) == pairs


def test_long_equal_sequences_need_no_search() -> None:
    assert len(forced_pairs(["x"] * 100_000, ["x"] * 100_000)) == 100_000


def test_too_large_a_search_gives_no_pairs_instead_of_wrong_ones() -> None:
    assert forced_pairs(["x", "y"] * 5_000, ["x"] * 5_000) == []


@given(st.permutations(range(8)))
def test_longest_rising_is_the_longest(numbers: list[int]) -> None:
    found = [numbers[position] for position in longest_rising(numbers)]
    assert found == sorted(found)
    best = max(length for length in range(9) for kept in combinations(numbers, length) if list(kept) == sorted(kept))
    assert len(found) == best
