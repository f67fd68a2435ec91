"""Distances in units in the last place against a count of the numbers in between."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profkit.compare import measure
from profkit.compare.ulp_distance import UlpHistogram

EVERY_HALF = np.arange(65536, dtype=np.uint16).view(np.float16)
# 0 and -0 are one number, and are sorted out once.
SORTED_HALVES = np.unique(EVERY_HALF[np.isfinite(EVERY_HALF)].astype(np.float64))


def rank(value: float, code: str) -> int:
    """The count of numbers from 0, from the bytes of the value as the standard orders them."""
    pattern = int.from_bytes(struct.pack(">" + code, value), "big")
    sign = 1 << (8 * struct.calcsize(code) - 1)
    return -(pattern - sign) if pattern >= sign else pattern


def test_every_half_against_the_list_of_all_of_them() -> None:
    random = np.random.default_rng(0)
    finite = EVERY_HALF[np.isfinite(EVERY_HALF)]
    a, b = finite, random.permutation(finite)
    places = [np.searchsorted(SORTED_HALVES, side.astype(np.float64)) for side in (a, b)]
    expected = np.sort(np.abs(places[0] - places[1]))
    found = measure(a, b)
    assert found.ulp_max == expected[-1]
    for share, value in ((0.5, found.ulp_p50), (0.99, found.ulp_p99)):
        exact = expected[math.ceil(share * len(expected)) - 1]
        assert exact * (1 - 1 / 256) <= value <= exact


@settings(deadline=None, max_examples=100)
@given(st.data())
@pytest.mark.parametrize(("dtype", "code", "width"), [("float32", "f", 32), ("float64", "d", 64)])
def test_floats_against_their_bytes(dtype: str, code: str, width: int, data: st.DataObject) -> None:
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=width)
    a, b = data.draw(numbers), data.draw(numbers)
    expected = abs(rank(a, code) - rank(b, code))
    found = measure(np.array([a], dtype), np.array([b], dtype))
    assert found.ulp_max == float(expected)
    if expected < 4096:
        assert found.ulp_p50 == expected


@pytest.mark.parametrize("steps", [0, 1, 3, 1000])
def test_steps_are_counted_across_zero(steps: int) -> None:
    a = np.zeros(5, np.float32)
    b = -(np.arange(5) * 0 + steps).astype(np.uint32).view(np.float32)
    assert measure(a, b).ulp_max == steps
    assert measure(b, -b).ulp_max == 2 * steps


def test_the_narrower_dtype_counts() -> None:
    x = np.array([1.0, 2.0, -3.0], np.float32)
    nearly = x * np.float32(1 + 2.0**-9)
    assert (
        measure(x, nearly.astype(np.float16)).ulp_max
        == measure(x.astype(np.float16), nearly.astype(np.float16)).ulp_max
    )
    wide = (np.array([0x3F80, 0x3F83], np.uint32) << 16).view(np.float32)
    found = measure(wide[:1], wide[1:], dtypes=("bfloat16", "bfloat16"))
    assert found.ulp_max == 3


@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [("float8_e4m3fn", [0.0, 2.0**-9, 1.0, 1.125, 448.0]), ("float8_e5m2", [0.0, 2.0**-16, 1.0, 1.25, 57344.0])],
)
def test_formats_of_eight_bits_count_in_their_own_steps(dtype: str, numbers: list[float]) -> None:
    zero, smallest, one, after, largest = (np.array([number], np.float32) for number in numbers)
    for a, b, steps in ((zero, smallest, 1), (one, after, 1), (one, -one, 2), (zero, zero, 0)):
        found = measure(a, b, dtypes=(dtype, dtype)).ulp_max
        assert found == (steps if steps != 2 else 2 * measure(zero, one, dtypes=(dtype, dtype)).ulp_max)
    assert measure(zero, largest, dtypes=(dtype, dtype)).ulp_max == {"float8_e4m3fn": 126, "float8_e5m2": 123}[dtype]


@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64"])
def test_what_is_no_float_has_none(dtype: str) -> None:
    found = measure(np.ones(3, dtype), np.zeros(3, dtype))
    assert math.isnan(found.ulp_p50)
    assert math.isnan(found.ulp_max)


def test_blocks_change_no_quantile() -> None:
    random = np.random.default_rng(1)
    a = random.standard_normal(10_000).astype(np.float32)
    b = (a * (1 + 1e-4 * random.standard_normal(10_000))).astype(np.float32)
    one, many = measure(a, b), measure(a, b, block_elements=37)
    assert (one.ulp_p50, one.ulp_p99, one.ulp_max) == (many.ulp_p50, many.ulp_p99, many.ulp_max)


def test_an_empty_histogram_has_no_quantile() -> None:
    assert math.isnan(UlpHistogram("float32", "float32").quantile(0.5))
