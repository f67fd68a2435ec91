"""What a dtype can decide, which format the bits betray, and how a softmax amplifies."""

from __future__ import annotations

import numpy as np
import pytest

from profkit.compare.precision import coarser, held_precision, precision_of
from profkit.compare.sharpness import softmax_amplification


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_unit_roundoff_is_half_the_gap_above_one(dtype: str) -> None:
    precision = precision_of(dtype)
    assert precision is not None
    assert precision.roundoff == np.finfo(dtype).eps / 2


def test_bfloat16_has_eight_significant_bits() -> None:
    precision = precision_of("bfloat16")
    assert precision is not None
    assert precision.roundoff == 2.0**-8


@pytest.mark.parametrize(
    ("a", "b", "dtype"),
    [("float32", "float16", "float16"), ("bfloat16", "float16", "bfloat16"), ("float32", "int32", None)],
)
def test_the_coarser_dtype_decides(a: str, b: str, dtype: str | None) -> None:
    assert getattr(coarser(a, b), "dtype", None) == dtype
    assert coarser(a, b) == coarser(b, a)


def as_bfloat16(values: np.ndarray) -> np.ndarray:
    return (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


RANDOM = np.random.default_rng(7)
NORMAL = RANDOM.standard_normal((50, 40)).astype(np.float32)


@pytest.mark.parametrize(
    ("values", "held"),
    [
        (NORMAL, None),
        (as_bfloat16(NORMAL), "bfloat16"),
        (np.asfortranarray(as_bfloat16(NORMAL)), "bfloat16"),
        (as_bfloat16(NORMAL).astype(">f4"), "bfloat16"),
        (NORMAL.astype(np.float16).astype(np.float32), "float16"),
        (as_bfloat16(NORMAL * 1e30), "bfloat16"),
        (np.maximum(as_bfloat16(NORMAL), 0), "bfloat16"),
        (np.append(as_bfloat16(NORMAL), [np.nan, np.inf, 0.0]).astype(np.float32), "bfloat16"),
        (np.append(as_bfloat16(NORMAL), np.float32(0.1)), None),
        (np.zeros(100, np.float32), None),
        (np.eye(10, dtype=np.float32), None),
        (np.arange(-300, 300, dtype=np.float32), None),
        (np.arange(-127, 128).astype(np.float32) * np.float32(2.0**-9), None),
        (np.empty(0, np.float32), None),
        (np.full(5, np.nan, np.float32), None),
        (np.float32(0.1), None),
        (NORMAL.astype(np.float16), None),
        (NORMAL.astype(np.float64), None),
        (np.arange(5), None),
    ],
)
def test_a_widened_format_shows_in_the_bits(values: np.ndarray, held: str | None) -> None:
    assert held_precision(np.asarray(values)) == held


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("spread", [3.0, 10.0, 40.0])
def test_the_amplification_is_the_spread_of_the_logits(spread: float) -> None:
    logits = spread * RANDOM.standard_normal((6, 5, 64))
    found = softmax_amplification(softmax(logits).astype(np.float64), 2.0**-53)
    assert found == pytest.approx(np.sqrt(np.mean(np.square(logits - logits.mean(axis=-1, keepdims=True)))))


@pytest.mark.parametrize(
    "values",
    [
        NORMAL,
        np.full((3, 4), 0.25),
        np.full((3, 1), 1.0),
        np.ones(()),
        np.array([[0.9, 0.2]]),
        np.array([[0.5, np.nan]]),
        np.arange(4),
    ],
)
def test_what_is_no_sharp_softmax_amplifies_nothing(values: np.ndarray) -> None:
    assert softmax_amplification(values, 2.0**-24) == 1


def test_underflowed_probabilities_are_left_out() -> None:
    assert softmax_amplification(np.array([[1.0, 0.0, 0.0]]), 2.0**-24) == 1
