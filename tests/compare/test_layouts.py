"""Layouts recognised by value: what is found is what was done, and what is no layout is not called one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from profkit.compare import compare_arrays
from profkit.compare.layouts import recognised_layout

RANDOM = np.random.default_rng(3)


def values(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("order", [order for order in permutations(range(4)) if order != (0, 1, 2, 3)])
def test_every_order_of_four_axes_is_named(order: tuple[int, ...]) -> None:
    a = values(2, 3, 4, 5)
    layout = recognised_layout(a, np.ascontiguousarray(a.transpose(order)))
    assert layout is not None
    assert layout.name == f"axes {order}"
    np.testing.assert_array_equal(layout.restored, a)


@pytest.mark.parametrize("shape", [(6, 6), (4, 4, 4), (2, 5, 5)])
def test_axes_of_one_length_are_told_apart_by_value(shape: tuple[int, ...]) -> None:
    a = values(*shape)
    for order in permutations(range(len(shape))):
        b = a.transpose(order)
        if b.shape == a.shape and order != tuple(range(len(shape))):
            layout = recognised_layout(a, b)
            assert layout is not None
            np.testing.assert_array_equal(layout.restored, a)


def heads(a: np.ndarray) -> np.ndarray:
    return a.reshape(2, 7, 4, 8).transpose(0, 2, 1, 3)


def fractal(a: np.ndarray, block: int) -> np.ndarray:
    """The definition of FRACTAL_NZ written out element by element."""
    rows, columns = a.shape
    whole = np.zeros((-(-columns // block), -(-rows // 16), 16, block), a.dtype)
    for i in range(rows):
        for j in range(columns):
            whole[j // block, i // 16, i % 16, j % block] = a[i, j]
    return whole


def five_dimensional(a: np.ndarray, block: int) -> np.ndarray:
    batch, channels, height, width = a.shape
    whole = np.zeros((batch, -(-channels // block), height, width, block), a.dtype)
    for c in range(channels):
        whole[:, c // block, :, :, c % block] = a[:, c]
    return whole


A = values(2, 7, 32)
M, C = values(20, 37), values(2, 5, 3, 4)


@pytest.mark.parametrize(
    ("a", "b", "name"),
    [
        (A, A.reshape(14, 32), "reshaped"),
        (A, heads(A), "reshaped"),
        (heads(A), A, "axes"),
        (M, fractal(M, 16), "FRACTAL_NZ"),
        (M, fractal(M, 8), "FRACTAL_NZ"),
        (C, five_dimensional(C, 16), "NC1HWC0"),
        (M, M.T[:, None, :], "axes (1, 0)"),
    ],
)
def test_other_layouts(a: np.ndarray, b: np.ndarray, name: str) -> None:
    layout = recognised_layout(a, b)
    assert layout is not None
    assert name in layout.name
    np.testing.assert_array_equal(layout.restored, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones((3, 4)), np.ones((4, 3))),
        (np.arange(12).reshape(3, 4) % 5, np.arange(12).reshape(4, 3) % 5),
        (values(5, 6), values(6, 5)),
        (np.full((30, 40), np.nan), np.full((40, 30), np.nan)),
        (values(5, 6), values(5, 5)),
    ],
)
def test_uniform_or_other_values_are_no_layout(a: np.ndarray, b: np.ndarray) -> None:
    assert recognised_layout(a, b) is None


def test_a_layout_is_said_and_is_neither_a_match_nor_a_divergence() -> None:
    a = values(8, 3, 5, 5)
    row = compare_arrays(a, np.ascontiguousarray(a.transpose(0, 2, 3, 1))).iloc[0]
    assert row["status"] == "shape"
    assert row["layout"] == "axes (0, 2, 3, 1)"
    assert "NCHW in A, NHWC in B" in row["reason"]
    assert row["max_abs"] == 0
    assert not row["first_divergence"]


def test_a_square_weight_transposed_is_a_mismatch_that_says_so() -> None:
    a = values(64, 64)
    row = compare_arrays(a, a.T).iloc[0]
    assert row["status"] == "mismatch"
    assert row["first_divergence"]
    assert "B is A transposed: the same values in other places." in row["reason"]


def test_a_fault_in_another_layout_is_a_divergence() -> None:
    a = values(40, 50)
    b = a.T.copy()
    b[3, 7] += 1
    row = compare_arrays(a, b).iloc[0]
    assert row["status"] == "mismatch"
    assert row["layout"] == "axes (1, 0)"
    assert row["max_abs"] == pytest.approx(1)


def test_a_large_layout_is_found_without_copying_every_candidate() -> None:
    a = np.arange(3 * 40 * 50 * 60, dtype=np.float32).reshape(3, 40, 50, 60)
    layout = recognised_layout(a, a.transpose(3, 1, 0, 2))
    assert layout is not None
    assert layout.name == "axes (3, 1, 0, 2)"
