"""The report of a triage says where a finding is, whatever is known of the place."""

from __future__ import annotations

import pytest

from profkit.report.triage_report import text_report
from profkit.schema import FINDINGS
from profkit.session import Session


@pytest.mark.parametrize(
    ("module", "words"), [("", "OVERFLOW  the network itself  Log-op0"), (None, "OVERFLOW  Log-op0")]
)
def test_an_operator_outside_of_all_modules_is_in_the_network_itself(module: str | None, words: str) -> None:
    row = {"rank": 1, "kind": "overflow", "module": module, "op": "Log-op0", "impact_ns": None, "ratio": None}
    row |= {"confidence": 0.9, "groups": [], "evidence": "log of 0", "advice": "guard it"}
    report = text_report(Session("run", "2026-01-01T00:00:00+00:00", findings=FINDINGS.from_rows([row])))
    assert words in report
