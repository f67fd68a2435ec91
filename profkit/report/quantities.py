"""How a number is written for a reader: durations, ratios, measurements and counts, one form for every view.

Every function takes a plain number, None, NaN or pandas.NA, and gives "-" for a value that is not known.
"""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import pandas as pd

UNKNOWN = "-"

# Nanoseconds in a unit, and its name; "us" as the profilers write it, so that any terminal encoding can print it.
_TIME_UNITS = ((1, "ns"), (1_000, "us"), (1_000_000, "ms"), (1_000_000_000, "s"))

_SIZE_UNITS = ((1, "B"), (1 << 10, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB"))


def duration(ns: Any) -> str:
    """Give a duration in ns with three significant digits and its unit: "1.23 ms", "-45.0 us", "512 ns", "1230 s"."""
    if not _is_known(ns):
        return UNKNOWN
    if not math.isfinite(ns):
        return f"{float(ns)} s"
    for scale, unit in _TIME_UNITS[:-1]:
        # Compared after rounding to three digits, so that 999_999 ns is 1.00 ms and never 1000 us.
        if abs(ns) < 999.5 * scale:
            return _three_digits(ns / scale, whole=scale == 1 and ns == int(ns)) + f" {unit}"
    scale, unit = _TIME_UNITS[-1]
    return _three_digits(ns / scale) + f" {unit}"


def ratio(value: Any) -> str:
    """Give a ratio: one decimal from 1 to 100 ("2.4x"), none above ("240x"), two digits below 1 ("0.42x")."""
    if not _is_known(value):
        return UNKNOWN
    size = abs(float(value))
    if not math.isfinite(size):
        return f"{float(value)}x"
    if size >= 99.95:
        return f"{value:.0f}x"
    if size >= 0.995 or size == 0:
        return f"{value:.1f}x"
    return f"{float(value):#.2g}x"


def number(value: Any) -> str:
    """Give a measurement with four significant digits ("0.001250", "1.235e+04"); only an exact zero is "0"."""
    if not _is_known(value):
        return UNKNOWN
    if value == 0:
        return "0"
    return f"{float(value):#.4g}".removesuffix(".")


def confidence(value: Any) -> str:
    """Give a confidence, from 0 to 1, with two digits: "0.90"."""
    return f"{float(value):.2f}" if _is_known(value) else UNKNOWN


def count(value: Any) -> str:
    """Give a whole number exactly, with commas between thousands."""
    return f"{int(value):,}" if _is_known(value) else UNKNOWN


def size(value: Any) -> str:
    """Give bytes with three significant digits and a binary unit: "512 B", "1.50 KiB", "-3.00 GiB"."""
    if not _is_known(value):
        return UNKNOWN
    for scale, unit in _SIZE_UNITS[:-1]:
        # Compared after rounding to three digits, so that a byte less than 1 MiB is no 1024 KiB.
        if abs(value) < 1023.5 * scale:
            return _three_digits(value / scale, whole=scale == 1) + f" {unit}"
    scale, unit = _SIZE_UNITS[-1]
    return _three_digits(value / scale) + f" {unit}"


def _is_known(value: Any) -> TypeGuard[float]:
    return not pd.isna(value)


def _three_digits(value: float, *, whole: bool = False) -> str:
    if whole:
        return f"{value:.0f}"
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{value:.{decimals}f}"


def share(value: Any) -> str:
    """Give a part of one as a percentage: 0.123 is "12.3 %"."""
    return f"{100 * value:.1f} %" if _is_known(value) else UNKNOWN
