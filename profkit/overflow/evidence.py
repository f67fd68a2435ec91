"""From a row of the hunt back to the tensors it rests on."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from profkit.errors import UnreadableInputError
from profkit.overflow.tensor_values import can_be_judged, count
from profkit.parsers.dump.stored_tensor import open_tensor


def offending_input(tensors: pd.DataFrame, overflow_row: pd.Series[Any]) -> pd.Series[Any] | None:
    """Give the input to look at: the first that holds NaN or Inf, else the one of the largest magnitude.

    Args:
        tensors: The tensors frame that was hunted through.
        overflow_row: One row of schema.OVERFLOW.

    Returns:
        The row of the tensors frame; None if no floating-point input of the operator was dumped with its values.
    """
    of_operator = (
        (tensors["op"] == overflow_row["op"])
        & (tensors["iteration"] == overflow_row["iteration"])
        & (tensors["rank"] == overflow_row["rank"])
        & (tensors["io"] == "input")
        & tensors["path"].notna()
    )
    best: pd.Series[Any] | None = None
    largest = -math.inf
    for _, tensor in tensors[of_operator].sort_values("slot", kind="stable").iterrows():
        if not can_be_judged(tensor["dtype"]):
            continue
        try:
            counts = count(open_tensor(str(tensor["path"]), _text(tensor["member"])), str(tensor["dtype"]))
        except UnreadableInputError:
            continue
        if counts.nonfinite:
            return tensor
        if counts.max_abs > largest or best is None:
            best, largest = tensor, counts.max_abs
    return best


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
