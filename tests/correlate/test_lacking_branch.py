"""Two branches of a loop's backward pass: hand-made schedules, of which it is known which kernel belongs to which."""

import numpy as np
import pytest

from profkit.correlate.equal_branches import Pairs
from profkit.correlate.lacking_branch import branches_by_lack
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import ShapeSet
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import by_name

ROUNDS = 3
WEIGHT, INPUT = ((4, 9), (4, 3)), ((4, 9), (9, 3))
FACTS = by_name("backward", "AddmmBackward0")
# In each round the product of the state, that of the input, and other work: units 0, 1, 2; 3, 4, 5; 6, 7, 8.
STATE, OWN = [0, 3, 6], [1, 4, 7]


def units() -> list[Unit]:
    """The backward pass of a loop."""
    costs = [8.0, 8.0, 1.5] * ROUNDS
    return [
        Unit((at,), "backward", ("AddmmBackward0",), FACTS, ShapeSet.of([WEIGHT]), (), (), None, "matmul", cost)
        for at, cost in enumerate(costs)
    ]


def step(*names: str) -> tuple[Kernels, Pairs, Pairs]:
    """Kernels named `w3` (gradient of weights, number 3) or `x` (of the input), and both queues paired by time."""
    tensors = [WEIGHT if name[0] == "w" else INPUT for name in names]
    places = [("Gradients/cell/MatMul", int(name[1:] or 99)) for name in names]
    run = Kernels(["matmul"] * len(names), tensors, np.zeros(len(names), dtype=bool), ["backward"] * len(names), places)
    whole = [at for at, name in enumerate(names) if name[0] == "w"]
    part = [at for at, name in enumerate(names) if name[0] == "x"]
    both = sorted(STATE + OWN)
    return run, list(zip(whole, both, strict=True)), list(zip(part, [n for n in both if n != STATE[-1]], strict=True))


def test_the_branch_without_a_gradient_for_the_first_state_is_that_of_the_state() -> None:
    run, whole, part = step("w0", "x", "w5", "x", "w1", "x", "w4", "x", "w2", "x", "w3")
    told = dict(branches_by_lack(units(), run, whole, part))
    assert [told[at] for at in (0, 4, 8)] == OWN
    assert [told[at] for at in (2, 6, 10)] == STATE
    assert [told[at] for at in (1, 5, 9, 3, 7)] == [*OWN, *STATE[:-1]]


def test_bursts_may_end_with_the_gradient_of_the_weights() -> None:
    run, whole, part = step("x", "w5", "x", "w0", "x", "w4", "x", "w1", "w3", "x", "w2")
    told = dict(branches_by_lack(units(), run, whole, part))
    assert [told[at] for at in (3, 7, 10)] == OWN
    assert [told[at] for at in (1, 5, 8)] == STATE
    assert [told[at] for at in (2, 6, 9, 0, 4)] == [*OWN, *STATE[:-1]]


def test_numbers_tell_a_branch_that_ran_second_in_one_round() -> None:
    run, whole, part = step("w0", "x", "w5", "x", "w4", "x", "w1", "x", "w2", "x", "w3")
    told = dict(branches_by_lack(units(), run, whole, part))
    assert [told[at] for at in (0, 6, 8)] == OWN
    assert [told[at] for at in (2, 4, 10)] == STATE


@pytest.mark.parametrize(
    "names",
    [
        pytest.param("w0 x w1 x w2 x w3 x w4 x w5", id="numbers follow time, not a branch"),
        pytest.param("w0 x w5 x w4 x w2 x w1 x w3", id="numbers of a branch neither rise nor fall"),
        pytest.param("w0 w5 x x w1 x w4 x w2 x w3", id="parts that no burst holds"),
        pytest.param("x w0 w5 x w1 x w4 x w2 w3 x", id="parts before the first burst and after the last"),
        pytest.param("w0 w5 x w1 x w4 x w2 x w3 x", id="the burst without the part is in another round"),
    ],
)
def test_what_is_not_told_is_left_open(names: str) -> None:
    run, whole, part = step(*names.split())
    assert branches_by_lack(units(), run, whole, part) == []


def test_branches_that_lack_nothing_are_left_open() -> None:
    run, whole, _ = step("w0", "x", "w5", "x", "w1", "x", "w4", "x", "w2", "x", "w3")
    assert branches_by_lack(units(), run, whole, whole) == []
