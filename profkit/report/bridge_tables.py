"""The bridge between two steps as tables to read: its parts, and the largest rows of them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from profkit.report import quantities
from profkit.session import Session

_LARGEST_ROWS = 10


def bridge_title(session: Session) -> str:
    """Say which steps are compared and what their difference is."""
    bridge = session.bridge
    words = []
    for side, word in (("ref", "reference"), ("run", "run")):
        steps = session.bridge_rows.loc[session.bridge_rows["side"] == side, "step"]
        step = f"step {steps.iloc[0]}" if len(steps) and steps.iloc[0] >= 0 else "all"
        words.append(f"{step} of the {word}, {quantities.duration(bridge[f'{side}_ns'].sum())}")
    return f"From {words[0]}, to {words[1]}: {_signed(int(bridge['delta_ns'].sum()))} (median steps)"


def part_table(bridge: pd.DataFrame) -> pd.DataFrame:
    """Give one row a part and one for the whole: ref, run, delta (ns), share of the reference's step, largest row."""
    sums = bridge.groupby("part", observed=True, sort=False)[["ref_ns", "run_ns", "delta_ns"]].sum().reset_index()
    largest = bridge.loc[bridge.groupby("part", observed=True, sort=False)["delta_ns"].apply(_largest)]
    sums["mostly"] = [f"{_place(row)} {_signed(row.delta_ns)}" for row in largest.itertuples()]
    whole = sums[["ref_ns", "run_ns", "delta_ns"]].sum()
    sums["part"] = sums["part"].astype(object)
    sums = pd.concat([sums, pd.DataFrame([{"part": "whole step", **whole, "mostly": ""}])], ignore_index=True)
    shares = sums["delta_ns"] / max(int(whole["ref_ns"]), 1)
    sums.insert(4, "of_ref_step", [_signed_share(share) for share in shares])
    return sums


def largest_rows(bridge: pd.DataFrame) -> pd.DataFrame:
    """Give the largest differences by class of work and module; an operator whose module is not known stands alone."""
    keys = ["part", "op_class", "module"]
    named = bridge.assign(**{key: bridge[key].astype(object).where(bridge[key].notna(), "-") for key in keys})
    named["alone"] = bridge.index.to_series().where(bridge["module"].isna(), -1)
    grouped = named.groupby([*keys, "alone"], sort=False).agg(
        operators=("operator", _few),
        ref_ns=("ref_ns", "sum"),
        run_ns=("run_ns", "sum"),
        delta_ns=("delta_ns", "sum"),
    )
    order = grouped["delta_ns"].abs().sort_values(ascending=False, kind="stable").index[:_LARGEST_ROWS]
    return grouped.loc[order].reset_index().drop(columns="alone")


def _largest(deltas: pd.Series[int]) -> Any:
    return deltas.abs().idxmax()


def _few(names: pd.Series[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - 2} more" if len(distinct) > 2 else ""
    return ", ".join(distinct[:2]) + more


def _place(row: object) -> str:
    module = getattr(row, "module", None)
    operator = str(getattr(row, "operator", "-"))
    return operator if module is None or pd.isna(module) else f"{operator} in {module}"


def _signed(ns: int) -> str:
    return ("+" if ns > 0 else "") + quantities.duration(int(ns))


def _signed_share(share: float) -> str:
    return ("+" if share > 0 else "") + quantities.share(share)
