"""Why a group was matched, read against the alignment and the runs themselves."""

from __future__ import annotations

from functools import cache
from math import prod
from pathlib import Path

import pandas as pd
import pytest

from profkit.correlate import align, explain
from profkit.correlate.identity import identify
from profkit.errors import ProfkitError
from profkit.report.explanation_report import explanation_text
from profkit.run import Run, load
from profkit.schema import EXPLANATION


@cache
def _loaded(path: Path) -> Run:
    return identify(load(path))


@pytest.fixture
def alignment(samples: Path) -> pd.DataFrame:
    return align(
        _loaded(samples / "vit" / "pytorch" / "profile"), _loaded(samples / "vit" / "mindspore_clean" / "graph")
    )


def _facts(explanation: pd.DataFrame) -> dict[str, str]:
    notes = explanation.loc[explanation["role"] == "fact", "note"].astype(str)
    return dict(note.split(": ", 1) for note in notes)


def _group_of(alignment: pd.DataFrame, name: str, number: int) -> int:
    rows = alignment[(alignment["side"] == "pt") & (alignment["name"] == name) & (alignment["group"] >= 0)]
    return int(rows["group"].iloc[number])


def test_a_linear_layer_is_explained_by_its_product_shapes_and_neighbours(alignment: pd.DataFrame) -> None:
    group = _group_of(alignment, "aten::linear", 5)
    explanation = explain(alignment, str(group))
    EXPLANATION.validate(explanation)
    members = explanation[explanation["role"] == "member"]
    in_group = alignment[alignment["group"] == group]
    assert set(zip(members["side"], members["row"], strict=True)) == set(
        zip(in_group["side"], in_group["row"], strict=True)
    )
    facts = _facts(explanation)
    assert facts["why"] == "same kind of work in the same place, shapes agree; confidence 95%"
    assert "matmul is its own kernel" in facts["kind"]
    assert "biasadd is" in facts["kind"]
    assert facts["shapes"].startswith("agree")
    assert "matmul (from table)" in facts["class"]
    assert facts["order"].endswith("on both sides")


def test_places_count_the_executions_of_the_step(alignment: pd.DataFrame) -> None:
    group = _group_of(alignment, "aten::gelu", 1)
    for row in explain(alignment, str(group)).dropna(subset=["side"]).itertuples():
        own = alignment[(alignment["side"] == row.side) & (alignment["row"] == row.row)].iloc[0]
        earlier = (
            (alignment["side"] == row.side)
            & (alignment["step"] == own["step"])
            & (alignment["start_ns"] < own["start_ns"])
        )
        assert row.place == earlier.sum()


def test_candidates_are_the_operators_of_the_same_name_and_tell_whose_work_they_do(alignment: pd.DataFrame) -> None:
    group = _group_of(alignment, "aten::layer_norm", 2)
    explanation = explain(alignment, str(group))
    candidates = explanation[explanation["role"] == "candidate"]
    step = alignment[(alignment["side"] == "ms") & (alignment["step"] == 0) & (alignment["phase"] == "forward")]
    norms = step[step["name"].astype(str).str.contains(r"/LayerNorm-op\d+$") & (step["group"] != group)]
    lost = candidates[candidates["side"] == "ms"]
    assert set(lost["row"]) <= set(norms["row"])
    assert len(lost) == 5
    assert f"{len(norms):,} of ms" in _facts(explanation)["candidates"]
    for row in lost.itertuples():
        assert row.group >= 0
        assert f"does the work of aten::layer_norm in {row.module} (group {row.group}, confidence 95%)" in row.note
        assert "places later" in row.note or "places earlier" in row.note
    distances = lost["place"] - explanation.loc[explanation["role"] == "member", "place"].iloc[1]
    assert distances.abs().is_monotonic_increasing


def test_shapes_that_differ_are_the_reason(alignment: pd.DataFrame) -> None:
    group = _group_of(alignment, "aten::linear", 3)
    explanation = explain(alignment, str(group))
    mine = explanation[(explanation["role"] == "member") & (explanation["side"] == "pt")].iloc[0]
    inputs = [[int(axis) for axis in shape.split(",")] for shape in mine["input_shapes"].split(";")]
    sizes = {prod(shape) for shape in inputs} | {prod(inputs[0][:-1]) * inputs[1][0]}
    told = set()
    for row in explanation[(explanation["role"] == "candidate") & (explanation["side"] == "ms")].itertuples():
        its = {prod(int(axis) for axis in shape.split(",")) for shape in row.input_shapes.split(";")}
        assert ("shapes differ" in row.note) == (not its <= sizes)
        told.add("shapes differ" in row.note)
    assert told == {True, False}


def test_an_execution_without_a_counterpart_is_explained_too(alignment: pd.DataFrame) -> None:
    alone = alignment[(alignment["group"] < 0) & (alignment["name"] == "aten::dropout")].iloc[0]
    explanation = explain(alignment, f"pt:{alone['row']}")
    facts = _facts(explanation)
    assert facts["why"].endswith("unmatched")
    assert (explanation["role"] == "member").sum() == 1
    assert (explanation["role"] == "anchor").sum() >= 2
    matched = alignment[(alignment["group"] >= 0) & (alignment["side"] == "ms")].iloc[0]
    by_row = explain(alignment, f"ms:{matched['row']}")
    pd.testing.assert_frame_equal(by_row, explain(alignment, str(matched["group"])))


def test_what_is_left_open_names_the_others_of_its_undecided_set(shared: Path) -> None:
    folder = shared / "bench" / "alignment" / "lstm_text"
    alignment = align(*(_loaded(folder / name) for name in ("pt_stack", "ms_graph")))
    left_open = (alignment["side"] == "ms") & (alignment["group"] < 0) & (alignment["candidates"] >= 0)
    one = alignment[left_open].iloc[0]
    same = alignment[alignment["candidates"] == one["candidates"]]
    others = set(zip(same["side"], same["row"], strict=True)) - {("ms", one["row"])}
    explanation = explain(alignment, f"ms:{one['row']}")
    named = explanation[explanation["role"] == "candidate"]
    assert set(named["side"]) == {"pt", "ms"}
    assert set(zip(named["side"], named["row"], strict=True)) == others
    assert named["note"].astype(str).str.startswith(f"undecided set {one['candidates']}: may ").all()
    assert f"of undecided set {one['candidates']} in this step" in _facts(explanation)["candidates"]


@pytest.mark.parametrize(("which", "words"), [("-1", "SIDE:ROW"), ("99999999", "groups go from"), ("x", "number")])
def test_what_cannot_be_explained_says_why(alignment: pd.DataFrame, which: str, words: str) -> None:
    with pytest.raises(ProfkitError) as caught:
        explain(alignment, which)
    assert words in caught.value.hint


@pytest.mark.parametrize("network", ["vit", "resnet", "lstm_text"])
@pytest.mark.parametrize("mode", ["ms_pynative", "ms_graph", "pt_shapes"])
def test_groups_of_recorded_networks_can_be_explained(shared: Path, network: str, mode: str) -> None:
    folder = shared / "bench" / "alignment" / network
    alignment = align(_loaded(folder / "pt_stack"), _loaded(folder / mode))
    groups = [int(group) for group in alignment["group"].unique() if group >= 0]
    for group in groups[:: max(len(groups) // 40, 1)]:
        explanation = explain(alignment, str(group))
        assert {"why", "class", "kind", "shapes", "order", "module"} <= set(_facts(explanation))
        members = explanation[explanation["role"] == "member"]
        assert len(members) == (alignment["group"] == group).sum()
        if (members["confidence"] < 0.5).all() and members["name"].astype(str).str.contains("MatMul").any():
            assert "candidate" in set(explanation["role"])


def test_names_from_a_file_cannot_steer_the_terminal(alignment: pd.DataFrame) -> None:
    group = _group_of(alignment, "aten::gelu", 0)
    hostile = alignment.assign(name=alignment["name"].cat.rename_categories(lambda name: f"{name}\x1b[31m\u202e"))
    text = explanation_text(explain(hostile, str(group)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"\x1b" in text
