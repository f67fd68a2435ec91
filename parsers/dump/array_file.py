"""One .npy file: its header without its data, and its array without running anything that the file says.

numpy's own reader is not used because MindSpore on CPU writes bfloat16 as raw 16-bit words with the descr '<E2', which
numpy refuses, and because a dump has ten thousand headers of which most are equal: each distinct one is parsed once.
Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1.0 to 3.0.
"""

from __future__ import annotations

import ast
import math
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from profkit.errors import UnreadableInputError

AnyArray = npt.NDArray[Any]

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
# numpy refuses longer ones too: a literal of hostile length can exhaust the memory of the parser.
_LONGEST_HEADER = 10_000
_FIRST_READ = 256
_LARGEST_DIM = 2**63 - 1
_MOST_DIMS = 32
_NUMBER_DESCR = re.compile(r"[<>|=]?(?:[biufc][0-9]{1,2}|\?)")
_BFLOAT16_DESCR = re.compile(r"[<=]?E2")
# Below this size copying a file is faster than mapping it.
_MAP_FROM_BYTES = 1 << 20

_SAVE_AGAIN = "write the tensor again with numpy.save as an array of numbers"
_COPY_AGAIN = "copy or record the file again: it was cut, or is still being written"


@dataclass(frozen=True)
class ArrayHeader:
    """What a .npy file says about its array.

    Attributes:
        dtype: numpy's name (float32, int64, bool); "bfloat16" for the raw 16-bit form.
        shape: Lengths of the dimensions; () is a scalar.
        offset: First byte of the data.
        size_bytes: Bytes of the data; the file was seen to hold them.
        fortran_order: The first dimension varies fastest.
        storage: The dtype of the stored words, byte order included; uint16 for bfloat16.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size_bytes: int
    fortran_order: bool
    storage: np.dtype[Any]


class _BadHeaderError(ValueError):
    """Why a header is refused, without the path."""


def read_header(path: Path | str) -> ArrayHeader:
    """Read the header of a .npy file and check that the file holds the data it promises. No data is read.

    Raises:
        UnreadableInputError: No .npy file, a header that cannot be, an array of anything but numbers, or a cut file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be opened: {error.strerror}", "check the path") from error
    try:
        header = _header_of(_first_bytes(partial(os.read, descriptor)))
        held = os.fstat(descriptor).st_size - header.offset
    except _BadHeaderError as error:
        raise UnreadableInputError(f"{path} is no readable .npy file: {error}", _SAVE_AGAIN) from error
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the file") from error
    finally:
        os.close(descriptor)
    if held < header.size_bytes:
        promise = f"its header promises {header.size_bytes:,} bytes of data"
        raise UnreadableInputError(f"{path} is cut: {promise}, it holds {max(held, 0):,}", _COPY_AGAIN)
    return header


def open_array(path: Path | str) -> AnyArray:
    """Open the array of a .npy file; a large one is mapped, not read.

    Returns:
        The array as stored, read-only where mapped; bfloat16 widened to float32, which changes no value.

    Raises:
        UnreadableInputError: As for `read_header`.
    """
    return open_described(path, read_header(path))


def open_member(path: Path, _member: str) -> AnyArray:
    """Open the array of a .npy file, which has no parts; as `open_array`."""
    return open_array(path)


def open_described(path: Path | str, header: ArrayHeader) -> AnyArray:
    """Open the array of a .npy file whose header was read before; as `open_array`."""
    count = math.prod(header.shape)
    try:
        if count == 0:
            stored = np.empty(header.shape, dtype=header.storage)
        elif header.size_bytes < _MAP_FROM_BYTES:
            flat: AnyArray = np.fromfile(path, dtype=header.storage, count=count, offset=header.offset)
            stored = flat.reshape(header.shape, order="F" if header.fortran_order else "C")
        else:
            mapped: AnyArray = np.memmap(
                path,
                dtype=header.storage,
                mode="r",
                offset=header.offset,
                shape=header.shape,
                order="F" if header.fortran_order else "C",
            )
            stored = np.asarray(mapped)
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}", _COPY_AGAIN) from error
    return widen_bfloat16(stored) if header.dtype == "bfloat16" else stored


def widen_bfloat16(words: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Give the float32 values of raw bfloat16 words: the same bits, followed by 16 zero bits."""
    wide = words.reshape(-1).astype(np.uint32)
    np.left_shift(wide, np.uint32(16), out=wide)
    return wide.view(np.float32).reshape(words.shape)


def header_in(read: Callable[[int], bytes]) -> ArrayHeader:
    """Read the header at the start of a stream.

    Args:
        read: Gives up to so many further bytes; b"" at the end.

    Raises:
        UnreadableInputError: It is no header of an array of numbers.
    """
    try:
        return _header_of(_first_bytes(read))
    except _BadHeaderError as error:
        raise UnreadableInputError(f"no readable array: {error}", _SAVE_AGAIN) from error


def _first_bytes(read: Callable[[int], bytes]) -> bytes:
    """Read exactly magic, version and header text, so that equal headers are equal bytes."""
    start = read(_FIRST_READ)
    if start[: len(_MAGIC)] != _MAGIC:
        raise _BadHeaderError("it is empty" if not start else "it does not start with the magic bytes of numpy")
    if len(start) < 12:
        raise _BadHeaderError("it ends inside its header")
    length_bytes = _LENGTH_BYTES.get(start[6])
    if length_bytes is None:
        raise _BadHeaderError(f"format version {start[6]}.{start[7]} is not known")
    length = int.from_bytes(start[8 : 8 + length_bytes], "little")
    if length > _LONGEST_HEADER:
        raise _BadHeaderError(f"its header is {length:,} bytes long, more than the {_LONGEST_HEADER:,} that are read")
    end = 8 + length_bytes + length
    while len(start) < end:
        more = read(end - len(start))
        if not more:
            raise _BadHeaderError("it ends inside its header")
        start += more
    return start[:end]


@lru_cache(maxsize=4096)
def _header_of(start: bytes) -> ArrayHeader:
    text = start[8 + _LENGTH_BYTES[start[6]] :].decode("utf-8" if start[6] == 3 else "latin-1", errors="replace")
    try:
        with warnings.catch_warnings():
            # Damaged text makes Python warn of invalid escapes, as if the user had written it.
            warnings.simplefilter("ignore")
            fields = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise _BadHeaderError("its header is not a dictionary of literals") from None
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise _BadHeaderError("its header does not name descr, fortran_order and shape")
    name, storage = _dtype_of(fields["descr"])
    shape, fortran_order = fields["shape"], fields["fortran_order"]
    if not isinstance(fortran_order, bool):
        raise _BadHeaderError("its header gives no order of dimensions")
    if not _is_shape(shape):
        raise _BadHeaderError("its header gives no possible shape")
    size_bytes = math.prod(shape) * storage.itemsize
    return ArrayHeader(name, shape, len(start), size_bytes, fortran_order, storage)


def _is_shape(shape: object) -> bool:
    return (
        isinstance(shape, tuple)
        and len(shape) <= _MOST_DIMS
        and all(type(dim) is int and 0 <= dim <= _LARGEST_DIM for dim in shape)
    )


def _dtype_of(descr: object) -> tuple[str, np.dtype[Any]]:
    if not isinstance(descr, str):
        raise _BadHeaderError("it holds records, not plain numbers")
    if _BFLOAT16_DESCR.fullmatch(descr):
        return "bfloat16", np.dtype("<u2")
    if re.fullmatch(r"[|<>=]?O\d*", descr):
        raise _BadHeaderError("it holds Python objects, which are never loaded")
    if not _NUMBER_DESCR.fullmatch(descr):
        raise _BadHeaderError(f"its values of type {descr[:20]!r} are not numbers")
    try:
        storage = np.dtype(descr)
    except TypeError:
        raise _BadHeaderError(f"numpy does not know its number type {descr!r}") from None
    return storage.name, storage
