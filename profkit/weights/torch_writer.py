"""A state_dict as torch.save writes it, without torch: a zip of one pickle and one stored member a storage.

Written opcode by opcode, as pickling by the library would have to import the names of torch that it writes. Source:
torch/serialization.py, torch/_utils.py and torch/storage.py of torch 1.6 to 2.13.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Hashable, Sequence
from pathlib import Path

from profkit.errors import ProfkitError
from profkit.store import file_in_one_step
from profkit.weights.outgoing import OutgoingTensor, write_words

_FOLDER = "archive"
_ALIGNMENT = 64
# A local header of a zip file is 30 bytes and the name; zip64 adds a field of 20.
_LOCAL_HEADER, _ZIP64_FIELD = 30, 20
_PADDING_FIELD = b"FB"
_EPOCH = (1980, 1, 1, 0, 0, 0)

# Dtypes with a storage class of their own; all others are views of untyped bytes (torch 2.1 and later).
_STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex128": "ComplexDoubleStorage",
    "complex64": "ComplexFloatStorage",
}
_WITHOUT_STORAGE = frozenset({
    "uint16", "uint32", "uint64", "complex32", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
    "float8_e8m0fnu",
})  # fmt: skip


def write_torch_checkpoint(path: Path, tensors: Sequence[OutgoingTensor]) -> None:
    """Write an OrderedDict of tensors that `torch.load(path, weights_only=True)` reads.

    Tensors of one place share a storage, so that tied weights stay tied in size.

    Raises:
        ProfkitError: torch has no such dtype, a tensor cannot be read, or the place cannot be written.
    """
    keys: dict[Hashable, str] = {}
    for number, tensor in enumerate(tensors):
        if tensor.dtype not in _STORAGES and tensor.dtype not in _WITHOUT_STORAGE:
            raise ProfkitError(f"{tensor.name[:80]}: torch has no dtype {tensor.dtype}", "save it as float32")
        keys.setdefault(_storage_of(tensor, number), str(len(keys)))
    numbered = [(tensor, keys[_storage_of(tensor, number)]) for number, tensor in enumerate(tensors)]
    with file_in_one_step(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _member(archive, "data.pkl", _pickle(numbered))
        _member(archive, ".format_version", b"1")
        _member(archive, ".storage_alignment", str(_ALIGNMENT).encode())
        _member(archive, "byteorder", b"little")
        written: set[str] = set()
        for tensor, key in numbered:
            if key in written:
                continue
            written.add(key)
            info = _aligned(archive, f"{_FOLDER}/data/{key}", tensor.size_bytes)
            with archive.open(info, "w") as member:
                write_words(tensor, member)
        _member(archive, "version", b"3\n")


def _storage_of(tensor: OutgoingTensor, number: int) -> Hashable:
    """Give what tensors of one storage have in common; a tensor of which no place is known has one by itself."""
    return number if tensor.place is None else tensor.place


def _member(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = _aligned(archive, f"{_FOLDER}/{name}", len(content))
    with archive.open(info, "w") as member:
        member.write(content)


def _aligned(archive: zipfile.ZipFile, name: str, size: int) -> zipfile.ZipInfo:
    """Describe a member whose data begins at a multiple of 64, as torch pads it, so that it can be mapped."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.file_size = size
    # The condition of zipfile itself (_open_to_write), which allows for packing.
    zip64 = size * 1.05 > zipfile.ZIP64_LIMIT
    position = archive.fp.tell() if archive.fp is not None else 0
    start = position + _LOCAL_HEADER + len(name) + len(_PADDING_FIELD) + 2 + (_ZIP64_FIELD if zip64 else 0)
    padding = -start % _ALIGNMENT
    info.extra = struct.pack("<2sH", _PADDING_FIELD, padding) + b"Z" * padding
    return info


def _pickle(numbered: Sequence[tuple[OutgoingTensor, str]]) -> bytes:
    """Give the pickle, protocol 2, of OrderedDict of calls of _rebuild_tensor_v2 and _v3."""
    items = b"".join(_text(tensor.name) + _tensor(tensor, key) for tensor, key in numbered)
    return b"\x80\x02" + _EMPTY_ORDERED_DICT + b"(" + items + b"u."


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode("ascii")


_EMPTY_ORDERED_DICT = _global("collections", "OrderedDict") + b")R"


def _text(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _integer(value: int) -> bytes:
    if value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    encoded = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def _sizes(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(_integer, values)) + b"t"


def _tensor(tensor: OutgoingTensor, key: str) -> bytes:
    """Give a call of the function that rebuilds a tensor of its storage.

    Its arguments: storage, offset, shape, strides, requires_grad, hooks, and, without a storage class, the dtype.
    """
    storage_class = _STORAGES.get(tensor.dtype)
    kind = _global("torch", storage_class) if storage_class else _global("torch.storage", "UntypedStorage")
    # An untyped storage counts bytes.
    length = tensor.size_bytes if storage_class is None else tensor.elements
    storage = b"(" + _text("storage") + kind + _text(key) + _text("cpu") + _integer(length) + b"tQ"
    arguments = storage + _integer(0) + _sizes(tensor.shape) + _sizes(tensor.strides) + b"\x89" + _EMPTY_ORDERED_DICT
    if storage_class is None:
        return _global("torch._utils", "_rebuild_tensor_v3") + b"(" + arguments + _global("torch", tensor.dtype) + b"tR"
    return _global("torch._utils", "_rebuild_tensor_v2") + b"(" + arguments + b"tR"
