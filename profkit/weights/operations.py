"""What may be done to a tensor on its way into another network: a fixed list of named operations.

An operation is written `name(number,...)`. Nothing else is read from a map: no name of a function, no expression.
All but `add` move elements and change none, so that they hold bit for bit for every dtype.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.errors import ProfkitError
from profkit.parsers.checkpoint.number_formats import StoredWords, numbers

AnyArray = NDArray[Any]
Shape = tuple[int, ...]

_WRITTEN = re.compile(r"([a-z_]{1,20})\(((?:\d{1,18}(?:, ?\d{1,18}){0,31})?)\)")
_MOST_DIMS = 32


@dataclass(frozen=True)
class Operation:
    """A named operation.

    Attributes:
        name: One of OPERATIONS.
        numbers: What it is given: axes, lengths of dimensions, or axis, part and count of a split.
    """

    name: str
    numbers: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({','.join(map(str, self.numbers))})"


def parse_operation(text: str) -> Operation:
    """Read an operation as it is written in a map.

    >>> parse_operation("expand_dims(2)")
    Operation(name='expand_dims', numbers=(2,))

    Raises:
        ProfkitError: It is none of the list.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None or match[1] not in OPERATIONS:
        known = ", ".join(OPERATIONS)
        raise ProfkitError(f"{text[:80]!r} is no operation of a weight map", f"operations are: {known}")
    return Operation(match[1], tuple(int(number) for number in match[2].split(",")) if match[2] else ())


def shape_after(operations: Sequence[Operation], shapes: Sequence[Shape]) -> Shape:
    """Give the shape that operations make of tensors of these shapes.

    Raises:
        ProfkitError: They do not fit the shapes.
    """
    # Views of one element: no memory is taken, whatever the shapes.
    arrays = [np.broadcast_to(np.zeros((), np.uint8), shape) for shape in shapes]
    for operation in operations:
        if operation.name in {"reshape", "concatenate", "add"}:
            arrays = [np.broadcast_to(np.zeros((), np.uint8), _combined_shape(operation, [a.shape for a in arrays]))]
        else:
            arrays = [_moved(operation, array) for array in arrays]
    return _only(arrays).shape


def apply_operations(operations: Sequence[Operation], tensors: Sequence[StoredWords]) -> StoredWords:
    """Do operations to tensors, one after the other; views where nothing must be copied.

    Raises:
        ProfkitError: They do not fit the tensors.
    """
    current = list(tensors)
    for operation in operations:
        if operation.name == "add":
            current = [_added(current)]
        elif operation.name == "concatenate":
            current = [_concatenated(operation, current)]
        else:
            current = [StoredWords(_moved(operation, one.words), one.dtype) for one in current]
    return _only(current)


def inverse(operation: Operation, shape: Shape) -> Operation | None:
    """Give the operation that undoes one on a tensor of this shape; None where there is none."""
    if operation.name == "expand_dims":
        return Operation("squeeze", operation.numbers)
    if operation.name == "squeeze":
        return Operation("expand_dims", operation.numbers)
    if operation.name == "transpose":
        return Operation("transpose", tuple(int(axis) for axis in np.argsort(operation.numbers)))
    return Operation("reshape", shape) if operation.name == "reshape" else None


def _only(values: Sequence[Any]) -> Any:
    if len(values) != 1:
        raise ProfkitError(f"{len(values)} tensors are left where one is wanted", "end with concatenate or add")
    return values[0]


def _combined_shape(operation: Operation, shapes: Sequence[Shape]) -> Shape:
    if operation.name == "reshape":
        (shape,) = shapes if len(shapes) == 1 else (_only(shapes),)
        if math.prod(shape) != math.prod(operation.numbers) or len(operation.numbers) > _MOST_DIMS:
            raise _misfit(operation, shape)
        return operation.numbers
    if not shapes:
        raise _misfit(operation, ())
    if operation.name == "add":
        if len(set(shapes)) != 1:
            raise _misfit(operation, shapes[-1])
        return shapes[0]
    axis = operation.numbers[0] if len(operation.numbers) == 1 else -1
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if not 0 <= axis < len(shapes[0]) or len(rest) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise _misfit(operation, shapes[-1])
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def _moved(operation: Operation, array: AnyArray) -> AnyArray:
    try:
        return OPERATIONS[operation.name](array, *operation.numbers)
    except (TypeError, ValueError, IndexError):
        raise _misfit(operation, array.shape) from None


def _misfit(operation: Operation, shape: Shape) -> ProfkitError:
    return ProfkitError(f"{operation} does not fit a tensor of shape {shape}", "mend the weight map")


def _concatenated(operation: Operation, tensors: Sequence[StoredWords]) -> StoredWords:
    _combined_shape(operation, [one.words.shape for one in tensors])
    if len({one.dtype for one in tensors}) != 1:
        raise ProfkitError("tensors of different dtypes are not put together", "save them with one dtype")
    return StoredWords(np.concatenate([one.words for one in tensors], operation.numbers[0]), tensors[0].dtype)


def _added(tensors: Sequence[StoredWords]) -> StoredWords:
    _combined_shape(Operation("add"), [one.words.shape for one in tensors])
    dtypes = {one.dtype for one in tensors}
    if len(dtypes) != 1 or tensors[0].words.dtype.kind != "f":
        raise ProfkitError(f"tensors of {', '.join(sorted(dtypes))} are not added", "save them as float32")
    total = numbers(*tensors[0]).copy()
    for one in tensors[1:]:
        total += numbers(*one)
    return StoredWords(total, tensors[0].dtype)


def _expand_dims(array: AnyArray, axis: int) -> AnyArray:
    return np.expand_dims(array, axis)


def _squeeze(array: AnyArray, axis: int) -> AnyArray:
    return np.squeeze(array, axis)


def _transpose(array: AnyArray, *axes: int) -> AnyArray:
    return array.transpose(axes)


def _reshape(array: AnyArray, *shape: int) -> AnyArray:
    return array.reshape(shape)


def _split(array: AnyArray, axis: int, part: int, count: int) -> AnyArray:
    """Give one of `count` equal parts along an axis."""
    length = array.shape[axis]
    if count < 1 or length % count or part >= count:
        raise ValueError
    step = length // count
    cut: AnyArray = array[(slice(None),) * axis + (slice(part * step, (part + 1) * step),)]
    return cut


def _several(array: AnyArray, *_: int) -> AnyArray:
    raise ValueError


OPERATIONS: dict[str, Callable[..., AnyArray]] = {
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "transpose": _transpose,
    "reshape": _reshape,
    "split": _split,
    "concatenate": _several,
    "add": _several,
}
"""The operations by name; `concatenate(axis)` and `add()` take several tensors and are done apart."""
