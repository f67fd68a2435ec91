"""Identity of PyTorch rows: hand-made steps, the recorder's own flows and ids, and the sums of another tool."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from profkit.correlate.identity import identify
from profkit.correlate.intervals import union_length
from profkit.run import Run, load

EPOCH = 1_790_857_026_000_000_000


class SyntheticTrace:
    """Builds a synthetic Kineto trace; times in whole microseconds."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def add(self, cat: str, name: str, begin: int, end: int, tid: object = 1, **args: Any) -> SyntheticTrace:
        event = {
            "ph": "X",
            "cat": cat,
            "name": name,
            "pid": 1,
            "tid": tid,
            "ts": begin,
            "dur": end - begin,
            "args": args,
        }
        self.events.append(event)
        return self

    def op(
        self, name: str, begin: int, end: int, tid: int = 1, *, sequence: int | None = None, forward: int = 0
    ) -> SyntheticTrace:
        args = {} if sequence is None else {"Sequence number": sequence, "Fwd thread id": forward}
        return self.add("cpu_op", name, begin, end, tid, **args)

    def module(self, name: str, begin: int, end: int, tid: int = 1) -> SyntheticTrace:
        return self.add("python_function", f"nn.Module: {name}", begin, end, tid)

    def launch(self, correlation: int, begin: int, end: int, kernel_at: int, tid: int = 1) -> SyntheticTrace:
        self.add("cuda_runtime", "cudaLaunchKernel", begin, end, tid, correlation=correlation)
        return self.kernel(correlation, kernel_at)

    def kernel(self, correlation: int | None, begin: int) -> SyntheticTrace:
        args = {} if correlation is None else {"correlation": correlation}
        return self.add("kernel", f"kernel {correlation}", begin, begin + 3, 7, **args)

    def identified(self, path: Path) -> Run:
        path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": self.events, "baseTimeNanoseconds": EPOCH}))
        return identify(load(path))


def _table(run: Run, *columns: str) -> dict[str, tuple[Any, ...]]:
    """Cells by operator name; references to rows become names."""
    ops, cells = run.ops, defaultdict(tuple)
    for row in ops.itertuples():
        values = []
        for column in columns:
            value = getattr(row, column)
            if column in ("parent", "launcher", "forward_op"):
                value = ops["name"].iloc[value] if value >= 0 else None
            values.append(None if pd.isna(value) else value)
        cells[row.name] += tuple(values)
    return dict(cells)


@pytest.fixture
def step(tmp_path: Path) -> Run:
    """One synthetic training step with a checkpointed block, backward on another thread."""
    trace = SyntheticTrace()
    trace.add("user_annotation", "ProfilerStep#7", 100, 1000)
    trace.module("Net_0", 110, 300).module("Block_0", 120, 200).module("Linear_3", 130, 190)
    trace.op("aten::linear", 140, 180, sequence=5).op("aten::addmm", 150, 170, sequence=5).launch(1, 155, 160, 400)
    trace.module("Linear_4", 210, 290).op("aten::mm", 220, 260, sequence=6)
    trace.module("CrossEntropyLoss_0", 310, 340).op("aten::nll_loss", 315, 330, sequence=7)
    trace.op("autograd::engine::evaluate_function: MmBackward0", 400, 450, 2, sequence=6, forward=1)
    trace.op("MmBackward0", 405, 445, 2, sequence=6, forward=1).op("aten::mm_grad", 410, 440, 2).launch(
        2, 415, 420, 600, 2
    )
    trace.op("autograd::engine::evaluate_function: CheckpointFunctionBackward", 500, 700, 2)
    trace.module("Block_0", 510, 560, 2).module("Linear_3", 520, 550, 2).op("aten::addmm2", 525, 545, 2, sequence=0)
    trace.op("autograd::engine::evaluate_function: AddmmBackward0", 600, 650, 2, sequence=0, forward=2)
    trace.op("torch::autograd::AccumulateGrad", 720, 730, 2)
    trace.op("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", 715, 735, 2)
    trace.add("user_annotation", "Optimizer.step#SGD.step", 800, 900)
    trace.op("aten::_foreach_add_", 810, 850).launch(3, 820, 830, 905)
    trace.kernel(99, 110).kernel(None, 950)
    trace.op("aten::zeros", 1100, 1110)
    return trace.identified(tmp_path / "trace.json")


def test_phases_follow_the_engine_the_optimizer_and_module_calls(step: Run) -> None:
    phases = _table(step, "phase")
    assert phases["aten::linear"] == ("forward",)
    assert phases["MmBackward0"] == phases["aten::mm_grad"] == phases["kernel 2"] == ("backward",)
    assert phases["aten::addmm2"] == ("recompute",)
    assert phases["autograd::engine::evaluate_function: AddmmBackward0"] == ("backward",)
    assert phases["aten::_foreach_add_"] == phases["kernel 3"] == ("optimizer",)
    assert phases["kernel 99"] == (None,)


def test_modules_are_named_by_class_and_place(step: Run) -> None:
    modules = _table(step, "module")
    assert modules["aten::addmm"] == modules["kernel 1"] == ("Net.Block.Linear",)
    assert modules["aten::mm"] == ("Net.Linear",)
    assert modules["aten::nll_loss"] == ("CrossEntropyLoss",)
    assert modules["aten::addmm2"] == ("Net.Block.Linear",)
    assert modules["aten::_foreach_add_"] == (None,)


def test_backward_takes_forward_partner_and_module_by_sequence_and_thread(step: Run) -> None:
    table = _table(step, "forward_op", "module")
    assert table["MmBackward0"] == table["aten::mm_grad"] == table["kernel 2"] == ("aten::mm", "Net.Linear")
    recomputed = table["autograd::engine::evaluate_function: AddmmBackward0"]
    assert recomputed == ("aten::addmm2", "Net.Block.Linear")
    assert table["torch::autograd::AccumulateGrad"] == (None, None)


def test_kernels_belong_to_the_innermost_operator_around_their_launch(step: Run) -> None:
    table = _table(step, "launcher", "carry_over", "step")
    assert table["kernel 1"] == ("aten::addmm", False, 7)
    assert table["kernel 2"] == ("aten::mm_grad", False, 7)
    assert table["kernel 99"] == (None, True, -1)
    assert table["kernel None"] == (None, False, 7)
    assert table["aten::zeros"] == (None, False, -1)


def test_parents_and_self_times(step: Run) -> None:
    table = _table(step, "parent", "self_ns")
    assert table["aten::linear"] == (None, 20_000)
    assert table["aten::addmm"] == ("aten::linear", 20_000)
    assert table["kernel 1"] == (None, 3000)


def test_a_module_around_the_whole_step_makes_no_recompute(tmp_path: Path) -> None:
    trace = SyntheticTrace().module("Trainer_0", 0, 1000).module("Linear_0", 10, 50)
    trace.op("aten::mm", 20, 40, sequence=1).op("MmBackward0", 100, 200, sequence=1, forward=1)
    table = _table(trace.identified(tmp_path / "t.json"), "phase", "module")
    assert table["MmBackward0"] == ("backward", "Trainer.Linear")


def test_the_same_object_has_one_path_in_all_steps_and_places_count_per_parent(tmp_path: Path) -> None:
    trace = SyntheticTrace()
    for begin, numbers in ((0, (0, 1, 2, 3)), (1000, (0, 1, 3)), (2000, (0, 1, 2, 3))):
        trace.module("Net_0", begin, begin + 900)
        for place, number in enumerate(numbers):
            at = begin + 100 * place + 10
            parent = f"Block_{number // 2}"
            trace.module(parent, at, at + 90).module(f"Linear_{number}", at + 10, at + 80)
            trace.op(f"op{number}", at + 20, at + 30)
    modules = _table(trace.identified(tmp_path / "t.json"), "module")
    assert set(modules["op0"]) == {"Net.Block_0.Linear_0"}
    assert set(modules["op1"]) == {"Net.Block_0.Linear_1"}
    assert set(modules["op2"]) == {"Net.Block_1.Linear_0"}
    assert set(modules["op3"]) == {"Net.Block_1.Linear_1"}


def test_an_ambiguous_forward_thread_links_nothing(tmp_path: Path) -> None:
    trace = SyntheticTrace().op("a", 0, 10, tid=1, sequence=1).op("b", 0, 10, tid=2, sequence=1)
    trace.op("XBackward0", 50, 60, tid=3, sequence=1, forward=4)
    assert _table(trace.identified(tmp_path / "t.json"), "forward_op")["XBackward0"] == (None,)


def test_operators_that_cross_are_cut_and_told(tmp_path: Path) -> None:
    run = SyntheticTrace().op("a", 0, 100).op("b", 50, 120).identified(tmp_path / "t.json")
    assert _table(run, "self_ns", "parent") == {"a": (50_000, None), "b": (50_000, "a")}
    assert [issue.text[:16] for issue in run.issues] == ["1 host operators"]


def test_identity_is_the_same_when_worked_out_again(step: Run) -> None:
    again = identify(step)
    pd.testing.assert_frame_equal(again.ops, step.ops)
    assert again.issues == step.issues


def test_a_run_without_operators_stays_as_it_is(tmp_path: Path) -> None:
    run = Run(path=tmp_path, framework="pytorch")
    assert identify(run) is run


def _raw_events(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    events: list[dict[str, Any]] = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)["traceEvents"]
    return events


@pytest.mark.parametrize(
    "name",
    [
        "hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz",
        "kineto_tb_plugin/samples/resnet50_num_workers_0/worker0.1623143089861.pt.trace.json.gz",
        "tracelens/traces/mi300/resnet_act_checkpoint.json.gz",
        "tracelens/traces/h100/gaunernst_bert-small-uncased__1016001.json.gz",
        "hta/amd_trace/mi250_minitoy_train_ROCm6_2_kineto.json.gz",
    ],
)
def test_launches_lead_to_the_operator_that_a_valid_external_id_names(shared: Path, name: str) -> None:
    path = shared / "samples" / "torch" / name
    run = load(path)
    ops = identify(Run(**{**vars(run), "ops": run.ops.assign(launcher=np.int64(-1))})).ops
    ids = [event.get("args", {}) for event in _raw_events(path)]
    external = ops["row"].map(lambda row: ids[row].get("External id", ids[row].get("external id")))
    host = ops["level"] == "host"
    named = pd.Series(ops.index[host], index=external[host])
    tasks = ops.index[~host & (ops["launcher"] >= 0) & external.isin(named.index)]
    assert len(tasks) > 10
    assert ops["launcher"][tasks].tolist() == named[external[tasks]].tolist()


@pytest.mark.parametrize(
    "name",
    [
        "generated_torch213_cpu/cpu_all.json.gz",
        "generated_torch213_cpu/ckpt.json.gz",
        "generated_torch213_cpu/threads.json.gz",
        "hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz",
        "tracelens/traces/mi300/resnet_act_checkpoint.json.gz",
    ],
)
def test_sequence_numbers_agree_with_the_recorded_flows(shared: Path, name: str) -> None:
    path = shared / "samples" / "torch" / name
    events = _raw_events(path)
    ops = identify(load(path)).ops
    at = defaultdict(list)
    for index, row in zip(ops.index, ops["row"], strict=True):
        at[events[row]["tid"], events[row]["ts"]].append(index)
    flows = [event for event in events if event.get("cat") == "fwdbwd"]
    begins = {flow["id"]: at[flow["tid"], flow["ts"]] for flow in flows if flow["ph"] == "s"}
    ends = {flow["id"]: at[flow["tid"], flow["ts"]] for flow in flows if flow["ph"] == "f"}
    assert ends
    for number, backward in ends.items():
        assert set(ops["forward_op"][backward]) & set(begins[number]), number


@pytest.mark.parametrize("machine", ["h100", "mi300"])
@pytest.mark.parametrize("trace", ["Falconsai_nsfw_image_detection__1016002", "gaunernst_bert-small-uncased__1016001"])
def test_sums_agree_with_tracelens(shared: Path, machine: str, trace: str) -> None:
    folder = shared / "samples" / "torch" / "tracelens"
    ops = identify(load(folder / "traces" / machine / f"{trace}.json.gz")).ops
    tasks = ops[(ops["level"] == "device") & ~ops["carry_over"]]
    expected = pd.read_csv(folder / "oracle" / machine / trace / "ops_summary.csv").set_index("name")
    launching = ops["name"].astype(str).iloc[tasks["launcher"]].to_numpy()
    sums = (tasks["dur_ns"] / 1000).groupby(launching).sum()
    # The other tool subtracts float64 microseconds: off by up to 0.001 us a kernel.
    difference = (sums[expected.index] - expected["total_direct_kernel_time_sum"]).abs()
    assert (difference <= 0.001 * expected["Count"]).all()
    timeline = pd.read_csv(folder / "oracle" / machine / trace / "gpu_timeline.csv").set_index("type")["time ms"]
    start = tasks["start_ns"].to_numpy()
    busy = union_length(start, start + tasks["dur_ns"].to_numpy()) / 1e6
    assert busy == pytest.approx(timeline["busy_time"], abs=1e-6 * len(tasks))


def test_phases_of_a_checkpointed_network(shared: Path) -> None:
    ops = identify(
        load(shared / "samples" / "torch" / "tracelens" / "traces" / "mi300" / "resnet_act_checkpoint.json.gz")
    ).ops
    tasks = ops[(ops["level"] == "device") & ~ops["carry_over"]]
    assert len(tasks) == 2685
    assert (tasks["phase"] == "recompute").sum() == 615
    assert (tasks["phase"].eq("backward") & tasks["module"].notna()).sum() == 828
    assert (tasks["phase"].eq("forward") & tasks["module"].notna()).sum() == 846
    per_step = ops[ops["step"] >= 0].groupby("step")["module"].agg(lambda column: frozenset(column.dropna()))
    assert len(set(per_step)) == 1


@pytest.mark.frameworks
def test_a_fresh_recording_agrees_with_key_averages(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.Linear(16, 4))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    schedule = torch.profiler.schedule(wait=0, warmup=1, active=2)
    path = tmp_path / "trace.json.gz"
    averages: dict[str, Any] = {}

    def keep(profiler: torch.profiler.profile) -> None:
        profiler.export_chrome_trace(str(path))
        averages.update({event.key: event for event in profiler.key_averages()})

    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU],
        schedule=schedule,
        record_shapes=True,
        with_stack=True,
        on_trace_ready=keep,
    ) as profiler:
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.randn(5, 8)).square().sum().backward()
            optimizer.step()
            profiler.step()
    ops = identify(load(path)).ops
    ops = ops[ops["name"].astype(str).str.startswith(("aten::", "autograd::"))]
    by_name = ops.assign(name=ops["name"].astype(str)).groupby("name")
    own = {name: event for name, event in averages.items() if name.startswith(("aten::", "autograd::"))}
    assert set(by_name.groups) == set(own)
    # key_averages joins an only child to a parent of the same name; the sum of self times is not touched by that.
    for name, total in by_name["self_ns"].sum().items():
        assert total / 1000 == pytest.approx(own[name].self_cpu_time_total, abs=0.01 * own[name].count)
    assert set(ops["step"]) == {1, 2}
    mm = ops[(ops["name"] == "aten::addmm") & (ops["step"] == 1)]
    assert mm["module"].tolist() == ["Sequential.Linear_0", "Sequential.Linear_1"]
    backward = ops[(ops["name"] == "aten::mm") & (ops["phase"] == "backward") & (ops["step"] == 2)]
    assert set(backward["module"]) == {"Sequential.Linear_0", "Sequential.Linear_1"}
