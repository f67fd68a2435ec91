"""Which units of work a disease has named already, so that a slow class does not cost the same time again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from profkit.correlate.timing import side_words
from profkit.diseases.ai_cpu import AI_CPU
from profkit.run import Run
from profkit.vocabulary.conversions import conversion_kinds

_MOST_OF_A_UNIT = 0.5


def claimed_units(findings: pd.DataFrame, alignment: pd.DataFrame, ref: Run, run: Run) -> frozenset[int]:
    """Give the units whose time in the run is mostly what a disease costs.

    Args:
        findings: Frame of `disease_findings`.
        alignment: Frame of schema.ALIGNMENT.
        ref: The reference run.
        run: The judged run.
    """
    kinds = findings["kind"].astype(object)
    decomposed = {group for groups in findings.loc[kinds == "decomposed", "groups"] for group in groups}
    own = alignment[(alignment["side"] == side_words(alignment, ref)[1]) & (alignment["unit"] >= 0)]
    ops = run.ops.iloc[own["row"]]
    told = conversion_kinds(ops["op_type"]).isin(list({"layout", "cast"} & set(kinds))).to_numpy(copy=True)
    if "aicpu" in set(kinds):
        told |= (ops["core"].astype(object) == AI_CPU).to_numpy()
    told |= own["group"].isin(decomposed).to_numpy()
    times = pd.DataFrame({"unit": own["unit"], "all": own["dur_ns"], "told": np.where(told, own["dur_ns"], 0)})
    of_unit = times.groupby("unit").sum()
    claimed = of_unit.index[(of_unit["told"] > 0) & (of_unit["told"] >= _MOST_OF_A_UNIT * of_unit["all"])]
    return frozenset(map(int, claimed))
