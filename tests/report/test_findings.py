"""Findings are ranked by what to look at first, with nothing lost."""

from __future__ import annotations

import pandas as pd

from profkit.findings import overflow_findings, parity_findings, rank_findings
from profkit.schema import FINDINGS, OVERFLOW, PARITY


def slow(count: int) -> pd.DataFrame:
    return FINDINGS.from_rows(
        [
            {
                "rank": 0,
                "kind": "slow",
                "module": f"m{number}",
                "impact_ns": 1_795_415_169_153_090_001 - number,
                "ratio": 2.0,
                "confidence": 0.5,
                "groups": [number],
                "evidence": "e",
                "advice": "a",
            }
            for number in range(count)
        ]
    )


def overflow(*roles: str, primary: int = -1) -> pd.DataFrame:
    return OVERFLOW.from_rows(
        [
            {
                "iteration": 0,
                "order": number,
                "op": f"op{number}",
                "role": role,
                "reason": f"reason {number}",
                "rank": 0,
                "primary": number == primary,
            }
            for number, role in enumerate(roles)
        ]
    )


def parity(*statuses: str, first: int = -1) -> pd.DataFrame:
    return PARITY.from_rows(
        [
            {
                "name_a": f"a{n}",
                "name_b": f"b{n}",
                "status": s,
                "first_divergence": n == first,
                "reason": f"because {n}",
            }
            for n, s in enumerate(statuses)
        ]
    )


def test_what_is_wrong_comes_before_what_is_slow() -> None:
    ranked = rank_findings(
        [
            slow(2),
            parity_findings(parity("match", "mismatch", "mismatch", first=1)),
            overflow_findings(overflow("origin", "carrier", "origin", primary=2)),
        ]
    )
    assert ranked["rank"].tolist() == [1, 2, 3, 4, 5]
    assert ranked["kind"].tolist() == ["overflow", "overflow", "parity", "slow", "slow"]
    assert ranked["op"].tolist()[:3] == ["op2", "op0", "b1"]
    assert ranked["impact_ns"].tolist()[3:] == [1_795_415_169_153_090_001, 1_795_415_169_153_090_000]
    assert "1 later tensors differ" in ranked["evidence"][2]


def test_what_is_slow_is_ordered_by_what_a_step_would_win_whatever_its_kind() -> None:
    def of(kind: str, *impacts: int | None) -> pd.DataFrame:
        return FINDINGS.from_rows(
            [
                {"rank": at, "kind": kind, "op": f"{kind}{at}", "impact_ns": ns, "ratio": None, "module": None}
                | {"confidence": 0.5, "groups": [], "evidence": "e", "advice": "a"}
                for at, ns in enumerate(impacts)
            ]
        )

    ranked = rank_findings(
        [
            of("slow", 5_000_000, 1_000_000),
            of("decomposed", 7_000_000, 5_000_000, None),
            of("parity", None),
        ]
    )
    assert ranked["op"].tolist() == ["parity0", "decomposed0", "slow0", "decomposed1", "slow1", "decomposed2"]


def test_a_clean_pair_has_no_finding() -> None:
    assert parity_findings(parity("match", "match")).empty
    assert overflow_findings(overflow()).empty
    assert rank_findings([FINDINGS.empty(), FINDINGS.empty()]).empty
