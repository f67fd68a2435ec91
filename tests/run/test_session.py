"""A session comes back as it was saved, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.schema import FINDINGS, OVERFLOW
from profkit.session import Session, is_session


def session() -> Session:
    findings = {
        "rank": [1, 2],
        "kind": ["overflow", "slow"],
        "module": ["blocks.1", None],
        "op": ["Div", "MatMul"],
        "impact_ns": [None, 1_795_415_169_153_090_001],
        "ratio": [float("nan"), 12.5],
        "confidence": [0.95, 0.5],
        "groups": [[], [4, 5]],
        "evidence": ["e", "f"],
        "advice": ["a", "b"],
    }
    overflow = {
        "iteration": [0],
        "order": [3],
        "op": ["Div"],
        "op_type": ["Div"],
        "role": ["origin"],
        "nan": [4],
        "reason": ["0/0"],
        "rank": [0],
        "primary": [True],
    }
    return Session(
        title="a against b",
        created="2026-01-02T03:04:05+00:00",
        inputs={"ref": "a", "run": "b"},
        findings=FINDINGS.build(findings),
        overflow=OVERFLOW.build(overflow),
        sides=("pt", "ms"),
        not_judged=("parity was not judged",),
        unanswered=frozenset({"parity"}),
    )


def test_a_saved_session_comes_back_whole(tmp_path: Path) -> None:
    session().save(tmp_path / "s")
    again = Session.load(tmp_path / "s")
    for name in ("findings", "overflow", "alignment", "parity", "operators", "steps", "sources", "issues"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(session(), name))
    assert (again.title, again.inputs, again.sides, again.not_judged, again.unanswered) == (
        session().title,
        session().inputs,
        session().sides,
        session().not_judged,
        session().unanswered,
    )


def test_findings_are_plain_json_with_the_promised_keys(tmp_path: Path) -> None:
    session().save(tmp_path / "s")
    records = json.loads((tmp_path / "s" / "findings.json").read_text())
    assert [set(record) for record in records] == [set(FINDINGS.names)] * 2
    assert records[1]["groups"] == [4, 5]
    assert records[1]["impact_ns"] == 1_795_415_169_153_090_001
    assert records[0]["ratio"] is None


def test_a_session_is_replaced_only_when_asked_and_nothing_else_ever(tmp_path: Path) -> None:
    session().save(tmp_path / "s")
    with pytest.raises(ProfkitError, match="already"):
        session().save(tmp_path / "s")
    session().save(tmp_path / "s", force=True)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("years")
    with pytest.raises(ProfkitError, match="no session"):
        session().save(tmp_path / "work", force=True)
    assert (tmp_path / "work" / "thesis.tex").exists()


@pytest.mark.parametrize("name", ["session.json", "findings.json", "alignment.parquet"])
def test_a_damaged_session_is_refused_with_a_hint(tmp_path: Path, name: str) -> None:
    session().save(tmp_path / "s")
    (tmp_path / "s" / name).write_text("{broken")
    with pytest.raises(UnreadableInputError) as refusal:
        Session.load(tmp_path / "s")
    assert refusal.value.hint


def test_a_session_of_another_schema_is_refused(tmp_path: Path) -> None:
    session().save(tmp_path / "s")
    header = json.loads((tmp_path / "s" / "session.json").read_text())
    (tmp_path / "s" / "session.json").write_text(json.dumps(header | {"schema_version": 0}))
    with pytest.raises(UnreadableInputError, match="schema 0"):
        Session.load(tmp_path / "s")


def test_an_ordinary_directory_is_no_session(tmp_path: Path) -> None:
    assert not is_session(tmp_path)
    assert not is_session(tmp_path / "absent")
