from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.report.quantities import count, duration, number, ratio, size

_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}


@pytest.mark.parametrize("write", [duration, ratio, number, count, size])
@pytest.mark.parametrize("unknown", [None, math.nan, np.nan, pd.NA, pd.NaT])
def test_unknown_is_a_dash(write, unknown):
    assert write(unknown) == "-"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (1, "1 ns"),
        (999, "999 ns"),
        (1_000, "1.00 us"),
        (999_499, "999 us"),
        (999_500, "1.00 ms"),
        (1_234_567, "1.23 ms"),
        (12_345_678, "12.3 ms"),
        (-45_000, "-45.0 us"),
        (1_230_000_000_000, "1230 s"),
        (1.5, "1.50 ns"),
        (math.inf, "inf s"),
    ],
)
def test_durations(ns, text):
    assert duration(ns) == text


@given(st.integers(-(2**62), 2**62))
def test_a_duration_reads_back_within_its_digits(ns):
    digits, unit = duration(ns).split()
    assert math.isclose(float(digits) * _NS[unit], ns, rel_tol=0.0051, abs_tol=0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.44, "2.4x"),
        (1, "1.0x"),
        (0.42, "0.42x"),
        (0.0042, "0.0042x"),
        (99.94, "99.9x"),
        (99.96, "100x"),
        (240.3, "240x"),
        (0.999, "1.0x"),
        (math.inf, "infx"),
        (0, "0.0x"),
    ],
)
def test_ratios(value, text):
    assert ratio(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5000"), (1234, "1234"), (12345.6, "1.235e+04"), (1.25e-7, "1.250e-07"), (-math.inf, "-inf")],
)
def test_numbers(value, text):
    assert number(value) == text


def test_counts_are_exact():
    assert count(98_331) == "98,331"
    assert count(np.int64(2**62)) == f"{2**62:,}"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1536, "1.50 KiB"),
        ((1 << 20) - 1, "1.00 MiB"),
        (1 << 30, "1.00 GiB"),
        (-3 << 30, "-3.00 GiB"),
        (5 << 40, "5120 GiB"),
    ],
)
def test_sizes(amount, text):
    assert size(amount) == text
