"""Operators of one run, summed by name, type, class, module, shape or kernel."""

from __future__ import annotations

import numpy as np
import pandas as pd

from profkit.errors import ProfkitError

# What each grouping keeps: the columns that tell its rows apart.
GROUPINGS: dict[str, tuple[str, ...]] = {
    "name": ("name", "op_type", "op_class"),
    "op_type": ("op_type", "op_class"),
    "op_class": ("op_class",),
    "module": ("module", "phase"),
    "shape": ("name", "op_type", "op_class", "input_shapes"),
    "kernel": ("name", "op_type", "core"),
}


def choose_ops(
    ops: pd.DataFrame, *, level: str | None = None, step: int | None = None, phase: str | None = None
) -> pd.DataFrame:
    """Give the ops of one level, step and phase; None takes all of them.

    Raises:
        ProfkitError: The run has no such step.
    """
    wanted = np.ones(len(ops), dtype=bool)
    if step is not None:
        known = sorted(int(number) for number in ops["step"].unique() if number >= 0)
        if step not in known:
            listed = ", ".join(map(str, known)) or "none were recorded or could be inferred"
            raise ProfkitError(f"the run has no step {step}", f"steps: {listed}")
        wanted &= (ops["step"] == step).to_numpy()
    if level is not None:
        wanted &= (ops["level"] == level).to_numpy()
    if phase is not None:
        wanted &= (ops["phase"] == phase).to_numpy()
    return ops if wanted.all() else ops[wanted]


def summarise_ops(ops: pd.DataFrame, by: str) -> pd.DataFrame:
    """Sum operators by one of GROUPINGS; the costliest by self time stand first.

    A host operator's total time contains that of the operators it calls, its self time does not: only self times of
    different rows may be added.

    Args:
        ops: Frame `ops` (any rows of it), all of one level.
        by: A key of GROUPINGS.

    Returns:
        The grouping's columns (NA where unknown), then count (int64), total_ns, self_ns (int64), mean_ns (float64),
        min_ns, max_ns (int64).
    """
    keys = list(GROUPINGS[by])
    grouped = ops[[*keys, "dur_ns", "self_ns"]].groupby(keys, dropna=False, sort=False, observed=True)
    summary = pd.DataFrame(
        {
            "count": grouped.size(),
            "total_ns": grouped["dur_ns"].sum(),
            "self_ns": grouped["self_ns"].sum(),
            "mean_ns": grouped["dur_ns"].mean(),
            "min_ns": grouped["dur_ns"].min(),
            "max_ns": grouped["dur_ns"].max(),
        }
    ).reset_index()
    summary = summary.astype(dict.fromkeys(keys, object))
    summary = summary.sort_values(["self_ns", *keys], ascending=[False, *(True for _ in keys)], kind="stable")
    return summary.reset_index(drop=True)
