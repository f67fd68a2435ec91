from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.errors import UnreadableInputError
from profkit.parsers.base import Parsed
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.progress import silent

NAME = "Default--net--Mul-op3_output_0_shape_2_3_{}_NCHW.bin"


def write(folder: Path, name: str, array: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(array.tobytes())
    return folder / name


def read(path: Path) -> Parsed:
    assert MindSporeDump().sniff(path) is not None
    return MindSporeDump().read(path, silent)


def test_name_and_place_become_columns(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = write(tmp_path / "alexnet" / "device_2" / "iteration_7", NAME.format("Float32"), array)
    row = read(tmp_path).frames["tensors"].iloc[0]
    assert (row["rank"], row["graph"], row["iteration"]) == (2, -1, 7)
    assert (row["op"], row["op_type"], row["dtype"], row["shape"]) == ("Default_net_Mul-op3", "Mul", "float32", "2,3")
    assert pd.isna(row["time_ns"])
    assert row["size_bytes"] == 24
    assert np.array_equal(open_tensor(path), array)


def test_operators_without_times_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100):
        write(tmp_path, f"Default--Mul-op{number}_output_0_shape_1_Int8_NCHW.bin", np.int8([1]))
    assert read(tmp_path).frames["tensors"]["op"].str[-3:].tolist() == ["op9", "p10", "100"]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "int64", "float16", "float64", "complex64"])
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    path = write(tmp_path, NAME.format("kNumberType" + dtype.capitalize()), array)
    row = read(tmp_path).frames["tensors"].iloc[0]
    assert row["dtype"] == dtype
    assert open_tensor(path).tobytes() == array.tobytes()


def test_bfloat16_is_widened_and_its_shape_may_be_unknown(tmp_path: Path) -> None:
    words = np.uint16([0x3F80, 0xFF80, 0x4000])
    path = write(tmp_path, "Mul.Default_Mul-op3.12.7.1700000000000000.output.0.ND.BF16", words)
    row = read(tmp_path).frames["tensors"].iloc[0]
    assert (row["dtype"], row["shape"]) == ("bfloat16", "3")
    assert open_tensor(path).tolist() == [1.0, -np.inf, 2.0]


def test_a_large_tensor_is_mapped(tmp_path: Path) -> None:
    array = np.arange(1 << 19, dtype=np.float32)
    path = write(tmp_path, f"a-op1_output_0_shape_{array.size}_Float32_ND.bin", array)
    opened = open_tensor(path)
    assert not opened.flags.writeable
    assert np.array_equal(opened, array)


@pytest.mark.parametrize("size", [0, 1, 23, 25, 48])
def test_a_file_of_another_size_than_its_name_says_is_refused(size: int, tmp_path: Path) -> None:
    path = write(tmp_path, NAME.format("Float32"), np.zeros(size, np.uint8))
    parsed = read(tmp_path)
    assert parsed.frames["tensors"]["dtype"].isna().all()
    assert "promises 24 bytes" in parsed.issues[0].text
    with pytest.raises(UnreadableInputError, match="promises 24 bytes"):
        open_tensor(path)


@pytest.mark.parametrize("name", [NAME.format("Hifloat8"), f"a-op1_output_0_shape_{2**62}_{2**62}_Float32_ND.bin"])
def test_names_that_promise_what_cannot_be_are_refused(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, name, np.zeros(6, np.uint8))
    assert read(tmp_path).issues
    with pytest.raises(UnreadableInputError):
        open_tensor(path)


def test_a_file_of_no_known_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.xyz").write_bytes(b"1234")
    with pytest.raises(UnreadableInputError, match="no kind"):
        open_tensor(tmp_path / "weights.xyz")


def test_samples_of_before_1_3(shared: Path) -> None:
    for folder in sorted((shared / "samples/dump/mindspore/r1.3/dump/gpu_dumps").glob("sync_*")):
        frame = read(folder).frames["tensors"]
        assert len(frame) == len(list(folder.rglob("*.bin")))
        for row in frame.itertuples():
            words = np.fromfile(row.path, row.dtype)
            assert np.array_equal(open_tensor(row.path).ravel(), words, equal_nan=True)
