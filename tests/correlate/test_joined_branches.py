"""Branches that meet and rounds of recurrent layers: hand-made schedules, of which it is known what belongs to what."""

import numpy as np

from profkit.correlate.joined_branches import branches_by_way
from profkit.correlate.numbered_branches import one_kernel_a_unit
from profkit.correlate.recurrent_rounds import shares_by_burst, with_shares
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import Shape, ShapeSet
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import by_name, decomposition

WIDE: Shape = (6, 12)
STATE: tuple[Shape, ...] = ((4, 3), (9, 3), (9,))
CLASSES = {"linear": "matmul", "silu": "activation", "tanh": "activation", "sigmoid": "activation"}


def unit(row: int, name: str, *operands: Shape, phase: str = "forward") -> Unit:
    """One operator that was given some tensors."""
    operator, op_class = f"aten::{name}", CLASSES.get(name, "elementwise")
    facts = decomposition("forward", operator) or by_name("forward", operator)
    return Unit((row,), phase, (operator,), facts, ShapeSet.of([operands]), (), operands, None, op_class, 1.5)


def branches(*names: str) -> list[Unit]:
    """Two linear layers with what stands between and behind them; `mul` joins."""
    given = {"linear": ((6, 3), (12, 3)), "mul": (WIDE, WIDE)}
    return [unit(at, name, *given.get(name, (WIDE,))) for at, name in enumerate(names)]


def test_the_gated_branch_runs_after_the_other_one() -> None:
    units = branches("linear", "silu", "linear", "mul")
    assert dict(branches_by_way(units, [(5, 0), (6, 2)])) == {5: 2, 6: 0}


def test_equally_long_ways_run_in_the_order_of_the_operands() -> None:
    units = branches("linear", "sigmoid", "linear", "tanh", "mul")
    assert dict(branches_by_way(units, [(5, 0), (6, 2)])) == {5: 0, 6: 2}


def test_ways_are_unknown_where_both_branches_are_called_before_either_goes_on() -> None:
    assert branches_by_way(branches("linear", "linear", "silu", "mul"), [(5, 0), (6, 1)]) == []


def test_nothing_is_told_of_branches_that_do_not_meet() -> None:
    assert branches_by_way(branches("linear", "silu", "linear", "tanh", "linear"), [(5, 0), (6, 2)]) == []


def test_gradients_of_two_kinds_and_one_shape_are_told_by_their_numbers() -> None:
    # Of three layers, last one first: the gradients of inputs are numbered as they run, those of weights the other way.
    numbers = [0, 5, 1, 4, 2, 3]
    run = Kernels(["matmul"] * 6, [((6, 6), (6, 6))] * 6, np.zeros(6, dtype=bool), ["backward"] * 6,
                  [("Gradients/Grad_MatMul/MatMul", number) for number in numbers])  # fmt: skip
    pairs = [(at, at // 2) for at in range(6)]
    assert one_kernel_a_unit(run, pairs) == [[(0, 0), (2, 1), (4, 2)], [(1, 0), (3, 1), (5, 2)]]


def layer(row: int, rounds: int = 3) -> list[Unit]:
    """A recurrent layer: the product of its whole input, then a product of the state and other work in each round."""
    units = [unit(row, "linear", (rounds, 4, 3), *STATE[1:])]
    for _ in range(rounds):
        units += [unit(row, "linear", *STATE), unit(row, "tanh", (4, 9))]
    return units


def test_each_round_has_its_share_in_the_product_of_the_input() -> None:
    units = with_shares(layer(0))
    assert [one.is_share for one in units] == [True, False, False] * 3
    assert all(one.operands == STATE for one in units if one.is_share)


def test_the_whole_product_stays_where_its_rounds_are_not_found() -> None:
    units = layer(0)[:4]
    assert with_shares(units) == units


def test_numbers_tell_whose_input_a_burst_is() -> None:
    units = with_shares([*layer(0), *layer(1)])
    takers = [number for number, one in enumerate(units) if one.op_class == "matmul"]
    # The first state, the inputs of the second and of the first layer, then the states one by one.
    numbers = [3, 7, 9, 11, 0, 1, 2, 4, 5, 6, 8, 10]
    places = [0, 2, 3, 4, 5, 6, 7, 10, 12, 14, 16, 18]
    named = dict(zip(places, numbers, strict=True))
    run = Kernels(["matmul"] * 19, [STATE[:2]] * 19, np.zeros(19, dtype=bool), ["forward"] * 19,
                  [("Default/MatMul", named.get(at, -1)) for at in range(19)])  # fmt: skip
    told = dict(shares_by_burst(units, run, places, takers))
    layers = {at: units[number].rows[0] for at, number in told.items()}
    assert layers == {0: 0, 2: 1, 3: 1, 4: 1, 5: 0, 6: 0, 7: 0, 10: 0, 12: 0, 14: 1, 16: 1, 18: 1}
    unnumbered = Kernels(run.types, run.tensors, run.layout, run.phases, [("Default/MatMul", -1)] * 19)
    assert shares_by_burst(units, unnumbered, places, takers) == []
