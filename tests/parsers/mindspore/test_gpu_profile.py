"""MindSpore GPU runs: one recorded display, and synthetic raw files made after the writers of MindSpore 1.x and 2.x."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from profkit.discovery import discover
from profkit.errors import ProfkitError, Severity
from profkit.parsers.base import Parsed
from profkit.parsers.mindspore.gpu_profile import MindSporeGpuProfile
from profkit.progress import silent

START = 1_600_695_893_269_618_123


def read(path: Path) -> Parsed:
    parser = MindSporeGpuProfile()
    assert parser.sniff(path) is not None
    return parser.read(path, silent)


def texts(frame: pd.DataFrame, column: str) -> list[object]:
    return [None if pd.isna(value) else value for value in frame[column].astype(object)]


def synthetic_run(folder: Path) -> Path:
    """Two steps of one operator with its kernel, and a kernel that two operators share."""
    first, second = f"{START},303.84", f"{START + 5_000_000},2.5"
    (folder / "gpu_op_execute_timestamp_4.txt").write_text(
        f"Default/net-Net/MatMul-op1;GpuOps;{first} {second} \nDefault/Add-op2;GpuOps;{START + 400_000},1 \n"
    )
    (folder / "activity_execute_timestamp_4.txt").write_text(
        f"volta_sgemm<f;1>;17;{START + 10_000};5.792\nvolta_sgemm<f;1>;17;{START + 5_000_500};6\n"
        f"shared;18;{START + 410_000};0.5\n"
    )
    (folder / "gpu_op_detail_info_4.csv").write_text(
        "op_side,op_type,op_name,op_full_name,op_occurrences\nDevice,BatchMatMul,MatMul-op1,Default/net-Net/MatMul-op1,2\n"
    )
    (folder / "gpu_activity_data_4.csv").write_text(
        "name,type,op_full_name,stream_id\n"
        '"volta_sgemm<f;1>",cuLaunchKernel,Default/net-Net/MatMul-op1,17\n'
        '"shared",cuLaunchKernel,Default/Add-op2,18\n"shared",cuLaunchKernel,Default/net-Net/MatMul-op1,18\n'
    )
    (folder / "step_trace_profiling_4.txt").write_text(
        f"a,{START} b,{START + 1} c,{START + 2} d,{START + 1_000_000}\n"
        f"a,{START + 4_000_000} b,{START + 1} c,{START + 2} d,{START + 6_000_000}\n"
    )
    return folder / "activity_execute_timestamp_4.txt"


def test_operators_and_kernels_of_the_raw_records(tmp_path: Path) -> None:
    parsed = read(synthetic_run(tmp_path))
    assert parsed.issues == ()
    assert (parsed.rank, parsed.framework) == (4, "mindspore")
    ops = parsed.frames["ops"]
    assert (ops["start_ns"] - START).tolist() == [0, 10_000, 400_000, 410_000, 5_000_000, 5_000_500]
    assert ops["dur_ns"].tolist() == [303_840, 5_792, 1_000, 500, 2_500, 6_000]
    assert texts(ops, "level") == ["host", "device", "host", "device", "host", "device"]
    assert texts(ops, "op_type") == ["BatchMatMul", None, "Add", None, "BatchMatMul", None]
    assert texts(ops, "stream") == [None, "17", None, "18", None, "17"]
    assert texts(ops, "name")[1] == "volta_sgemm<f;1>"
    assert ops["launcher"].tolist() == [-1, 0, -1, -1, -1, 4]
    assert ops["step"].tolist() == [1, 1, 1, 1, 2, 2]
    steps = parsed.frames["steps"]
    assert (steps["start_ns"] - START).tolist() == [0, 4_000_000]
    assert steps["dur_ns"].tolist() == [1_000_000, 2_000_000]


def test_all_files_are_one_recording(tmp_path: Path) -> None:
    synthetic_run(tmp_path)
    discovery = discover(tmp_path)
    assert [found.format for found in discovery.found] == ["mindspore-gpu-profile"]
    assert discovery.unrecognised == ()


def test_a_recorded_display_has_an_operator_and_a_kernel(shared: Path) -> None:
    path = next((shared / "samples/mindspore_profiler").rglob("gpu_timeline_display_0.json"))
    ops = read(path).frames["ops"]
    assert texts(ops, "level") == ["host", "device"]
    assert ops["start_ns"].tolist() == [1_600_695_893_269_618_200, 1_600_695_897_737_724_800]
    assert ops["dur_ns"].tolist() == [303_840, 5_792]
    assert texts(ops, "op_type") == ["InitDataSetQueue", None]
    assert texts(ops, "stream") == [None, "17"]


def test_odd_records_are_skipped_and_told(tmp_path: Path) -> None:
    path = synthetic_run(tmp_path)
    path.write_text(path.read_text() + "no separators\nkernel;17;oops;1\nkernel;17;5;-1\n")
    with (tmp_path / "step_trace_profiling_4.txt").open("a") as file:
        file.write("Default/op1 160123,12 160200,3\n")
    parsed = read(path)
    assert len(parsed.frames["ops"]) == 6
    told = [issue.text for issue in parsed.issues if issue.severity is Severity.DATA_LOSS]
    assert [text.split()[0] for text in told] == ["1", "2", "1"]


@pytest.mark.parametrize("name", ["gpu_op_execute_timestamp_4.txt", "activity_execute_timestamp_4.txt"])
def test_a_file_cut_anywhere_never_ends_in_a_traceback(tmp_path: Path, name: str) -> None:
    synthetic_run(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        parser = MindSporeGpuProfile()
        if parser.sniff(path) is None:
            continue
        with suppress(ProfkitError):
            assert len(parser.read(path, silent).frames["ops"]) <= 6
