"""Small tables of an Ascend run that somebody copied out of it, read by themselves."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from profkit.discovery import discover
from profkit.errors import UnknownFormatError
from profkit.run import load, read_source

RECORDED = "samples/mindspore_profiler/Ascend_msinsight"
FRAMES = {
    "npu_module_mem.csv": "memory",
    "memory_record.csv": "memory",
    "operator_memory.csv": "allocations",
    "static_op_mem.csv": "allocations",
    "api_statistic.csv": "api",
    "operator_details.csv": "host_calls",
    "step_trace_time.csv": "steps",
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("suffix", ["", "_20250109074804", "_slice_0_20250109074804"])
def test_a_table_alone_has_the_rows_of_its_run(shared: Path, tmp_path: Path, name: str, suffix: str) -> None:
    original = sorted((shared / RECORDED).rglob(name))[0]
    path = tmp_path / name.replace(".csv", f"{suffix}.csv")
    shutil.copyfile(original, path)
    # What lies beside it is no part of it.
    (tmp_path / "pipeline_profiling_0.json").write_text("{}")
    (found,) = discover(path).found
    parsed, source = read_source(found)
    with original.open(newline="", encoding="utf-8-sig") as file:
        records = len(list(csv.reader(file))) - 1
    assert len(parsed.frames[FRAMES[name]]) == records
    assert set(parsed.frames[FRAMES[name]]["source"]) == {str(path)}
    assert "data_pipeline" not in parsed.frames
    assert "kernel" not in " ".join(issue.text for issue in source.issues)


def test_a_table_of_that_name_and_another_content_is_none(tmp_path: Path) -> None:
    path = tmp_path / "static_op_mem.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UnknownFormatError):
        discover(path)


def test_tables_of_an_export_are_one_run(shared: Path, tmp_path: Path) -> None:
    """What msprof exports stands side by side, one file a table."""
    made = shared / "samples/mindspore_profiler/made_mindspore_2.10_ascend_semisynthetic/level1"
    (output,) = made.rglob("mindstudio_profiler_output")
    for table in ("op_summary", "npu_module_mem", "api_statistic"):
        (path,) = output.glob(f"{table}_*.csv")
        shutil.copyfile(path, tmp_path / path.name)
    run = load(tmp_path)
    assert len(run.ops) == 191
    assert len(run.memory) > 0
    assert len(run.api) > 0
