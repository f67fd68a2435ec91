"""Two runs of one framework: synthetic steps, where it is known what was changed."""

from pathlib import Path

import pandas as pd
import pytest

from profkit.correlate import align
from profkit.run import Run
from profkit.schema import OPS
from profkit.vocabulary import classify

FORWARD = ["LayerNorm", "MatMul", "BiasAdd", "Softmax", "MatMul", "BiasAdd", "Add", "ReLU"]


def synthetic_run(*steps: list[str], phase: str = "forward", shapes: list[str] | None = None) -> Run:
    """A synthetic MindSpore run: one operator a microsecond, in the given order."""
    types = [op_type for step in steps for op_type in step]
    count = len(types)
    ops = OPS.build(
        {
            "rank": 0,
            "step": [number for number, step in enumerate(steps) for _ in step],
            "level": ["host"] * count,
            "start_ns": [1000 * at for at in range(count)],
            "dur_ns": [500] * count,
            "self_ns": [500] * count,
            "name": types,
            "op_type": types,
            "op_class": classify(pd.Series(types, dtype=object))["op_class"],
            "phase": [phase] * count,
            "input_shapes": shapes or [None] * count,
            "parent": -1,
            "launcher": -1,
            "forward_op": -1,
            "carry_over": False,
            "source": ["synthetic"] * count,
            "row": range(count),
        }
    )
    return Run(Path("synthetic"), "mindspore", ops=ops)


def partners(alignment: pd.DataFrame) -> dict[int, list[int]]:
    """Reference rows by run row."""
    matched = alignment[alignment["group"] >= 0]
    ref = matched[matched["side"] == "ref"].groupby("group")["row"].agg(list)
    run = matched[matched["side"] == "run"]
    return {row: ref.get(group, []) for row, group in zip(run["row"], run["group"], strict=True)}


def test_a_run_against_itself_pairs_every_row_with_itself() -> None:
    run = synthetic_run(FORWARD, FORWARD)
    assert partners(align(run, run)) == {row: [row] for row in range(len(run.ops))}


def test_casts_around_an_operator_join_a_neighbour_and_shift_nothing() -> None:
    changed = [*FORWARD[:4], "Cast", "MatMul", "Cast", *FORWARD[5:]]
    alignment = align(synthetic_run(FORWARD), synthetic_run(changed))
    found = partners(alignment)
    assert found[5] == [4]
    assert found[7] == [5]
    joined = alignment[(alignment["side"] == "run") & alignment["row"].isin([4, 6])]
    assert (joined["confidence"] < 0.5).all()
    assert joined["reason"].astype(str).str.startswith("no counterpart of its own").all()


def test_a_decomposed_operator_replaces_the_fused_one() -> None:
    parts = ["ReduceMean", "Sub", "Mul", "ReduceMean", "Add", "Sqrt", "Div"]
    alignment = align(synthetic_run(FORWARD), synthetic_run([*parts, *FORWARD[1:]]))
    found = partners(alignment)
    assert all(found[row] == [0] for row in range(len(parts)))
    assert found[len(parts)] == [1]


def test_a_repeated_heavy_operator_joins_the_one_it_repeats() -> None:
    repeated = [*FORWARD[:5], "Add", "MatMul", "Add", "MatMul", *FORWARD[5:]]
    found = partners(align(synthetic_run(FORWARD), synthetic_run(repeated)))
    assert [found[row] for row in range(4, 9)] == [[4]] * 5


def test_a_new_layer_stays_unmatched() -> None:
    added = [*FORWARD[:4], "Conv2D", "BatchNorm", *FORWARD[4:]]
    alignment = align(synthetic_run(FORWARD), synthetic_run(added))
    unmatched = alignment[(alignment["side"] == "run") & (alignment["group"] < 0)]
    assert unmatched["name"].astype(str).tolist() == ["Conv2D", "BatchNorm"]
    assert unmatched["reason"].astype(str).eq("no counterpart found").all()


def test_an_operator_that_is_gone_is_unmatched_on_the_reference_side() -> None:
    alignment = align(synthetic_run(FORWARD), synthetic_run(FORWARD[:3] + FORWARD[4:]))
    gone = alignment[alignment["group"] < 0]
    assert list(zip(gone["side"].astype(str), gone["name"].astype(str), strict=True)) == [("ref", "Softmax")]


def test_extra_work_in_backward_stands_before_what_it_belongs_to() -> None:
    backward = ["LayerNormGrad", "BiasAddGrad", "MatMul", "MatMul"]
    changed = [backward[0], *["Mul"] * 20, *backward[1:]]
    found = partners(align(synthetic_run(backward, phase="backward"), synthetic_run(changed, phase="backward")))
    assert [found[row] for row in range(1, 21)] == [[1]] * 20


def test_shapes_decide_between_equal_types() -> None:
    ref = synthetic_run(["MatMul", "MatMul"], shapes=["2,3;3,4", "4,5;5,6"])
    run = synthetic_run(["MatMul"], shapes=["4,5;5,6"])
    alignment = align(ref, run)
    assert partners(alignment[alignment["confidence"] > 0.5]) == {0: [1]}


def test_steps_pair_in_order_and_the_surplus_is_named() -> None:
    alignment = align(synthetic_run(FORWARD, FORWARD, FORWARD), synthetic_run(FORWARD, FORWARD))
    surplus = alignment[(alignment["side"] == "ref") & (alignment["step"] == 2)]
    assert len(surplus) == len(FORWARD)
    assert (surplus["group"] == -1).all()
    assert surplus["reason"].astype(str).eq("outside the steps that both runs recorded").all()


@pytest.mark.parametrize("count", [2500, 6000])
def test_long_sequences_with_many_changes(count: int) -> None:
    kinds = ["MatMul", "Add", "Mul", "LayerNorm", "Softmax", "Div", "Exp"]
    ref = [kinds[(at * at + at // 3) % 7] for at in range(count)]
    run = [op_type for at, op_type in enumerate(ref) for op_type in ([op_type, "Cast"] if at % 5 == 0 else [op_type])]
    found = partners(align(synthetic_run(ref), synthetic_run(run)))
    ref_row, exact = 0, 0
    for row, op_type in enumerate(run):
        if op_type != "Cast":
            exact += found[row] == [ref_row]
            ref_row += 1
    assert exact == count
