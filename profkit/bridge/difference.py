"""The bridge: the difference between two runs' steps as a sum of named parts that adds up exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from profkit.bridge.median_step import AS_RECORDED, BY_DEVICE, StepWindow, median_step
from profkit.bridge.step_parts import MATCHED, ONE_SIDED, step_pieces, working_rows
from profkit.correlate.timing import side_words
from profkit.run import Run
from profkit.schema import BRIDGE, BRIDGE_PARTS, BRIDGE_ROWS

_SIDES = ("ref", "run")
_KEYS = ["part", "unit", "op_class", "module", "phase", "operator", "reason"]
_NOT_IN_THIS_STEP = "its counterpart did not run in the other side's median step"
_SAME_WORK = "the same work on both sides"


class Bridge(NamedTuple):
    """The difference between two steps.

    Attributes:
        parts: Frame of schema.BRIDGE, by part and size.
        rows: Frame of schema.BRIDGE_ROWS: the executions behind each row of `parts`.
        ref, run: The steps compared; None if there is nothing to compare.
        notes: What a reader has to know about the steps, one sentence each.
    """

    parts: pd.DataFrame
    rows: pd.DataFrame
    ref: StepWindow | None = None
    run: StepWindow | None = None
    notes: tuple[str, ...] = ()


NO_BRIDGE = Bridge(BRIDGE.empty(), BRIDGE_ROWS.empty())


def bridge(alignment: pd.DataFrame, ref: Run, run: Run, units: pd.DataFrame) -> Bridge:
    """Explain the difference between the median step of the run and that of the reference.

    The steps are real ones, of median length among those that were aligned. Every instant of either belongs to exactly
    one part: to the execution that runs (see `sweep.sweep`), or to the wait for the one that follows. What is not
    aligned is a part of its own, never spread over the others.

    Args:
        alignment: Frame of schema.ALIGNMENT of these runs.
        ref: The reference run.
        run: The run to be judged.
        units: Frame of `slow.judged_units`: what each unit of work is called.

    Returns:
        Parts whose ref_ns, run_ns and delta_ns add up to the steps' lengths and to their difference, to the nanosecond.
    """
    pieces: list[pd.DataFrame] = []
    windows: list[StepWindow] = []
    for side, word, one in zip(_SIDES, side_words(alignment, ref), (ref, run), strict=True):
        rows = working_rows(alignment, word, one)
        aligned = rows.loc[rows["unit"] >= 0, ["rank", "step"]].drop_duplicates()
        window = median_step(rows, one.steps, aligned.itertuples(index=False, name=None))
        if window is None:
            return NO_BRIDGE
        windows.append(window)
        pieces.append(step_pieces(rows, window, one).assign(side=side))
    both = _named(pd.concat(pieces, ignore_index=True), units)
    return Bridge(*_frames(both, windows), windows[0], windows[1], tuple(_notes(windows)))


def _named(pieces: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    """Give pieces of one unit the unit's names, and those that only one side has their part."""
    aligned = pieces["unit"].isin(units.index).to_numpy() & pieces["part"].isin([MATCHED, "optimizer", "host_gap"])
    named = units.reindex(pieces["unit"][aligned])
    for column, source in (("op_class", "op_class"), ("module", "module"), ("phase", "phase"), ("operator", None)):
        values = named[source or "ref_operator"].astype(object).to_numpy()
        pieces.loc[aligned, column] = values
    matched = (pieces["part"] == MATCHED).to_numpy()
    pieces.loc[matched, "reason"] = _SAME_WORK
    sides = pieces[matched].groupby("unit")["side"].nunique()
    alone = matched & ~pieces["unit"].isin(sides.index[sides == len(_SIDES)]).to_numpy()
    pieces.loc[alone, "reason"] = _NOT_IN_THIS_STEP
    one_sided = alone | (pieces["part"] == ONE_SIDED).to_numpy()
    pieces.loc[one_sided, "part"] = pieces.loc[one_sided, "side"] + "_only"
    pieces.loc[~pieces["part"].isin([MATCHED, "optimizer", "host_gap"]), "unit"] = -1
    return pieces


def _frames(pieces: pd.DataFrame, windows: list[StepWindow]) -> tuple[pd.DataFrame, pd.DataFrame]:
    number = pieces.groupby(_KEYS, dropna=False, sort=False).ngroup()
    table = pieces[_KEYS].groupby(number.to_numpy()).first() if len(pieces) else pieces[_KEYS]
    for side in _SIDES:
        own = (pieces["side"] == side).to_numpy()
        sums = np.zeros(len(table), dtype=np.int64)
        np.add.at(sums, number[own], pieces["ns"][own].to_numpy(dtype=np.int64))
        counted = own & (pieces["row"] >= 0).to_numpy()
        table[f"{side}_ns"] = sums
        table[f"{side}_rows"] = np.bincount(number[counted], minlength=len(table))
    delta = table["run_ns"] - table["ref_ns"]
    part = table["part"].astype(object).where(table["part"] != MATCHED, np.where(delta > 0, "slower", "faster"))
    percent = 100.0 * delta / windows[0].length_ns
    table = table.assign(part=part, delta_ns=delta, percent=percent)
    order = np.lexsort((-delta.abs().to_numpy(), part.map({name: at for at, name in enumerate(BRIDGE_PARTS)})))
    new_number = np.empty(len(table), dtype=np.int64)
    new_number[order] = np.arange(len(table))
    rows = pieces[["side", "row", "ns"]].assign(
        bridge=new_number[number.to_numpy()],
        rank=pieces["side"].map(dict(zip(_SIDES, (window.rank for window in windows), strict=True))),
        step=pieces["side"].map(dict(zip(_SIDES, (window.step for window in windows), strict=True))),
    )
    rows = rows.sort_values(["bridge", "side", "row"], kind="stable")
    return BRIDGE.build(table.iloc[order][BRIDGE.names]), BRIDGE_ROWS.build(rows[BRIDGE_ROWS.names])


def _notes(windows: list[StepWindow]) -> list[str]:
    notes = [
        f"step {window.step} of the {word} is taken {window.how}"
        for word, window in zip(("reference", "run"), windows, strict=True)
        if window.how == BY_DEVICE
    ]
    hows: Any = {window.how for window in windows}
    if len(hows) > 1 and AS_RECORDED in hows:
        notes.append(
            "one side's step is as recorded and holds what the script does between two steps, the other's is "
            "taken from its operators: that time is in the parts host_gap and data_waiting"
        )
    return notes
