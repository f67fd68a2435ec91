"""Operators of one run, summed by name, type, class, module, shape or kernel."""

from __future__ import annotations

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
    chosen = ops
    if step is not None:
        known = sorted(int(number) for number in ops["step"].unique() if number >= 0)
        if step not in known:
            listed = ", ".join(map(str, known)) or "none were recorded or could be inferred"
            raise ProfkitError(f"the run has no step {step}", f"steps: {listed}")
        chosen = chosen[chosen["step"] == step]
    if level is not None:
        chosen = chosen[chosen["level"] == level]
    if phase is not None:
        chosen = chosen[chosen["phase"] == phase]
    return chosen


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
    plain = ops[keys].astype(object)
    grouped = ops[["dur_ns", "self_ns"]].groupby([plain[key] for key in keys], dropna=False, sort=False)
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
    summary = summary.sort_values(["self_ns", *keys], ascending=[False, *(True for _ in keys)], kind="stable")
    return summary.reset_index(drop=True)
