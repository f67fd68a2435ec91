"""A run without a reference: its operators and executions are there, nothing of them is called matched or slow."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import median

import pandas as pd
import pytest

from profkit.report.triage_report import text_report
from profkit.schema import ALIGNMENT, OPERATORS
from profkit.session import Session
from profkit.session_comparison import compare_sessions
from profkit.triage import Inputs, triage

RUNS = ("pytorch", "mindspore_slow/pynative")


@pytest.fixture(scope="module", params=RUNS)
def session(request: pytest.FixtureRequest, samples: Path) -> Session:
    return triage(Inputs(run=samples / "vit" / request.param))


def test_the_time_of_an_operator_is_the_median_of_its_steps(session: Session) -> None:
    OPERATORS.validate(session.operators)
    ALIGNMENT.validate(session.alignment)
    times: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in session.alignment.to_dict("records"):
        if row["step"] >= 0:
            times[row["unit"]][row["step"]] += row["dur_ns"]
    found = dict(zip(session.operators["unit"], session.operators["run_ns"], strict=True))
    assert found == {unit: round(median(of_step.values())) for unit, of_step in times.items()}
    assert len(found) > 20


def test_nothing_is_matched_flagged_or_slow(session: Session) -> None:
    assert (session.alignment["group"] == -1).all()
    assert session.alignment["side"].unique().tolist() == ["run"]
    assert set(session.alignment["reason"]) == {"nothing was aligned: there is no reference"}
    operators = session.operators
    for column in ("ref_ns", "ratio", "impact_ns", "flag", "confidence", "ref_ops"):
        assert operators[column].isna().all(), column
    assert "slow" not in set(session.findings["kind"])
    assert session.bridge.empty
    assert "aligned" not in text_report(session).partition("Not judged")[0]


def test_what_the_modules_take_is_compared_before_and_after(samples: Path) -> None:
    sessions = [triage(Inputs(run=samples / "vit" / name)) for name in ("mindspore_clean/pynative", RUNS[1])]
    changes = compare_sessions(*sessions).set_index(["section", "item"])
    whole = [int(session.operators["run_ns"].sum()) for session in sessions]
    assert changes.loc[("module", ""), "delta_ns"] == whole[1] - whole[0]


def test_a_reference_with_tensors_alone_does_not_hide_the_operators_of_the_run(samples: Path) -> None:
    vit = samples / "vit"
    for ref, run, known, unknown in (
        ("pytorch/outputs", "mindspore_slow/pynative", "run_ns", "ref_ns"),
        ("pytorch/profile", "mindspore_nan/dump", "ref_ns", "run_ns"),
    ):
        operators = triage(Inputs(ref=vit / ref, run=vit / run)).operators
        assert operators[known].notna().all()
        assert operators[unknown].isna().all()
        assert operators["flag"].isna().all()
        assert len(operators)


def test_the_count_of_executions_in_a_step_stands_beside_the_name(session: Session) -> None:
    first = session.alignment[session.alignment["step"] >= 0].drop_duplicates("unit").set_index("unit")
    for row in session.operators.to_dict("records"):
        step = first.loc[row["unit"], "step"]
        same = (session.alignment["unit"] == row["unit"]) & (session.alignment["step"] == step)
        count = int(same.sum())
        assert row["run_ops"] == (row["operator"] if count == 1 else f"{row['operator']} x{count}")
        assert not pd.isna(row["run_ns"])
