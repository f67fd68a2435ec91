"""The names that both profilers print for known operators, recorded here, against the class each case states.

The truth is the table of cases: `op_class` and `backward_class` name the work (the first word; further ones are other
operators that the callable is made of), `mindspore_class` and `mindspore_backward_class` where MindSpore does it by
work of another class. Nothing in it comes from the vocabulary.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from profkit.run import load
from profkit.vocabulary import op_class
from profkit.vocabulary.decomposition import by_name, decomposition, kernel_type

HERE = Path(__file__).parent
with (HERE / "operator_cases.tsv").open(encoding="utf-8", newline="") as table:
    CASES = {case["case"]: case for case in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)}
ACCUMULATE = "AccumulateGrad"
# Work that may stand around any operator.
AROUND = {"view", "copy", "fill"}
# These are what a case is set between; no case is made of them.
BEGIN, BACKWARD, END = "BesselJ0", "BesselJ1", "BesselI0"

pytestmark = pytest.mark.frameworks

Parts = dict[str, dict[str, list[list[str]]]]


def recorded_by(script: str, output: Path) -> None:
    quiet = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, HERE / script, output]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=output.parent, env=quiet)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def torch_cases(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    output = tmp_path_factory.mktemp("torch_cases") / "recorded.json"
    recorded_by("record_torch_cases.py", output)
    found: Parts = json.loads(output.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def mindspore_cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Give by case and part the types and names of its kernels, backward without the forward it repeats."""
    output = tmp_path_factory.mktemp("mindspore_cases")
    recorded_by("record_mindspore_cases.py", output)
    errors = json.loads((output / "order.json").read_text(encoding="utf-8"))
    assert not {case: error for case, error in errors.items() if error}
    ops = load(next(output.glob("cases_*"))).ops.sort_values("start_ns", kind="stable")
    found: dict[str, dict[str, list[tuple[str, str]]]] = {}
    order, part = iter(errors), ""
    for kernel, name in zip(ops["op_type"].astype(str), ops["name"].astype(str), strict=True):
        if kernel == BEGIN:
            case, part = next(order), "forward"
            found[case] = {"forward": [], "backward": []}
        elif kernel in (BACKWARD, END):
            part = "backward" if kernel == BACKWARD else ""
        elif part:
            found[case][part].append((kernel, name))
    for parts in found.values():
        # A gradient is preceded by the forward pass and by the Ones it begins with.
        parts["backward"] = parts["backward"][len(parts["forward"]) + 1 :]
    assert found.keys() == errors.keys()
    return found


def of(framework: str) -> list[str]:
    return [name for name, case in CASES.items() if case[framework]]


def stated(case: dict[str, str], framework: str) -> Iterator[tuple[str, str, set[str]]]:
    """Give the parts of a case, the class of the work and all classes its operators may have."""
    for part, column in (("forward", "op_class"), ("backward", "backward_class")):
        words = case[column].split()
        own = case[f"mindspore_{column}".replace("op_", "")] if framework == "mindspore" else ""
        if words:
            yield part, own or words[0], {own or words[0], *words[1:]}


def test_the_table_is_broad_enough() -> None:
    assert len(of("torch")) == len(CASES) >= 150
    assert len([name for name in of("mindspore") if CASES[name]["backward_class"]]) >= 120
    assert len({case["op_class"].split()[0] for case in CASES.values()}) >= 20


@pytest.mark.parametrize("name", of("torch"))
def test_what_pytorch_prints_has_the_class_of_the_case(name: str, torch_cases: Parts) -> None:
    recorded = torch_cases[name]
    assert "error" not in recorded, recorded
    for part, word, allowed in stated(CASES[name], "torch"):
        trees = [tree for tree in recorded[part] if ACCUMULATE not in tree[0]]
        unknown = {operator for tree in trees for operator in tree if op_class(operator) is None}
        assert not unknown, part
        outermost = {tree[0]: op_class(tree[0]) for tree in trees}
        assert word in outermost.values(), part
        if part == "forward":
            assert set(outermost.values()) <= allowed | AROUND, outermost


@pytest.mark.parametrize("name", of("mindspore"))
def test_what_mindspore_prints_has_the_class_of_the_case_or_is_a_known_group(
    name: str, torch_cases: Parts, mindspore_cases: dict[str, dict[str, list[tuple[str, str]]]]
) -> None:
    operators = torch_cases[name]
    for part, word, _ in stated(CASES[name], "mindspore"):
        kernels = mindspore_cases[name][part]
        classes = {kernel: op_class(kernel) for kernel, _ in kernels}
        assert None not in classes.values(), classes
        if word == "view":
            assert not kernels or part == "backward"
        elif word not in classes.values():
            known = known_kernels(part, operators)
            foreign = {kernel_type(kernel, full) for kernel, full in kernels} - known
            assert not foreign, f"{part}: neither {word} nor a group that is known: {classes}"


def known_kernels(part: str, operators: dict[str, list[list[str]]]) -> frozenset[str]:
    """Give the kernels that the vocabulary knows for the operators that PyTorch ran in a part of a case.

    The backward pass may be known by the operators whose gradient it is.
    """
    names = {name for each in ("forward", part) for tree in operators.get(each, []) for name in tree}
    facts = [decomposition(part, name) or by_name(part, name) for name in names]
    return frozenset().union(*(fact.kernels for fact in facts))


@pytest.mark.parametrize(
    ("name", "part", "operator", "kernels"),
    [
        ("addmm", "forward", "aten::addmm", {"matmul", "add"}),
        ("linear_layer", "forward", "aten::linear", {"matmul", "biasadd"}),
        ("linear_layer", "backward", "aten::linear", {"matmul", "biasaddgrad"}),
        ("gelu_exact", "forward", "aten::gelu", {"erf", "sqrt", "div", "mul"}),
        ("gelu_exact", "backward", "aten::gelu", {"exp", "mul"}),
        ("cross_entropy", "forward", "aten::cross_entropy_loss", {"log", "gatherd", "maskedfill"}),
        ("conv_transpose2d", "forward", "aten::conv_transpose2d", {"conv2dbackpropinput"}),
        ("conv_transpose2d", "backward", "aten::convolution", {"conv2d", "conv2dbackpropfilter"}),
        ("batch_norm2d", "backward", "aten::native_batch_norm", {"batchnormgrad"}),
        ("softmax", "backward", "aten::softmax", {"softmaxbackward"}),
    ],
)
def test_one_fact_covers_a_whole_group(
    name: str,
    part: str,
    operator: str,
    kernels: set[str],
    mindspore_cases: dict[str, dict[str, list[tuple[str, str]]]],
) -> None:
    facts = decomposition(part, operator)
    assert facts is not None
    printed = {kernel_type(kernel, full) for kernel, full in mindspore_cases[name][part]}
    assert kernels <= printed <= facts.kernels


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("optimizer_")])
def test_an_update_has_one_kernel_of_the_optimizer(
    name: str, mindspore_cases: dict[str, dict[str, list[tuple[str, str]]]]
) -> None:
    updates = [kernel for kernel, _ in mindspore_cases[name]["forward"] if op_class(kernel) == "optimizer"]
    assert len([kernel for kernel in updates if not kernel.startswith("Assign")]) == 1
