"""Each disease, planted in a synthetic device run where its cost is known by hand; and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from profkit.diseases import DISEASES
from profkit.run import Run

US = 1_000
Make = Callable[..., Run]
Look = Callable[..., pd.DataFrame]
Kinds = Callable[[pd.DataFrame], dict[str, Any]]
Rows = Callable[..., list[dict[str, Any]]]
Kernel = Callable[..., dict[str, Any]]


def test_a_healthy_run_has_none(synthetic: Make, alone: Look, busy: Rows) -> None:
    assert alone(synthetic([busy()] * 5)).empty


def test_a_run_without_executions_has_none(synthetic: Make, alone: Look, busy: Rows) -> None:
    run = synthetic([busy()])
    assert alone(replace(run, ops=run.ops.iloc[:0])).empty


@pytest.mark.parametrize(("kind", "op_type"), [("layout", "TransData"), ("cast", "Cast")])
def test_conversions(
    kind: str, op_type: str, synthetic: Make, alone: Look, kinds: Kinds, busy: Rows, kernel: Kernel
) -> None:
    step = [*busy(), kernel(op_type, 1000, 80), kernel("Conv2D", 1080, 100), kernel(op_type, 1180, 40)]
    findings = alone(synthetic([step] * 4))
    assert kinds(findings) == {kind: 120 * US}
    assert f"{op_type} x2 0.120 ms" in findings["evidence"][0]
    assert "before Conv2D x1 0.080 ms" in findings["evidence"][0]


def test_ai_cpu(synthetic: Make, alone: Look, kinds: Kinds, busy: Rows, kernel: Kernel) -> None:
    step = [*busy(), kernel("Add", 1000, 30, core="AI_CPU"), kernel("Add", 1030, 20)]
    assert kinds(alone(synthetic([step] * 4))) == {"aicpu": 30 * US}


def test_host_bound(synthetic: Make, alone: Look, kinds: Kinds, kernel: Kernel) -> None:
    step = [kernel("MatMul", number * 20, 5) for number in range(50)]
    findings = alone(synthetic([step] * 4))
    assert kinds(findings) == {"host_bound": 49 * 15 * US}
    assert "100% of them shorter than 10 us" in findings["evidence"][0]


def test_uncovered_communication_counts_only_what_nothing_hides(
    synthetic: Make, alone: Look, kinds: Kinds, busy: Rows, kernel: Kernel
) -> None:
    hidden = [*busy(), kernel("hcom_allReduce_", 100, 900)]
    assert alone(synthetic([hidden] * 4)).empty
    shown = [*busy(), kernel("hcom_allReduce_", 900, 500)]
    assert kinds(alone(synthetic([shown] * 4))) == {"communication": 400 * US}


def test_pipeline_bubbles(synthetic: Make, alone: Look, kinds: Kinds, busy: Rows, kernel: Kernel) -> None:
    step = [kernel("hcom_receive_", 0, 300), *busy(begin_us=300)]
    assert kinds(alone(synthetic([step] * 4))) == {"communication": 300 * US, "bubble": 300 * US}


def test_data_waiting(synthetic: Make, alone: Look, kinds: Kinds, busy: Rows, kernel: Kernel) -> None:
    loader = [
        ("enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__", number * 1300, 250) for number in (0, 1, 2)
    ]
    run = synthetic([busy(begin_us=300)] * 3, spans=loader)
    assert kinds(alone(run)) == {"data_waiting": 250 * US}
    fetch = [kernel("GetNext", 0, 200), *busy(begin_us=200)]
    assert kinds(alone(synthetic([fetch] * 4))) == {"data_waiting": 200 * US}


def test_recomputation(synthetic: Make, alone: Look, kinds: Kinds, busy: Rows, kernel: Kernel) -> None:
    step = [*busy(), kernel("MatMul", 1000, 400, phase="recompute")]
    assert kinds(alone(synthetic([step] * 4))) == {"recompute": 400 * US}


def test_a_slow_first_step_costs_no_step(synthetic: Make, alone: Look, kinds: Kinds, busy: Rows) -> None:
    run = synthetic([busy()] * 5, lengths_us=[9000, 1000, 1000, 1000, 1000])
    findings = alone(run)
    assert kinds(findings) == {"first_step": None}
    assert findings["ratio"][0] == 9.0


def test_new_shapes_that_cost_time(synthetic: Make, alone: Look, kinds: Kinds, busy: Rows) -> None:
    shapes = ["8,8", "8,8", "9,8", "9,8", "10,8", "10,8", "10,8"]
    steps = [[{**row, "shapes": text} for row in busy()] for text in shapes]
    lengths = [1000, 1000, 5000, 1000, 5000, 1000, 1000]
    findings = alone(synthetic(steps, lengths_us=lengths))
    assert kinds(findings)["recompile"] == round(4000 * US * 2 / 6)
    assert "recompile" not in kinds(alone(synthetic(steps)))


def test_compiling_after_the_first_step(synthetic: Make, alone: Look, kinds: Kinds, busy: Rows) -> None:
    spans = [("GraphExecutorPy::CompileGraph::net", 0, 900), ("GraphExecutorPy::CompileGraph::net", 2100, 600)]
    run = synthetic([busy()] * 4, spans=spans)
    assert kinds(alone(run)) == {"recompile": 200 * US}


def test_a_slow_rank(synthetic: Make, alone: Look, kinds: Kinds, busy: Rows) -> None:
    even = [[busy()] * 3] * 2
    assert alone(synthetic([busy()] * 3, ranks=even)).empty
    findings = alone(synthetic([busy()] * 3, ranks=[*even, [busy(dur_us=70)] * 3]))
    assert kinds(findings) == {"slow_rank": 400 * US}
    assert findings["op"][0] == "rank 3"


def test_an_operator_that_only_the_run_has(
    synthetic: Make, against: Look, kinds: Kinds, busy: Rows, kernel: Kernel
) -> None:
    ref = [{**row, "phase": "forward"} for row in busy()]
    extra = kernel("Conv2D", 1000, 200, phase="forward")
    findings = against(synthetic([ref] * 4), synthetic([[*ref, extra]] * 4))
    assert kinds(findings) == {"extra_op": 200 * US}
    assert findings["op"][0] == "Conv2D"


@pytest.mark.parametrize(
    ("later", "module", "words"), [("head", None, ", between stem and head;"), ("stem", "stem", ", within stem;")]
)
def test_an_operator_without_a_module_lies_between_others(
    synthetic: Make, against: Look, kernel: Kernel, later: str, module: str | None, words: str
) -> None:
    ref = [kernel("MatMul", at * 50, 50, phase="forward", module="stem") for at in range(10)]
    ref += [kernel("MatMul", 1000 + at * 50, 50, phase="forward", module=later) for at in range(10)]
    extra = kernel("Conv2D", 600, 200, phase="forward")
    (found,) = against(synthetic([ref] * 4), synthetic([[*ref[:10], extra, *ref[10:]]] * 4)).itertuples()
    assert (found.kind, found.op) == ("extra_op", "Conv2D")
    assert words in found.evidence
    assert (None if pd.isna(found.module) else found.module) == module


def test_what_the_reference_pays_too_is_no_disease(
    synthetic: Make, alone: Look, against: Look, busy: Rows, kernel: Kernel
) -> None:
    step = [*busy(), kernel("TransData", 1000, 120), kernel("Conv2D", 1150, 100), kernel("hcom_allReduce_", 1250, 400)]
    step = [{**row, "phase": "forward"} for row in step]
    run = synthetic([step] * 4)
    assert {"layout", "communication"} <= set(alone(run)["kind"])
    assert against(run, run).empty


def test_every_disease_of_the_table_is_planted_here() -> None:
    planted = {"layout", "cast", "aicpu", "host_bound", "communication", "bubble", "data_waiting", "recompute"}
    planted |= {"first_step", "recompile", "slow_rank", "extra_op"}
    # The other two are found in recordings: test_recorded_runs.
    assert set(DISEASES) - {"decomposed", "memory_bound"} == planted
