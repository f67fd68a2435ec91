"""One rank that computes longer than the others: they wait for it in every collective."""

from __future__ import annotations

from statistics import median

import pandas as pd

from profkit.diseases.recording import NOT_COMPUTING, Recording, milliseconds
from profkit.diseases.subject import Cost, Finding, Subject, finding
from profkit.thresholds import thresholds

_LEAST_RANKS = 2


def slow_rank(subject: Subject) -> list[Finding]:
    """Name the rank whose computing time stands out from the median of the others."""
    computing = computing_by_rank(subject.run)
    if len(computing) < _LEAST_RANKS:
        return []
    slowest = max(computing, key=lambda rank: (computing[rank], -rank))
    others = float(median(ns for rank, ns in computing.items() if rank != slowest))
    ratio = computing[slowest] / max(others, 1.0)
    if ratio < thresholds("slow_rank")["ratio"]:
        return []
    lost = round(computing[slowest] - others)
    evidence = (
        f"rank {slowest} computes {milliseconds(computing[slowest])} a step, the median of the {len(computing) - 1} "
        f"others is {milliseconds(others)}"
    )
    advice = (
        "compare its kernels with another rank's (`profkit triage RUN --rank`): more data or padding, a slower or "
        "throttled device, a busy host"
    )
    row = finding(
        "slow_rank", Cost(round(computing[slowest]), round(others), lost), evidence, advice, op=f"rank {slowest}"
    )
    return [row]


def computing_by_rank(side: Recording) -> dict[int, float]:
    """Give each rank's median computing time of a step, ns: as the profiler split it, else from the pieces."""
    recorded = side.run.steps.dropna(subset=["computing_ns"])
    if recorded["rank"].nunique() >= _LEAST_RANKS:
        of_rank = recorded.groupby("rank")["computing_ns"].median()
        return {int(rank): float(ns) for rank, ns in of_rank.items()}
    pieces = side.pieces[~side.pieces["part"].isin(NOT_COMPUTING)]
    ranks = pd.Series([window.rank for window in side.windows])
    sums = pieces.groupby("window")["ns"].sum().reindex(range(len(side.windows)), fill_value=0)
    return {int(rank): float(ns) for rank, ns in sums.groupby(ranks).median().items()}
