"""The contract of a frame: its columns with dtypes and meanings, how one is built, and the check that holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from profkit.errors import SchemaError

# The dtype words a column may use. "category" and "string" hold text; "Int64" and "boolean" may hold NA; a NaN in a
# "float64" column means "not known".
_EMPTY_DTYPES: Mapping[str, Any] = {
    "int64": "int64",
    "int32": "int32",
    "Int64": "Int64",
    "float64": "float64",
    "bool": "bool",
    "boolean": "boolean",
    "category": "category",
    "string": "string[pyarrow]",
    "object": "object",
}

# Dtypes that cannot hold an NA.
_WITHOUT_NA = frozenset({"int64", "int32", "bool"})


@dataclass(frozen=True)
class Column:
    """One column of a frame.

    Attributes:
        name: Column name; a unit stands in it (`dur_ns`, `size_bytes`).
        dtype: One of int64, int32, Int64, float64, bool, boolean, category, string, object.
        meaning: One sentence.
        nullable: Whether NA is allowed.
        values: The allowed texts, where there is a closed list.
    """

    name: str
    dtype: str
    meaning: str
    nullable: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class FrameSpec:
    """The contract of one frame: its name and its columns in order."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def empty(self) -> pd.DataFrame:
        """Give a frame of no rows with every column and dtype."""
        return pd.DataFrame({c.name: _no_values(c.dtype) for c in self.columns})

    def build(self, data: Mapping[str, Any] | pd.DataFrame) -> pd.DataFrame:
        """Make a valid frame from columns: cast, order, fill absent nullable columns with NA, number the rows.

        Args:
            data: Columns by name; arrays of one length, which the frame takes over: those that have their dtype are not
                copied. Columns the spec does not know are refused.

        Raises:
            SchemaError: A required column is absent, an unknown one is present, or a value does not fit.
        """
        unknown = [name for name in data if name not in self.names]
        if unknown:
            raise SchemaError(f"frame {self.name}: unknown columns {unknown}")
        given: Mapping[Any, Any] | pd.DataFrame = data
        if not isinstance(data, pd.DataFrame):
            given = _without_guessing(data)
            given = given if _need_no_alignment(given) else pd.DataFrame(given)
        if isinstance(given, pd.DataFrame) and not _counts_rows(given.index):
            given = given.reset_index(drop=True)
        index = pd.RangeIndex(_length(given))
        built = {c.name: self._cast(c, given.get(c.name), index) for c in self.columns}
        # From pandas 3 on, frames that share memory do not see each other's changes; before, a frame needs its own.
        copied = None if int(pd.__version__.split(".")[0]) < 3 else False
        frame = pd.DataFrame(built, index=index, copy=copied)
        self.validate(frame)
        return frame

    def from_rows(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Make a valid frame from rows given as column name to value; an absent value is NA.

        Raises:
            SchemaError: As for `build`.
        """
        if not rows:
            return self.empty()
        names = dict.fromkeys(name for row in rows for name in row)
        return self.build({name: [row.get(name) for row in rows] for name in names})

    def _cast(self, column: Column, values: Any, index: pd.RangeIndex) -> pd.Series[Any]:
        if values is None:
            if not column.nullable:
                raise SchemaError(f"frame {self.name}: required column {column.name!r} is absent")
            return _unknown(column.dtype, index)
        series = values if isinstance(values, pd.Series) else pd.Series(values, index=index, copy=False)
        if str(series.dtype) == column.dtype:
            return series
        try:
            return series.astype(_EMPTY_DTYPES[column.dtype])
        except (TypeError, ValueError) as error:
            raise SchemaError(f"frame {self.name}: column {column.name!r} is not {column.dtype}: {error}") from error

    def validate(self, frame: pd.DataFrame) -> None:
        """Check a frame against the contract.

        Raises:
            SchemaError: Columns, order, a dtype, an NA in a column that has none, or a value outside the closed list.
        """
        if list(frame.columns) != self.names:
            raise SchemaError(f"frame {self.name}: columns are {list(frame.columns)}, not {self.names}")
        for column in self.columns:
            series = frame[column.name]
            actual = "string" if isinstance(series.dtype, pd.StringDtype) else str(series.dtype)
            if actual != column.dtype:
                raise SchemaError(f"frame {self.name}: column {column.name!r} is {actual}, not {column.dtype}")
            if not column.nullable and column.dtype not in _WITHOUT_NA and bool(series.isna().any()):
                raise SchemaError(f"frame {self.name}: column {column.name!r} has NA")
            if column.values and set(series.cat.categories) - set(column.values):
                strange = sorted(set(series.dropna().unique()) - set(column.values))
                if strange:
                    raise SchemaError(f"frame {self.name}: column {column.name!r} has {strange[:3]}")


@cache
def _no_values(dtype: str) -> Any:
    """Give the array of no rows: made once, because a run has more empty frames than filled ones."""
    return pd.Series(dtype=_EMPTY_DTYPES[dtype]).array


def _without_guessing(data: Mapping[str, Any]) -> dict[str, Any]:
    """Keep lists as Python objects: pandas would turn integers beside a None into floats and lose nanoseconds."""
    return {
        name: pd.Series(values, dtype=object) if isinstance(values, (list, tuple)) else values
        for name, values in data.items()
    }


def _need_no_alignment(data: Mapping[str, Any]) -> bool:
    """Say whether columns belong together by position: no scalars, and no index but row numbers."""
    arrays = (np.ndarray, pd.api.extensions.ExtensionArray)
    return all(
        _counts_rows(values.index) if isinstance(values, pd.Series) else isinstance(values, arrays)
        for values in data.values()
    )


def _counts_rows(index: pd.Index[Any]) -> bool:
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _length(data: Mapping[Any, Any] | pd.DataFrame) -> int:
    return len(data) if isinstance(data, pd.DataFrame) else max((len(values) for values in data.values()), default=0)


def _unknown(dtype: str, index: pd.RangeIndex) -> pd.Series[Any]:
    """Give a column of NA; zeros that are never written take no memory."""
    rows = len(index)
    if dtype == "Int64":
        unknown = pd.arrays.IntegerArray(np.zeros(rows, np.int64), np.ones(rows, np.bool_))
        return pd.Series(unknown, index=index, copy=False)
    if dtype == "category":
        none = pd.Categorical.from_codes(np.full(rows, -1, np.int8), categories=pd.Index([], dtype=object))
        return pd.Series(none, index=index, copy=False)
    return pd.Series(float("nan") if dtype == "float64" else None, index=index, dtype=_EMPTY_DTYPES[dtype])


def concatenate(spec: FrameSpec, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack frames of one spec; text columns stay categorical. References between rows are not moved."""
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return spec.empty()
    if len(filled) == 1:
        return spec.build(filled[0])
    columns: dict[str, Any] = {}
    for column in spec.columns:
        parts = [frame[column.name] for frame in filled]
        if column.dtype == "category":
            columns[column.name] = pd.Series(_union([part.cat for part in parts]))
        else:
            columns[column.name] = pd.concat(parts, ignore_index=True)
    return spec.build(columns)


def _union(parts: Sequence[Any]) -> pd.Categorical:
    """Join categoricals; pandas keeps text categories as str or object, and joins only those of one sort."""
    texts = [part.rename_categories(part.categories.astype(object)) for part in parts]
    return pd.api.types.union_categoricals(texts, ignore_order=True)
