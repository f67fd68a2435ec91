"""Uncovered communication as the profiler split the steps, where not all rows that it split are there.

Recordings are handed on without their tables of kernels or traces, which are large, or cut short. What is left of a
step's rows tells too little then; its line in step_trace_time.csv tells all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from profkit.diseases.recording import STEPS_WITH_A_WARM_UP, milliseconds
from profkit.diseases.subject import Cost, Finding, finding
from profkit.run import Run
from profkit.step_breakdown import SPLIT, break_down_steps, share_of_recorded
from profkit.thresholds import thresholds


class _Split(NamedTuple):
    """What a device does in a step, median over the steps of a run.

    Attributes:
        uncovered_ns: It communicates and computes nothing.
        step_ns: From its first start to its last end.
        covered: Part of the busy time that the profiler recorded for which there are rows, of all steps.
    """

    uncovered_ns: int
    step_ns: int
    covered: float


def recorded_communication(run: Run, ref: Run | None) -> list[Finding] | None:
    """Name uncovered communication by the profiler's own split; None where the rows of the run tell it as well.

    Args:
        run: The run to be judged, identified.
        ref: The reference, identified; None without one.
    """
    split = _split(run)
    if split is None or split.covered >= thresholds("recorded_split")["covered"]:
        return None
    ref_split = _split(ref) if ref is not None else None
    ref_ns = ref_split.uncovered_ns if ref_split is not None else None
    cost = Cost(split.uncovered_ns, ref_ns, split.uncovered_ns - (ref_ns or 0))
    if cost.impact_ns < thresholds("communication")["share"] * split.step_ns:
        return []
    files = sorted({Path(str(source)).name for source in run.steps["source"].dropna().unique()})
    share = f"{split.uncovered_ns / max(split.step_ns, 1):.1%} of the device's {milliseconds(split.step_ns)}"
    left = f"rows are there for {split.covered:.1%} of its busy time" if split.covered else "no rows of it are there"
    evidence = f"{cost.words()}, {share}, as the profiler split the step ({', '.join(files)}): {left}"
    advice = (
        "overlap it with the backward pass, send less, and check whether one rank makes the others wait "
        "(`profkit comm RUN`); kernel_details.csv or the trace of the recording would tell which operations it is"
    )
    return [finding("communication", cost, evidence, advice, confidence=0.9)]


def lost_rows(run: Run) -> str:
    """Say what of a run the profiler recorded but no rows tell; "" if the rows tell nearly all of it."""
    split = _split(run)
    if split is None or split.covered >= thresholds("recorded_split")["covered"]:
        return ""
    if run.ops.empty:
        return f"what operators cost was not judged: {run.path} holds none, only the profiler's split of its steps"
    return (
        f"what operators cost in {run.path} is what is left of it: rows are there for {split.covered:.1%} of the time "
        "in which the profiler saw the device busy"
    )


def _split(run: Run) -> _Split | None:
    """Split a run's steps, by the profiler's figures where there are some, else by rows; None where nothing tells.

    Of three steps and more the first of each rank is left out, as it is where rows are judged.
    """
    steps = break_down_steps(run)
    steps = steps[steps["span"] == "step"]
    parts = {name: steps[f"recorded_{name}"].fillna(steps[name]) for name in SPLIT}
    known = parts["communication_ns"].notna()
    if steps.loc[known, "step"].nunique() >= STEPS_WITH_A_WARM_UP:
        known &= steps["step"] > steps[known].groupby("rank")["step"].transform("min").reindex(steps.index)
    if not known.any():
        return None
    computing, communication, overlapped, free = (
        parts[name][known].fillna(0).to_numpy(dtype=np.int64) for name in SPLIT
    )
    uncovered = communication - overlapped
    length = computing + uncovered + free
    return _Split(round(np.median(uncovered)), round(np.median(length)), share_of_recorded(steps[known]))
