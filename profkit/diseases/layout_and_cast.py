"""Layout and cast overhead: kernels around an operator that only change how a tensor is stored."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.correlate.unit_facts import short_names
from profkit.diseases.recording import Recording, counted, row_names
from profkit.diseases.subject import Finding, Subject, finding
from profkit.vocabulary.conversions import conversion_kinds

_LAYOUT_ADVICE = (
    "keep one storage format from end to end: set the network's data format once, pad channels to a multiple of 16, "
    "avoid transposing in the model, and check that no operator in between refuses the private format"
)
_CAST_ADVICE = (
    "keep one data type from end to end: convert parameters and inputs once, check the mixed-precision level and "
    "lists, and look for Python scalars or float32 constants that promote the type"
)

_HELPERS = ["copy", "fill", "view"]


def layout(subject: Subject) -> list[Finding]:
    """Name the time that conversions of layout take."""
    return _conversions(subject, "layout", _LAYOUT_ADVICE)


def cast(subject: Subject) -> list[Finding]:
    """Name the time that conversions of data type take."""
    return _conversions(subject, "cast", _CAST_ADVICE)


def _conversions(subject: Subject, kind: str, advice: str) -> list[Finding]:
    def chosen(side: Recording) -> NDArray[np.bool_]:
        return (conversion_kinds(side.rows["op_type"]) == kind).to_numpy() & ~side.rows["named"].to_numpy()

    cost = subject.excess(kind, lambda side: side.cost(chosen(side)))
    if cost is None:
        return []
    rows = subject.run.one_step(chosen(subject.run))
    served = _served(subject.run, rows)
    evidence = (
        f"{cost.words()}, {subject.share_of_computing(cost.ns)}: {counted(rows['op_type'], rows['dur_ns'])}; "
        f"mostly before {counted(served, rows['dur_ns'], most=2)}; {row_names(rows)}"
    )
    return [finding(kind, cost, evidence, advice, op=_first(rows["op_type"]), groups=subject.groups(rows))]


def _served(side: Recording, rows: pd.DataFrame) -> pd.Series[str]:
    """Give for each conversion the next operator that does more than move or fill: what it was made for."""
    helps = conversion_kinds(side.rows["op_type"]).notna() | side.rows["op_class"].isin(_HELPERS)
    types = side.rows["op_type"].astype(object).where(side.rows["op_type"].notna(), short_names(side.rows["name"]))
    following = types.where(~helps).groupby(side.rows["rank"]).bfill()
    return following.loc[rows.index].fillna("the end of the step")


def _first(types: pd.Series[str]) -> str:
    return ", ".join(dict.fromkeys(types.astype(str)))
