"""Communication that no computation hides, and the part of it in which a pipeline stage waits for another."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from profkit.diseases.recording import Recording
from profkit.diseases.subject import Cost, Finding, Subject, finding

# HCCL names its point-to-point operations hcom_send_, hcom_receive_ and hcom_batchSendRecv_, MindSpore Send and
# Receive; a stage that sends waits for its partner as well (the profilers' Bubble counts both). NCCL's SendRecv kernels
# are left out: they do all-to-all exchanges too.
_POINT_TO_POINT = re.compile(r"^(?:hcom_(?:batch)?(?:send|recv|receive)|(?:Send|Receive)(?:$|[-_\d]))", re.IGNORECASE)


def uncovered_communication(subject: Subject) -> list[Finding]:
    """Name the time in which the device communicates and computes nothing."""
    cost = subject.excess("communication", lambda side: side.cost_of_pieces(_uncovered(side)))
    if cost is None:
        return []
    evidence = f"{cost.words()}, {subject.share(cost.ns)}: {_collectives(subject.run, _uncovered(subject.run))}"
    advice = (
        "overlap it with the backward pass (gradient bucketing, smaller buckets first), send less (accumulation, "
        "sharding), and check whether one rank makes the others wait"
    )
    return [finding("communication", cost, evidence, advice, confidence=0.9)]


def pipeline_bubbles(subject: Subject) -> list[Finding]:
    """Name the uncovered time of sends and receives: a pipeline stage waits for another."""
    cost = subject.excess("bubble", lambda side: side.cost_of_pieces(_bubbles(side)))
    if cost is None:
        return []
    evidence = (
        f"{cost.words()}, {subject.share(cost.ns)}, within the uncovered communication: "
        f"{_collectives(subject.run, _bubbles(subject.run))}"
    )
    advice = "use more micro-batches, an interleaved schedule, and stages of equal length"
    return [finding("bubble", cost, evidence, advice)]


def _uncovered(side: Recording) -> NDArray[np.bool_]:
    return (side.pieces["part"] == "communication").to_numpy()


def _bubbles(side: Recording) -> NDArray[np.bool_]:
    names = side.pieces["operator"].astype(str)
    return _uncovered(side) & names.map(lambda name: bool(_POINT_TO_POINT.search(name))).to_numpy(dtype=bool)


def _collectives(side: Recording, chosen: NDArray[np.bool_]) -> str:
    pieces = side.pieces[chosen]
    worst = pieces.groupby("operator")["ns"].sum().sort_values(ascending=False, kind="stable").head(3)
    told = ", ".join(f"{name} {Cost(round(ns / len(side.windows)), None, 0).words()}" for name, ns in worst.items())
    return f"mostly {told}" if told else "no single operation"
