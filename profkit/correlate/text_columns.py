"""Categorical columns as plain texts, one shared object a distinct text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def texts_of(column: pd.Series[Any], unknown: str | None = None) -> NDArray[np.object_]:
    """Give the texts of a categorical column as object array; rows that are NA have the value of `unknown`."""
    texts = np.array([*map(str, column.cat.categories), unknown], dtype=object)
    return texts[column.cat.codes.to_numpy()]
