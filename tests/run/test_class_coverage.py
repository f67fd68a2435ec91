"""What is told about operators that the vocabulary does not know, against counts by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from profkit.class_coverage import class_notes, class_notes_as_recorded
from profkit.correlate.identity import identify
from profkit.run import load
from profkit.schema import OPS
from profkit.triage import Inputs, judge


def _rows(*rows: tuple[str | None, str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["op_type", "name", "class_source", "self_ns"])


def test_names_without_a_class_are_counted_with_their_time() -> None:
    rows = _rows(
        ("Strange", "net/Strange-op0", "unknown", 3_000_000),
        ("Strange", "net/Strange-op1", "unknown", 1_000_000),
        (None, "odd_kernel", "unknown", 1_000_000),
        ("MatMul", "net/MatMul-op0", "table", 5_000_000),
    )
    (note,) = class_notes(rows, "self_ns")
    assert note == (
        "2 operator names have no class (3 executions, 5.000 ms, 50.0%): Strange 4.000 ms, odd_kernel 1.000 ms"
    )


def test_a_guess_is_told_apart_from_a_fact() -> None:
    rows = _rows(("volta_sgemm", "volta_sgemm", "rule", 250_000), ("MatMul", "x", "launcher", 750_000))
    (note,) = class_notes(rows, "self_ns")
    assert note == (
        "1 operator name has a class guessed from its words (1 executions, 0.250 ms, 25.0%): "
        "`profkit ops` tells which, class_source rule"
    )


def test_three_names_without_a_class_are_listed_and_the_rest_counted() -> None:
    rows = _rows(*((f"kernel_{number}", "x", "unknown", 5 - number) for number in range(5)))
    (note,) = class_notes(rows, "self_ns")
    assert [name in note for name in (f"kernel_{number}" for number in range(5))] == [True] * 3 + [False] * 2
    assert note.endswith(", and 2 more")


def test_facts_alone_are_not_mentioned() -> None:
    assert class_notes(_rows(("MatMul", "x", "table", 1)), "self_ns") == []
    assert class_notes(_rows(), "self_ns") == []
    assert class_notes_as_recorded(OPS.empty()) == []


def test_totals_count_the_executions_they_stand_for() -> None:
    rows = _rows(("Strange", "Strange", "unknown", 0)).assign(count=7)
    (note,) = class_notes(rows, "self_ns")
    assert "(7 executions, 0.000 ms)" in note


def test_triage_tells_what_it_could_not_compare_with_its_like(samples: Path) -> None:
    recorded = load(samples / "vit" / "mindspore_slow")
    renamed = recorded.ops["op_type"].cat.rename_categories({"SGD": "Gizmo"})
    run = identify(replace(recorded, ops=recorded.ops.assign(op_type=renamed)))
    session = judge(None, run, Inputs(run=run.path))
    count = int((recorded.ops["op_type"] == "SGD").sum())
    (told,) = [sentence for sentence in session.not_judged if "Gizmo" in sentence]
    assert f"1 operator name has no class ({count:,} executions" in told
    assert not [
        sentence
        for sentence in judge(None, identify(recorded), Inputs(run=run.path)).not_judged
        if "no class" in sentence
    ]
