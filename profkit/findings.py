"""Findings: what each analysis found, in one form, ranked by what to look at first.

A new kind of finding is one function that gives rows of the `findings` frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from profkit.schema import FINDINGS

WRONG_KINDS = ("overflow", "parity")
"""What is wrong comes before what is slow: a run whose numbers are broken is not worth making faster."""


def rank_findings(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put findings in the order to look at them; rank from 1.

    What is wrong comes first, by kind and as its analysis ordered it; then what is slow, whatever its kind, by the time
    a step would win, and last what has no such time.
    """
    filled = [frame for frame in found if len(frame)]
    if not filled:
        return FINDINGS.empty()
    findings = FINDINGS.build(pd.concat([frame.astype(object) for frame in filled], ignore_index=True))
    place = {kind: number for number, kind in enumerate(WRONG_KINDS)}
    kind = np.array([place.get(kind, len(place)) for kind in findings["kind"]])
    impact = np.where(kind == len(place), findings["impact_ns"].fillna(-1).to_numpy(dtype=np.int64), 0)
    ranked = findings.iloc[np.lexsort((-impact, kind))].reset_index(drop=True)
    return FINDINGS.build(ranked.assign(rank=range(1, len(ranked) + 1)))


def parity_findings(parity: pd.DataFrame) -> pd.DataFrame:
    """Give the first divergence of a parity frame as a finding; no divergence, no finding."""
    first = parity[parity["first_divergence"]]
    later = int((parity["status"] == "mismatch").sum()) - len(first)
    rows = [
        {
            "rank": 0,
            "kind": "parity",
            "module": row.module,
            "op": row.name_b if not pd.isna(row.name_b) else row.name_a,
            "impact_ns": None,
            "ratio": None,
            "confidence": _divergence_confidence(row.jump),
            "groups": [],
            "evidence": row.reason + (f" {later:,} later tensors differ as well." if later > 0 else ""),
            "advice": "compare this module's code and settings (form of the function, epsilon, padding, layout, "
            "dtype) with the reference; what follows it inherits the difference",
        }
        for row in first.itertuples(index=False)
    ]
    return FINDINGS.from_rows(rows)


# From 64 times the upstream error on a divergence was right in every labelled case, from 4 times in nearly all.
def _divergence_confidence(jump: float) -> float:
    return 0.6 if jump < 64 else 0.95


def overflow_findings(overflow: pd.DataFrame) -> pd.DataFrame:
    """Give every origin of an overflow frame as a finding, the primary one first.

    The primary row counts even if its role is unknown: a bad weight or network input has no operator as its origin.
    """
    origins = overflow[(overflow["role"] == "origin") | overflow["primary"]].sort_values(
        ["primary", "iteration", "order"], ascending=[False, True, True], kind="stable"
    )
    carriers = int((overflow["role"] == "carrier").sum())
    rows = [
        {
            "rank": 0,
            "kind": "overflow",
            "module": row.module,
            "op": row.op,
            "impact_ns": None,
            "ratio": None,
            "confidence": 0.95 if row.primary else 0.6,
            "groups": [],
            "evidence": row.reason + (f"; {carriers} later operators carry it on" if row.primary and carriers else ""),
            "advice": "look at this operator's inputs and at what made them so small, large or negative; "
            "guard it (epsilon, clamp, float32) or mend what feeds it",
        }
        for row in origins.itertuples(index=False)
    ]
    return FINDINGS.from_rows(rows)
