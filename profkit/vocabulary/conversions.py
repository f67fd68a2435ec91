"""Which operators only change how a tensor is stored: its layout or its data type."""

from __future__ import annotations

from functools import cache

import pandas as pd

from profkit.vocabulary.tables import read_table


@cache
def _kinds() -> dict[str, str]:
    return {row["name"]: row["kind"] for row in read_table("conversions.tsv")}


def conversion_kinds(op_types: pd.Series[str]) -> pd.Series[str]:
    """Give "layout" or "cast" for operators that convert and do nothing else; NA for all others.

    Args:
        op_types: Column `op_type` of an ops frame, of either framework.

    Returns:
        Object series with the index of `op_types`.
    """
    return op_types.astype(object).map(_kinds()).astype(object)
