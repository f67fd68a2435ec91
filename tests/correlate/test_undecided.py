"""Which kernels of a compiled graph are left open: hand-made schedules, of which it is known what can be told."""

from collections.abc import Sequence

import numpy as np
import pytest

from profkit.correlate.graph_order import follow_queues
from profkit.correlate.placement import AMBIGUOUS, NO_COUNTERPART, ORDER_OF_NUMBERS
from profkit.correlate.segmentation import Kernels, segment
from profkit.correlate.tensor_shapes import Shape, ShapeSet
from profkit.correlate.undecided import Undecided
from profkit.correlate.units import Unit
from profkit.vocabulary.decomposition import by_name, decomposition, kernel_type

INPUT, WEIGHT = (8, 4), (4, 4)
LINEAR, SILU, MUL = "aten::linear", "aten::silu", "aten::mul"


def step_of(*operators: str, weights: Sequence[Shape] = ()) -> list[Unit]:
    """A forward step: linear layers with a bias, and elementwise operators."""
    units = []
    for number, operator in enumerate(operators):
        heavy = operator == LINEAR
        tensors = (INPUT, weights[number] if weights else WEIGHT, (4,)) if heavy else (INPUT,)
        facts = decomposition("forward", operator) or by_name("forward", operator)
        shapes = ShapeSet.of([tensors])
        op_class, cost = ("matmul", 8.0) if heavy else (None, 1.5)
        units.append(Unit((number,), "forward", (operator,), facts, shapes, (), tensors, None, op_class, cost))
    return units


def placed(units: list[Unit], *kernels: str, weights: Sequence[Shape] = ()) -> tuple[list[int], list[str], Undecided]:
    """Place kernels named `scope/Type-opN`, run in this order."""
    scopes = [name.partition("-op")[0] for name in kernels]
    types = [kernel_type(scope.rpartition("/")[2]) for scope in scopes]
    products = iter(weights or [WEIGHT] * len(kernels))
    tensors = [
        (INPUT, next(products)) if kernel == "matmul" else (INPUT, (4,)) if kernel == "biasadd" else (INPUT,)
        for kernel in types
    ]
    places = [(f"Default/{scope}", int(name.partition("-op")[2])) for scope, name in zip(scopes, kernels, strict=True)]
    run = Kernels(types, tensors, np.zeros(len(kernels), dtype=bool), ["forward"] * len(kernels), places)
    return placed_run(units, run)


def placed_run(units: list[Unit], run: Kernels) -> tuple[list[int], list[str], Undecided]:
    """Place kernels as a step of a scheduled graph is placed."""
    owner = segment(units, run)
    reasons = [NO_COUNTERPART] * len(run)
    undecided = follow_queues(units, run, owner, reasons).release(units, run, owner, reasons)
    return owner.tolist(), reasons, undecided


QKV = ("value/MatMul-op0", "key/MatMul-op0", "query/MatMul-op0")
BIASES = ("value/BiasAdd-op0", "key/BiasAdd-op0", "query/BiasAdd-op0")


def test_layers_with_scopes_of_their_own_are_left_open() -> None:
    owner, reasons, undecided = placed(step_of(LINEAR, LINEAR, LINEAR), *QKV, *BIASES)
    assert owner == [-1] * 6
    assert reasons == [AMBIGUOUS] * 6
    assert len(set(undecided.of_kernels)) == 1
    assert undecided.of_units == dict.fromkeys(range(3), undecided.of_kernels[0])
    assert undecided.whole == {0, 1, 2}


def test_query_key_and_value_are_told_by_their_numbers() -> None:
    names = ("MatMul-op2", "MatMul-op1", "MatMul-op0", "BiasAdd-op2", "BiasAdd-op1", "BiasAdd-op0")
    owner, reasons, undecided = placed(step_of(LINEAR, LINEAR, LINEAR), *names)
    assert owner == [2, 1, 0, 2, 1, 0]
    assert set(reasons[:3]) == {ORDER_OF_NUMBERS}
    assert not undecided.of_units


def test_layers_with_scopes_of_their_own_are_told_by_the_numbers_of_what_follows_each() -> None:
    units = step_of(LINEAR, SILU, LINEAR, SILU, LINEAR, SILU)
    followers = ("attention/SiLU-op2", "attention/SiLU-op1", "attention/SiLU-op0")
    owner, _, undecided = placed(units, *QKV, *BIASES, *followers)
    assert owner == [4, 2, 0, 4, 2, 0, 5, 3, 1]
    assert not undecided.of_units
    owner, _, _ = placed(step_of(LINEAR, LINEAR, LINEAR, SILU, SILU, SILU), *QKV, *BIASES, *followers)
    assert owner[:6] == [-1] * 6


@pytest.mark.parametrize("numbers", [(2, 0, 1), (1, 0, 2)], ids=["jit", "graph"])
def test_a_key_that_is_defined_before_the_query_is_left_open(numbers: tuple[int, int, int]) -> None:
    """Of two real recordings: the compiler numbers them as they are used, and orders them as they are defined."""
    owner, _, undecided = placed(step_of(LINEAR, LINEAR, LINEAR), *(f"MatMul-op{number}" for number in numbers))
    assert owner == [-1, -1, -1]
    assert set(undecided.of_units) == {0, 1, 2}


def test_numbers_tell_nothing_where_heavy_work_stands_between() -> None:
    weights = [(4, 4), (4, 9), (4, 4)]
    units = step_of(LINEAR, LINEAR, LINEAR, weights=weights)
    owner, _, _ = placed(units, "MatMul-op1", "MatMul-op2", "MatMul-op0", weights=[(4, 4), (4, 4), (4, 9)])
    assert owner == [-1, -1, 1]


def test_the_gradient_of_a_bias_goes_to_the_layer_whose_result_has_its_shape() -> None:
    wide, narrow, image = (4, 8, 6, 6), (4, 5, 6, 6), (4, 3, 6, 6)
    node = "autograd::engine::evaluate_function: ConvolutionBackward0"
    facts = decomposition("backward", node)
    assert facts is not None
    second, first = (
        Unit((at,), "backward", (node,), facts, ShapeSet.of([tensors]), (), tensors, None, "conv", 8.0)
        for at, tensors in enumerate([(narrow, wide, (5, 8, 1, 1)), (wide, image, (8, 3, 1, 1))])
    )
    types = ["biasaddgrad", "conv2dbackpropfilter", "biasaddgrad", "conv2dbackpropfilter"]
    tensors = [(wide,), (narrow, wide), (narrow,), (wide, image)]
    places = [("Gradients/Default", at) for at in range(4)]
    run = Kernels(types, tensors, np.zeros(4, dtype=bool), ["backward"] * 4, places)
    owner, _, _ = placed_run([second, first], run)
    assert owner == [1, 0, 0, 1]


def test_work_that_ran_in_between_on_both_sides_decides() -> None:
    owner, _, undecided = placed(step_of(LINEAR, SILU, LINEAR), "MatMul-op1", "SiLU-op0", "MatMul-op0")
    assert owner == [0, 1, 2]
    assert not undecided.of_units


def test_work_between_decides_nothing_where_a_layer_between_ran_after_both() -> None:
    weights = [WEIGHT, WEIGHT, (4, 9), WEIGHT]
    owner, _, undecided = placed(
        step_of(SILU, MUL, LINEAR, SILU, weights=weights), "SiLU-op0", "Mul-op0", "SiLU-op1", "MatMul-op0",
        weights=[(4, 9)],
    )  # fmt: skip
    assert owner == [-1, 1, -1, 2]
    assert set(undecided.of_units) == {0, 3}


@pytest.mark.parametrize(
    ("together", "owner"),
    [pytest.param(True, [1, 0], id="added"), pytest.param(False, [-1, -1], id="source and target")],
)
def test_lookups_are_told_by_number_where_their_rows_meet(together: bool, owner: list[int]) -> None:
    made = (4, 12, 32)
    work = [("aten::embedding", "embedding", 8.0, ((50, 32), (4, 12)))] * 2
    work += [("aten::add", "elementwise", 1.5, (made, made))] if together else []
    work += [("aten::layer_norm", "norm", 8.0, (made, (32,), (32,)))]
    units = []
    for at, (operator, op_class, cost, tensors) in enumerate(work):
        facts = decomposition("forward", operator)
        assert facts is not None
        units.append(
            Unit((at,), "forward", (operator,), facts, ShapeSet.of([tensors]), (), tensors, None, op_class, cost)
        )
    places = [("Default/Gather", 1), ("Default/Gather", 0)]
    run = Kernels(["gather"] * 2, [((50, 32), (48,))] * 2, np.zeros(2, dtype=bool), ["forward"] * 2, places)
    assert placed_run(units, run)[0] == owner


def test_branches_that_ran_before_what_stood_between_them_are_left_open() -> None:
    names = ("gate/MatMul-op0", "up/MatMul-op0", "SiLU-op0", "Mul-op0")
    owner, _, undecided = placed(step_of(LINEAR, SILU, LINEAR, MUL), *names)
    assert owner == [-1, -1, 1, 3]
    assert set(undecided.of_units) == {0, 2}


def test_other_shapes_decide_and_the_bias_goes_with_its_product() -> None:
    weights = [(4, 4), (4, 9), (4, 4)]
    units = step_of(LINEAR, LINEAR, weights=weights)
    names = ("MatMul-op1", "MatMul-op0", "BiasAdd-op1", "BiasAdd-op0")
    owner, _, undecided = placed(units, *names, weights=[(4, 9), (4, 4)])
    assert owner == [1, 0, 1, 0]
    assert not undecided.of_units


def test_the_rounds_of_a_loop_keep_their_order() -> None:
    weights = [(4, 9) if at % 4 == 0 else (4, 4) for at in range(24)]
    units = step_of(*[LINEAR, LINEAR, MUL, SILU] * 6, weights=weights)
    ahead = [f"MatMul-op{2 * at}" for at in range(6)]
    chain = [name for at in range(6) for name in (f"MatMul-op{2 * at + 1}", f"Mul-op{at}", f"SiLU-op{at}")]
    products = [(4, 9)] * 6 + [(4, 4)] * 6
    owner, _, undecided = placed(units, *ahead, *chain, weights=products)
    assert owner[:6] == [0, 4, 8, 12, 16, 20]
    assert owner[6::3] == [1, 5, 9, 13, 17, 21]
    assert not undecided.of_units


def test_a_product_goes_to_the_layer_that_has_its_tensors_and_not_beside_which_it_ran() -> None:
    second = ((16, 16), (16, 32)), ((16, 16), (16, 32))  # 16 samples, 32 features to 16: both of its gradients
    first = (((32, 16), (16, 8)),)  # 8 features to 32: the weight has as many elements as 16 by 16
    units = []
    for at, products in enumerate((second, first)):
        facts = decomposition("backward", "AddmmBackward0")
        assert facts is not None
        shapes = ShapeSet.of(products, [(32, 8), (16, 32)] if at else [])
        operators = ("autograd::engine::evaluate_function: AddmmBackward0",)
        units.append(Unit((at,), "backward", operators, facts, shapes, (), products[0], None, "matmul", 8.0))
    tensors = [((16, 16), (16, 32)), ((16, 32), (16, 8)), ((16, 16), (16, 32))]
    run = Kernels(
        ["matmul"] * 3, tensors, np.zeros(3, dtype=bool), ["backward"] * 3, [("Gradients/MatMul", n) for n in range(3)]
    )
    assert placed_run(units, run)[0] == [0, 1, 0]
