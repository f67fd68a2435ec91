"""Operators summed by what they have in common, each sum with its operators under it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from profkit.schema import OVERFLOW_FROM_WORST, PARITY_FROM_WORST
from profkit.verdict_severity import severity, verdicts_of

GROUPINGS: Mapping[str, tuple[str, ...]] = {
    "class": ("op_class",),
    "operator": ("operator",),
    "module": ("module",),
    "kernel": ("run_ops",),
    "shape": ("operator", "shapes"),
    "phase": ("phase",),
}
"""What operators are grouped by, and the columns of schema.OPERATORS that tell it."""

_COSTLIEST = ["impact_ns", "run_ns", "ref_ns"]

ONLY_REF = "ref only"
ONLY_RUN = "run only"

UNKNOWN = "(not known)"
UNKNOWN_SHAPES = "(shapes not known)"


def grouped_operators(operators: pd.DataFrame, by: str) -> pd.DataFrame:
    """Sum operators, the largest loss of time first or else the costliest, and list those of each sum after it.

    Args:
        operators: Frame of schema.OPERATORS.
        by: A key of GROUPINGS.

    Returns:
        group (object: the columns' text, shapes as [2,3] [3] and [] for a scalar, UNKNOWN or UNKNOWN_SHAPES for NA),
        depth (int64: 0 a sum, 1 an operator), row (int64: row of `operators`; of a sum that of its costliest operator),
        operators (int64: how many), ref_ns, run_ns, impact_ns (Int64, ns a step; NA where no operator of the sum has
        it), ratio (float64), flagged (int64), max_abs (float64: the largest), parity and overflow (object: the worst).
    """
    return _grouped(operators, _group_of_each(operators, by))


def unmatched_operators(operators: pd.DataFrame) -> pd.DataFrame:
    """Sum what only one side has, by side and by why it has no counterpart, what takes longest first.

    Args:
        operators: Frame of schema.OPERATORS. Where nothing was aligned, none of them is unmatched.

    Returns:
        As grouped_operators; impact_ns is the time of the one side.
    """
    alone = operators[operators["unit"] < 0]
    alone = alone.assign(impact_ns=alone["run_ns"].fillna(alone["ref_ns"]))
    side = alone["run_ns"].isna().map({True: ONLY_REF, False: ONLY_RUN})
    group = side.astype(object) + ": " + alone["reason"].astype(object)
    groups = _grouped(alone.reset_index(drop=True), group.reset_index(drop=True))
    return groups.assign(row=alone.index.to_numpy(dtype=np.int64)[groups["row"]])


def _grouped(operators: pd.DataFrame, group: pd.Series[str]) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "group": group.astype(object),
            "row": np.arange(len(operators), dtype=np.int64),
            "ref_ns": operators["ref_ns"].to_numpy(),
            "run_ns": operators["run_ns"].to_numpy(),
            "impact_ns": operators["impact_ns"].to_numpy(),
            "flagged": operators["flag"].notna().to_numpy().astype(np.int64),
            "max_abs": operators["max_abs"].to_numpy(),
            "parity": severity(operators["parity"], PARITY_FROM_WORST),
            "overflow": severity(operators["overflow"], OVERFLOW_FROM_WORST),
        }
    ).astype({"ref_ns": "Int64", "run_ns": "Int64", "impact_ns": "Int64"})
    rows = rows.sort_values(_COSTLIEST, ascending=False, na_position="last")
    sums = _sums(rows).assign(depth=0)
    sums["place"] = np.arange(len(sums))
    rows = rows.merge(sums[["group", "place"]], on="group").assign(depth=1, operators=1)
    walk = pd.concat([sums, rows], ignore_index=True).sort_values(["place", "depth"], kind="stable", ignore_index=True)
    reference = walk["ref_ns"].astype("Float64")
    walk["ratio"] = (walk["run_ns"].astype("Float64") / reference.where(reference > 0)).astype("float64")
    walk["parity"] = verdicts_of(walk["parity"].to_numpy(), PARITY_FROM_WORST)
    walk["overflow"] = verdicts_of(walk["overflow"].to_numpy(), OVERFLOW_FROM_WORST)
    return walk.drop(columns="place")


def _group_of_each(operators: pd.DataFrame, by: str) -> pd.Series[str]:
    parts = []
    for name in GROUPINGS[by]:
        values = operators[name].astype(object)
        unknown = UNKNOWN
        if name == "shapes":
            known = operators[name].cat.categories
            values = values.map({text: f"[{text.replace(';', '] [')}]" for text in known})
            unknown = UNKNOWN_SHAPES
        parts.append(values.where(values.notna(), unknown).astype(str))
    first, *others = parts
    return first.str.cat(others, sep=" ") if others else first


def _sums(rows: pd.DataFrame) -> pd.DataFrame:
    grouped = rows.groupby("group", sort=False)
    sums = pd.DataFrame(
        {
            "row": grouped["row"].first(),
            "operators": grouped.size(),
            **{name: grouped[name].sum(min_count=1) for name in ("ref_ns", "run_ns", "impact_ns")},
            "flagged": grouped["flagged"].sum(),
            "max_abs": grouped["max_abs"].max(),
            **{name: grouped[name].min() for name in ("parity", "overflow")},
        }
    ).reset_index()
    return sums.sort_values(_COSTLIEST, ascending=False, na_position="last", ignore_index=True)
