from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from profkit.overflow import tensor_values
from profkit.overflow.tensor_values import (
    can_be_judged,
    count,
    digest,
    has_one_finite_value,
    looks_like_float32_half,
    peak_of,
)
from profkit.parsers.dump.narrow_floats import widen_narrow_float


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_values, "_BLOCK", 7)


FLOATS = st.sampled_from(["float16", "float32", "float64", "complex64", "complex128", ">f4"])


@given(FLOATS.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=5))))
def test_counts_agree_with_plain_numpy(array: np.ndarray) -> None:
    real = array.view(array.real.dtype) if array.dtype.kind == "c" and array.ndim else array
    real = np.array([array.real, array.imag]) if array.dtype.kind == "c" and not array.ndim else real
    limit = np.finfo(real.dtype).max
    name = array.dtype.name

    counts, peak = count(array, name), peak_of(array, name)

    assert counts.size == real.size
    assert counts.nan == np.isnan(real).sum()
    assert counts.pos_inf == np.isposinf(real).sum()
    assert counts.neg_inf == np.isneginf(real).sum()
    assert counts.saturated == (np.abs(real) == limit).sum()
    assert counts.zeros == (real == 0).sum()
    finite = real[np.isfinite(real)]
    if finite.size:
        assert (counts.low, counts.high) == (finite.min(), finite.max())
    else:
        assert math.isnan(counts.low)
        assert math.isnan(counts.max_abs)
    assert peak.nan == bool(np.isnan(real).any())
    assert peak.inf == bool(np.isinf(real).any() and not np.isnan(real).any())
    assert peak.saturated == bool(np.isfinite(real).all() and (np.abs(real) == limit).any())


def test_bfloat16_saturates_below_float32() -> None:
    largest = np.array([0x7F7F0000], dtype=np.uint32).view(np.float32)
    assert peak_of(largest, "bfloat16").saturated
    assert not peak_of(largest, "float32").saturated
    assert not peak_of(np.array([np.finfo(np.float32).max]), "bfloat16").saturated


def test_memory_order_does_not_matter_to_counts_and_is_not_copied_away() -> None:
    array = np.asfortranarray(np.array([[1.0, np.nan, 2.0], [np.inf, 0.0, -3.0]]))
    assert count(array, "float64") == count(np.ascontiguousarray(array), "float64")


def test_equal_content_of_another_shape_has_the_same_digest() -> None:
    array = np.arange(30, dtype=np.float32)
    assert digest(array) == digest(array.reshape(5, 6).copy())
    assert digest(array) != digest(array[::-1].copy())
    assert digest(np.empty(0, dtype=np.float32)) == digest(np.empty((3, 0), dtype=np.float32))


def test_a_mask_has_one_finite_value() -> None:
    masked = np.full(40, -np.inf, dtype=np.float32)
    assert has_one_finite_value(masked)
    masked[::3] = 0
    assert has_one_finite_value(masked)
    masked[36] = 1e-30
    assert not has_one_finite_value(masked)


@pytest.mark.parametrize("seed", range(5))
def test_float32_words_read_as_float16_are_told_from_float16(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(tensor_values, "_BLOCK", 1 << 20)
    values = np.random.default_rng(seed).standard_normal(200).astype(np.float32)
    assert looks_like_float32_half(values.view(np.float16)[:200])
    true = values.astype(np.float16)
    assert not looks_like_float32_half(true)
    true[:100] = np.nan
    assert not looks_like_float32_half(true)
    true[:] = np.inf
    assert not looks_like_float32_half(true)
    assert not looks_like_float32_half(values.view(np.float16)[:4])


@pytest.mark.parametrize(
    ("dtype", "nan", "inf", "largest"),
    [
        # Words by hand from the tables of the formats' specifications.
        ("float8_e4m3fn", 0x7F, None, (0x7E, 448.0)),
        ("float8_e5m2", 0x7E, 0x7C, (0x7B, 57344.0)),
        ("float8_e4m3fnuz", 0x80, None, (0x7F, 240.0)),
        ("float8_e5m2fnuz", 0x80, None, (0x7F, 57344.0)),
    ],
)
def test_values_of_8_bit_formats_are_told_from_their_widened_form(dtype, nan, inf, largest):
    def peak(*words):
        return peak_of(widen_narrow_float(np.array(words, np.uint8), dtype), dtype)

    word, value = largest
    assert can_be_judged(dtype)
    assert peak(0x01, nan).nan
    assert peak(word, 0x01) == (False, False, False, value)
    if inf is not None:
        assert peak(inf, 0x01)[:2] == (False, True)
