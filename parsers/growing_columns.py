"""Columns that grow window by window and take hardly more memory than their rows: numbers, unknown ones too, and texts.

They end as what a frame takes over without a copy.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
Key = TypeVar("Key", bound=Hashable)

# Columns are grown in place by this share, which large ones do without a copy.
_GROWTH = 0.25
_FIRST_ROWS = 4096


class GrowingNumbers(Generic[Scalar]):
    """Numbers of one dtype."""

    def __init__(self, dtype: type[Scalar]) -> None:
        self._values: NDArray[Scalar] = np.empty(_FIRST_ROWS, dtype)
        self._length = 0

    def append(self, values: NDArray[Scalar]) -> None:
        """Add rows at the end."""
        length = self._length + len(values)
        if length > len(self._values):
            self._values.resize(int(length * (1 + _GROWTH)), refcheck=False)
        self._values[self._length : length] = values
        self._length = length

    def finish(self) -> NDArray[Scalar]:
        """Give the column, shape (n,); nothing may be added afterwards."""
        self._values.resize(self._length, refcheck=False)
        return self._values


class GrowingIntegers:
    """int64 numbers of which some are unknown; nothing is kept until one is known."""

    def __init__(self) -> None:
        self._length = 0
        self._values: GrowingNumbers[np.int64] | None = None
        self._unknown: GrowingNumbers[np.bool_] | None = None

    def append(self, values: pa.Array) -> None:
        """Add rows of an Arrow int64 array."""
        self._length += len(values)
        if self._values is None or self._unknown is None:
            if values.null_count == len(values):
                return
            before = self._length - len(values)
            self._values, self._unknown = GrowingNumbers(np.int64), GrowingNumbers(np.bool_)
            self._values.append(np.zeros(before, np.int64))
            self._unknown.append(np.ones(before, np.bool_))
        known = pc.fill_null(values, 0) if values.null_count else values
        self._values.append(known.to_numpy())
        self._unknown.append(values.is_null().to_numpy(zero_copy_only=False))

    def finish(self) -> pd.arrays.IntegerArray:
        """Give the column as Int64; nothing may be added afterwards."""
        if self._values is None or self._unknown is None:
            return pd.arrays.IntegerArray(np.zeros(self._length, np.int64), np.ones(self._length, np.bool_))
        return pd.arrays.IntegerArray(self._values.finish(), self._unknown.finish())


class GrowingCodes(Generic[Key]):
    """Values of which few are distinct, as numbers in the order of their first row.

    Attributes:
        numbers: Number of each distinct value.
    """

    def __init__(self) -> None:
        self.numbers: dict[Key, int] = {}
        self._codes = GrowingNumbers(np.int32)

    def append(self, distinct: Iterable[Key], codes: NDArray[np.integer]) -> None:
        """Add rows.

        Args:
            distinct: Values that occur in them.
            codes: Of each row the place of its value there, -1 none.
        """
        numbers = [self.numbers.setdefault(value, len(self.numbers)) for value in distinct]
        self._codes.append(np.array([*numbers, -1], np.int32)[codes])

    def finish(self) -> NDArray[np.int32]:
        """Give the number of each row's value, -1 none; nothing may be added afterwards."""
        return self._codes.finish()


def codes_of(texts: pa.DictionaryArray) -> NDArray[np.int32]:
    """Give the place of each row's text in the dictionary, -1 for null."""
    indices = pc.fill_null(texts.indices, -1) if texts.null_count else texts.indices
    codes: NDArray[np.int32] = indices.to_numpy()
    return codes


def categorical(codes: NDArray[np.integer], texts: Sequence[str | None]) -> pd.Categorical[str]:
    """Give a category column of numbers into texts; equal texts are one category, NA where the number or text is none.

    Args:
        codes: Shape (n,), place of each row's text; -1 none.
        texts: One a number; unused ones become no category.
    """
    used = np.zeros(len(texts) + 1, np.bool_)
    used[codes] = True
    categories: dict[str, int] = {}
    places = [
        categories.setdefault(text, len(categories)) if text is not None and used[place] else -1
        for place, text in enumerate(texts)
    ]
    # The dtype that pandas chooses for so many categories: it takes the codes over as they are.
    narrow = next(dtype for dtype in (np.int8, np.int16, np.int32) if len(categories) < np.iinfo(dtype).max)
    return pd.Categorical.from_codes(np.array([*places, -1], narrow)[codes], categories=pd.Index(list(categories)))
