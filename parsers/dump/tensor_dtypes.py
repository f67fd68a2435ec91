"""Names of dtypes as frameworks and files write them, as numpy's names; and the bytes of an element of each."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PREFIXES = ("torch.", "mindspore.", "mstype.", "numpy.")
_LONGEST_NAME = 40


@cache
def _names() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(files("profkit.parsers.dump").joinpath("tensor_dtypes.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def dtype_name(text: str) -> str | None:
    """Give numpy's name of a dtype that a file spells torch.float32, Float32, FLOAT, BF16 or F8_E4M3; None if unknown.

    Dtypes that numpy lacks have the name that torch gives them (bfloat16, float8_e4m3fn).
    """
    word = text.strip().lower()[:_LONGEST_NAME]
    for prefix in _PREFIXES:
        word = word.removeprefix(prefix)
    word = _names()["numpy"].get(word, word)
    if word in _names()["other"]:
        return word
    try:
        dtype = np.dtype(word) if word else None
    except (TypeError, ValueError, SyntaxError):
        return None
    return dtype.name if dtype is not None and dtype.kind in "biufc" else None


def element_bytes(dtype: str) -> int:
    """Give the bytes of one element of a dtype that `dtype_name` gave."""
    other: int | None = _names()["other"].get(dtype)
    return np.dtype(dtype).itemsize if other is None else other


def may_be_nonfinite(dtype: str) -> bool:
    """Tell whether a dtype that `dtype_name` gave has values that are not finite."""
    return dtype in _names()["other"] or np.dtype(dtype).kind in "fc"


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape as the tensors frame has it: dims split by ','; empty for a scalar."""
    return ",".join(map(str, shape))


def size_bytes(shape: Sequence[int], dtype: str) -> int | None:
    """Give the bytes of a tensor; None if no memory could hold them."""
    size = math.prod(shape) * element_bytes(dtype)
    return size if size < 1 << 63 else None
