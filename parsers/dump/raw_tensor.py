"""Files that hold the bare bytes of one tensor: what it is stands in the file's name alone.

MindSpore before 1.3 wrote all tensors so, msaccucmp converts asynchronous dumps to it, and the device runtime leaves
tensors so whose dtype .npy has no word for. A file that does not hold exactly the bytes its name promises is refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from profkit.errors import UnreadableInputError
from profkit.parsers.dump.array_file import AnyArray, widen_bfloat16
from profkit.parsers.dump.device_layout import Shape
from profkit.parsers.dump.dump_names import DumpName, raw_name
from profkit.parsers.dump.narrow_floats import NARROW_FLOATS, widen_narrow_float

_MAP_FROM_BYTES = 1 << 20


class RawTensor(NamedTuple):
    """What a bare file holds.

    Attributes:
        dtype: numpy's name; bfloat16 and the narrow floats by the names torch gives them.
        shape: Shape; one dimension where the name tells none.
        size_bytes: Bytes in the file.
    """

    dtype: str
    shape: Shape
    size_bytes: int


def describe_raw_tensor(path: Path | str, name: DumpName) -> RawTensor:
    """Hold what a file's name says against its size. No tensor is read.

    Raises:
        UnreadableInputError: The name tells no dtype that is known, or the file has another size.
    """
    if name.dtype is None:
        raise UnreadableInputError(f"{path} is named with no dtype that is known", "dump it as .npy")
    storage = _storage(path, name.dtype)
    try:
        size = Path(path).stat().st_size
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the file") from error
    shape = (size // storage.itemsize,) if name.shape is None else name.shape
    promised = math.prod(shape) * storage.itemsize
    if promised != size:
        says = f"its name promises {promised:,} bytes, it holds {size:,}"
        raise UnreadableInputError(
            f"{path} is cut or misnamed: {says}", "copy or record the file again under its own name"
        )
    return RawTensor(name.dtype, shape, size)


def open_member(path: Path, member: str) -> AnyArray:
    """Open the tensor of a bare file.

    Args:
        path: The file.
        member: The name it was too long for; "" where the file has its own.

    Returns:
        The array; bfloat16 and narrow floats widened to float32; a large one is mapped.

    Raises:
        UnreadableInputError: As for `describe_raw_tensor`; or the name is none of a bare tensor.
    """
    name = raw_name(member or path.name)
    if name is None:
        raise UnreadableInputError(f"{path} is of no kind that tensors are read from", "give .npy files or a dump")
    described = describe_raw_tensor(path, name)
    storage = _storage(path, described.dtype)
    count = math.prod(described.shape)
    try:
        if described.size_bytes < _MAP_FROM_BYTES:
            words: AnyArray = np.fromfile(path, storage, count)
        else:
            words = np.asarray(np.memmap(path, storage, "r", shape=(count,)))
        stored = words.reshape(described.shape)
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}", "copy it when nothing writes to it") from error
    if described.dtype == "bfloat16":
        return widen_bfloat16(stored)
    return widen_narrow_float(stored, described.dtype) if described.dtype in NARROW_FLOATS else stored


def _storage(path: Path | str, dtype: str) -> np.dtype[np.generic]:
    if dtype == "bfloat16":
        return np.dtype("<u2")
    if dtype in NARROW_FLOATS:
        return np.dtype("|u1")
    try:
        return np.dtype(dtype).newbyteorder("<")
    except TypeError:
        raise UnreadableInputError(f"{path} holds {dtype}, which cannot be read", "dump it as .npy") from None
