"""Files of a dataset pipeline without the operators of the network, and beside them."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from profkit.discovery import discover
from profkit.errors import UnreadableInputError
from profkit.run import load, read_source

RECORDED = "samples/mindspore_profiler/mindspore-ai_mindinsight/tests"


def test_each_number_is_a_recording_with_every_operator(shared: Path) -> None:
    directory = shared / RECORDED / "ut/profiler/analyser/resource"
    discovery = discover(directory)
    assert [found.path.name for found in discovery.found] == [f"minddata_pipeline_raw_{rank}.csv" for rank in range(4)]
    for rank, found in enumerate(discovery.found):
        parsed, source = read_source(found)
        with found.path.open(newline="") as file:
            wanted = [(int(row["op_id"]), row["op_type"]) for row in csv.DictReader(file)]
        pipeline = parsed.frames["data_pipeline"]
        ours = [(number, f"{name}") for number, name in zip(pipeline["number"], pipeline["name"], strict=True)]
        assert [number for number, _ in ours] == [number for number, _ in wanted]
        assert all(theirs.startswith(mine) for (_, mine), (_, theirs) in zip(ours, wanted, strict=True))
        assert source.rank == rank


def test_a_file_named_alone_is_read(shared: Path) -> None:
    for name in ("pipeline_profiling_0.json", "device_queue_profiling_0.txt", "minddata_cpu_utilization_0.json"):
        path = shared / RECORDED / "utils/resource/profiler" / name
        assert len(load(path).data_pipeline) > 0


def test_beside_operators_it_is_read_once_with_them(shared: Path, tmp_path: Path) -> None:
    original = shared / RECORDED / "utils/resource/run_1/normal_run/profiler"
    shutil.copytree(original, tmp_path / "profiler", copy_function=shutil.copyfile)
    whole = load(tmp_path / "profiler")
    assert len(whole.ops) > 0
    assert len(whole.data_pipeline) > 0
    assert len(whole.sources) == len({source.format for source in whole.sources}) == 1
    # Without the operators the pipeline stays, with the same rows.
    for path in (tmp_path / "profiler").iterdir():
        if not path.name.startswith(("minddata", "pipeline", "device_queue", "dataset_iterator")):
            path.unlink()
    alone = load(tmp_path / "profiler")
    assert len(alone.ops) == 0
    columns = ["number", "name", "workers", "queue_mean", "mean_ns"]
    assert alone.data_pipeline[columns].equals(whole.data_pipeline[columns])


def test_a_file_of_that_name_and_no_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipeline_profiling_0.json"
    path.write_text("[1, 2]")
    with pytest.raises(UnreadableInputError, match="no row could be read"):
        load(path)
