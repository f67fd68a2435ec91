"""The frame contracts hold what they promise."""

from __future__ import annotations

import pandas as pd
import pytest

from profkit import schema
from profkit.errors import SchemaError
from profkit.frame_spec import Column, FrameSpec, concatenate

SPECS = [value for value in vars(schema).values() if isinstance(value, FrameSpec)]

SMALL = FrameSpec(
    "small",
    (
        Column("start_ns", "int64", "time"),
        Column("kind", "category", "sort", values=("a", "b")),
        Column("wait_ns", "Int64", "gap", nullable=True),
        Column("text", "string", "words", nullable=True),
    ),
)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_an_empty_frame_of_every_spec_is_valid(spec: FrameSpec) -> None:
    spec.validate(spec.empty())
    spec.validate(spec.build(spec.empty()))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_column_says_what_it_means_and_durations_are_whole_nanoseconds(spec: FrameSpec) -> None:
    for column in spec.columns:
        assert column.meaning
        if column.name.endswith("_ns"):
            assert column.dtype in {"int64", "Int64"}, column.name


def test_build_fills_absent_nullable_columns_and_keeps_nanoseconds_exact() -> None:
    exact = 1_795_415_169_153_090_001
    frame = SMALL.build({"start_ns": [exact], "kind": ["a"]})
    assert frame["start_ns"].tolist() == [exact]
    assert frame["wait_ns"].isna().all()
    assert frame["text"].isna().all()


def test_an_absent_value_beside_a_large_one_costs_no_nanosecond() -> None:
    exact = 1_795_415_169_153_090_001
    rows = [{"start_ns": 1, "kind": "a"}, {"start_ns": exact, "kind": "b", "wait_ns": exact}]
    frame = SMALL.from_rows(rows)
    assert frame["wait_ns"].tolist() == [pd.NA, exact]
    assert SMALL.build({"start_ns": [1, 2], "kind": ["a", "b"], "wait_ns": [None, exact]})["wait_ns"][1] == exact


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"kind": ["a"]}, "start_ns"),
        ({"start_ns": [1], "kind": ["c"]}, "kind"),
        ({"start_ns": [1], "kind": [None]}, "kind"),
        ({"start_ns": ["x"], "kind": ["a"]}, "start_ns"),
        ({"start_ns": [1], "kind": ["a"], "other": [1]}, "other"),
    ],
)
def test_build_refuses_what_breaks_the_contract(data: dict[str, list[object]], complaint: str) -> None:
    with pytest.raises(SchemaError, match=complaint):
        SMALL.build(data)


def test_concatenating_keeps_categories_and_order() -> None:
    first = SMALL.build({"start_ns": [2, 1], "kind": ["b", "a"]})
    second = SMALL.build({"start_ns": [3], "kind": ["b"], "wait_ns": [7], "text": ["x"]})
    both = concatenate(SMALL, [first, SMALL.empty(), second])
    assert both["start_ns"].tolist() == [2, 1, 3]
    assert both["kind"].tolist() == ["b", "a", "b"]
    assert isinstance(both["kind"].dtype, pd.CategoricalDtype)
    assert both["wait_ns"].isna().tolist() == [True, True, False]
