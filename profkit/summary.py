"""Operators of one run, summed by name, type, class, module, shape or kernel."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.errors import ProfkitError

_SPANS_TOLD = 8
# What each grouping keeps: the columns that tell its rows apart.
GROUPINGS: dict[str, tuple[str, ...]] = {
    "name": ("name", "op_type", "op_class"),
    "op_type": ("op_type", "op_class"),
    "op_class": ("op_class",),
    "module": ("module", "phase"),
    "shape": ("name", "op_type", "op_class", "input_shapes"),
    "kernel": ("name", "op_type", "core"),
}


def of_step(ops: pd.DataFrame, step: int) -> pd.DataFrame:
    """Give the rows of frame `ops` that belong to one step.

    Raises:
        ProfkitError: The run has no such step.
    """
    known = sorted(int(number) for number in ops["step"].unique() if number >= 0)
    if step not in known:
        listed = _spans(known) or "none were recorded or could be inferred"
        raise ProfkitError(f"the run has no step {step}", f"steps: {listed}")
    return ops[ops["step"] == step]


def _spans(numbers: Iterable[int]) -> str:
    """Say "1 to 50, 60" of rising numbers: a run may have thousands of steps."""
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    told = [str(first) if first == last else f"{first} to {last}" for first, last in spans]
    return ", ".join(told[:_SPANS_TOLD]) + (f" and others up to {spans[-1][1]}" if len(told) > _SPANS_TOLD else "")


def choose(totals: pd.DataFrame, *, level: str | None = None, phase: str | None = None) -> pd.DataFrame:
    """Give the totals of one level and phase; None takes all of them."""
    wanted = np.ones(len(totals), dtype=bool)
    if level is not None:
        wanted &= (totals["level"] == level).to_numpy()
    if phase is not None:
        wanted &= (totals["phase"] == phase).to_numpy()
    return totals if wanted.all() else totals[wanted]


def summarise(totals: pd.DataFrame, by: str) -> pd.DataFrame:
    """Sum operators by one of GROUPINGS; the costliest by self time stand first.

    A host operator's total time contains that of the operators it calls, its self time does not: only self times of
    different rows may be added.

    Args:
        totals: Frame of schema.TOTALS (any rows of it), all of one level.
        by: A key of GROUPINGS.

    Returns:
        The grouping's columns (NA where unknown), then count (int64), total_ns, self_ns (int64), mean_ns (float64),
        min_ns, max_ns (int64); where the class is kept, class_source: where it comes from, the costliest first.
    """
    keys = list(GROUPINGS[by])
    values = ["count", "total_ns", "self_ns", "min_ns", "max_ns"]
    grouped = totals[[*keys, *values]].groupby(keys, dropna=False, sort=False, observed=True)
    sums = grouped[["count", "total_ns", "self_ns"]].sum()
    summary = sums.assign(
        mean_ns=sums["total_ns"] / sums["count"], min_ns=grouped["min_ns"].min(), max_ns=grouped["max_ns"].max()
    ).reset_index()
    summary = summary.astype(dict.fromkeys(keys, object))
    if "op_class" in keys:
        summary["class_source"] = _class_sources(totals, grouped.ngroup())
    summary = summary.sort_values(["self_ns", *keys], ascending=[False, *(True for _ in keys)], kind="stable")
    return summary.reset_index(drop=True)


def _class_sources(totals: pd.DataFrame, group: pd.Series[int]) -> NDArray[np.object_]:
    """Give for each group, by its number, where its class comes from; joined where from several places."""
    times = (
        totals["self_ns"].groupby([group, totals["class_source"].astype(object).fillna("unknown")], sort=False).sum()
    )
    costliest = times.sort_values(ascending=False, kind="stable").reset_index(level="class_source")
    return costliest["class_source"].groupby(level=0).agg(", ".join).to_numpy(dtype=object)
