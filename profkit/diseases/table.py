"""The table of all diseases: a new one is one function that looks at a `Subject`, and one line here."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from profkit.diseases.ai_cpu import ai_cpu
from profkit.diseases.communication import pipeline_bubbles, uncovered_communication
from profkit.diseases.layout_and_cast import cast, layout
from profkit.diseases.memory_bound import memory_bound
from profkit.diseases.other_operators import decomposed, extra_operators
from profkit.diseases.recomputation import recomputation
from profkit.diseases.recorded_split import recorded_communication
from profkit.diseases.slow_rank import slow_rank
from profkit.diseases.step_lengths import recompilation, slow_first_step
from profkit.diseases.subject import Finding, Subject, subject
from profkit.diseases.waiting import data_waiting, host_bound
from profkit.run import Run
from profkit.schema import FINDINGS

DISEASES: dict[str, Callable[[Subject], list[Finding]]] = {
    "layout": layout,
    "cast": cast,
    "aicpu": ai_cpu,
    "decomposed": decomposed,
    "extra_op": extra_operators,
    "host_bound": host_bound,
    "data_waiting": data_waiting,
    "communication": uncovered_communication,
    "bubble": pipeline_bubbles,
    "recompute": recomputation,
    "memory_bound": memory_bound,
    "recompile": recompilation,
    "slow_rank": slow_rank,
    "first_step": slow_first_step,
}
"""Kind of finding -> the function that gives findings of that kind, or none."""


def disease_findings(
    run: Run, ref: Run | None, alignment: pd.DataFrame, units: pd.DataFrame | None, counters: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Name what makes a run slow besides single slow modules, the costliest first.

    Args:
        run: The run to be judged, identified.
        ref: The reference; None to judge the run by itself.
        alignment: Frame of schema.ALIGNMENT; empty without a reference.
        units: Frame of `slow.judged_units`; None without a reference.
        counters: Frame of schema.COUNTERS of both, if they were read.

    Returns:
        Frame of schema.FINDINGS, rank from 0; impact_ns is what a step costs more than in the reference, or all that it
        costs without one. What is paid once (first_step) has none and comes last.
    """
    looked_at = subject(run, ref, alignment, units, counters)
    found = [row for disease in DISEASES.values() for row in disease(looked_at)] if looked_at is not None else []
    recorded = recorded_communication(run, ref)
    if recorded is not None:
        found = [row for row in found if row["kind"] != "communication"] + recorded
    found.sort(key=lambda row: -(row["impact_ns"] or 0))
    return FINDINGS.from_rows([{**row, "rank": rank} for rank, row in enumerate(found)])
