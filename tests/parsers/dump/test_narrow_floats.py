from __future__ import annotations

import math

import numpy as np
import pytest

from profkit.parsers.dump.narrow_floats import NARROW_FLOATS, widen_narrow_float

WORDS = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize(
    ("dtype", "word", "value"),
    [
        ("float8_e4m3fn", 0x7E, 448.0),
        ("float8_e4m3fn", 0x01, 2.0**-9),
        ("float8_e4m3fn", 0x08, 2.0**-6),
        ("float8_e4m3fn", 0xB8, -1.0),
        ("float8_e5m2", 0x7B, 57344.0),
        ("float8_e5m2", 0x01, 2.0**-16),
        ("float8_e5m2", 0x7C, math.inf),
        ("float8_e5m2", 0xFC, -math.inf),
        ("float8_e8m0fnu", 0x7F, 1.0),
        ("float8_e8m0fnu", 0x00, 2.0**-127),
        ("float8_e8m0fnu", 0xFE, 2.0**127),
    ],
)
def test_values_that_the_specifications_name(dtype: str, word: int, value: float) -> None:
    assert widen_narrow_float(np.array([word], np.uint8), dtype)[0] == value


def test_nan_is_where_the_specifications_put_it() -> None:
    nan = {dtype: np.flatnonzero(np.isnan(widen_narrow_float(WORDS, dtype))).tolist() for dtype in NARROW_FLOATS}
    assert nan == {
        "float8_e4m3fn": [0x7F, 0xFF],
        "float8_e5m2": [0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF],
        "float8_e8m0fnu": [0xFF],
        # Minus zero stands for NaN where there is no minus zero.
        "float8_e4m3fnuz": [0x80],
        "float8_e5m2fnuz": [0x80],
    }


def test_float8_e5m2_is_the_upper_half_of_float16() -> None:
    halves = (WORDS.astype(np.uint16) << np.uint16(8)).view(np.float16).astype(np.float32)
    assert np.array_equal(widen_narrow_float(WORDS, "float8_e5m2"), halves, equal_nan=True)


@pytest.mark.frameworks
@pytest.mark.parametrize("dtype", sorted(NARROW_FLOATS))
def test_all_values_are_those_of_torch(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.from_numpy(WORDS).view(getattr(torch, dtype)).to(torch.float32).numpy()
    assert np.array_equal(widen_narrow_float(WORDS, dtype), theirs, equal_nan=True)
