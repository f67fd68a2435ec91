"""The executions of both sides on one clock: every step from its own start, beside the step it is aligned with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.schema import TIMELINE

_STEP_KEYS = ["side", "rank", "step"]


def timeline(alignment: pd.DataFrame, steps: pd.DataFrame, sides: tuple[str, str]) -> pd.DataFrame:
    """Put the executions of an alignment on the clock of their steps.

    Args:
        alignment: Frame of schema.ALIGNMENT.
        steps: Frame of schema.SESSION_STEPS; a step it does not have begins with its first execution.
        sides: The words by which `alignment` calls the reference and the run.

    Returns:
        Frame of schema.TIMELINE, in the order of pair, side, rank and start; steps of no pair come last.
    """
    rows = alignment.assign(side=alignment["side"].astype(object).map(dict(zip(sides, ("ref", "run"), strict=True))))
    rows["pair"] = _pairs(rows)
    rows["offset_ns"] = rows["start_ns"] - _starts(rows, steps)
    unpaired = rows["pair"] < 0
    rows = rows.assign(unpaired=unpaired).sort_values(
        ["unpaired", "pair", "side", "rank", "step", "offset_ns"], kind="stable"
    )
    return TIMELINE.build(rows[TIMELINE.names])


def _starts(rows: pd.DataFrame, steps: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Give the start of each row's step: as recorded, but no later than its first execution."""
    first = rows.groupby(_STEP_KEYS, observed=True, sort=False)["start_ns"].transform("min")
    known = steps.dropna(subset=["start_ns"])
    recorded = known.astype({"side": object}).groupby(_STEP_KEYS, observed=True)["start_ns"].min()
    wanted = pd.MultiIndex.from_frame(rows[_STEP_KEYS])
    found = pd.Series(recorded.reindex(wanted).to_numpy(), index=rows.index, dtype="Int64")
    inside = (rows["step"] >= 0) & found.notna() & (found <= first)
    return found.where(inside.astype(bool), first).to_numpy(dtype=np.int64)


def _pairs(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Number the pairs of steps: two steps are a pair if most matched work of the one lies in the other."""
    matched = rows.loc[rows["group"] >= 0, ["group", "side", "rank", "step"]]
    ref = matched[matched["side"] == "ref"].drop_duplicates("group")
    run = matched[matched["side"] == "run"].drop_duplicates("group")
    both = ref.merge(run, on="group", suffixes=("_ref", "_run"))
    if both.empty:
        return np.full(len(rows), -1, dtype=np.int64)
    keys = ["rank_ref", "step_ref", "rank_run", "step_run"]
    shared = both.groupby(keys, sort=True).size().rename("groups").reset_index()
    shared = shared.sort_values(["groups", *keys], ascending=[False, True, True, True, True], kind="stable")
    pairs = shared.drop_duplicates(["rank_ref", "step_ref"]).drop_duplicates(["rank_run", "step_run"])
    pairs = pairs.sort_values(keys, kind="stable").reset_index(drop=True)
    number = np.full(len(rows), -1, dtype=np.int64)
    for side in ("ref", "run"):
        known = pd.MultiIndex.from_frame(pairs[[f"rank_{side}", f"step_{side}"]])
        of_side = (rows["side"] == side).to_numpy()
        number[of_side] = known.get_indexer(pd.MultiIndex.from_frame(rows.loc[of_side, ["rank", "step"]]))
    return number
