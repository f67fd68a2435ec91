"""Synthetic recordings: arrays written as .npy files, with their tensors frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from profkit.schema import TENSORS

Recording = Callable[..., pd.DataFrame]


def tensors_frame(names: Sequence[str], **columns: Any) -> pd.DataFrame:
    """A tensors frame without files; a column is one value for all rows or one a row."""
    rows = {"rank": -1, "iteration": -1, "graph": -1, "io": "output", "slot": 0, "source": "synthetic", **columns}
    return TENSORS.build(pd.DataFrame({"op": list(names), **rows}))


@pytest.fixture
def tensors() -> Recording:
    """Give `tensors_frame`: a tensors frame without files."""
    return tensors_frame


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Write arrays and give their frame: recording({"fc": array, ...} or [("fc", array), ...], io="gradient")."""
    folder = count()

    def write(arrays: Any, **columns: Any) -> pd.DataFrame:
        pairs = list(arrays.items()) if isinstance(arrays, dict) else list(arrays)
        target = tmp_path / str(next(folder))
        target.mkdir()
        paths = [str(target / f"{number}.npy") for number in range(len(pairs))]
        for path, (_, array) in zip(paths, pairs, strict=True):
            np.save(path, array)
        recorded = {
            "order": range(len(pairs)),
            "path": paths,
            "dtype": [array.dtype.name for _, array in pairs],
            "shape": [",".join(map(str, array.shape)) for _, array in pairs],
        }
        return tensors_frame([name for name, _ in pairs], **{**recorded, **columns})

    return write
