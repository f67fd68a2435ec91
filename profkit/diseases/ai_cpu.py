"""Operators that run on the AI CPU: no AI Core kernel exists for them, their data type or their shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from profkit.diseases.recording import Recording, counted, row_names
from profkit.diseases.subject import Finding, Subject, finding

AI_CPU = "AI_CPU"
"""Column core of an operator that the AI CPU ran."""


def ai_cpu(subject: Subject) -> list[Finding]:
    """Name the time that AI CPU operators take."""

    def chosen(side: Recording) -> NDArray[np.bool_]:
        return (side.rows["core"].astype(object) == AI_CPU).to_numpy()

    cost = subject.excess_of_rows("aicpu", chosen)
    if cost is None:
        return []
    rows = subject.run.one_step(chosen(subject.run))
    evidence = (
        f"{len(rows)} AI CPU operators take {cost.words()}, {subject.share_of_computing(cost.ns)}: "
        f"{counted(rows['op_type'], rows['dur_ns'])}; {row_names(rows)}"
        f"{subject.named_elsewhere(chosen)}"
    )
    advice = (
        "change the data type (int64 to int32, double to float32) or shape so that an AI Core kernel takes it, "
        "replace the operator, or move it out of the step"
    )
    names = ", ".join(dict.fromkeys(rows["op_type"].astype(str)))
    return [finding("aicpu", cost, evidence, advice, op=names, groups=subject.groups(rows), confidence=0.95)]
