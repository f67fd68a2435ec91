"""Two sessions compared: findings gone, new and still there, times that add up, and silence that is no success."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from profkit.schema import BRIDGE, BRIDGE_ROWS, FINDINGS, OPERATORS, SESSION_CHANGES, SESSION_STEPS
from profkit.session import Session
from profkit.session_comparison import compare_sessions
from profkit.triage import Inputs, triage


def findings(*rows: tuple[str, str | None, str, int | None, float | None]) -> pd.DataFrame:
    return FINDINGS.from_rows(
        [
            {
                "rank": rank, "kind": kind, "module": module, "op": op, "impact_ns": impact, "ratio": ratio,
                "confidence": 1.0, "groups": [], "evidence": f"{op} of {kind}", "advice": "",
            }
            for rank, (kind, module, op, impact, ratio) in enumerate(rows, start=1)
        ]
    )  # fmt: skip


def bridge(**parts: int) -> pd.DataFrame:
    count = len(parts)
    return BRIDGE.build(
        {
            "part": list(parts), "operator": ["x"] * count, "unit": [-1] * count, "ref_ns": [10] * count,
            "run_ns": list(parts.values()), "delta_ns": [time - 10 for time in parts.values()],
            "percent": [0.0] * count, "ref_rows": [1] * count, "run_rows": [1] * count, "reason": ["y"] * count,
        }
    )  # fmt: skip


def bridge_rows() -> pd.DataFrame:
    return BRIDGE_ROWS.build({"bridge": [0, 0], "side": ["ref", "run"], "rank": 0, "step": 1, "row": [0, 0], "ns": 1})


def operators(**run_ns: int | None) -> pd.DataFrame:
    rows = [
        {
            "unit": unit, "operator": "op", "module": module.replace("_", "."), "run_ns": time, "ref_ns": 5,
            "steps": 1, "reason": "z",
        }
        for unit, (module, time) in enumerate(run_ns.items())
    ]  # fmt: skip
    return OPERATORS.from_rows(rows)


def changes(before: Session, after: Session, section: str) -> pd.DataFrame:
    frame = compare_sessions(before, after)
    SESSION_CHANGES.validate(frame)
    return frame[frame["section"] == section].reset_index(drop=True)


def test_findings_are_gone_new_or_still_there_with_their_change() -> None:
    before = Session("a", "", findings=findings(("slow", "m", "gelu", 70, 2.0), ("overflow", None, "exp", None, None)))
    after = Session("b", "", findings=findings(("host_bound", "n", "add", 5, None), ("slow", "m", "gelu", 30, 1.2)))
    rows = changes(before, after, "finding")
    assert rows[["change", "item", "op"]].astype(object).values.tolist() == [
        ["new", "host_bound", "add"],
        ["still", "slow", "gelu"],
        ["gone", "overflow", "exp"],
    ]
    still = rows.iloc[1]
    assert (still["before_ns"], still["after_ns"], still["delta_ns"]) == (70, 30, -40)
    assert (still["before_rank"], still["after_rank"]) == (1, 2)


def test_two_findings_alike_are_told_apart_by_their_order() -> None:
    twice = findings(("slow", "m", "gelu", 70, 2.0), ("slow", "m", "gelu", 20, 2.0))
    rows = changes(Session("a", "", findings=twice), Session("b", "", findings=twice.iloc[:1]), "finding")
    assert rows["change"].tolist() == ["still", "gone"]
    assert rows["before_ns"].tolist() == [70, 20]


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("overflow", {"overflow"}),
        ("parity", {"parity"}),
        ("time", {"slow", "host_bound", "memory_bound"}),
        ("reference", {"slow", "parity"}),
        ("counters", {"memory_bound"}),
    ],
)
def test_what_one_session_did_not_look_for_is_neither_gone_nor_new(question: str, kinds: set[str]) -> None:
    all_kinds = findings(
        ("slow", "m", "a", 1, 2.0), ("overflow", "m", "b", None, None), ("parity", "m", "c", None, None),
        ("host_bound", "m", "d", 1, None), ("memory_bound", "m", "e", 1, None),
    )  # fmt: skip
    silent = Session("b", "", unanswered=frozenset({question}))
    for rows, other in (
        (changes(Session("a", "", findings=all_kinds), silent, "finding"), "gone"),
        (changes(silent, Session("a", "", findings=all_kinds), "finding"), "new"),
    ):
        assert set(rows.loc[rows["change"] == "not_judged", "item"]) == kinds
        assert set(rows.loc[rows["change"] == other, "item"]) == set(all_kinds["kind"]) - kinds


def test_a_sentence_alone_leaves_every_question_answered() -> None:
    told = Session("b", "", not_judged=("overflow was not judged for the optimizer.",))
    rows = changes(Session("a", "", findings=findings(("overflow", "m", "b", None, None))), told, "finding")
    assert rows["change"].tolist() == ["gone"]


def test_a_triage_tells_which_questions_it_did_not_answer(samples: Path, tmp_path: Path) -> None:
    vit = samples / "vit"
    timed = triage(Inputs(run=vit / "mindspore_slow" / "pynative"))
    assert timed.unanswered == {"reference", "overflow"}
    dumped = triage(Inputs(ref=vit / "pytorch" / "outputs", run=vit / "mindspore_nan" / "dump"))
    assert dumped.unanswered == {"time", "parity"}
    dumped.save(tmp_path / "session")
    assert Session.load(tmp_path / "session").unanswered == dumped.unanswered


def test_the_parts_add_up_to_the_change_of_the_step_to_the_nanosecond() -> None:
    large = 9_007_199_254_740_993
    before = Session("a", "", bridge=bridge(slower=large, host_gap=7), bridge_rows=bridge_rows())
    after = Session("b", "", bridge=bridge(slower=3, run_only=4), bridge_rows=bridge_rows())
    step, *parts = changes(before, after, "step").iloc[:-1].to_dict("records")
    assert step["delta_ns"] == 7 - (large + 7)
    assert sum(part["delta_ns"] for part in parts) == step["delta_ns"]
    assert {part["item"] for part in parts} == {"slower", "host_gap", "run_only"}


def test_without_a_bridge_the_median_steps_are_compared_and_unknown_ones_told() -> None:
    def steps(*durations: int) -> pd.DataFrame:
        count = len(durations)
        return SESSION_STEPS.build(
            {
                "side": ["run"] * count, "rank": [0] * count, "step": range(count), "how": ["recorded"] * count,
                "source": ["x"] * count, "dur_ns": pd.array(durations, dtype="Int64"),
            }
        )  # fmt: skip

    rows = changes(Session("a", "", steps=steps(9, 1, 5)), Session("b", "", steps=steps(4, 8)), "step")
    assert rows["delta_ns"].tolist() == [-1, pd.NA]
    assert rows["change"].astype(object).tolist()[1] == "not_judged"


def test_modules_with_their_inclusive_times() -> None:
    before = Session("a", "", operators=operators(net_a=10, net_b=20, net_u=None))
    after = Session("b", "", operators=operators(net_a=4, net_c=1, net_u=None))
    rows = changes(before, after, "module").set_index("item")
    assert rows["delta_ns"].astype(object).where(rows["delta_ns"].notna(), None).to_dict() == {
        "": -25,
        "net": -25,
        "net.a": -6,
        "net.c": None,
        "net.b": None,
    }
    assert rows.loc[["net.c", "net.b"], "change"].tolist() == ["new", "gone"]


def test_a_session_against_itself_changes_nothing() -> None:
    session = Session(
        "a", "", findings=findings(("slow", "m", "gelu", 70, 2.0)), operators=operators(net_a=10),
        bridge=bridge(slower=3), bridge_rows=bridge_rows(),
    )  # fmt: skip
    frame = compare_sessions(session, replace(session))
    assert set(frame["change"].dropna()) == {"still"}
    assert (frame["delta_ns"] == 0).all()


def test_empty_sessions() -> None:
    assert compare_sessions(Session("", ""), Session("", ""))["section"].tolist() == ["step", "step"]
