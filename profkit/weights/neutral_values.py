"""What is not needed as long as every element of it is neutral: looked at wherever there are values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from profkit.parsers.checkpoint.number_formats import StoredWords, numbers
from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint, CheckpointTensor
from profkit.weights.weight_map import NOT_NEEDED, SOURCE_ONLY, TARGET_ONLY, MapRow, WeightMap


def with_values_looked_at(weight_map: WeightMap, source: Checkpoint, target: Checkpoint | None = None) -> WeightMap:
    """Give a map in which no row is not_needed whose elements say otherwise: it is on one side only.

    Args:
        weight_map: From the source to the target.
        source: Has the values of the source.
        target: Has those of the target; None while they are not written yet.

    Raises:
        UnreadableInputError: A tensor that must be looked at cannot be read.
    """
    rows = tuple(_looked_at(row, source, target) for row in weight_map.rows)
    return replace(weight_map, rows=rows)


def _looked_at(row: MapRow, source: Checkpoint, target: Checkpoint | None) -> MapRow:
    if row.status != NOT_NEEDED or row.as_long_as is None:
        return row
    name, status = (row.sources[0], SOURCE_ONLY) if row.sources else (str(row.target), TARGET_ONLY)
    tensor = source.tensors.get(name) if row.sources else None if target is None else target.tensors.get(name)
    if tensor is None or bool(np.all(numbers(*element_words(tensor)) == row.as_long_as)):
        return row
    return replace(row, status=status, reason=f"the other side has none, and it is not all {row.as_long_as:g}")


def element_words(tensor: CheckpointTensor) -> StoredWords:
    """Open a tensor with one word an element: the two halves of complex32 as one of 32 bits."""
    words, dtype = tensor.open()
    if words.ndim == len(tensor.shape) + 1:
        words = np.ascontiguousarray(words.astype("<u2", copy=False)).view("<u4")[..., 0]
    return StoredWords(words, dtype)
