"""One file of the Ascend device runtime's asynchronous dump: all inputs and outputs of one run of one operator.

Layout: length of the header (8 bytes, little-endian), the header (protocol buffer toolkit.dumpdata.DumpData), then the
raw bytes of all inputs, outputs, buffers and spaces, one behind the other. The header is read at wire level; every
length in it is held against the file before it is believed.
"""

from __future__ import annotations

import math
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from profkit.errors import UnreadableInputError
from profkit.parsers.dump.array_file import AnyArray, widen_bfloat16
from profkit.parsers.dump.device_layout import Shape, undo_layout, unpadding_of
from profkit.parsers.dump.narrow_floats import widen_narrow_float
from profkit.parsers.protobuf_wire import WireError, fields, signed, text, varints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LENGTH_BYTES = 8
# A header has some 60 bytes a tensor and 200 an attribute.
_LONGEST_HEADER = 16 << 20
_MOST_TENSORS = 65_536
_MOST_DIMS = 32
_LARGEST_DIM = 2**63 - 1
_MAP_FROM_BYTES = 1 << 20

# Field numbers of DumpData, OpInput and OpOutput, which differ behind the shape.
_VERSION, _OUTPUT, _INPUT, _BUFFER, _OP_NAME = 1, 3, 4, 5, 6
_DATA_TYPE, _FORMAT, _SHAPE = 1, 2, 3
_OF_OUTPUT = {"data": 5, "size": 6, "original_shape": 7, "sub_format": 8}
_OF_INPUT = {"data": 4, "size": 5, "original_shape": 6, "sub_format": 7}

_MEMBER = re.compile(r"(input|output)\.(\d{1,9})")
_COPY_AGAIN = "copy or record the file again: it was cut, or is no dump of the device runtime"


class _DataType(NamedTuple):
    storage: str
    name: str
    unpack: str = ""


@dataclass(frozen=True)
class DumpedPart:
    """One tensor of an asynchronous dump, as its header tells it.

    Attributes:
        io: input or output.
        slot: Number among the inputs or outputs in this file.
        dtype: numpy's name of what opening gives ("bfloat16" for the raw 16-bit form); None if refused.
        shape: Shape of what opening gives: the original one where the layout can be undone.
        layout: Name of the recorded layout.
        size_bytes: Bytes in the file.
        offset: First byte in the file.
        refusal: Why it cannot be opened; empty if it can.
        recorded_shape: Shape on the device.
        original_shape: Shape the network knows; () if not recorded.
        groups: Groups of the layout.
        data_type: Number of the data type.
    """

    io: str
    slot: int
    dtype: str | None
    shape: Shape
    layout: str
    size_bytes: int
    offset: int
    refusal: str
    recorded_shape: Shape
    original_shape: Shape
    groups: int
    data_type: int


@dataclass(frozen=True)
class AsyncDump:
    """The header of one file.

    Attributes:
        op_name: Operator with its scopes; "" if not recorded.
        parts: Its inputs and outputs.
        extra_bytes: Bytes of the file behind those parts: buffers, spaces, or nothing the header speaks of.
    """

    op_name: str
    parts: tuple[DumpedPart, ...]
    extra_bytes: int


class _Described(NamedTuple):
    """A tensor as its message tells it, nothing believed yet."""

    io: str
    data_type: int
    layout: int
    shape: Shape
    original_shape: Shape
    groups: int
    size: int
    inline: int


@cache
def _tables() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(files("profkit.parsers.dump").joinpath("device_formats.toml").read_text(encoding="utf-8"))


@cache
def _data_type(number: int) -> _DataType | None:
    entry = _tables()["data_types"].get(str(number))
    return None if entry is None else _DataType(**entry)


def read_async_dump(path: Path | str) -> AsyncDump:
    """Read the header of an asynchronous dump file. No tensor is read.

    Raises:
        UnreadableInputError: It is no such file, or its header is cut or contradicts itself.
    """
    try:
        state = Path(path).stat()
        if not stat.S_ISREG(state.st_mode):
            raise UnreadableInputError(f"{path} is no file", "name a file of the dump")
        return _read(str(path), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the file") from error


@lru_cache(maxsize=256)
def _read(path: str, size: int, _changed_ns: int) -> AsyncDump:
    """Read a header; kept for the tensors of the file, which are opened one after the other."""
    with Path(path).open("rb") as file:
        start = file.read(_LENGTH_BYTES)
        length = int.from_bytes(start, "little")
        if len(start) < _LENGTH_BYTES or length > size - _LENGTH_BYTES:
            says = f"its header would end at byte {length + _LENGTH_BYTES:,} of {size:,}"
            raise UnreadableInputError(f"{path} is no whole dump of the device runtime: {says}", _COPY_AGAIN)
        if length > _LONGEST_HEADER:
            raise UnreadableInputError(
                f"{path} has a header of {length:,} bytes, more than the {_LONGEST_HEADER:,} that are read",
                "check that it is a dump of the device runtime",
            )
        header = memoryview(file.read(length))
    try:
        op_name, described = _described(header)
    except WireError as error:
        raise UnreadableInputError(f"{path} has a header that cannot be read: {error}", _COPY_AGAIN) from error
    return _placed(op_name, described, _LENGTH_BYTES + length, size)


def _described(header: memoryview) -> tuple[str, list[_Described]]:
    """Read the tensors of a DumpData message, inputs first: the order of their bytes in the file."""
    op_name = ""
    inputs: list[_Described] = []
    outputs: list[_Described] = []
    for number, value in fields(header):
        if number in (_OUTPUT, _INPUT) and not isinstance(value, int):
            if number == _OUTPUT:
                outputs.append(_tensor(value, "output"))
            else:
                inputs.append(_tensor(value, "input"))
            if len(inputs) + len(outputs) > _MOST_TENSORS:
                raise WireError(0, f"more than {_MOST_TENSORS:,} tensors")
        elif number == _OP_NAME:
            op_name = text(value)
        elif number == _VERSION and isinstance(value, int):
            raise WireError(0, "its version is no text")
    return op_name, [*inputs, *outputs]


def _tensor(message: memoryview, io: str) -> _Described:
    numbers = _OF_OUTPUT if io == "output" else _OF_INPUT
    known: dict[int, int] = {}
    shapes: dict[int, Shape] = {}
    inline = 0
    for number, value in fields(message):
        if isinstance(value, int):
            known[number] = value
        elif number in (_SHAPE, numbers["original_shape"]):
            shapes[number] = _shape(value)
        elif number == numbers["data"]:
            inline = len(value)
    return _Described(
        io,
        known.get(_DATA_TYPE, 0),
        known.get(_FORMAT, 0),
        shapes.get(_SHAPE, ()),
        shapes.get(numbers["original_shape"], ()),
        max(signed(known.get(numbers["sub_format"], 0)), 0),
        known.get(numbers["size"], 0),
        inline,
    )


def _shape(message: memoryview) -> Shape:
    """Read a Shape message: its dims stand packed in one field, or each in a field of its own."""
    dims: list[int] = []
    for number, value in fields(message):
        if number == 1:
            for dim in (value,) if isinstance(value, int) else varints(value):
                dims.append(dim)
                if len(dims) > _MOST_DIMS or dim > _LARGEST_DIM:
                    raise WireError(0, "a tensor has dimensions that cannot be")
    return tuple(dims)


def _placed(op_name: str, described: list[_Described], offset: int, size: int) -> AsyncDump:
    parts: list[DumpedPart] = []
    slots = {"input": 0, "output": 0}
    for one in described:
        parts.append(_part(one, slots[one.io], offset, size))
        slots[one.io] += 1
        offset += one.size
    return AsyncDump(op_name, tuple(parts), max(size - offset, 0))


def _part(one: _Described, slot: int, offset: int, file_size: int) -> DumpedPart:
    layout = _tables()["formats"].get(str(one.layout), f"format {one.layout}")
    part = DumpedPart(
        one.io, slot, None, (), layout, one.size, offset, "", one.shape, one.original_shape, one.groups, one.data_type
    )
    form = _data_type(one.data_type)
    if form is None:
        what = _tables()["refused_data_types"].get(str(one.data_type), f"of the unknown data type {one.data_type}")
        return replace(part, refusal=f"it is {what}")
    if one.inline:
        return replace(part, refusal="its bytes stand in the header, a form that is not read")
    if one.size > file_size - offset:
        held = max(file_size - offset, 0)
        return replace(part, refusal=f"its header promises {one.size:,} bytes of data, the file holds {held:,}")
    recorded = _recorded_shape(one, form)
    if recorded is None:
        return replace(part, refusal=f"its {one.size:,} bytes are fewer than its shape {list(one.shape)} needs")
    unpadding = unpadding_of(layout, recorded, one.original_shape, one.groups)
    shape = recorded if unpadding is None else unpadding.shape
    return replace(part, dtype=form.name, shape=shape, recorded_shape=recorded)


def _recorded_shape(one: _Described, form: _DataType) -> Shape | None:
    """Give the device shape in elements; None if the bytes do not suffice for it. A shape not told is one dimension."""
    packed = {"int4": 2, "uint1": 8}.get(form.unpack, 1)
    itemsize = np.dtype(form.storage).itemsize
    if not one.shape:
        held = one.size // itemsize * packed
        return () if held == packed else (held,)
    count = math.prod(one.shape)
    if -(-count // packed) * itemsize <= one.size:
        # The dims of int4 tensors are written in bytes by some versions: then the file holds two values an element.
        if packed == 2 and count == one.size:
            return (*one.shape[:-1], one.shape[-1] * packed)
        return one.shape
    return None


def open_part(path: Path, member: str) -> AnyArray:
    """Open one tensor of an asynchronous dump file.

    Args:
        path: The file.
        member: input.{slot} or output.{slot}, slots as in this file.

    Returns:
        The array in the network's shape where its layout can be undone; narrow floats and bfloat16 widened to float32.

    Raises:
        UnreadableInputError: As for `read_async_dump`; or the file has no such tensor; or it cannot be opened.
    """
    dump = read_async_dump(path)
    match = _MEMBER.fullmatch(member)
    wanted = (match[1], int(match[2])) if match else None
    part = next((one for one in dump.parts if (one.io, one.slot) == wanted), None)
    if part is None:
        raise UnreadableInputError(
            f"{path} holds no tensor {member[:40]!r}", f"it has {len(dump.parts)} inputs and outputs"
        )
    form = _data_type(part.data_type)
    if part.refusal or form is None:
        raise UnreadableInputError(f"{member} of {path} cannot be opened: {part.refusal}", "dump it in another form")
    values = _unpacked(_words(path, part, np.dtype(form.storage)), form, math.prod(part.recorded_shape))
    return undo_layout(values.reshape(part.recorded_shape), part.layout, part.original_shape, part.groups)


def part_bytes(path: Path, part: DumpedPart) -> bytes:
    """Read the bytes of one part, whatever its data type; fewer than promised if the file is cut.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(part.offset)
        return file.read(min(part.size_bytes, _LONGEST_HEADER))


def _words(path: Path, part: DumpedPart, storage: np.dtype[Any]) -> AnyArray:
    count = part.size_bytes // storage.itemsize
    try:
        if part.size_bytes < _MAP_FROM_BYTES:
            words: AnyArray = np.fromfile(path, storage, count, offset=part.offset)
        else:
            words = np.asarray(np.memmap(path, storage, "r", part.offset, (count,)))
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}", _COPY_AGAIN) from error
    if len(words) != count:
        raise UnreadableInputError(f"{path} changed while it was read", "copy it when nothing writes to it any more")
    return words


def _unpacked(words: AnyArray, form: _DataType, count: int) -> AnyArray:
    """Give the first `count` values that stored words stand for."""
    if form.unpack == "int4":
        return _int4(words[: -(-count // 2)])[:count]
    if form.unpack == "uint1":
        return np.unpackbits(words[: -(-count // 8)], count=count)
    words = words[:count]
    if form.unpack == "bfloat16":
        return widen_bfloat16(words)
    if form.unpack == "narrow_float":
        return widen_narrow_float(words, form.name)
    if form.unpack == "complex32":
        return words.view("<f2").astype(np.float32).view(np.complex64)
    return words


def _int4(pairs: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Give two signed values a byte, the low half first."""
    values = np.empty((len(pairs), 2), np.int8)
    values[:, 0] = (pairs << np.uint8(4)).view(np.int8) >> np.int8(4)
    values[:, 1] = pairs.view(np.int8) >> np.int8(4)
    return values.reshape(-1)
