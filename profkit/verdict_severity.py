"""Verdicts as numbers from the worst on, so that the worst of several is the smallest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Severities = npt.NDArray[np.int64]


def severity(verdicts: pd.Series[Any], from_worst: tuple[str, ...]) -> Severities:
    """Give the place of each verdict, 0 the worst; the number of verdicts for NA and for one that is not listed."""
    places = {word: place for place, word in enumerate(from_worst)}
    return verdicts.astype(object).map(places).astype("float64").fillna(len(from_worst)).to_numpy(dtype=np.int64)


def verdicts_of(severities: Severities, from_worst: tuple[str, ...]) -> npt.NDArray[np.object_]:
    """Give the verdicts of places; None where there is none."""
    return np.array([*from_worst, None], dtype=object)[severities]
