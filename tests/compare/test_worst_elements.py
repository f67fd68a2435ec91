"""The worst elements equal those of a sort of all elements."""

from __future__ import annotations

import numpy as np
import pytest

from profkit.compare.worst_elements import worst_elements


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.complex64])
@pytest.mark.parametrize("shape", [(3, 5, 7), (70_000,), (2, 40_000)])
def test_they_are_those_of_a_sort(dtype: type, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(7)
    a, b = ((rng.normal(size=shape) * 20).astype(dtype) for _ in range(2))
    wide = np.complex128 if dtype is np.complex64 else np.float64
    distance = np.abs(a.astype(wide) - b.astype(wide)).ravel()
    expected = [np.unravel_index(place, shape) for place in np.argsort(-distance, kind="stable")[:10]]
    found = worst_elements(a, b)
    assert found["index"].tolist() == [tuple(map(int, index)) for index in expected]
    assert found["difference"].tolist() == [distance.reshape(shape)[index] for index in expected]
    assert found["a"].tolist() == [a[index] for index in expected]


def test_elements_without_a_difference_come_first_and_equal_ones_not_at_all() -> None:
    a = np.array([1.0, np.nan, np.inf, np.nan, np.inf, 5.0])
    b = np.array([1.0, 2.0, np.inf, np.nan, -np.inf, 5.5])
    found = worst_elements(a, b)
    assert found["index"].tolist() == [(1,), (4,), (5,)]
    assert found["difference"].tolist() == [np.inf, np.inf, 0.5]


def test_integers_beyond_float64_are_told_apart() -> None:
    a, b = np.array([2**62, 2**62]), np.array([2**62, 2**62 + 1])
    assert worst_elements(a, b)["index"].tolist() == [(1,)]


def test_a_scalar_and_nothing_at_all() -> None:
    assert worst_elements(np.array(1.0), np.array(2.0))["index"].tolist() == [()]
    assert worst_elements(np.empty((0, 3)), np.empty((0, 3))).empty


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="no differences"):
        worst_elements(np.zeros(3), np.zeros(4))
