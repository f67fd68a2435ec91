"""Inputs on which widely used comparison tools give a wrong answer; each row names the defect and the right answer."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from profkit.compare import compare_arrays

NAN, INF = math.nan, math.inf


def compared(a: np.ndarray, b: np.ndarray, **tolerances: float) -> pd.Series:
    parity = compare_arrays(np.asarray(a), np.asarray(b), "torch", "mindspore", **tolerances)
    assert len(parity) == 1
    return parity.iloc[0]


F16, F32 = np.float16, np.float32

STATUS = [
    ("fp16 dot product overflows: cosine nan", np.full(100, 300, F16), np.full(100, 301, F16), "undecidable"),
    ("fp16 60000 against -60000: difference inf", np.full(9, 60000, F16), np.full(9, -60000, F16), "mismatch"),
    (
        "fp16 60000 against 59000, 70000 of them",
        np.full(70_000, 60000, F16),
        np.full(70_000, 59000, F16),
        "mismatch",
    ),
    ("fp32 1e20 squared overflows: cosine nan or 0", np.full(9, 1e20, F32), np.full(9, 1e20, F32), "match"),
    ("fp32 1e20 against 2e20", np.full(9, 1e20, F32), np.full(9, 2e20, F32), "mismatch"),
    ("values below 1e-20 against the double: printed as 0", np.full(9, 1e-21, F32), np.full(9, 2e-21, F32), "mismatch"),
    (
        "small values off by a factor of 2 pass an absolute 1e-4",
        np.full(9, 1e-6, F32),
        np.full(9, 2e-6, F32),
        "mismatch",
    ),
    ("zeros against 1e-5 pass with cosine nan", np.zeros(9, F32), np.full(9, 1e-5, F32), "mismatch"),
    ("reference 0: relative error 0", np.array([0, 1], F32), np.array([0.5, 1], F32), "mismatch"),
    ("NaN on both sides: True, or all errors 0", np.array([NAN, 1], F32), np.array([NAN, 1], F32), "undecidable"),
    ("NaN everywhere on both sides: Yes", np.full(3, NAN, F32), np.full(3, NAN, F32), "undecidable"),
    ("NaN on one side only: N/A", np.array([NAN, 1], F32), np.array([2, 1], F32), "mismatch"),
    ("NaN at different places", np.array([NAN, 1], F32), np.array([1, NAN], F32), "mismatch"),
    ("+Inf against -Inf is zeroed: perfect", np.array([INF, 1], F32), np.array([-INF, 1], F32), "mismatch"),
    ("Inf against the largest number", np.array([INF, 1], F16), np.array([65504, 1], F16), "mismatch"),
    ("equal Inf hides what differs beside it", np.array([INF, 1], F32), np.array([INF, 2], F32), "mismatch"),
    ("equal Inf alone counts as a pass", np.array([INF, 1], F32), np.array([INF, 1], F32), "undecidable"),
    ("int64 2^53+1 against 2^53 equal", np.array([2**53 + 1]), np.array([2**53]), "mismatch"),
    ("int64 2^24+1 against 2^24 equal in float32", np.array([2**24 + 1]), np.array([2**24]), "mismatch"),
    ("the imaginary part is dropped", np.array([1 + 2j]), np.array([1 + 5j]), "mismatch"),
    ("bool has a cosine only", np.array([True, False]), np.array([True, True]), "mismatch"),
    ("empty arrays True", np.empty((0, 3), F32), np.empty((0, 3), F32), "undecidable"),
    ("0-d crashes", np.array(1.0, F32), np.array(2.0, F32), "mismatch"),
    ("0-d equal", np.array(1.0, F32), np.array(1.0, F32), "match"),
    ("one element has no cosine", np.array([1.0], F32), np.array([1.0], F32), "match"),
    ("broadcast scalar", np.ones((2, 3), F32), np.ones((), F32), "shape"),
    ("broadcast row", np.ones((2, 3), F32), np.ones(3, F32), "shape"),
    ("transposed", np.ones((2, 3), F32), np.ones((3, 2), F32), "shape"),
    ("axis of length 1 added by a 1-d convolution", np.ones((2, 3), F32), np.ones((2, 1, 3), F32), "shape"),
    ("equal values of another width pass in silence", np.ones(3, F32), np.ones(3, F16), "dtype"),
    ("another kind of number", np.ones(3, F32), np.ones(3, np.int32), "dtype"),
    ("text", np.array(["a"]), np.array(["a"]), "undecidable"),
]


@pytest.mark.parametrize(("a", "b", "status"), [row[1:] for row in STATUS], ids=[row[0] for row in STATUS])
def test_the_status_is_right(a: np.ndarray, b: np.ndarray, status: str) -> None:
    for left, right in ((a, b), (b, a)):
        row = compared(left, right)
        assert row["status"] == status
        assert row["first_divergence"] == (
            status == "mismatch" or (status == "shape" and "length 1" not in row["reason"])
        )
        assert row["reason"].endswith(".")


def test_metrics_that_overflow_elsewhere_are_finite_and_right() -> None:
    row = compared(np.full(70_000, 60000, F16), np.full(70_000, 59000, F16))
    assert (row["max_abs"], row["mean_abs"], row["rmse"], row["cosine"]) == (992, 992, 992, pytest.approx(1))
    assert compared(np.full(9, 1e20, F32), np.full(9, -1e20, F32))["cosine"] == pytest.approx(-1)
    assert compared(np.full(9, 1e300), np.full(9, -1e300))["rel_l2"] == pytest.approx(2)
    assert compared(np.full(9, 1e-300), np.full(9, 2e-300))["rel_l2"] == pytest.approx(1)


def test_the_mean_is_over_all_elements_not_over_the_unequal() -> None:
    a = np.zeros(1_000_000)
    b = a.copy()
    b[5] = 1
    assert compared(a, b)["mean_abs"] == 1e-6


def test_a_zero_reference_gives_no_relative_error_out_of_nothing() -> None:
    row = compared(np.array([0.0, 0.0], F32), np.array([1e-3, 0.0], F32))
    assert math.isnan(row["max_rel"])
    assert row["rel_l2"] == INF


def test_argument_order_changes_no_verdict_at_the_edge_of_a_tolerance() -> None:
    a, b = np.array([1.0]), np.array([1.1])
    for rtol in (0.0905, 0.0909090, 0.0909091, 0.095, 0.0999, 0.1001):
        assert compared(a, b, rtol=rtol)["status"] == compared(b, a, rtol=rtol)["status"]


def test_counts_of_non_finite_values_are_always_given() -> None:
    row = compared(np.array([NAN, INF, -INF, 1]), np.array([NAN, NAN, INF, 1]))
    assert [row[name] for name in ("nan_a", "nan_b", "inf_a", "inf_b")] == [1, 2, 2, 1]


def test_small_differences_are_not_rounded_away() -> None:
    row = compared(np.ones(4), np.ones(4) + 2.0**-50)
    assert 0 < row["max_abs"] < 1e-14
    assert row["cosine"] == pytest.approx(1)
