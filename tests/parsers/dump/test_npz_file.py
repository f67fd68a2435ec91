from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.run import load

ARRAYS: dict[str, Any] = {
    "f4": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big": np.arange(4, dtype=">i8"),
    "scalar": np.float16(1.5),
    "empty": np.zeros((0, 3), np.uint8),
    "c8": np.array([1 + 2j], np.complex64),
    "layer1/weight": np.array([True, False]),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_array_is_what_numpy_reads(tmp_path: Path, save: Any) -> None:
    path = tmp_path / "a.npz"
    save(path, **ARRAYS)
    tensors = load(path).tensors
    assert set(tensors["op"]) == set(ARRAYS)
    with np.load(path) as theirs:
        for row in tensors.itertuples():
            ours = open_tensor(row.path, row.member)
            assert ours.dtype == theirs[row.member].dtype
            assert ours.shape == theirs[row.member].shape
            assert ours.tobytes() == theirs[row.member].tobytes()
            assert row.shape == ",".join(map(str, ours.shape))


def test_uncompressed_arrays_are_mapped(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.zeros(1 << 16))
    array = open_tensor(tmp_path / "a.npz", "w")
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_names_in_a_tree_begin_with_the_file(tmp_path: Path) -> None:
    for step in (1, 2):
        (tmp_path / f"step{step}" / "grads").mkdir(parents=True)
        np.savez(tmp_path / f"step{step}" / "grads" / "all.npz", fc=np.ones(2))
    np.save(tmp_path / "loss.npy", np.ones(1))
    tensors = load(tmp_path).tensors
    assert list(zip(tensors["op"], tensors["iteration"], tensors["io"], strict=True)) == [
        ("loss", -1, "output"),
        ("all.fc", 1, "gradient"),
        ("all.fc", 2, "gradient"),
    ]


def packed(path: Path, *, compressed: bool = False, **members: bytes) -> Path:
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def test_bad_members_cost_themselves(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "a.npz",
        good=npy(np.ones(3)),
        objects=npy(np.array([{}, []], dtype=object), allow_pickle=True),
        cut=npy(np.ones(100))[:-8],
        noise=b"noise" * 10,
        empty=b"",
    )
    run = load(path)
    assert run.tensors["op"].tolist() == ["good"]
    assert sorted(issue.text.split(":")[0] for issue in run.issues) == ["cut", "empty", "noise", "objects"]
    assert any("Python objects" in issue.text for issue in run.issues)
    for name in ("objects", "cut", "noise", "empty", "missing"):
        with pytest.raises(UnreadableInputError):
            open_tensor(path, name)


def test_a_compressed_array_larger_than_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profkit.parsers.dump.npz_file._LARGEST_PACKED", 1000)
    path = packed(tmp_path / "a.npz", compressed=True, bomb=npy(np.zeros(1 << 16)), good=npy(np.ones(3)))
    run = load(path)
    assert run.tensors["op"].tolist() == ["good"]
    assert "compressed, and larger" in run.issues[0].text


def test_every_cut_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", a=np.ones(30), b=np.ones(3))
    whole = (tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "cut.npz"
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(ProfkitError):
            load(path)


def test_damaged_bytes_are_typed_errors(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "whole.npz", a=np.arange(30.0), b=np.ones(3))
    whole = bytearray((tmp_path / "whole.npz").read_bytes())
    path = tmp_path / "damaged.npz"
    random = np.random.default_rng(0)
    for number in range(150):
        content = bytearray(whole)
        content[random.integers(len(content))] = random.integers(256)
        path.write_bytes(content)
        os.utime(path, (number, number))
        try:
            for row in load(path).tensors.itertuples():
                open_tensor(row.path, row.member)
        except ProfkitError:
            continue
