"""The time of a step, against tools that are not profkit: TraceLens, HolisticTraceAnalysis, the Ascend profilers."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.correlate.identity import identify
from profkit.run import Run, load
from profkit.schema import OPS, STEPS
from profkit.step_breakdown import SPLIT, break_down_steps


def breakdown_of(path: Path) -> pd.DataFrame:
    return break_down_steps(identify(load(path)))


def of_run(breakdown: pd.DataFrame) -> dict[str, Any]:
    (row,) = breakdown[breakdown["span"] == "run"].to_dict("records")
    return row


def only_step(breakdown: pd.DataFrame) -> dict[str, Any]:
    (row,) = breakdown[breakdown["span"] == "step"].to_dict("records")
    return row


def ns(text: str) -> int:
    return int((Decimal(text.strip()) * 1000).to_integral_value())


TRACELENS = [
    (chip, name)
    for chip in ("h100", "mi300")
    for name in ("Falconsai_nsfw_image_detection__1016002", "gaunernst_bert-small-uncased__1016001")
]


@pytest.mark.parametrize(("chip", "name"), TRACELENS)
def test_busy_and_idle_equal_tracelens_to_six_digits(shared: Path, chip: str, name: str) -> None:
    folder = shared / "samples" / "torch" / "tracelens"
    with (folder / "oracle" / chip / name / "gpu_timeline.csv").open(newline="") as file:
        theirs = {row["type"]: float(row["time ms"]) * 1e6 for row in csv.DictReader(file)}
    ours = of_run(breakdown_of(folder / "traces" / chip / f"{name}.json.gz"))
    # Its floats of microseconds resolve half a nanosecond.
    assert ours["busy_ns"] == pytest.approx(theirs["busy_time"], rel=5e-6)
    assert ours["free_ns"] == pytest.approx(theirs["idle_time"], rel=5e-6)
    assert ours["dur_ns"] == pytest.approx(theirs["total_time"], rel=5e-7)
    assert ours["communication_ns"] == theirs["total_comm_time"] == 0


def without_last_step(run: Run) -> Run:
    """What HolisticTraceAnalysis looks at: device rows launched until the last step begins."""
    last = run.steps["start_ns"].max()
    launches = run.spans[(run.spans["kind"] == "launch") & (run.spans["start_ns"] <= last)]
    kept = (run.ops["level"] == "host") | run.ops["correlation"].isin(launches["correlation"])
    references = dict.fromkeys(("parent", "launcher", "forward_op"), -1)
    return replace(run, ops=OPS.build(run.ops[kept].assign(**references)))


def hta_row(shared: Path, name: str) -> dict[str, float]:
    with (shared / "samples/torch/hta/oracle" / name).open(newline="") as file:
        (row,) = csv.DictReader(file)
    return {key: float(value) for key, value in row.items() if value}


def test_a_run_with_collectives_equals_hta_exactly(shared: Path) -> None:
    run = without_last_step(identify(load(shared / "samples/torch/hta/trace_diff/control/control.json.gz")))
    ours = of_run(break_down_steps(run))
    theirs = hta_row(shared, "control.get_temporal_breakdown.csv")
    assert ours["dur_ns"] == theirs["kernel_time(us)"] * 1000
    assert ours["free_ns"] == theirs["idle_time(us)"] * 1000
    assert ours["busy_ns"] == (theirs["compute_time(us)"] + theirs["non_compute_time(us)"]) * 1000
    # HTA's computation has no copies and fills: they are left out of the overlap with communication too.
    moving = run.ops["op_type"].isin(["Memcpy", "Memset"])
    kernels = replace(run, ops=OPS.build(run.ops[~moving].assign(parent=-1, launcher=-1, forward_op=-1)))
    ours = of_run(break_down_steps(kernels))
    assert ours["computing_ns"] == theirs["compute_time(us)"] * 1000
    overlap = 100 * ours["overlapped_ns"] / ours["communication_ns"]
    assert round(overlap, 2) == hta_row(shared, "control.get_comm_comp_overlap.csv")["comp_comm_overlap_pctg"]


def test_a_run_in_nanoseconds_equals_hta_within_its_rounding(shared: Path) -> None:
    path = shared / "samples/torch/hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz"
    run = without_last_step(identify(load(path)))
    ours = of_run(break_down_steps(run))
    theirs = hta_row(shared, "ns.get_temporal_breakdown.csv")
    # HTA rounds the begin of every kernel up and its end down to whole microseconds, from floats of 0.25 us.
    assert abs(ours["dur_ns"] - theirs["kernel_time(us)"] * 1000) < 2000
    busy = (theirs["compute_time(us)"] + theirs["non_compute_time(us)"]) * 1000
    assert 0 <= ours["busy_ns"] - busy <= 1000 * ours["rows"]


def test_kernels_launched_before_the_recording_stand_apart(shared: Path) -> None:
    path = shared / "samples/torch/tracelens/traces/mi300/resnet_act_checkpoint.json.gz"
    breakdown = breakdown_of(path)
    run, steps = of_run(breakdown), breakdown[breakdown["span"] == "step"]
    assert run["rows"] == 2685
    assert steps["rows"].tolist() == [895, 895, 895]
    assert run["busy_ns"] == 56_234_067
    # All 3,653 device rows of the file cover 84,002,056 ns; the rows of before end before the others begin.
    assert run["busy_ns"] + run["carry_over_ns"] == 84_002_056
    assert steps["carry_over_ns"].isna().all()


def ascend_runs(shared: Path) -> list[Path]:
    found = (shared / "samples" / "mindspore_profiler").rglob("step_trace_time.csv")
    return sorted(path.parent.parent for path in found)


def test_every_recorded_split_is_met_or_its_difference_explained(shared: Path) -> None:
    runs = ascend_runs(shared)
    assert len(runs) >= 10
    reasons: dict[str, int] = {}
    for run in runs:
        with (run / "ASCEND_PROFILER_OUTPUT" / "step_trace_time.csv").open(newline="") as file:
            (recorded,) = csv.DictReader(file)
        row = only_step(breakdown_of(run))
        for part, column in zip(SPLIT, ("Computing", "Communication", "Overlapped", "Free"), strict=True):
            assert row[f"recorded_{part}"] == ns(recorded[column])
        reason = row["difference"].partition(":")[2].strip() or row["difference"]
        reasons[reason] = reasons.get(reason, 0) + 1
    assert reasons["none"] >= 1
    assert not [reason for reason in reasons if "unexplained" in reason]


def test_the_rounding_is_that_of_the_lane_the_profiler_summed(shared: Path) -> None:
    """step_trace_time.csv is the sum of the lane Overlap Analysis, whose intervals were rounded on their own."""
    checked = 0
    for run in ascend_runs(shared):
        trace = run / "ASCEND_PROFILER_OUTPUT" / "trace_view.json"
        if not trace.exists():
            continue
        events = json.loads(trace.read_text(), parse_float=str)
        lanes = {e["pid"]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
        sums: dict[str, int] = {}
        counts: dict[str, int] = {}
        for event in events:
            if event["ph"] == "X" and lanes.get(event["pid"]) == "Overlap Analysis":
                sums[event["name"]] = sums.get(event["name"], 0) + ns(str(event["dur"]))
                counts[event["name"]] = counts.get(event["name"], 0) + 1
        row = only_step(breakdown_of(run))
        for part, lane in (("computing_ns", "Computing"), ("communication_ns", "Communication"), ("free_ns", "Free")):
            assert row[f"recorded_{part}"] == sums[lane]
            assert abs(row[part] - sums[lane]) <= counts[lane]
        checked += 1
    assert checked >= 5


def synthetic_run(rows: list[tuple[int, int, int, str]], **recorded: int) -> Run:
    """Device rows of (step, start, dur, op_class), and one step [0, 100) with a recorded split."""
    ops = OPS.build(
        {
            "rank": 0,
            "step": [step for step, *_ in rows],
            "level": "device",
            "start_ns": [start for _, start, *_ in rows],
            "dur_ns": [dur for _, _, dur, _ in rows],
            "self_ns": [dur for _, _, dur, _ in rows],
            "name": "kernel",
            "op_class": [op_class for *_, op_class in rows],
            "parent": -1,
            "launcher": -1,
            "forward_op": -1,
            "carry_over": False,
            "source": "synthetic",
            "row": list(range(len(rows))),
        }
    )
    step = {"rank": 0, "step": 1, "start_ns": 0, "dur_ns": 100, "how": "recorded", "source": "synthetic", **recorded}
    return Run(path=Path("synthetic"), framework="pytorch", ops=ops, steps=STEPS.from_rows([step]))


def test_parts_are_unions_and_add_up() -> None:
    run = synthetic_run([(1, 10, 30, "matmul"), (1, 20, 10, "norm"), (1, 35, 20, "communication"), (1, 60, 10, "copy")])
    row = only_step(break_down_steps(run))
    assert {part: row[part] for part in SPLIT} == {
        "computing_ns": 40,
        "communication_ns": 20,
        "overlapped_ns": 5,
        "free_ns": 5,
    }
    assert (row["busy_ns"], row["rows"], row["dur_ns"]) == (55, 4, 100)


def test_a_split_by_start_is_told_from_one_by_launch() -> None:
    # The second kernel was launched in step 1 and starts in step 2; a third starts in step 1, launched before it.
    rows = [(1, 10, 30, "matmul"), (1, 120, 10_000, "matmul"), (0, 5, 1, "matmul")]
    split = {"computing_ns": 31, "communication_ns": 0, "overlapped_ns": 0, "free_ns": 4}
    breakdown = break_down_steps(synthetic_run(rows, **split))
    (difference,) = breakdown["difference"].dropna()
    assert "rows that start in the step" in difference


def test_a_split_that_nothing_explains_is_called_so() -> None:
    split = {"computing_ns": 2, "communication_ns": 0, "overlapped_ns": 0, "free_ns": 50_000}
    breakdown = break_down_steps(synthetic_run([(1, 10, 30, "matmul")], **split))
    assert breakdown["difference"].dropna().tolist() == ["up to 50,000 ns: unexplained"]


def test_a_run_on_the_host_has_busy_time_alone(samples: Path) -> None:
    breakdown = breakdown_of(samples / "vit" / "pytorch" / "profile")
    assert set(breakdown["level"]) == {"host"}
    steps = breakdown[breakdown["span"] == "step"]
    assert steps["step"].tolist() == [2, 3, 4]
    assert (steps["busy_ns"] <= steps["dur_ns"]).all()
    assert (steps["busy_ns"] > 0).all()
    assert breakdown[list(SPLIT)].isna().all().all()
    # Steps do not overlap and nothing was recorded outside them.
    assert steps["busy_ns"].sum() == of_run(breakdown)["busy_ns"]


def test_times_stay_exact_where_some_are_unknown(shared: Path) -> None:
    breakdown = breakdown_of(shared / "samples/mindspore_profiler/Ascend_msinsight/test/st/level2/rank_0_ascend_pt")
    assert pd.isna(only_step(breakdown)["start_ns"])
    # The first kernel starts at 1764246877073569.640 us: a float would make it ...536.
    assert of_run(breakdown)["start_ns"] == 1_764_246_877_073_569_640


def test_a_split_of_the_whole_run_stands_beside_the_run() -> None:
    """Without a schedule torch_npu leaves the step empty."""
    begin = 1_764_246_877_073_569_641
    split = {"computing_ns": 30, "communication_ns": 0, "overlapped_ns": 0, "free_ns": 0}
    run = synthetic_run([(-1, begin, 30, "matmul")], **split)
    (row,) = break_down_steps(replace(run, steps=run.steps.assign(step=run.steps["step"] * 0 - 1))).to_dict("records")
    assert (row["span"], row["start_ns"], row["recorded_computing_ns"], row["difference"]) == ("run", begin, 30, "none")
