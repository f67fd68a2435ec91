"""Recorded statistics of every version; the cells are those that MindSpore's writers print, typed here by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent

TIME = 1_733_905_446_819_790
HEAD = "Op Type,Op Name,Task ID,Stream ID,Timestamp,IO,Slot,Data Size,Data Type,Shape"
ROW = f'Log,Default_Log-op0,5,7,{TIME},output,1,32,float32,"(2,4)"'
OLD = (
    "Max Value,Min Value,Avg Value,Count,Negative Zero Count,Positive Zero Count,"
    "NaN Count,Negative Inf Count,Positive Inf Count,Zero Count"
)


def write(
    folder: Path, columns: str, *cells: str, head: str = HEAD, row: str = ROW, name: str = "statistic.csv"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{head},{columns}", *(f"{row},{one}" for one in cells)]
    (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder / name


def tensors(path: Path) -> pd.DataFrame:
    assert MindSporeDump().sniff(path) is not None
    return MindSporeDump().read(path, silent).frames["tensors"]


def given(row: pd.Series, *names: str) -> list[object]:
    return [None if pd.isna(row[name]) else row[name] for name in names]


COUNTS = ("nan_count", "neg_inf_count", "pos_inf_count", "zero_count")
EXTREMES = ("max", "min", "mean", "norm")


@pytest.mark.parametrize(
    ("columns", "cells", "extremes", "counts", "nonfinite"),
    [
        # 1.6 to 2.2: extremes leave NaN and Inf out, no comma at the end.
        (OLD, "3,-1.5,0.5,8,1,4,2,0,1,0", [3, -1.5, 0.5, None], [2, 0, 1, 0], True),
        (OLD, "null,null,null,8,0,0,8,0,0,0", [None, None, None, None], [8, 0, 0, 0], True),
        (OLD, "3,-1.5,0.5,8,1,4,0,0,0,3", [3, -1.5, 0.5, None], [0, 0, 0, 3], False),
        # 2.3: the same and MD5.
        (
            OLD + ",MD5",
            "3,-1.5,0.5,8,1,4,0,0,0,3,9e107d9d372bb6826bd81d3542a419d6",
            [3, -1.5, 0.5, None],
            [0, 0, 0, 3],
            False,
        ),
        # 2.4 and later: chosen columns, NaN and Inf in the extremes, a comma at the end.
        ("Max Value,Min Value,L2Norm Value", "3,-1.5,7,", [3, -1.5, None, 7], [None] * 4, False),
        ("Max Value,Min Value,L2Norm Value", "nan,nan,nan,", [None] * 4, [None] * 4, True),
        ("Max Value,Min Value,L2Norm Value", "-nan,-nan,-nan,", [None] * 4, [None] * 4, True),
        ("Max Value,Min Value,L2Norm Value", "inf,-inf,inf,", [math.inf, -math.inf, None, None], [None] * 4, True),
        ("Max Value,Min Value,L2Norm Value", "-nan(ind),1,1,", [None, 1, None, 1], [None] * 4, True),
        ("Max Value,Min Value,L2Norm Value", "2,1,inf,", [2, 1, None, None], [None] * 4, None),
        ("Max Value,Min Value,L2Norm Value", "null,null,null,", [None] * 4, [None] * 4, None),
        ("NaN Count,Negative Inf Count,Positive Inf Count", "1,0,0,", [None] * 4, [1, 0, 0, None], True),
        ("Nan Count", "4,", [None] * 4, [4, None, None, None], True),
        # Device statistics.
        ("Max Value,Min Value,Avg Value,L2Norm Value,Count", "3,1,2,4,8,", [3, 1, 2, 4], [None] * 4, False),
    ],
)
def test_versions(
    columns: str, cells: str, extremes: list[object], counts: list[object], nonfinite: bool | None, tmp_path: Path
) -> None:
    write(tmp_path, columns, cells)
    row = tensors(tmp_path).iloc[0]
    assert given(row, *EXTREMES) == extremes
    assert given(row, *COUNTS) == counts
    assert given(row, "nonfinite") == [nonfinite]
    assert given(row, "op", "io", "slot", "dtype", "shape", "size_bytes") == [
        "Default_Log-op0", "output", 1, "float32", "2,4", 32,
    ]  # fmt: skip
    assert given(row, "task", "device_stream", "time_ns", "path") == [5, 7, TIME * 1_000, None]


@pytest.mark.parametrize(
    ("column", "cell", "digest"),
    [
        ("MD5", "9E107D9D372BB6826BD81D3542A419D6", "md5:9e107d9d372bb6826bd81d3542a419d6"),
        ("SHA1", "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "sha1:2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"),
        ("MD5", "", None),
        ("MD5", "=cmd()", None),
    ],
)
def test_digests(column: str, cell: str, digest: str | None, tmp_path: Path) -> None:
    write(tmp_path, f"Max Value,{column}", f"1,{cell},")
    assert given(tensors(tmp_path).iloc[0], "digest") == [digest]


def test_statistics_rewritten_from_the_device(tmp_path: Path) -> None:
    head = "Op Type,Op Name,Task ID,Stream ID,Timestamp,Input/Output,Slot,Data Size,Data Type,Format,Shape"
    row = f'Log,Default_Log-op0,5,7,{TIME},input,0,32,FLOAT16,NCHW,"(2,8)"'
    write(tmp_path, "Max Value,Min Value,NaN Count", "5,1,3,", head=head, row=row)
    assert given(tensors(tmp_path).iloc[0], "io", "dtype", "layout", "max", "nan_count") == [
        "input",
        "float16",
        "NCHW",
        5,
        3,
    ]


def test_the_devices_own_file_is_named_by_its_operator(tmp_path: Path) -> None:
    head = "Input/Output,Index,Data Size,Data Type,Format,Shape"
    name = f"Log.Default_Log-op0.5.7.{TIME}.csv"
    path = write(
        tmp_path, "Count,Max Value,Nan Count", "16,5,3", head=head, row='Output,1,32,FLOAT,ND,"2,4"', name=name
    )
    for named in (tmp_path, path):
        row = tensors(named).iloc[0]
        assert given(row, "op", "op_type", "task", "device_stream", "io", "slot", "dtype", "nan_count") == [
            "Default_Log-op0", "Log", 5, 7, "output", 1, "float32", 3,
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "nonfinite"), [("bool", False), ("int64", False), ("bfloat16", None), ("unsupported(37)", None)]
)
def test_what_a_dtype_cannot_hold_is_not_there(dtype: str, nonfinite: bool | None, tmp_path: Path) -> None:
    write(tmp_path, "Max Value", "null,", row=ROW.replace("float32", dtype))
    assert given(tensors(tmp_path).iloc[0], "nonfinite") == [nonfinite]


def test_statistics_beside_tensors_stand_in_their_rows(tmp_path: Path) -> None:
    for run in (0, 1):
        name = f"Log.Default_Log-op0.5.7.{TIME + run}.output.1.ND.npy"
        np.save(tmp_path / name, np.full((2, 4), run, np.float32))
    other = ROW.replace("output,1", "output,2")
    (tmp_path / "statistic.csv").write_text(f"{HEAD},Max Value\n{ROW},10,\n{ROW},11,\n{ROW},12,\n{other},13,\n")
    frame = tensors(tmp_path)
    kept = frame[frame["path"].notna()]
    assert kept["max"].tolist() == [10, 11]
    assert sorted(frame.loc[frame["path"].isna(), "max"]) == [12, 13]


def test_one_file_of_statistics_may_be_named(tmp_path: Path) -> None:
    assert len(tensors(write(tmp_path, "Max Value", "1,", name="of_rank_0.csv"))) == 1


@pytest.mark.exhaustive
def test_a_file_cut_anywhere_never_gives_half_a_number(tmp_path: Path) -> None:
    path = write(tmp_path, "Max Value,Min Value", "12345,-1.5,", "12345,-1.5,")
    whole = path.read_bytes()
    for end in range(whole.index(b"\n") + 1, len(whole)):
        path.write_bytes(whole[:end])
        parsed = MindSporeDump().read(tmp_path, silent)
        assert set(parsed.frames["tensors"]["max"]) <= {12345.0}
        assert parsed.issues or whole[end - 1 : end] == b"\n", end
