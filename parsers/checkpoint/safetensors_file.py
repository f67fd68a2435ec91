"""A .safetensors file: 8 bytes of length, a JSON header, and the tensors, mapped in place.

Read here and not by the safetensors library, which numpy's dtypes limit (no bfloat16 without torch, no fp8) and which
would be a dependency for what is a header of JSON. Format: https://github.com/huggingface/safetensors, version 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from profkit.errors import UnreadableInputError
from profkit.parsers.checkpoint.number_formats import StoredWords, word_dtype
from profkit.parsers.dump.tensor_dtypes import dtype_name, element_bytes

_LENGTH_BYTES = 8
# The library refuses longer headers too.
_LONGEST_HEADER = 100_000_000
_METADATA = "__metadata__"
_LARGEST = 2**63 - 1
_MOST_DIMS = 32
_COPY_AGAIN = "copy or save the file again"


class SafeTensor(NamedTuple):
    """A tensor of the file: numpy's dtype name or torch's, shape, and first byte in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


class SafetensorsFile(NamedTuple):
    """What the file holds.

    Attributes:
        tensors: By name, as they lie in the file.
        unread: Names of those that are not read, with the reason.
        cut: That tensors are not all there; "" if they are.
        writer: What its metadata call its framework ("pt", "ms"); "" if they do not.
    """

    tensors: Mapping[str, SafeTensor]
    unread: Mapping[str, str]
    cut: str
    writer: str


def begins_as_safetensors(begin: bytes, size: int) -> bool:
    """Tell by its first bytes and size whether a file may be a .safetensors file."""
    if len(begin) <= _LENGTH_BYTES or begin[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{":
        return False
    return int.from_bytes(begin[:_LENGTH_BYTES], "little") <= min(size - _LENGTH_BYTES, _LONGEST_HEADER)


def read_safetensors(path: Path) -> SafetensorsFile:
    """Read the header of a .safetensors file.

    Tensors that a cut file no longer holds are named in `unread`.

    Raises:
        UnreadableInputError: The header is cut, damaged or too long.
    """
    state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


def open_safetensor_words(path: Path, member: str) -> StoredWords:
    """Open one tensor of a .safetensors file, mapped.

    Raises:
        UnreadableInputError: The file cannot be read, or has no such tensor.
    """
    tensor = read_safetensors(path).tensors.get(member)
    if tensor is None:
        raise UnreadableInputError(f"{path} holds no tensor {member[:80]!r}", "read the file anew")
    words = word_dtype(tensor.dtype)
    if words is None:
        raise UnreadableInputError(f"{path}: tensors of {tensor.dtype} are not read", "save it as float32")
    count = math.prod(tensor.shape)
    if not count:
        return StoredWords(np.zeros(tensor.shape + words.shape, words.base), tensor.dtype)
    try:
        mapped = np.memmap(path, words, "r", tensor.offset, (count,))
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}", _COPY_AGAIN) from error
    return StoredWords(np.asarray(mapped).reshape(tensor.shape + words.shape), tensor.dtype)


@lru_cache(maxsize=16)
def _read(path: Path, _changed: int, size: int) -> SafetensorsFile:
    with path.open("rb") as file:
        begin = file.read(_LENGTH_BYTES)
        length = int.from_bytes(begin, "little")
        if len(begin) < _LENGTH_BYTES or length > min(size - _LENGTH_BYTES, _LONGEST_HEADER):
            what = f"its header would be {length:,} bytes long, the file has {size:,}"
            raise UnreadableInputError(f"{path} is no .safetensors file, or cut: {what}", _COPY_AGAIN)
        header = file.read(length)
    try:
        entries = msgspec.json.decode(header, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableInputError(f"{path}: its header is no JSON: {str(error)[:80]}", _COPY_AGAIN) from error
    start = _LENGTH_BYTES + length
    tensors: dict[str, SafeTensor] = {}
    unread: dict[str, str] = {}
    cut = 0
    for name, fields in entries.items():
        if name == _METADATA:
            continue
        described = _described(fields, start, size)
        if isinstance(described, SafeTensor):
            tensors[name] = described
        else:
            unread[name] = described
            cut += described == _CUT
    # The header stands at the front of the file: the tensors are sorted as they lie in it.
    ordered = dict(sorted(tensors.items(), key=lambda item: item[1].offset))
    missing = f"the file is cut: {cut:,} tensors are not all there" if cut else ""
    metadata = entries.get(_METADATA)
    writer = metadata.get("format") if isinstance(metadata, dict) else ""
    return SafetensorsFile(ordered, unread, missing, writer if isinstance(writer, str) else "")


_CUT = "the file ends before it does"


def _described(fields: Any, start: int, size: int) -> SafeTensor | str:
    """Read an entry of the header; a sentence says why it is not read."""
    if not isinstance(fields, dict):
        return "its entry is no object"
    dtype = dtype_name(fields["dtype"]) if isinstance(fields.get("dtype"), str) else None
    if dtype is None:
        return f"its type {str(fields.get('dtype'))[:40]!r} is not known"
    shape, place = _sizes(fields.get("shape")), _sizes(fields.get("data_offsets"))
    if shape is None or len(shape) > _MOST_DIMS or place is None or len(place) != 2:
        return "its shape or place cannot be"
    first, end = place
    if end - first != math.prod(shape) * element_bytes(dtype):
        return "its shape and type do not need the bytes that its place has"
    if start + end > size:
        return _CUT
    return SafeTensor(dtype, shape, start + first)


def _sizes(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, list) and all(type(size) is int and 0 <= size <= _LARGEST for size in value):
        return tuple(value)
    return None
