"""What a disease costs is not counted again by a slow module or a slow class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from profkit.correlate import align, judged_units, slow_findings
from profkit.diseases import claimed_units, disease_findings
from profkit.run import Run
from profkit.triage import Inputs, judge

US = 1_000
Make = Callable[..., Run]
Rows = Callable[..., list[dict[str, Any]]]
Kernel = Callable[..., dict[str, Any]]


def _forward(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "phase": "forward"} for row in rows]


def _time_findings(ref: Run, run: Run) -> pd.DataFrame:
    return judge(ref, run, Inputs(run=run.path, ref=ref.path)).findings.set_index("kind")


@pytest.fixture
def conversions(kernel: Kernel) -> Callable[..., list[dict[str, Any]]]:
    """Pairs of products with a conversion of layout before each."""

    def make(dur_us: float) -> list[dict[str, Any]]:
        rows, at = [], 0.0
        for _ in range(10):
            rows += [kernel("TransData", at, dur_us), *(kernel("MatMul", at + dur_us + 50 * n, 50) for n in range(2))]
            at += dur_us + 100
        return _forward(rows)

    return make


def test_a_class_that_is_slow_by_its_conversions_is_named_once(synthetic: Make, conversions: Rows) -> None:
    ref, run = synthetic([conversions(5)] * 4), synthetic([conversions(60)] * 4)
    alignment = align(ref, run)
    units = judged_units(alignment, ref, run)
    assert slow_findings(alignment, units, across=False)["op"].tolist() == ["all 10 copy operators"]
    diseases = disease_findings(run, ref, alignment, units)
    claimed = claimed_units(diseases, alignment, ref, run)
    assert claimed == set(units.index[units["op_class"] == "copy"])
    findings = _time_findings(ref, run)
    assert findings.index.tolist() == ["layout"]
    assert findings["impact_ns"].sum() == 10 * 55 * US


def test_a_slow_class_without_a_disease_stays(synthetic: Make, kernel: Kernel) -> None:
    def step(dur_us: float) -> list[dict[str, Any]]:
        adds = [kernel("Add", 1000 + at * dur_us, dur_us) for at in range(10)]
        return _forward([*(kernel("MatMul", at * 50, 50) for at in range(20)), *adds])

    findings = _time_findings(synthetic([step(5)] * 4), synthetic([step(60)] * 4))
    assert findings.loc["slow", "op"] == "all 10 elementwise operators"


def test_an_ai_cpu_operator_in_a_slow_module_is_told_but_won_once(synthetic: Make, busy: Rows, kernel: Kernel) -> None:
    def step(slow_us: float, core: str) -> list[dict[str, Any]]:
        adds = [kernel("Add", 1000 + at * 20, 20) for at in range(9)]
        return _forward([*busy(), *adds, kernel("Add", 1180, slow_us, core=core)])

    ref, run = synthetic([step(20, "AI_CORE")] * 4), synthetic([step(900, "AI_CPU")] * 4)
    findings = _time_findings(ref, run)
    assert set(findings.index) == {"slow", "aicpu"}
    assert findings.loc["slow", "impact_ns"] == 880 * US
    assert findings.loc["aicpu", "impact_ns"] == 0
    assert "0.900 ms of it in modules that are named as slow" in findings.loc["aicpu", "evidence"]
    alone = disease_findings(run, None, align(run, run).iloc[:0], None).set_index("kind")
    assert alone.loc["aicpu", "impact_ns"] == 900 * US
