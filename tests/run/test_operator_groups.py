"""Sums of operators equal sums by a loop, and every operator stands once, under its sum."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from profkit.operator_groups import GROUPINGS, UNKNOWN, UNKNOWN_SHAPES, grouped_operators, unmatched_operators
from profkit.schema import OPERATORS
from profkit.triage import Inputs, triage

VIT = Path(__file__).resolve().parents[2] / "samples/vit"


@pytest.fixture(scope="module")
def operators() -> pd.DataFrame:
    return triage(Inputs(ref=VIT / "pytorch", run=VIT / "mindspore_slow")).operators


def label(first: object, shapes: object = "no second column") -> str:
    told = UNKNOWN if pd.isna(first) else str(first)
    if shapes == "no second column":
        return told
    tensors = [UNKNOWN_SHAPES] if pd.isna(shapes) else [f"[{tensor}]" for tensor in str(shapes).split(";")]
    return " ".join([told, *tensors])


@pytest.mark.parametrize("by", GROUPINGS)
def test_sums_are_those_of_a_loop(operators: pd.DataFrame, by: str) -> None:
    expected: dict[str, list[int]] = {}
    for row in operators.to_dict("records"):
        sums = expected.setdefault(label(*(row[name] for name in GROUPINGS[by])), [0, 0, 0])
        sums[0] += 1
        sums[1] += 0 if pd.isna(row["ref_ns"]) else row["ref_ns"]
        sums[2] += 0 if pd.isna(row["run_ns"]) else row["run_ns"]
    groups = grouped_operators(operators, by)
    heads = groups[groups["depth"] == 0].fillna({"ref_ns": 0, "run_ns": 0})
    found = {row["group"]: [row["operators"], row["ref_ns"], row["run_ns"]] for row in heads.to_dict("records")}
    assert found == expected
    assert sorted(groups.loc[groups["depth"] == 1, "row"]) == list(range(len(operators)))
    known = heads["impact_ns"].dropna().tolist()
    assert known == sorted(known, reverse=True)


def test_operators_stand_under_their_own_sum(operators: pd.DataFrame) -> None:
    head = ""
    for row in grouped_operators(operators, "class").to_dict("records"):
        head = row["group"] if row["depth"] == 0 else head
        assert row["group"] == head


def test_operators_of_equal_shapes_in_different_modules_are_one_sum(operators: pd.DataFrame) -> None:
    groups = grouped_operators(operators, "shape")
    sums = groups[groups["depth"] == 0].set_index("group")
    # The network has four blocks, 17 tokens of 192 channels and layers of 768 in between.
    label_of_all = "aten::linear [8,17,192] [768,192] [768]"
    assert sums.loc[label_of_all, "operators"] == 4
    below = operators.loc[groups.loc[(groups["group"] == label_of_all) & (groups["depth"] == 1), "row"]]
    assert set(below["module"]) == {f"blocks.{block}.mlp.fc1" for block in range(4)}
    assert set(below["operator"]) == {"aten::linear"}


def test_the_worst_verdict_stands_for_the_sum() -> None:
    columns = {"unit": [0, 1], "operator": ["a", "b"], "op_class": ["matmul"] * 2, "confidence": [1.0] * 2}
    given = OPERATORS.build({**columns, "steps": [1, 1], "reason": ["-"] * 2, "parity": ["match", "mismatch"]})
    groups = grouped_operators(given, "class")
    assert groups["parity"].tolist()[0] == "mismatch"
    assert groups["ref_ns"].isna().all()


def test_what_only_one_side_has_is_counted_by_side_and_reason(operators: pd.DataFrame) -> None:
    expected: dict[str, list[int]] = {}
    for row in operators.to_dict("records"):
        if pd.isna(row["ref_ns"]) == pd.isna(row["run_ns"]):
            continue
        side, time = ("run", row["run_ns"]) if pd.isna(row["ref_ns"]) else ("ref", row["ref_ns"])
        sums = expected.setdefault(f"{side} only: {row['reason']}", [0, 0])
        sums[0] += 1
        sums[1] += time
    groups = unmatched_operators(operators)
    heads = groups[groups["depth"] == 0]
    found = {row["group"]: [row["operators"], row["impact_ns"]] for row in heads.to_dict("records")}
    assert found == expected
    assert len(expected) > 1
    times = heads["impact_ns"].tolist()
    assert times == sorted(times, reverse=True)
    below = groups.loc[groups["depth"] == 1, "row"]
    assert sorted(below) == sorted(operators.index[operators["unit"] < 0])
    assert (groups["impact_ns"] >= 0).all()


def test_nothing_gives_nothing() -> None:
    assert unmatched_operators(OPERATORS.empty()).empty
    assert grouped_operators(OPERATORS.empty(), "module").empty
