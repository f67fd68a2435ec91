"""Steps, phases, modules and launchers of MindSpore runs: against labelled recordings, and on invented sequences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.correlate.mindspore_identity import identify_mindspore
from profkit.correlate.mindspore_steps import graph_steps
from profkit.run import Run, load
from profkit.schema import OPS, SPANS

NETS = ("vit", "resnet", "lstm_text")
FORWARD = ["Conv2D", "BiasAdd", "Mul", "Mul", "AddExt"]
BACKWARD = ["Ones", "Mul", "BiasAddGrad", "Conv2DBackpropFilter"]
UPDATE = ["AssignAdd", "SGD", "SGD"]
STEP = [*FORWARD, *BACKWARD, *UPDATE]
PHASES = ["forward"] * 5 + ["backward"] * 4 + ["optimizer"] * 3


def synthetic_run(names: Sequence[str], types: Sequence[str] | None = None) -> Run:
    count = len(names)
    columns = {
        "rank": -1,
        "step": -1,
        "level": "host",
        "start_ns": np.arange(count) * 10 + 1_700_000_000_000_000_000,
        "dur_ns": 7,
        "self_ns": 7,
        "thread": "0",
        "name": list(names),
        "op_type": list(types or [name.rsplit("/", 1)[-1].split("-op")[0] for name in names]),
        "parent": -1,
        "launcher": -1,
        "forward_op": -1,
        "carry_over": False,
        "source": "synthetic",
        "row": np.arange(count),
    }
    return Run(Path("synthetic"), "mindspore", ops=OPS.build(pd.DataFrame(columns)))


def values(run: Run, column: str) -> list[object]:
    return [None if pd.isna(value) else value for value in run.ops[column].astype(object)]


def labelled(shared: Path, net: str, variant: str) -> tuple[Run, pd.DataFrame]:
    truth = pd.read_csv(shared / "bench" / "alignment" / net / "truth.csv", dtype={"start_ns": "int64"})
    rows = truth[(truth["side"] == "ms") & (truth["variant"] == variant)].sort_values("start_ns", ignore_index=True)
    run = identify_mindspore(load(shared / "bench" / "alignment" / net / f"ms_{variant}"))
    assert run.ops["start_ns"].tolist() == rows["start_ns"].tolist()
    return run, rows


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("variant", ["pynative", "graph", "graph_jit"])
def test_steps_agree_with_the_labels(shared: Path, net: str, variant: str) -> None:
    run, truth = labelled(shared, net, variant)
    assert run.ops["step"].tolist() == truth["step"].tolist()
    assert run.steps["step"].tolist() == [0, 1, 2]
    assert set(run.steps["how"]) == {"inferred"}


@pytest.mark.parametrize("net", NETS)
def test_pynative_phases_agree_with_the_labels(shared: Path, net: str) -> None:
    run, truth = labelled(shared, net, "pynative")
    assert values(run, "phase") == truth["phase"].tolist()


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("variant", ["graph", "graph_jit"])
def test_graph_phases_agree_with_the_labels_where_a_name_tells_them(shared: Path, net: str, variant: str) -> None:
    """No evidence are the labels of `Expand/`, a rule of thumb, and those of Assign, which overlook Adam."""
    run, truth = labelled(shared, net, variant)
    tells = ~truth["name"].str.startswith("Expand/") & ~truth["name"].str.startswith("Default/Assign-")
    assert (run.ops.loc[tells, "phase"].astype(object) == truth.loc[tells, "phase"]).all()
    expanded = run.ops.loc[truth["name"].str.startswith("Expand/"), "phase"]
    assert set(expanded.dropna()) <= {"backward"}


def test_every_recorded_mindspore_run_has_three_steps(shared: Path) -> None:
    for folder in sorted((shared / "bench" / "alignment").glob("*/ms_slow*")):
        run = identify_mindspore(load(folder))
        assert run.ops["step"].value_counts().nunique() == 1, folder
        assert sorted(run.ops["step"].unique()) == [0, 1, 2], folder
        assert run.ops["phase"].notna().all(), folder


@pytest.mark.parametrize("net", NETS)
def test_modules_of_forward_scopes_agree_with_the_parameters_they_use(shared: Path, net: str) -> None:
    run, truth = labelled(shared, net, "graph")
    modules = run.ops["module"].astype(object)
    known = (truth["source"] == "parameter") & truth["module"].notna() & modules.notna()
    assert known.sum() >= 90
    assert (modules[known] == truth.loc[known, "module"]).all()
    assert modules[run.ops["phase"] != "forward"].isna().all()


def test_scopes_that_repeated_blocks_share_are_not_believed(shared: Path) -> None:
    run, _ = labelled(shared, "vit", "graph")
    assert run.ops.loc[run.ops["op_type"] == "Erf", "module"].isna().all()
    assert (run.ops.loc[run.ops["op_type"] == "Softmax", "module"].nunique()) == 3


def test_pynative_has_no_modules(shared: Path) -> None:
    run, _ = labelled(shared, "vit", "pynative")
    assert run.ops["module"].isna().all()


@pytest.mark.parametrize("net", NETS)
def test_identifying_twice_changes_nothing(shared: Path, net: str) -> None:
    run, _ = labelled(shared, net, "graph")
    again = identify_mindspore(run)
    pd.testing.assert_frame_equal(again.ops, run.ops)
    pd.testing.assert_frame_equal(again.steps, run.steps)


def test_a_period_is_a_step_and_its_phases_follow() -> None:
    run = identify_mindspore(synthetic_run(STEP * 3))
    assert run.ops["step"].tolist() == [0] * 12 + [1] * 12 + [2] * 12
    assert values(run, "phase") == PHASES * 3
    first = run.ops["start_ns"].iloc[0]
    assert run.steps["start_ns"].tolist() == [first, first + 120, first + 240]
    assert run.steps["dur_ns"].tolist() == [117] * 3


def test_parts_of_steps_have_no_step() -> None:
    run = identify_mindspore(synthetic_run(STEP[4:] + STEP * 2 + STEP[:3]))
    assert run.ops["step"].tolist() == [-1] * 8 + [0] * 12 + [1] * 12 + [-1] * 3
    assert values(run, "phase") == PHASES[4:] + PHASES * 2 + PHASES[:3]


def test_an_initialisation_before_the_first_step_has_no_step() -> None:
    run = identify_mindspore(synthetic_run(["Zeros", "Fill", *STEP, *STEP, *STEP]))
    assert run.ops["step"].tolist() == [-1, -1] + [0] * 12 + [1] * 12 + [2] * 12


@pytest.mark.parametrize("names", [STEP, STEP + STEP[::-1], ["SGD"] * 2 + STEP + ["ReLU"], ["Mul"]])
def test_what_does_not_repeat_has_no_steps(names: list[str]) -> None:
    run = identify_mindspore(synthetic_run(names))
    assert set(run.ops["step"]) == {-1}
    assert run.steps.empty


def test_a_loss_that_makes_ones_in_backward_does_not_begin_it() -> None:
    backward = ["Ones", "Mul", "OnesLike", "Sub", "BiasAddGrad"]
    run = identify_mindspore(synthetic_run([*FORWARD, *backward, *UPDATE] * 3))
    assert values(run, "phase") == (["forward"] * 5 + ["backward"] * 5 + ["optimizer"] * 3) * 3


def test_a_single_step_still_has_phases() -> None:
    assert values(identify_mindspore(synthetic_run(STEP)), "phase") == PHASES


def test_a_forward_run_is_forward_and_an_unclear_one_unknown() -> None:
    assert set(values(identify_mindspore(synthetic_run(FORWARD * 2)), "phase")) == {"forward"}
    assert set(values(identify_mindspore(synthetic_run(["Ones", "Mul", "Add"] * 2)), "phase")) == {None}


def test_a_transposed_convolution_does_not_begin_backward() -> None:
    forward = ["Ones", "Conv2DBackpropInput", "Add"]
    run = identify_mindspore(synthetic_run([*forward, "Ones", "Conv2DBackpropFilter", "SGD"] * 2))
    assert values(run, "phase")[:6] == ["forward"] * 3 + ["backward"] * 2 + ["optimizer"]


@pytest.mark.parametrize("seeded", [["Ones", "OnesLike"], ["OnesLike"]], ids=["loss", "Ascend"])
def test_ones_of_a_loss_begin_no_backward(seeded: list[str]) -> None:
    """The gradient of binary_cross_entropy_with_logits has a OnesLike of its own behind the seed."""
    run = identify_mindspore(synthetic_run(["MatMul", *seeded, "Mul", "BiasAddGrad", "SGD"] * 2))
    assert values(run, "phase") == ["forward", *["backward"] * (len(seeded) + 2), "optimizer"] * 2


def test_an_assignment_in_forward_is_no_optimizer() -> None:
    run = identify_mindspore(synthetic_run(["Assign", "MatMul", "Ones", "BiasAddGrad", "Assign", "Adam"] * 3))
    assert run.ops["step"].tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert values(run, "phase")[6:12] == ["forward"] * 2 + ["backward"] * 2 + ["optimizer"] * 2


def graph_step() -> list[str]:
    block = "Default/network-WithLossCell/_backbone-Net/blocks-SequentialCell"
    return [
        f"{block}/0-Block/fc-Dense/MatMul-op0",
        f"{block}/0-Block/act-GELU/Erf-op0",
        f"{block}/1-Block/fc-Dense/MatMul-op1",
        f"{block}/0-Block/act-GELU/Erf-op1",
        "Expand/_MatMulExt/BatchMatMul-op0",
        "Default/network-WithLossCell/_loss_fn-CrossEntropyLoss/Log-op0",
        "Gradients/Default/network-WithLossCell/_loss_fn-CrossEntropyLoss/Grad_Log/Div-op0",
        "Expand/_MatMulExt/BatchMatMul-op1",
        "Default/grad_reducer-DistributedGradReducer/AllReduce-op0",
        "Default/optimizer-SGD/SGD-op0",
    ]


def test_graph_names_tell_step_phase_and_module() -> None:
    run = identify_mindspore(synthetic_run(graph_step() * 2))
    assert run.ops["step"].tolist() == [0] * 10 + [1] * 10
    assert values(run, "phase")[:10] == [
        *["forward"] * 4,
        None,
        "forward",
        "backward",
        "backward",
        "backward",
        "optimizer",
    ]
    assert values(run, "module")[:6] == ["blocks.0.fc", None, "blocks.1.fc", None, None, "loss"]


def test_one_execution_of_a_graph_is_one_step() -> None:
    assert set(identify_mindspore(synthetic_run(graph_step())).ops["step"]) == {0}


def test_interleaved_executions_of_a_graph_have_no_steps() -> None:
    names = graph_step()
    run = identify_mindspore(synthetic_run([name for pair in zip(names, names, strict=True) for name in pair]))
    assert set(run.ops["step"]) == {-1}


def test_ranks_are_inferred_apart() -> None:
    one, other = synthetic_run(STEP * 2), synthetic_run([*FORWARD, "ReLU"] * 3)
    ops = pd.concat([one.ops.assign(rank=np.int32(0)), other.ops.assign(rank=np.int32(1))], ignore_index=True)
    run = identify_mindspore(Run(Path("synthetic"), "mindspore", ops=OPS.build(ops)))
    assert run.ops["step"].tolist() == [0] * 12 + [1] * 12 + [0] * 6 + [1] * 6 + [2] * 6
    assert run.steps[["rank", "step"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [1, 2]]


def test_device_rows_keep_their_step_and_take_scope_and_launcher(samples: Path) -> None:
    (folder,) = samples.glob("ascend_synthetic/*_ascend_ms")
    recorded = load(folder)
    run = identify_mindspore(recorded)
    ops = run.ops
    kernels = ops[ops["level"] == "device"]
    assert ops["step"].equals(recorded.ops["step"])
    assert (kernels["launcher"] >= 0).all()
    starts = ops["start_ns"].to_numpy()
    assert (starts[kernels["launcher"]] < kernels["start_ns"]).all()
    slow = kernels[(kernels["module"] == "blocks.2.mlp.fc1") & (kernels["op_type"] == "MatMulV3")]
    assert slow["phase"].tolist() == ["forward"] * 3
    assert kernels.loc[kernels["op_class"] == "optimizer", "phase"].eq("optimizer").all()
    assert kernels.loc[kernels["op_class"] == "communication", "phase"].eq("backward").all()


def test_host_operators_of_a_trace_nest() -> None:
    run = synthetic_run(["Python::RunOp::outer", "Kernel::KernelLaunch::Default/net-Net/MatMul-op0"])
    ops = run.ops.assign(start_ns=[0, 10], dur_ns=[100, 30], self_ns=[100, 30])
    spans = {
        "rank": -1,
        "start_ns": [0],
        "dur_ns": [100],
        "kind": "step",
        "name": "ProfilerStep#0",
        "source": "synthetic",
        "row": [0],
    }
    traced = identify_mindspore(Run(run.path, "mindspore", ops=OPS.build(ops), spans=SPANS.build(pd.DataFrame(spans))))
    assert traced.ops["parent"].tolist() == [-1, 0]
    assert traced.ops["self_ns"].tolist() == [70, 30]


def test_an_empty_run_stays_empty() -> None:
    assert identify_mindspore(Run(Path("synthetic"), "mindspore")).ops.empty


def test_the_rest_of_a_step_in_front_of_a_recording_has_no_step() -> None:
    forward = [f"Default/net-Net/MatMul-op{at}" for at in range(4)]
    backward = [f"Gradients/Default/net-Net/Grad_MatMul/MatMul-op{at}" for at in range(6)]
    names = pd.Series([*backward[2:], *(forward + backward) * 3])
    steps = graph_steps(names, np.arange(len(names), dtype=np.int64))
    assert steps.tolist() == [-1] * 4 + [step for step in range(3) for _ in range(10)]
