"""One integer coding for text columns of several frames, so that rows of different frames can be compared by number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def shared_codes(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> list[NDArray[np.integer]]:
    """Give each frame's rows a number that is equal where all the columns are equal, in whichever frame.

    Args:
        frames: Frames that have the columns, as categories; NA equals NA.
        columns: What is compared.

    Returns:
        One array a frame, of its length: int32, or int64 if there are so many combinations.
    """
    ends = np.cumsum([len(frame) for frame in frames])
    combined = np.zeros(int(ends[-1]), dtype=np.int64)
    for column in columns:
        texts = [frame[column].cat.categories.astype(object) for frame in frames]
        union = pd.Index(np.concatenate([part.to_numpy() for part in texts])).unique()
        codes = [
            np.append(union.get_indexer(part), -1).astype(np.int32)[frame[column].cat.codes]
            for part, frame in zip(texts, frames, strict=True)
        ]
        combined *= len(union) + 1
        combined += np.concatenate(codes)
        combined += 1
    narrow = combined.max(initial=0) <= np.iinfo(np.int32).max
    return np.split(combined.astype(np.int32) if narrow else combined, ends[:-1])
