"""Time in which the device, or the thread, has nothing to do: it waits for the host or for data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profkit.diseases.recording import Recording
from profkit.diseases.subject import Finding, Subject, finding
from profkit.thresholds import thresholds


def host_bound(subject: Subject) -> list[Finding]:
    """Name the idle time between the first and the last operator of a step: the host launches too slowly."""
    cost = subject.excess("host_bound", _idle)
    if cost is None:
        return []
    run = subject.run
    rows = run.one_step(np.ones(len(run.rows), dtype=bool))
    tiny = rows["dur_ns"] < thresholds("host_bound")["tiny_kernel"]
    who = "the device waits for its host" if run.on_device else "the thread runs no operator"
    evidence = (
        f"{who} for {cost.words()}, {subject.share(cost.ns)}; {len(rows):,} kernels, median "
        f"{rows['dur_ns'].median() / 1e3:.1f} us, {tiny.mean():.0%} of them shorter than 10 us"
    )
    advice = (
        "launch less: compile the network (graph mode, jit), use fused operators and optimizers, a larger batch; "
        "launch faster: no prints and no .item() or asnumpy() inside the step, bind the process to free cores"
    )
    return [finding("host_bound", cost, evidence, advice)]


def data_waiting(subject: Subject) -> list[Finding]:
    """Name the time in which nothing runs but the data loader, or a kernel that fetches the batch."""

    def waits(side: Recording) -> int:
        return side.cost_of_pieces((side.pieces["part"] == "data_waiting").to_numpy())

    cost = subject.excess("data_waiting", waits)
    if cost is None:
        return []
    evidence = f"the step waits {cost.words()} for its input data, {subject.share(cost.ns)}"
    advice = (
        "let the loader work ahead: more workers, prefetching, pinned memory; cache decoded samples, move "
        "transformations to the device"
    )
    return [finding("data_waiting", cost, evidence, advice)]


def _idle(side: Recording) -> int:
    """Give the idle time of a step, but no more than the profiler found itself: lost rows are no idle time."""
    idle = side.cost_of_pieces(_between_operators(side))
    known = side.run.steps["free_ns"].dropna()
    return min(idle, round(float(known.median()))) if len(known) and side.on_device else idle


def _between_operators(side: Recording) -> NDArray[np.bool_]:
    """Choose the waits that are neither before the first operator of a step nor after the last, nor named already."""
    pieces = side.pieces
    waits = (pieces["part"] == "host_gap") & (pieces["row"] >= 0)
    first = side.rows.groupby(["rank", "step"])["ops_row"].first()
    named = side.rows.loc[side.rows["named"], "ops_row"]
    return (waits & ~pieces["row"].isin(first) & ~pieces["row"].isin(named)).to_numpy()
