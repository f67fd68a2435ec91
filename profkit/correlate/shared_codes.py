"""One integer coding for text columns of several frames, so that rows of different frames can be compared by number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from profkit.correlate.intervals import Int64s


def shared_codes(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> list[Int64s]:
    """Give each frame's rows a number that is equal where all the columns are equal, in whichever frame.

    Args:
        frames: Frames that have the columns, as categories; NA equals NA.
        columns: What is compared.

    Returns:
        One int64 array a frame, of its length.
    """
    ends = np.cumsum([len(frame) for frame in frames])
    combined = np.zeros(int(ends[-1]), dtype=np.int64)
    for column in columns:
        texts = [frame[column].cat.categories.astype(object) for frame in frames]
        union = pd.Index(np.concatenate([part.to_numpy() for part in texts])).unique()
        codes = [
            np.append(union.get_indexer(part), -1)[frame[column].cat.codes]
            for part, frame in zip(texts, frames, strict=True)
        ]
        combined = combined * (len(union) + 1) + np.concatenate(codes) + 1
    return np.split(combined, ends[:-1])
