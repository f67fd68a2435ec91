"""Who belongs to whom: names of both frameworks, missing files, repeated modules, other names."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from profkit.compare.canonical_names import canonical_name
from profkit.compare.pairing import pair

Tensors = Callable[..., pd.DataFrame]


def named_pairs(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[str | None, str | None]]:
    """The pairs as (name, name), with the file number after a # where there is one."""

    def name(frame: pd.DataFrame, row: int) -> str | None:
        if row < 0:
            return None
        number = frame["order"].iloc[row]
        return str(frame["op"].iloc[row]) + ("" if pd.isna(number) else f"#{number}")

    return [(name(a, row_a), name(b, row_b)) for row_a, row_b in pair(a, b)[["row_a", "row_b"]].itertuples(index=False)]


@pytest.mark.parametrize(
    ("mindspore", "torch"),
    [
        ("norm.gamma", "norm.weight"),
        ("norm.beta", "norm.bias"),
        ("bn.moving_mean", "bn.running_mean"),
        ("bn.moving_variance", "bn.running_var"),
        ("emb.embedding_table", "emb.weight"),
        ("act.w", "act.weight"),
        ("layer.0.bn2d.gamma", "layer.0.weight"),
        ("network._backbone.fc.weight", "fc.weight"),
        ("enc.layers.0.dense1.weight", "enc.layers.0.linear1.weight"),
        ("grads.fc.weight", "module.fc.weight"),
        ("gamma", "gamma"),
        ("w", "w"),
        ("network", "network"),
    ],
)
def test_both_frameworks_words_meet(mindspore: str, torch: str) -> None:
    assert canonical_name(mindspore) == canonical_name(torch)


def test_names_are_paired_whatever_their_order(tensors: Tensors) -> None:
    a = tensors(["conv", "norm.weight", "head"], order=[0, 1, 2])
    b = tensors(["head", "norm.gamma", "conv"], order=[0, 1, 2])
    frame = pair(a, b)
    assert frame["row_b"].tolist() == [2, 1, 0]
    assert frame["paired_by"].tolist() == ["name", "translated name", "name"]
    assert frame["sure"].all()


def test_a_name_that_is_the_same_goes_before_its_translation(tensors: Tensors) -> None:
    a = tensors(["m.weight", "m.gamma"], io="gradient")
    b = tensors(["m.gamma", "m.weight"], io="gradient")
    assert pair(a, b)["row_b"].tolist() == [1, 0]


def test_a_missing_file_stays_a_row_in_its_place(tensors: Tensors) -> None:
    a = tensors(["conv", "bn", "relu", "fc"], order=[0, 1, 2, 3])
    b = tensors(["conv", "relu", "extra", "fc"], order=[0, 1, 2, 3])
    assert named_pairs(a, b) == [
        ("conv#0", "conv#0"),
        ("bn#1", None),
        ("relu#2", "relu#1"),
        (None, "extra#2"),
        ("fc#3", "fc#3"),
    ]


def test_what_only_b_has_may_stand_first_and_last(tensors: Tensors) -> None:
    a, b = tensors(["fc"]), tensors(["stem", "fc", "tail"])
    assert named_pairs(a, b) == [(None, "stem"), ("fc", "fc"), (None, "tail")]


@pytest.mark.parametrize("empty", ["a", "b", "both"])
def test_an_empty_side_leaves_everything_unpaired(tensors: Tensors, empty: str) -> None:
    none, some = tensors([]), tensors(["x", "y"])
    frame = pair(none if empty != "b" else some, none if empty != "a" else some)
    assert len(frame) == (0 if empty == "both" else 2)
    assert frame["paired_by"].isna().all()


def test_the_same_name_in_input_output_and_slot_is_another_tensor(tensors: Tensors) -> None:
    a = tensors(["op", "op", "op"], io=["input", "output", "output"], slot=[0, 0, 1])
    b = tensors(["op", "op", "op"], io=["output", "output", "input"], slot=[1, 0, 0])
    assert sorted(pair(a, b)[["row_a", "row_b"]].itertuples(index=False, name=None)) == [(0, 2), (1, 1), (2, 0)]


def test_one_rank_and_one_iteration_a_side_need_not_have_one_number(tensors: Tensors) -> None:
    assert pair(tensors(["x"], rank=0, iteration=3), tensors(["x"]))["row_b"].tolist() == [0]


def test_iterations_are_kept_apart(tensors: Tensors) -> None:
    a = tensors(["x", "x"], iteration=[0, 1])
    b = tensors(["x", "x"], iteration=[1, 2])
    assert pair(a, b)[["row_a", "row_b"]].to_numpy().tolist() == [[0, -1], [1, 0], [-1, 1]]


CALLS = ["lstm", *["ih", "hh"] * 5, "fc"]


@pytest.mark.parametrize("gone", range(1, 11))
def test_one_lost_call_of_a_recurrent_cell_is_found_by_its_neighbours(tensors: Tensors, gone: int) -> None:
    a = tensors(CALLS)
    b = tensors([name for place, name in enumerate(CALLS) if place != gone])
    frame = pair(a, b)
    expected = [place - (place > gone) if place != gone else -1 for place in range(12)]
    assert frame["row_b"].tolist() == expected
    assert (
        frame["note"].iloc[gone]
        == f"{CALLS[gone]} was recorded 5 times in A and 4 times in B, and which of them belong together cannot be told"
    )


def test_equal_calls_without_neighbours_are_not_guessed(tensors: Tensors) -> None:
    a, b = tensors(["cell"] * 5, order=range(5)), tensors(["cell"] * 4, order=range(4))
    frame = pair(a, b)
    assert frame["paired_by"].isna().all()
    assert len(frame) == 9
    assert frame["note"].str.contains("5 times in A and 4 times in B").all()


def test_file_numbers_tell_the_lost_call_when_the_counter_shows_the_gap(tensors: Tensors) -> None:
    a = tensors(["emb", *["cell"] * 4, "fc"], order=[0, 1, 2, 3, 4, 5])
    b = tensors(["emb", *["cell"] * 3, "fc"], order=[0, 1, 2, 4, 5])
    assert pair(a, b)["row_b"].tolist() == [0, 1, 2, -1, 3, 4]


def test_file_numbers_prove_nothing_when_the_counter_closed_the_gap(tensors: Tensors) -> None:
    a = tensors(["emb", *["cell"] * 4, "fc"], order=[0, 1, 2, 3, 4, 5])
    b = tensors(["emb", *["cell"] * 3, "fc"], order=[0, 1, 2, 3, 4])
    assert pair(a, b)["paired_by"].notna().sum() == 2


def test_other_names_are_paired_by_order_where_the_shapes_agree(tensors: Tensors) -> None:
    shapes = ["2,3", "2,8", "2,3", "2"]
    a = tensors(["l0", "l1", "l2", "l3"], shape=shapes)
    b = tensors(["x0", "x1", "x2", "x3"], shape=shapes)
    frame = pair(a, b)
    assert frame["row_b"].tolist() == [0, 1, 2, 3]
    assert set(frame["paired_by"]) == {"order and shape"}
    assert frame["sure"].all()


@pytest.mark.parametrize("gone", range(4))
def test_one_missing_of_other_names_shifts_nothing(tensors: Tensors, gone: int) -> None:
    shapes = ["2,3", "2,8", "2,4", "2"]
    kept = [place for place in range(4) if place != gone]
    a = tensors([f"l{place}" for place in range(4)], shape=shapes)
    b = tensors([f"x{place}" for place in kept], shape=[shapes[place] for place in kept])
    found = {(row_a, row_b) for row_a, row_b in pair(a, b)[["row_a", "row_b"]].itertuples(index=False, name=None)}
    assert found == {(place, kept.index(place)) for place in kept} | {(gone, -1)}


def test_equal_shapes_of_which_one_is_missing_are_not_guessed(tensors: Tensors) -> None:
    a, b = tensors(["p", "q"], shape="4"), tensors(["r"], shape="4")
    assert pair(a, b)["paired_by"].isna().all()


def test_unknown_shapes_are_never_equal(tensors: Tensors) -> None:
    assert pair(tensors(["p"]), tensors(["r"]))["paired_by"].isna().all()


def test_order_and_shape_beside_names_is_not_sure(tensors: Tensors) -> None:
    a = tensors(["conv", "dropout", "fc"], shape="4")
    b = tensors(["conv", "act", "fc"], shape="4")
    frame = pair(a, b)
    assert frame["paired_by"].tolist() == ["name", "order and shape", "name"]
    assert frame["sure"].tolist() == [True, False, True]


def test_outputs_come_before_gradients_before_parameters(tensors: Tensors) -> None:
    a = tensors(["w", "g", "o", "i"], io=["parameter", "gradient", "output", "input"], order=[0, 1, 5, 4])
    assert pair(a, a)["row_a"].tolist() == [3, 2, 1, 0]


def test_a_composite_listed_before_its_parts_goes_behind_them(tensors: Tensors) -> None:
    names = ["net", "net.b0", "net.b0.norm", "net.b0.fc", "net.head"]
    assert [name for name, _ in named_pairs(tensors(names), tensors(names))] == [
        "net.b0.norm",
        "net.b0.fc",
        "net.b0",
        "net.head",
        "net",
    ]


def test_a_composite_recorded_after_its_parts_or_repeatedly_stays(tensors: Tensors) -> None:
    for names in (["b.x", "b.y", "b", "c"], ["b", "b.x", "b", "b.x"], ["b.x", "b", "b.y"]):
        assert [name for name, _ in named_pairs(tensors(names), tensors(names))] == names


def test_numbers_decide_the_order_then_times_then_the_listing(tensors: Tensors) -> None:
    assert [n for n, _ in named_pairs(tensors(["x", "y"], order=[7, 3]), tensors([]))] == ["y#3", "x#7"]
    assert [n for n, _ in named_pairs(tensors(["x", "y"], time_ns=[9, 1]), tensors([]))] == ["y", "x"]
    assert [n for n, _ in named_pairs(tensors(["x", "y"]), tensors([]))] == ["x", "y"]


def test_ten_thousand_tensors_are_paired_quickly(tensors: Tensors) -> None:
    names = [f"blocks.{block}.op{number}" for block in range(100) for number in range(100)]
    a = tensors(names, shape="4", order=range(10_000))
    b = tensors([name for place, name in enumerate(names) if place % 50], shape="4", order=range(9_800))
    assert pair(a, b)["paired_by"].eq("name").sum() == 9_800
