"""The share of a step that computes activations a second time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profkit.diseases.recording import Recording, counted, row_names
from profkit.diseases.subject import Finding, Subject, finding


def recomputation(subject: Subject) -> list[Finding]:
    """Name the time that recomputed operators take."""

    def chosen(side: Recording) -> NDArray[np.bool_]:
        return (side.rows["phase"].astype(object) == "recompute").to_numpy()

    cost = subject.excess_of_rows("recompute", chosen)
    if cost is None:
        return []
    rows = subject.run.one_step(chosen(subject.run))
    evidence = (
        f"{cost.words()}, {subject.share_of_computing(cost.ns)}: {counted(rows['op_class'], rows['dur_ns'])}; "
        f"{row_names(rows)}{subject.named_elsewhere(chosen)}"
    )
    advice = "recompute only what holds much memory and costs little (activations, norms, dropout), or fewer layers"
    return [finding("recompute", cost, evidence, advice, groups=subject.groups(rows), confidence=0.9)]
