"""A checkpoint as mindspore.save_checkpoint writes it, without mindspore or protobuf.

The message is described in profkit.parsers.checkpoint.mindspore_file. Source: mindspore/train/serialization.py and
checkpoint.proto of MindSpore 2.10.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from profkit.errors import ProfkitError
from profkit.store import file_in_one_step
from profkit.weights.outgoing import OutgoingTensor, write_words

# MindSpore's words for dtypes; it loads no others.
_TYPES = {
    "int8": "Int8", "uint8": "UInt8", "int16": "Int16", "uint16": "UInt16", "int32": "Int32", "uint32": "UInt32",
    "int64": "Int64", "uint64": "UInt64", "float16": "Float16", "float32": "Float32", "float64": "Float64",
    "bool": "Bool", "bfloat16": "BFloat16",
}  # fmt: skip
# MindSpore too writes larger tensors in pieces of 512 MiB: a protobuf message holds 2 GiB at most.
_PIECE_BYTES = 512 << 20


def write_mindspore_checkpoint(path: Path, tensors: Sequence[OutgoingTensor]) -> None:
    """Write tensors so that mindspore.load_checkpoint reads them as parameters.

    Raises:
        ProfkitError: MindSpore cannot load such a tensor, one cannot be read, or the place cannot be written.
    """
    for tensor in tensors:
        _check(tensor)
    with file_in_one_step(path) as file:
        for tensor in tensors:
            for start in range(0, max(tensor.size_bytes, 1), _PIECE_BYTES):
                _write_piece(file, tensor, start, min(_PIECE_BYTES, tensor.size_bytes - start))


def _check(tensor: OutgoingTensor) -> None:
    where = f"{tensor.name[:80]!r}"
    if tensor.dtype not in _TYPES:
        raise ProfkitError(f"{where}: a .ckpt cannot hold {tensor.dtype}", "write .safetensors, or save it as float32")
    if tensor.shape == (0,):
        raise ProfkitError(f"{where} is of shape (0,), by which a .ckpt means a scalar", "write .safetensors")
    try:
        tensor.name.encode("utf-8")
    except UnicodeEncodeError:
        raise ProfkitError(f"{where} is no valid text", "rename the parameter") from None


def _write_piece(file: IO[bytes], tensor: OutgoingTensor, start: int, size: int) -> None:
    """Write one entry: the lengths of the messages around the bytes first, then the bytes in blocks."""
    dims = b"".join(b"\x08" + _varint(length) for length in tensor.shape)
    kind = _bytes_field(2, _TYPES[tensor.dtype].encode("ascii"))
    before = dims + kind + b"\x1a" + _varint(size)
    tag = _bytes_field(1, tensor.name.encode("utf-8"))
    message = tag + b"\x12" + _varint(len(before) + size) + before
    file.write(b"\x0a" + _varint(len(message) + size) + message)
    write_words(tensor, file, start, size)


def _bytes_field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
