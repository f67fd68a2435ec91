"""The dataset pipeline of MindSpore runs of every era: profkit's figures against those the profiler itself derived."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from profkit.errors import ImportIssue
from profkit.parsers.mindspore.dataset_pipeline import pipeline_files, read_pipeline
from profkit.run import load

MADE = "samples/mindspore_profiler/made_mindspore_2.10_ascend_semisynthetic/level1"
RESOURCES = "samples/mindspore_profiler/mindspore-ai_mindinsight/tests/utils/resource"


def read(*directories: Path, number: int | None = None) -> tuple[pd.DataFrame, list[ImportIssue]]:
    issues: list[ImportIssue] = []
    return read_pipeline(pipeline_files(directories, number), issues), issues


def test_raw_records_give_the_summary_of_the_profiler(shared: Path) -> None:
    """minddata_pipeline_summary was computed by MindSpore 2.10 from the raw files that are read here."""
    (run,) = (shared / MADE).glob("*_ascend_ms")
    pipeline = load(run).data_pipeline
    summary = json.loads((run / "ASCEND_PROFILER_OUTPUT/minddata_pipeline_summary_0.json").read_text())
    operators = pipeline[pipeline["number"].notna()].set_index("number")
    for place, number in enumerate(summary["op_ids"]):
        ours = operators.loc[number]
        assert ours["name"] == summary["op_names"][place]
        assert (-1 if pd.isna(ours["parent"]) else ours["parent"]) == summary["parent_id"][place]
        assert ours["workers"] == summary["num_workers"][place]
        assert ours["cpu_percent"] == summary["avg_cpu_pct"][place]
        if summary["queue_average_size"][place] >= 0:
            assert ours["queue_mean"] == summary["queue_average_size"][place]
            assert ours["queue_usage"] * 100 == summary["queue_utilization_pct"][place]
            assert ours["queue_empty"] * 100 == summary["queue_empty_freq_pct"][place]
        else:
            assert pd.isna(ours["queue_mean"])
    assert len(operators) == len(summary["op_ids"])


def test_the_three_files_of_operators_tell_the_same(shared: Path, tmp_path: Path) -> None:
    (run,) = (shared / MADE).glob("*_ascend_ms")
    frames = []
    made = [f"ASCEND_PROFILER_OUTPUT/minddata_pipeline_{kind}" for kind in ("raw_0.csv", "summary_0.json")]
    for name in ("FRAMEWORK/pipeline_profiling_0.json", *made):
        folder = tmp_path / Path(name).name
        folder.mkdir()
        (folder / Path(name).name).write_bytes((run / name).read_bytes())
        pipeline, issues = read(folder)
        assert not issues
        frames.append(pipeline.sort_values("number", ignore_index=True))
    columns = ["number", "name", "parent", "workers", "queue_mean", "queue_usage", "queue_empty"]
    for other in frames[1:]:
        pd.testing.assert_frame_equal(
            frames[0][columns].astype({"name": object}), other[columns].astype({"name": object})
        )


def test_raw_tables_of_1x_average_as_their_own_column_says(shared: Path) -> None:
    found = sorted((shared / "samples/mindspore_profiler").rglob("minddata_pipeline_raw_*.csv"))
    assert len(found) >= 8
    for path in found:
        issues: list[ImportIssue] = []
        pipeline = read_pipeline({"raw": path}, issues).set_index("number")
        assert not issues
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                ours = pipeline.loc[int(row["op_id"])]
                if row["output_queue_average_size"]:
                    assert ours["queue_mean"] == pytest.approx(float(row["output_queue_average_size"]))
                    assert ours["queue_usage"] == pytest.approx(float(row["output_queue_usage_rate"]), abs=1e-4)


def test_lines_of_batches_and_of_the_device(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "device_queue_profiling_3.txt").write_text(
        "0 0 1 9 5\n0 0 2 1 10\n0 1 2 4 20\n1 64 2 32 10\n1 64 3 0 11\n"
    )
    pipeline, issues = read(tmp_path, number=3)
    assert not issues
    rows = pipeline.set_index("name")
    assert (rows.loc["get a batch", "count"], rows.loc["get a batch", "mean_ns"]) == (2, 5_000_000)
    queue = rows.loc["queue of batches"]
    assert (queue["queue_length"], queue["queue_mean"], queue["queue_usage"], queue["queue_empty"]) == (
        64,
        16,
        0.25,
        0.5,
    )
    assert read(tmp_path, number=2)[0].empty
    pipeline, issues = read(shared / RESOURCES / "run_2/normal_run/profiler", number=1)
    assert not issues
    get_next = pipeline.set_index("name").loc["GetNext_dequeue_wait"]
    # 1, 0 and 1 us; 3, 2 and 1 batches waiting.
    assert (get_next["count"], get_next["mean_ns"], get_next["queue_mean"]) == (3, 667, 2.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pipeline_profiling_0.json", ""),
        ("pipeline_profiling_0.json", "[]"),
        ("pipeline_profiling_0.json", '{"op_info": 3}'),
        (
            "pipeline_profiling_0.json",
            '{"op_info": [3, {"op_id": "x", "metrics": {"output_queue": {"size": [-1, "a"]}}}]}',
        ),
        ("pipeline_profiling_0.json", "[" * 100_000),
        ("minddata_pipeline_raw_0.csv", "op_id,op_type\n" + "(" * 1000 + ",Batch,3\n"),
        ("minddata_pipeline_raw_0.csv", "nothing\n"),
        ("minddata_pipeline_summary_0.json", '{"op_names": []}'),
        ("device_queue_profiling_0.txt", "0 0 1\n\0\n0 0 1 " + "9" * 400 + " 1\n"),
        ("dataset_iterator_profiling_0.txt", "1 64 1 3"),
        ("minddata_aicpu_0.txt", "GetNext 1 x 3\n"),
    ],
)
def test_odd_files_are_told(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    _, issues = read(tmp_path)
    assert issues
    assert all("\n" not in issue.text for issue in issues)
