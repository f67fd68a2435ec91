"""Sums of kernels against the tables that other tools published of the same traces: TraceLens and HTA."""

from __future__ import annotations

import ast
from pathlib import Path

import pandas as pd
import pytest

from profkit.correlate.identity import identify
from profkit.run import Run, load

TRACELENS = ("Falconsai_nsfw_image_detection__1016002", "gaunernst_bert-small-uncased__1016001")
HTA = {
    "alexnet": "critical_path/alexnet/benchmark_result_2869224_1695835535_trace.json.gz",
    "control": "trace_diff/control/control.json.gz",
    "ns": "ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz",
}


def launched_kernels(run: Run) -> pd.DataFrame:
    """Device rows that were launched while recorded, with their launching operator."""
    ops = run.ops
    tasks = ops[(ops["level"] == "device") & ~ops["carry_over"]]
    launching = ops["name"].astype(object).iloc[tasks["launcher"]].to_numpy()
    dims = ops["input_shapes"].astype(object).iloc[tasks["launcher"]].to_numpy()
    return pd.DataFrame(
        {
            "launcher": launching,
            "dims": dims,
            "name": tasks["name"].astype(object),
            "stream": tasks["stream"].astype(object),
            "us": tasks["dur_ns"] / 1000,
        }
    )


@pytest.mark.parametrize("machine", ["h100", "mi300"])
@pytest.mark.parametrize("trace", TRACELENS)
def test_kernels_by_launching_operator_are_those_of_tracelens(shared: Path, machine: str, trace: str) -> None:
    folder = shared / "samples/torch/tracelens"
    kernels = launched_kernels(identify(load(folder / "traces" / machine / f"{trace}.json.gz")))
    theirs = pd.read_csv(folder / "oracle" / machine / trace / "kernel_summary.csv", dtype={"Kernel stream": str})
    ours = kernels.groupby(["launcher", "name", "stream"])["us"].agg(["sum", "count", "min", "max"])
    assert len(theirs) > 10
    for row in theirs.to_dict("records"):
        found = ours.loc[(row["Parent cpu_op"], row["Kernel name"], row["Kernel stream"])]
        assert found["count"] == row["Kernel duration (µs)_count"]
        for figure in ("sum", "min", "max"):
            assert found[figure] == pytest.approx(row[f"Kernel duration (µs)_{figure}"], abs=1e-3)


@pytest.mark.parametrize("machine", ["h100", "mi300"])
@pytest.mark.parametrize("trace", TRACELENS)
def test_operators_by_input_dims_are_those_of_tracelens(shared: Path, machine: str, trace: str) -> None:
    """Ours names the dims of tensors alone; theirs those of scalars too, by their type."""
    folder = shared / "samples/torch/tracelens"
    kernels = launched_kernels(identify(load(folder / "traces" / machine / f"{trace}.json.gz")))
    theirs = pd.read_csv(folder / "oracle" / machine / trace / "ops_unique_args.csv")
    theirs["dims"] = [
        _tensors(dims, types) for dims, types in zip(theirs["Input Dims"], theirs["Input type"], strict=True)
    ]
    wanted = theirs.groupby(["name", "dims"])["total_direct_kernel_time_sum"].sum()
    wanted = wanted[wanted > 0]
    ours = kernels.fillna({"dims": ""}).groupby(["launcher", "dims"])["us"].agg(["sum", "count"])
    assert len(wanted) > 10
    for key, expected in wanted.items():
        assert ours.loc[key, "sum"] == pytest.approx(expected, abs=1e-3 * ours.loc[key, "count"]), key


def _tensors(dims: object, types: object) -> str:
    """Write dims as ours are: tensors split by `;`, those in lists one by one, nothing for what is no tensor."""
    if not isinstance(dims, str) or not isinstance(types, str):
        return ""
    parts: list[str] = []
    for shape, kind in zip(ast.literal_eval(dims), ast.literal_eval(types), strict=True):
        if kind == "TensorList":
            parts += [",".join(map(str, one)) for one in shape]
        elif kind not in ("", "Scalar", "ScalarList"):
            parts.append(",".join(map(str, shape)))
    return ";".join(parts)


@pytest.mark.parametrize("recording", HTA)
def test_sums_of_kernels_are_those_of_hta(shared: Path, recording: str) -> None:
    """HTA keeps kernels of before the recording and leaves the last recorded step out; its extremes are of sums."""
    run = load(shared / "samples/torch/hta" / HTA[recording])
    theirs = pd.read_csv(shared / f"samples/torch/hta/oracle/{recording}.kernel_metrics.csv").set_index("name")
    tasks = run.ops[run.ops["level"] == "device"]
    last = run.steps.loc[run.steps["how"] == "recorded", "start_ns"].max()
    if pd.notna(last):
        launches = run.spans[(run.spans["kind"] == "launch") & (run.spans["start_ns"] <= last)]
        tasks = tasks[tasks["correlation"].isin(launches["correlation"])]
    ours = (tasks["dur_ns"] / 1000).groupby(tasks["name"].astype(object)).agg(["sum", "count"])
    theirs = theirs[theirs["kernel_type"] != "MEMORY"].drop("others", errors="ignore")
    assert len(theirs) > 3
    for name, row in theirs.iterrows():
        # Of times with fractions HTA rounds each begin up and each end down to whole microseconds.
        rounding = 2.0 * ours.loc[name, "count"] if recording == "ns" else 0.0
        assert 0 <= ours.loc[name, "sum"] - row["sum (us)"] <= rounding, name
