"""The contract of a frame: its columns with dtypes and meanings, how one is built, and the check that holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    "string": pd.StringDtype("pyarrow"),
    "object": "object",
}


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
        return pd.DataFrame({c.name: pd.Series(dtype=_EMPTY_DTYPES[c.dtype]) for c in self.columns})

    def build(self, data: Mapping[str, Any] | pd.DataFrame) -> pd.DataFrame:
        """Make a valid frame from columns: cast, order, fill absent nullable columns with NA, number the rows.

        Args:
            data: Columns by name; arrays of one length. Columns the spec does not know are refused.

        Raises:
            SchemaError: A required column is absent, an unknown one is present, or a value does not fit.
        """
        given = data if isinstance(data, pd.DataFrame) else pd.DataFrame(_without_guessing(data))
        given = given.reset_index(drop=True)
        unknown = [name for name in given.columns if name not in self.names]
        if unknown:
            raise SchemaError(f"frame {self.name}: unknown columns {unknown}")
        built = {c.name: self._cast(c, given) for c in self.columns}
        frame = pd.DataFrame(built, index=given.index)
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

    def _cast(self, column: Column, given: pd.DataFrame) -> pd.Series[Any]:
        dtype = _EMPTY_DTYPES[column.dtype]
        if column.name not in given.columns:
            if not column.nullable:
                raise SchemaError(f"frame {self.name}: required column {column.name!r} is absent")
            missing: Any = float("nan") if column.dtype == "float64" else None
            return pd.Series([missing] * len(given), index=given.index, dtype=dtype)
        series = given[column.name]
        if str(series.dtype) == column.dtype:
            return series
        try:
            return series.astype(dtype)
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
            if not column.nullable and bool(series.isna().any()):
                raise SchemaError(f"frame {self.name}: column {column.name!r} has NA")
            if column.values:
                strange = sorted(set(series.dropna().unique()) - set(column.values))
                if strange:
                    raise SchemaError(f"frame {self.name}: column {column.name!r} has {strange[:3]}")


def _without_guessing(data: Mapping[str, Any]) -> dict[str, Any]:
    """Keep lists as Python objects: pandas would turn integers beside a None into floats and lose nanoseconds."""
    return {
        name: pd.Series(values, dtype=object) if isinstance(values, (list, tuple)) else values
        for name, values in data.items()
    }


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
