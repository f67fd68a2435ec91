"""The table of what an operator becomes, against cases both profilers printed."""

import csv
from pathlib import Path

import pytest

from profkit.vocabulary.decomposition import by_name, decomposition, kernel_type, operator_key
from profkit.vocabulary.tables import read_table


@pytest.mark.parametrize(
    ("op_type", "name", "expected"),
    [
        ("AddExt", "", "add"),
        ("AddN", "", "add"),
        ("MatMulV3", "", "matmul"),
        ("Conv2D", "", "conv2d"),
        ("Mul", "Expand/_SoftmaxBackward/Mul-op0", "softmaxbackward"),
        ("BatchMatMul", "Expand/_MatMulExt/BatchMatMul-op0", "batchmatmul"),
    ],
)
def test_one_spelling_a_kernel(op_type: str, name: str, expected: str) -> None:
    assert kernel_type(op_type, name) == expected


def test_operators_and_autograd_nodes_share_a_key() -> None:
    assert operator_key("aten::max_pool2d_with_indices") == operator_key("MaxPool2DWithIndicesBackward0")
    assert operator_key("autograd::engine::evaluate_function: AddmmBackward0") == "addmm"
    assert operator_key("aten::add_.Tensor") == "add"


def test_every_row_is_readable_and_stands_once() -> None:
    rows = read_table("decompositions.tsv")
    keys = [(row["phase"], operator_key(row["operator"])) for row in rows]
    assert len(set(keys)) >= len(keys) - 20
    for row in rows:
        facts = decomposition(row["phase"], row["operator"])
        assert facts is not None
        assert all(slot.most > 0 and slot.kernels for slot in facts.slots)
        assert row["source"]
        assert row["version"]


def test_an_unknown_operator_is_guessed_by_its_name() -> None:
    assert decomposition("forward", "aten::erf") is None
    assert by_name("forward", "aten::erf").kernels == {"erf"}
    assert by_name("backward", "FooBackward0").kernels == {"foograd"}


def test_the_kernels_both_profilers_printed_are_known(shared: Path) -> None:
    """Where a forward case ran one torch operator, the vocabulary or the name covers nearly all printed kernels."""
    with (shared / "samples" / "op_mapping" / "op_mapping.tsv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["verified"] == "both"]
    covered = printed = 0
    for row in rows:
        operators = [name for name in row["aten_op"].split(";") if name.startswith("aten::")]
        if row["direction"] != "fwd" or not operators:
            continue
        facts = [decomposition("forward", name) or by_name("forward", name) for name in operators]
        kernels = {kernel_type(name) for name in row["ms_primitives"].split(";")}
        covered += len(kernels & frozenset().union(*(fact.kernels for fact in facts)))
        printed += len(kernels)
    assert covered / printed > 0.9


def test_a_layer_without_bias_needs_no_kernel_for_one() -> None:
    facts = decomposition("backward", "ConvolutionBackward0")
    assert facts is not None
    without = facts.without({"biasadd", "biasaddgrad"})
    assert "biasaddgrad" in facts.kernels
    assert "biasaddgrad" not in without.kernels
    assert "conv2dbackpropfilter" in without.kernels


def test_a_squared_error_may_need_a_difference_and_a_square() -> None:
    facts = decomposition("forward", "aten::mse_loss")
    assert facts is not None
    slots = [sum(not slot.kernels.isdisjoint({"sub", "square"}) for slot in variant) for variant in facts.variants]
    assert max(slots) == 2
