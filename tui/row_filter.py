"""The filter a user types: words that every shown row must fulfil.

A term is a word of the view (slow), a text field with a part of its text (class:matmul) or its whole (class=matmul), a
number field with a bound (ratio>2, impact>=1.5ms), or any other text, which must occur in one of the text columns.
Upper and lower case are not told apart. Terms are divided by blanks and must all hold.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.tui.widgets.table_column import TableColumn

Mask = npt.NDArray[np.bool_]
FilterWord = Callable[[pd.DataFrame], Mask]

_TERM = re.compile(r"(?P<field>\w+)(?P<sign>>=|<=|:|=|>|<)(?P<value>.+)")
_DURATION = re.compile(r"(?P<digits>.+?)(?P<unit>ns|us|ms|s)")
_NS_PER_UNIT = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
}


class FilterError(ValueError):
    """A filter that cannot be understood; its text tells the user what to type instead."""


@dataclass(frozen=True)
class RowFilter:
    """What a user typed, understood.

    Attributes:
        text: As typed.
        terms: One function from the frame to a mask a term; a row is shown if every mask holds it.
    """

    text: str
    terms: tuple[FilterWord, ...]

    def mask(self, frame: pd.DataFrame) -> Mask:
        """Give which rows of the frame pass."""
        passing = np.ones(len(frame), dtype=np.bool_)
        for term in self.terms:
            passing &= term(frame)
        return passing


def parse_filter(text: str, columns: Sequence[TableColumn], words: Mapping[str, FilterWord]) -> RowFilter | None:
    """Understand a filter; None if it is blank.

    Args:
        text: As typed.
        columns: The columns a term may name.
        words: The words of the view.

    Raises:
        FilterError: A number or unit is not readable, or a sign does not fit its field.
    """
    fields = {name.lower(): column for column in columns for name in (column.name, column.short) if name}
    terms = tuple(_term(part, fields, words) for part in text.lower().split())
    return RowFilter(text, terms) if terms else None


def _term(part: str, fields: Mapping[str, TableColumn], words: Mapping[str, FilterWord]) -> FilterWord:
    if part in words:
        return words[part]
    match = _TERM.fullmatch(part)
    column = fields.get(match["field"]) if match else None
    if match is None or column is None:
        text_columns = [column.name for column in fields.values() if not column.is_numeric]
        return lambda frame: _any_contains(frame, text_columns, part)
    if column.is_numeric:
        return _number_term(column, match["field"], match["sign"], match["value"])
    name, sign, value = column.name, match["sign"], match["value"]
    if sign not in {":", "="}:
        raise FilterError(f"{match['field']} is text: {match['field']}:{value}")
    return lambda frame: _contains(frame[name], value, whole=sign == "=")


def _number_term(column: TableColumn, field: str, sign: str, value: str) -> FilterWord:
    if sign == ":":
        raise FilterError(f"{field} is a number: {field}>{value}")
    bound = _duration_ns(field, value) if column.kind == "duration" else _number(field, value)
    compare, name = _COMPARISONS[sign], column.name
    return lambda frame: _known(compare(frame[name], bound))


def _number(field: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise FilterError(f"{value} is not a number: {field}>2") from None


def _duration_ns(field: str, value: str) -> int | float:
    match = _DURATION.fullmatch(value)
    if match is None:
        raise FilterError(f"{field} is a time and needs a unit (ns, us, ms, s): {field}>1ms")
    try:
        ns = Decimal(match["digits"]) * _NS_PER_UNIT[match["unit"]]
        return int(ns) if ns == ns.to_integral_value() else float(ns)
    except (InvalidOperation, OverflowError, ValueError):
        raise FilterError(f"{match['digits']} is not a number: {field}>1ms") from None


def _any_contains(frame: pd.DataFrame, names: Sequence[str], text: str) -> Mask:
    found = np.zeros(len(frame), dtype=np.bool_)
    for name in dict.fromkeys(names):
        found |= _contains(frame[name], text, whole=False)
    return found


def _contains(values: pd.Series[Any], text: str, *, whole: bool) -> Mask:
    if isinstance(values.dtype, pd.CategoricalDtype):
        # One search over the few categories instead of the many rows; code -1 (NA) picks the added last element.
        found = _contains(values.cat.categories.to_series().astype(str), text, whole=whole)
        return np.concatenate([found, [False]])[values.cat.codes.to_numpy()]
    if not pd.api.types.is_string_dtype(values.dtype):
        return np.zeros(len(values), dtype=np.bool_)
    if whole:
        return _known(values.str.lower() == text)
    return _known(values.str.contains(text, case=False, regex=False))


def _known(mask: pd.Series[Any]) -> Mask:
    return mask.fillna(value=False).to_numpy(dtype=np.bool_)
