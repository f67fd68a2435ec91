"""What a view of operators shows of what is known: no columns that say nothing, the costliest first."""

from __future__ import annotations

import pandas as pd

from profkit.tui.row_order import Sort
from profkit.tui.widgets.table_column import TableColumn, duration_column

IMPACT = duration_column("impact_ns", "impact", short="impact", can_be_negative=True)
REF_TIME = duration_column("ref_ns", "ref", short="ref")
RUN_TIME = duration_column("run_ns", "run", short="run")

_OF_BOTH_SIDES = {"ratio", "impact_ns", "flag", "flagged", "slow"}
_OF_VALUES = {"module", "parity", "max_abs", "overflow"}


def known_columns(columns: tuple[TableColumn, ...], operators: pd.DataFrame) -> tuple[TableColumn, ...]:
    """Leave out the columns that say nothing as nothing was aligned; where there are no operators, all stay."""
    if operators.empty or operators["impact_ns"].notna().any():
        return columns
    absent = set(_OF_BOTH_SIDES)
    for side in ("ref", "run"):
        if operators[f"{side}_ns"].isna().all():
            absent |= {f"{side}_ns", f"{side}_ops"}
    return tuple(column for column in columns if column.name not in absent)


def telling_columns(columns: tuple[TableColumn, ...], frame: pd.DataFrame) -> tuple[TableColumn, ...]:
    """Leave out modules and verdicts that no row has; that they were not judged is told by overview and sources."""
    return tuple(
        column for column in columns if frame.empty or column.name not in _OF_VALUES or frame[column.name].notna().any()
    )


def costliest_first(operators: pd.DataFrame) -> Sort:
    """Sort by the largest loss of time; where nothing was aligned, by the time of the run, or else of the reference."""
    if operators.empty or operators["impact_ns"].notna().any():
        return Sort(IMPACT, descending=True)
    return Sort(RUN_TIME if operators["run_ns"].notna().any() else REF_TIME, descending=True)
