"""Branches of equal shape in a compiled graph: synthetic queues, where it is known which kernel belongs to which."""

import numpy as np

from profkit.correlate.equal_branches import branches_of_loop
from profkit.correlate.segmentation import Kernels
from profkit.correlate.tensor_shapes import ShapeSet
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import by_name, decomposition

SHAPES = ((8, 4), (4, 4))


def unit(number: int, phase: str = "forward", operator: str = "aten::linear") -> Unit:
    """A linear layer, or other work."""
    facts = decomposition("forward", operator) or by_name("forward", operator)
    return Unit((number,), phase, (operator,), facts, ShapeSet.of([SHAPES]), (), (), None, "matmul", 8.0)


def kernels(*names: str, phase: str = "forward") -> Kernels:
    """Kernels named `scope/Type-opN`, in order of execution."""
    types = [name.rpartition("/")[2].partition("-op")[0].lower() for name in names]
    places = [(name.partition("-op")[0], int(name.partition("-op")[2])) for name in names]
    tensors = [SHAPES if kernel == "matmul" else (SHAPES[0],) for kernel in types]
    return Kernels(types, tensors, np.zeros(len(names), dtype=bool), [phase] * len(names), places)


def test_numbers_of_one_set_of_branches_tell_nothing() -> None:
    run = kernels("Default/MatMul-op2", "Default/MatMul-op0", "Default/MatMul-op1")
    assert branches_of_loop([unit(0), unit(1), unit(2)], run, [0, 1, 2], [0, 1, 2]) == []


def test_calls_of_one_branch_that_run_ahead_stay_one_branch() -> None:
    names = ["cell/ih/MatMul-op0", "cell/ih/MatMul-op1", "cell/ih/MatMul-op2"]
    splits = [f"cell/Split-op{number}" for number in (0, 1, 2)]
    chain = [name for at in range(3) for name in (f"cell/hh/MatMul-op{at}", f"cell/Split-op{3 + at}")]
    run = kernels(*names, *splits, *chain)
    units = [unit(0), unit(1), unit(2, operator="aten::tanh"), unit(3), unit(4)]
    units += [unit(5, operator="aten::tanh"), unit(6), unit(7)]
    told = branches_of_loop(units, run, [0, 1, 2, 6, 8, 10], [0, 1, 3, 4, 6, 7])
    assert dict(told) == {0: 0, 1: 3, 2: 6, 6: 1, 8: 4, 10: 7}


def test_nothing_tells_scopes_without_a_common_follower_apart() -> None:
    run = kernels("net/gate/MatMul-op0", "net/up/MatMul-op0", "net/act/Sigmoid-op0", "net/Mul-op0")
    assert branches_of_loop([unit(0), unit(1)], run, [0, 1], [0, 1]) == []
