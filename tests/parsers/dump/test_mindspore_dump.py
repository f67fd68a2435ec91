from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.errors import Severity
from profkit.parsers.base import Parsed
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent

TIME = 1_795_415_775_000_000


def save(folder: Path, name: str, array: object = 1.0, *, io: str = "output", slot: int = 0, time: int = TIME) -> Path:
    """Write a synthetic tensor as MindSpore 2.10 names it."""
    folder.mkdir(parents=True, exist_ok=True)
    array = np.asarray(array, dtype=np.float32)
    path = folder / f"{name}.0.0.{time}.{io}.{slot}.DefaultFormat.Float32.npy"
    np.save(path, array)
    return path


def read(path: Path) -> Parsed:
    assert MindSporeDump().sniff(path) is not None
    return MindSporeDump().read(path, silent)


def tensors(path: Path) -> pd.DataFrame:
    return read(path).frames["tensors"]


def test_names_become_columns(tmp_path: Path) -> None:
    folder = tmp_path / "rank_3" / "Net" / "1" / "7"
    path = save(folder, "MatMul.Default_fc-Dense_MatMul-op0", np.ones((2, 3)), io="input", slot=1, time=TIME + 5)
    row = tensors(tmp_path).iloc[0]
    assert (row["rank"], row["graph"], row["iteration"]) == (3, 1, 7)
    assert (row["op_type"], row["op"]) == ("MatMul", "Default_fc-Dense_MatMul-op0")
    assert (row["io"], row["slot"], row["layout"]) == ("input", 1, "DefaultFormat")
    assert row["time_ns"] == (TIME + 5) * 1_000
    assert (row["dtype"], row["shape"], row["size_bytes"], row["path"]) == ("float32", "2,3", 24, str(path))


def test_names_of_before_2_4_have_no_dtype(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "0"
    folder.mkdir(parents=True)
    np.save(folder / f"ReLU.Default_ReLU-op0.12.7.{TIME}.output.0.NCHW.npy", np.ones(1, dtype=np.float16))
    assert tensors(tmp_path)[["op_type", "layout", "dtype"]].to_numpy().tolist() == [["ReLU", "NCHW", "float16"]]


def test_parameters_are_told_apart(tmp_path: Path) -> None:
    save(tmp_path / "0" / "0", "Parameter.net_fc_weight")
    assert tensors(tmp_path / "0" / "0")["io"].tolist() == ["parameter"]


@pytest.mark.parametrize("level", [".", "rank_0", "rank_0/Net", "rank_0/Net/2", "rank_0/Net/2/5"])
def test_every_level_may_be_named(tmp_path: Path, level: str) -> None:
    save(tmp_path / "rank_0" / "Net" / "2" / "5", "Add.Default_Add-op0")
    parsed = read(tmp_path / level)
    row = parsed.frames["tensors"].iloc[0]
    assert (row["rank"], row["graph"], row["iteration"], parsed.rank) == (0, 2, 5, 0)


def test_rows_are_in_order_of_iteration_and_time(tmp_path: Path) -> None:
    for iteration, time in ((10, 5), (2, 9), (2, 3)):
        save(tmp_path / "rank_0" / "Net" / "0" / str(iteration), f"Add.Default_Add-op{time}", time=TIME + time)
    frame = tensors(tmp_path)
    assert frame["iteration"].tolist() == [2, 2, 10]
    assert frame["op"].str[-1].tolist() == ["3", "9", "5"]


def test_a_directory_of_several_ranks_is_left_to_be_looked_into(tmp_path: Path) -> None:
    for rank in (0, 1):
        save(tmp_path / f"rank_{rank}" / "Net" / "0" / "0", "Add.Default_Add-op0")
    assert MindSporeDump().sniff(tmp_path) is None
    assert read(tmp_path / "rank_1").rank == 1


def test_a_dump_beside_another_recording_does_not_hide_it(tmp_path: Path) -> None:
    save(tmp_path / "rank_0" / "Net" / "0" / "0", "Add.Default_Add-op0")
    (tmp_path / "trace.json").touch()
    assert MindSporeDump().sniff(tmp_path) is None
    assert MindSporeDump().sniff(tmp_path / "rank_0") is not None


def test_mapping_file_gives_long_names_back(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "0"
    op = "Default_" + "deep-Cell_" * 60 + "Add-op0"
    folder.mkdir(parents=True)
    np.save(folder / "10081883.npy", np.ones(2, dtype=np.float32))
    np.save(folder / "77.npy", np.ones(2, dtype=np.float32))
    (folder / "mapping.csv").write_text(f"10081883.npy,Add.{op}.0.0.{TIME}.output.0.DefaultFormat.Float32.npy\n")
    parsed = read(tmp_path)
    assert parsed.frames["tensors"]["op"].tolist() == [op]
    assert [issue.severity for issue in parsed.issues] == [Severity.DATA_LOSS]
    assert "77.npy" in parsed.issues[0].text


def test_bad_files_are_rows_and_issues(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "0"
    path = save(folder, "Add.Default_Add-op0", np.ones(100))
    path.write_bytes(path.read_bytes()[:200])
    save(folder, "Add.Default_Add-op1")
    parsed = read(tmp_path)
    assert parsed.frames["tensors"]["dtype"].isna().tolist() == [True, False]
    assert "is cut" in parsed.issues[0].text


def test_odd_names_are_kept_or_told(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "0"
    save(folder, "Add.Default_\x1b[2J\n'é-op0")
    (folder / os.fsdecode(b"Add.Default_" + b"\xff" + f"-op0.0.0.{TIME}.output.0.NCHW.npy".encode())).touch()
    (folder / f"Mul.Default_Mul-op3.12.7.{TIME}").touch()
    (folder / f"Add.link.0.0.{TIME}.output.0.NCHW.npy").symlink_to("/etc/hostname")
    parsed = read(tmp_path)
    assert parsed.frames["tensors"]["op"].tolist() == ["Default_\x1b[2J\n'é-op0"]
    texts = " ".join(issue.text for issue in parsed.issues)
    assert "no whole dump of the device runtime" in texts
    assert "2 files were not read: a link that leaves" in texts
    assert texts.isprintable()


def test_an_empty_dump_says_so(tmp_path: Path) -> None:
    (tmp_path / "rank_0" / ".dump_metadata").mkdir(parents=True)
    parsed = read(tmp_path)
    assert parsed.frames["tensors"].empty
    assert [issue.severity for issue in parsed.issues] == [Severity.ERROR]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"ms_version": 3}', b"[" * 100_000])
def test_broken_metadata_costs_only_the_facts(tmp_path: Path, content: bytes) -> None:
    save(tmp_path / "rank_0" / "Net" / "0" / "0", "Add.Default_Add-op0")
    (tmp_path / "rank_0" / ".dump_metadata").mkdir()
    (tmp_path / "rank_0" / ".dump_metadata" / "config.json").write_bytes(content)
    parsed = read(tmp_path)
    assert len(parsed.frames["tensors"]) == 1
    assert parsed.writer_version is None


def test_what_is_not_recognised(tmp_path: Path) -> None:
    (tmp_path / "0" / "0").mkdir(parents=True)
    np.save(tmp_path / "0" / "0" / "plain.npy", np.ones(1))
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "0" / "0", tmp_path / "file", tmp_path / "absent"):
        assert MindSporeDump().sniff(path) is None


STATISTICS = (
    "Op Type,Op Name,Task ID,Stream ID,Timestamp,IO,Slot,Data Size,Data Type,Shape,Max Value,Min Value,L2Norm Value\n"
)


def test_statistics_rows_end_with_a_comma_the_header_lacks(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "0"
    folder.mkdir(parents=True)
    rows = [
        f'Sub,Default_Sub-op0,0,0,{TIME},input,0,128,float32,"(4,8)",3,-1.5,7,',
        f'Sub,Default_Sub-op0,0,0,{TIME},output,0,4,float32,"()",nan,nan,nan,',
        f'Sub,Default_Sub-op1,0,0,{TIME},output,0,4,float16,"()",inf,1,inf,',
        f'Sub,Default_Sub-op2,0,0,{TIME},output,0,4,float32,"()",2,1,inf,',
        f'Sub,Default_Sub-op3,0,0,{TIME},output,0,4,float32,"()",null,null,null,',
        "cut,row",
    ]
    (folder / "statistic.csv").write_text(STATISTICS + "\n".join(rows))
    parsed = read(tmp_path)
    frame = parsed.frames["tensors"]
    assert frame["op_type"].tolist() == ["Sub"] * 5
    assert frame["shape"].tolist() == ["4,8", "", "", "", ""]
    assert frame.loc[0, ["max", "min", "norm"]].tolist() == [3.0, -1.5, 7.0]
    assert frame["nonfinite"].astype(object).where(frame["nonfinite"].notna(), None).tolist() == [
        False, True, True, None, None,
    ]  # fmt: skip
    assert frame["path"].isna().all()
    assert frame["max"].isna().tolist() == [False, True, False, False, True]
    assert frame.loc[2, "max"] == float("inf")
    assert parsed.issues[0].where == "line 7"


def test_recorded_counts_of_old_versions_reveal_nan_behind_finite_extremes(tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "0"
    folder.mkdir(parents=True)
    header = "Op Type,Op Name,Task ID,Stream ID,Timestamp,IO,Slot,Data Size,Data Type,Shape,Max Value,Min Value,"
    header += (
        "Avg Value,Count,Negative Zero Count,Positive Zero Count,NaN Count,Negative Inf Count,Positive Inf Count\n"
    )
    row = f'Log,Default_Log-op0,0,0,{TIME},output,{{}},16,float32,"(4)",1,0,0.5,4,0,2,{{}},0,0\n'
    (folder / "statistic.csv").write_text(header + row.format(0, 2) + row.format(1, 0))
    assert tensors(tmp_path)["nonfinite"].tolist() == [True, False]


@pytest.mark.parametrize("net", ["mlp", "conv", "nan_log", "longname", "bf16", "mlp_kernels", "mlp_out"])
def test_every_recorded_file_is_read(shared: Path, net: str) -> None:
    dump = shared / "samples/dump/ms2.10-cpu" / net
    parsed = read(dump)
    frame = parsed.frames["tensors"]
    assert len(frame) == len(list(dump.rglob("*.npy")))
    assert not parsed.issues
    assert frame["dtype"].notna().all()
    assert parsed.writer_version == "2.10.0"
    assert parsed.facts["device_target"] == "CPU"
    assert parsed.facts["op_debug_mode"] == "0"
    assert parsed.facts["input_output"] == ("outputs" if net == "mlp_out" else "inputs and outputs")


def test_recorded_statistics_are_read(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rank_0" / "Net" / "0" / "0"
    folder.mkdir(parents=True)
    text = (shared / "samples/dump/statistic_csv/statistic_ascend_kbk_2.4.csv").read_text()
    (folder / "statistic.csv").write_text(text)
    frame = tensors(tmp_path)
    assert len(frame) == text.count("\n") - 1
    assert frame["nonfinite"].eq(False).all()
    assert frame.iloc[0][["op", "io", "max", "norm"]].tolist() == ["Default_Sub-op0", "input", 3.0, 3.0]
