"""Reading .npy files: numpy itself is the oracle for good ones; bad ones are made byte by byte here."""

from __future__ import annotations

import contextlib
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.errors import UnreadableInputError
from profkit.parsers.dump.array_file import open_array, read_header


def npy_bytes(header: str, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def header_text(descr: str, shape: str, order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (2, 0, 5), (2, 3, 4, 5)])
def test_number_arrays_are_read_as_numpy_reads_them(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape)).reshape(shape) % 2).astype(dtype)
    np.save(tmp_path / "a.npy", array)

    header = read_header(tmp_path / "a.npy")
    read = open_array(tmp_path / "a.npy")

    assert (header.dtype, header.shape, header.size_bytes) == (array.dtype.name, shape, array.nbytes)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("array", [np.asfortranarray(np.arange(12.0).reshape(3, 4)), np.arange(5, dtype=">f4")])
def test_order_and_byte_order_are_kept(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(open_array(tmp_path / "a.npy"), array)


def test_a_large_array_is_mapped_and_equal(tmp_path: Path) -> None:
    array = np.asfortranarray(np.random.default_rng(0).standard_normal((700, 600)))
    np.save(tmp_path / "large.npy", array)
    read = open_array(tmp_path / "large.npy")
    assert not read.flags.writeable
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("version", [(2, 0), (3, 0)])
def test_later_format_versions_are_read(tmp_path: Path, version: tuple[int, int]) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(3), version=version)
    np.testing.assert_array_equal(open_array(tmp_path / "a.npy"), np.arange(3))


def test_raw_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    words = np.array([0x3F80, 0xC000, 0x7F80, 0xFF80, 0x7FC0, 0x0001, 0x7F7F], dtype="<u2")
    (tmp_path / "a.npy").write_bytes(npy_bytes(header_text("'<E2'", "(7,)"), words.tobytes()))

    read = open_array(tmp_path / "a.npy")

    assert read_header(tmp_path / "a.npy").dtype == "bfloat16"
    assert read.dtype == np.float32
    expected = np.array([1.0, -2.0, np.inf, -np.inf, np.nan, 2.0**-133, 255 * 2.0**120], dtype=np.float32)
    np.testing.assert_array_equal(read, expected)


def test_a_scalar_of_raw_bfloat16_keeps_its_shape(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy_bytes(header_text("'<E2'", "()"), b"\x80\x3f"))
    assert open_array(tmp_path / "a.npy").shape == ()


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"not an array at all", "magic"),
    "only magic": (b"\x93NUMPY", "inside its header"),
    "unknown version": (b"\x93NUMPY\x09\x00" + b"\x00" * 20, "version 9.0"),
    "header cut": (npy_bytes(header_text("'<f4'", "(3,)"))[:30], "inside its header"),
    "header too long": (npy_bytes(" " * 50_000 + header_text("'<f4'", "()"), version=2), "50,0"),
    "objects": (npy_bytes(header_text("'|O'", "(1,)"), b"\x80\x04."), "objects"),
    "records": (npy_bytes(header_text("[('a', '<f4')]", "(1,)"), b"\0" * 4), "records"),
    "text array": (npy_bytes(header_text("'<U3'", "(1,)"), b"\0" * 12), "not numbers"),
    "sub-array": (npy_bytes(header_text("'(2,)f4'", "(1,)"), b"\0" * 8), "not numbers"),
    "impossible width": (npy_bytes(header_text("'<f3'", "(1,)"), b"\0" * 8), "'<f3'"),
    "negative dim": (npy_bytes(header_text("'<f4'", "(-1,)"), b"\0" * 8), "shape"),
    "dim of text": (npy_bytes(header_text("'<f4'", "('3',)"), b"\0" * 8), "shape"),
    "dim of truth": (npy_bytes(header_text("'<f4'", "(True,)"), b"\0" * 8), "shape"),
    "dim beyond int64": (npy_bytes(header_text("'<f4'", f"(0, {2**70})"), b"\0" * 8), "shape"),
    "no order": (npy_bytes(header_text("'<f4'", "(1,)", order="0"), b"\0" * 8), "order"),
    "code": (npy_bytes("__import__('os').getcwd()"), "literals"),
    "missing key": (npy_bytes("{'descr': '<f4', 'shape': (1,)}"), "does not name"),
    "no dictionary": (npy_bytes("[1, 2]"), "does not name"),
    "deep nesting": (npy_bytes("(" * 9_000, version=2), "literals"),
    "unary chain": (npy_bytes("-" * 9_000 + "1", version=2), "header"),
    "data cut": (npy_bytes(header_text("'<f4'", "(3,)"), b"\0" * 11), "promises 12 bytes of data, it holds 11"),
    "lying header": (npy_bytes(header_text("'<f8'", f"({2**40}, {2**20})"), b"\0" * 8), "promises"),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_one_typed_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.npy"
    path.write_bytes(content)
    for read in (read_header, open_array):
        with pytest.raises(UnreadableInputError, match=words) as caught:
            read(path)
        assert "\n" not in caught.value.message
        assert caught.value.hint


def test_an_empty_array_with_other_huge_dims_does_not_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(npy_bytes(header_text("'<f4'", f"(0, {2**62}, {2**62})")))
    assert read_header(path).size_bytes == 0
    with pytest.raises(UnreadableInputError):
        open_array(path)


def test_a_missing_file_and_a_directory_are_typed_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.npy", tmp_path):
        with pytest.raises(UnreadableInputError):
            read_header(path)


def test_odd_characters_in_a_path(tmp_path: Path) -> None:
    path = tmp_path / "wéird [name] 'x' \x1b[31m.npy"
    np.save(path, np.ones(2))
    np.testing.assert_array_equal(open_array(path), np.ones(2))


@given(st.binary(max_size=200), st.integers(0, 120))
def test_damaged_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(6.0))
    content = bytearray(buffer.getvalue())
    content[at : at + len(noise)] = noise
    path = tmp_path_factory.mktemp("fuzz") / "a.npy"
    path.write_bytes(content)
    with contextlib.suppress(UnreadableInputError):
        open_array(path)


def test_files_written_by_mindspore_are_read(shared: Path) -> None:
    folder = shared / "samples/dump/ms2.10-cpu/bf16/rank_0/bf16/0/0"
    for path in sorted(folder.glob("*.npy")):
        named = path.name.split(".")[-2].lower()
        assert read_header(path).dtype == named
        assert open_array(path).dtype == (np.float32 if named == "bfloat16" else named)
