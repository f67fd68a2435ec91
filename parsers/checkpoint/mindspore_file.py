"""A checkpoint of MindSpore (.ckpt): a protobuf message read at wire level, its tensors mapped in place.

Checkpoint {1 value: {1 tag text; 2 tensor: {1 dims varint, repeated or packed; 2 type text; 3 bytes}; 3 map}}. Entries
of one tag in a row are pieces of one tensor that is too large for one message; each has the dims of the whole.
Source: mindspore/train/serialization.py and checkpoint.proto of MindSpore 1.0 to 2.10.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from profkit.errors import UnreadableInputError
from profkit.parsers.checkpoint.number_formats import StoredWords, word_dtype
from profkit.parsers.dump.tensor_dtypes import dtype_name, element_bytes
from profkit.parsers.protobuf_wire import WireError, fields, text, varints

_VALUE = _TAG = 1
_TENSOR = 2
_DIMS, _TYPE, _CONTENT = 1, 2, 3
# save_checkpoint(crc_check=True) ends the file with this word and ten bytes of the number.
_CHECKSUM_WORD = b"crc_num"
_CHECKSUM_BYTES = len(_CHECKSUM_WORD) + 10
_BLOCK_BYTES = 4 << 20
_TEXT_TYPE = "str"
_LARGEST_DIM = 2**63 - 1
_MOST_DIMS = 32
_COPY_AGAIN = "copy or save the checkpoint again"
_NO_CHECKPOINT = "name a .ckpt that mindspore.save_checkpoint wrote; an encrypted one must be decrypted first"


class _Piece(NamedTuple):
    offset: int
    size: int


class SavedParameter(NamedTuple):
    """A tensor of a checkpoint.

    Attributes:
        dtype: numpy's name, or torch's for what numpy lacks.
        shape: Lengths of the dimensions; () is a scalar.
        pieces: Where its bytes lie in the file, in their order.
    """

    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[_Piece, ...]


class MindSporeFile(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        parameters: By name, in file order.
        unread: Names of the entries that were not read, with the reason.
        texts: Entries that are texts, not tensors.
        cut: Why the file ends early; "" if it does not.
        checksum: The file ends with a checksum (checksum_mismatch), which is not looked at here.
    """

    parameters: Mapping[str, SavedParameter]
    unread: Mapping[str, str]
    texts: int
    cut: str
    checksum: bool


def read_mindspore_file(path: Path) -> MindSporeFile:
    """Read what a checkpoint holds; no data of a tensor is read.

    A cut file gives the tensors before the cut.

    Raises:
        UnreadableInputError: It is no checkpoint, encrypted, or nothing could be saved from it.
    """
    state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


def open_mindspore_words(path: Path, member: str) -> StoredWords:
    """Open one tensor of a checkpoint, mapped; one stored in pieces is put together in memory.

    Raises:
        UnreadableInputError: The file cannot be read, or has no such tensor.
    """
    parameter = read_mindspore_file(path).parameters.get(member)
    if parameter is None:
        raise UnreadableInputError(f"{path} holds no parameter {member[:80]!r}", "read the file anew")
    words = word_dtype(parameter.dtype)
    if words is None:
        raise UnreadableInputError(f"{path}: tensors of {parameter.dtype} are not read", "save it as float32")
    if not math.prod(parameter.shape):
        return StoredWords(np.zeros(parameter.shape + words.shape, words.base), parameter.dtype)
    try:
        pieces = [
            np.memmap(path, np.uint8, "r", piece.offset, (piece.size,)) for piece in parameter.pieces if piece.size
        ]
        stored = np.asarray(pieces[0]) if len(pieces) == 1 else np.concatenate(pieces)
        return StoredWords(stored.view(words.base).reshape(parameter.shape + words.shape), parameter.dtype)
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}", _COPY_AGAIN) from error


def checksum_mismatch(path: Path) -> str:
    """Say how a checkpoint differs from the checksum at its end; "" where it does not, or has none.

    It is the CRC-32 of all bytes before the word "crc_num", in ten big-endian bytes (_exec_save in
    mindspore/train/serialization.py of 2.10). Memory is bounded by a block.

    Raises:
        UnreadableInputError: The file cannot be read.
    """
    found = 0
    try:
        with path.open("rb") as file:
            left = path.stat().st_size - _CHECKSUM_BYTES
            while left > 0 and (block := file.read(min(left, _BLOCK_BYTES))):
                found = zlib.crc32(block, found)
                left -= len(block)
            end = file.read(_CHECKSUM_BYTES)
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", _COPY_AGAIN) from error
    if not end.startswith(_CHECKSUM_WORD):
        return ""
    saved = int.from_bytes(end[len(_CHECKSUM_WORD) :], "big")
    return "" if saved == found else f"its CRC-32 is {found}, it was saved with {saved}"


@lru_cache(maxsize=16)
def _read(path: Path, _changed: int, size: int) -> MindSporeFile:
    if not size:
        raise UnreadableInputError(f"{path} is empty", _COPY_AGAIN)
    try:
        return _parsed(path, np.asarray(np.memmap(path, np.uint8, "r")).data)
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", _COPY_AGAIN) from error


def _parsed(path: Path, whole: memoryview) -> MindSporeFile:
    checksum = bytes(whole[-_CHECKSUM_BYTES:][: len(_CHECKSUM_WORD)]) == _CHECKSUM_WORD
    message = whole[:-_CHECKSUM_BYTES] if checksum else whole
    base = _address(whole)
    found: dict[str, SavedParameter] = {}
    unread: dict[str, str] = {}
    texts, cut = 0, ""
    try:
        for number, value in fields(message):
            if number != _VALUE or isinstance(value, int):
                raise WireError(0, f"a field {number} has no place in a checkpoint")
            name, tensor = _entry(value)
            one = _tensor(tensor, base) if tensor is not None else "it holds a map, no tensor"
            if one is None:
                texts += 1
            elif isinstance(one, str):
                unread[name] = one
            else:
                found[name] = _joined(found[name], one) if name in found else one
    except WireError as error:
        cut = str(error)
        if not found:
            raise UnreadableInputError(f"{path} is no checkpoint of MindSpore: {error}", _NO_CHECKPOINT) from None
    wrong = {name: why for name, one in found.items() if (why := _mismatch(one))}
    whole_ones = {name: _without_scalar_dim(one) for name, one in found.items() if name not in wrong}
    return MindSporeFile(whole_ones, {**unread, **wrong}, texts, cut, checksum)


def _address(view: memoryview) -> int:
    return int(np.frombuffer(view, np.uint8).ctypes.data) if len(view) else 0


def _entry(message: memoryview) -> tuple[str, memoryview | None]:
    """Give the name of an entry and its tensor message.

    Raises:
        WireError: It is damaged.
    """
    name, tensor = "", None
    for number, value in fields(message):
        if number == _TAG:
            name = text(value)
        elif number == _TENSOR and not isinstance(value, int):
            tensor = value
    return name, tensor


def _tensor(message: memoryview, base: int) -> SavedParameter | str | None:
    """Read a tensor message; None stands for a text, and a sentence for what is not read.

    Raises:
        WireError: It is damaged.
    """
    dims: list[int] = []
    kind, piece = "", _Piece(0, 0)
    for number, value in fields(message):
        if number == _DIMS:
            dims += [value] if isinstance(value, int) else varints(value)
        elif number == _TYPE:
            kind = text(value)
        elif number == _CONTENT and not isinstance(value, int):
            piece = _Piece(_address(value) - base if len(value) else 0, len(value))
    if kind == _TEXT_TYPE:
        return None
    dtype = dtype_name(kind)
    if dtype is None:
        return f"its type {kind[:40]!r} is not known"
    if len(dims) > _MOST_DIMS or any(dim > _LARGEST_DIM for dim in dims):
        return "its shape cannot be"
    return SavedParameter(dtype, tuple(dims), (piece,))


def _joined(first: SavedParameter, more: SavedParameter) -> SavedParameter:
    return first._replace(pieces=first.pieces + more.pieces)


def _mismatch(one: SavedParameter) -> str:
    """Say how shape and bytes disagree; empty if they do not."""
    wanted = math.prod(one.shape) * element_bytes(one.dtype)
    held = sum(piece.size for piece in one.pieces)
    if wanted == held or (one.shape == (0,) and held == element_bytes(one.dtype)):
        return ""
    return f"its shape and type need {wanted:,} bytes, the file holds {held:,}"


def _without_scalar_dim(one: SavedParameter) -> SavedParameter:
    """Give a scalar its shape (): it is written without dims, or with one of 0 before its bytes."""
    return one._replace(shape=()) if one.shape == (0,) and one.pieces[0].size else one
