"""Stored words as numbers: the formats that numpy lacks are widened to float32, which changes no value."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from profkit.parsers.dump.array_file import AnyArray, widen_bfloat16
from profkit.parsers.dump.narrow_floats import NARROW_FLOATS, widen_narrow_float

_WORDS = {"bfloat16": "u2", **dict.fromkeys(NARROW_FLOATS, "u1")}


class StoredWords(NamedTuple):
    """A tensor as its file holds it.

    Attributes:
        words: Read with `word_dtype(dtype)`: of the tensor's shape, complex32 with its two parts in a last dimension.
        dtype: Name as `dtype_name` gives it.
    """

    words: AnyArray
    dtype: str


def word_dtype(dtype: str, byte_order: str = "<") -> np.dtype[np.generic] | None:
    """Give the dtype that the stored words of a format are read with; None if the format is not known.

    Args:
        dtype: Name as `dtype_name` gives it.
        byte_order: "<" little, ">" big.
    """
    if dtype == "complex32":
        return np.dtype((np.dtype(f"{byte_order}u2"), (2,)))
    try:
        return np.dtype(_WORDS.get(dtype, dtype)).newbyteorder("<" if byte_order == "<" else ">")
    except TypeError:
        return None


def numbers(words: AnyArray, dtype: str) -> AnyArray:
    """Give the numbers that stored words stand for; as they are where numpy has the format.

    Args:
        words: Read with `word_dtype`; complex32 has its two parts in the last dimension.
        dtype: Name as `dtype_name` gives it.
    """
    if dtype == "bfloat16":
        return widen_bfloat16(words)
    if dtype == "complex32":
        parts = np.ascontiguousarray(words).view(np.dtype(np.float16).newbyteorder(words.dtype.byteorder))
        return parts.astype(np.float32).view(np.complex64).reshape(words.shape[:-1])
    return widen_narrow_float(words, dtype) if dtype in NARROW_FLOATS else words
