"""An .npz file: a zip file of .npy members; uncompressed ones are mapped, compressed ones unpacked within bounds."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from profkit.errors import UnreadableInputError
from profkit.parsers.dump.array_file import AnyArray, ArrayHeader, header_in, widen_bfloat16

_SUFFIX = ".npy"
_LOCAL_HEADER = 30
_MOST_MEMBERS = 100_000
_LARGEST_PACKED = 1 << 30
_SAVE_AGAIN = "write it again with numpy.savez"
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    OSError,
    NotImplementedError,
    RuntimeError,
)


class NpzMember(NamedTuple):
    """One array of the file: its name without .npy, and its header, or why it is not read."""

    name: str
    header: ArrayHeader | None
    refusal: str


def npz_members(path: Path) -> Iterator[NpzMember]:
    """Give the arrays of an .npz file in file order; their headers are read, no data.

    Raises:
        UnreadableInputError: It is no zip file, or cut.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS:
                raise UnreadableInputError(f"{path} has {len(members):,} members", _SAVE_AGAIN)
            for info in members:
                if not info.filename.endswith(_SUFFIX):
                    yield NpzMember(info.filename, None, "it is no .npy member")
                    continue
                yield _member(archive, info)
    except zipfile.BadZipFile as error:
        raise UnreadableInputError(f"{path} is no .npz file, or cut: {error}", _SAVE_AGAIN) from error


def open_npz_member(path: Path, member: str) -> AnyArray:
    """Open one array of an .npz file; bfloat16 is widened to float32, which changes no value.

    Raises:
        UnreadableInputError: The file or the member is missing or damaged, or no array of numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(member + _SUFFIX)
            found = _member(archive, info)
            if found.header is None:
                raise UnreadableInputError(f"{path}: {found.refusal}", _SAVE_AGAIN)
            stored = _stored(path, archive, info, found.header)
    except KeyError as error:
        raise UnreadableInputError(f"{path} holds no array {member[:80]!r}", "read the file anew") from error
    except _DAMAGE as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}", _SAVE_AGAIN) from error
    return widen_bfloat16(stored) if found.header.dtype == "bfloat16" else stored


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NpzMember:
    name = info.filename.removesuffix(_SUFFIX)
    try:
        with archive.open(info) as content:
            header = header_in(content.read)
    except UnreadableInputError as error:
        return NpzMember(name, None, error.message)
    except _DAMAGE as error:
        return NpzMember(name, None, f"damaged: {error}")
    if header.offset + header.size_bytes > info.file_size:
        return NpzMember(name, None, "its header promises more data than it holds")
    if info.compress_type != zipfile.ZIP_STORED and header.size_bytes > _LARGEST_PACKED:
        return NpzMember(name, None, f"compressed, and larger than {_LARGEST_PACKED:,} bytes")
    return NpzMember(name, header, "")


def _stored(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: ArrayHeader) -> AnyArray:
    order = "F" if header.fortran_order else "C"
    if not header.size_bytes:
        return np.empty(header.shape, header.storage)
    if info.compress_type == zipfile.ZIP_STORED:
        with path.open("rb") as file:
            file.seek(info.header_offset)
            local = file.read(_LOCAL_HEADER)
        # Lengths of the name and of the extra field stand at bytes 26 and 28 of the local header.
        start = info.header_offset + _LOCAL_HEADER + int.from_bytes(local[26:28], "little")
        start += int.from_bytes(local[28:30], "little") + header.offset
        return np.asarray(np.memmap(path, header.storage, "r", start, header.shape, order))  # type: ignore[call-overload]
    with archive.open(info) as content:
        content.read(header.offset)
        data = content.read(header.size_bytes)
    return np.frombuffer(data, header.storage).reshape(header.shape, order=order)  # type: ignore[call-overload]
