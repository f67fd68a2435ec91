"""The tensors in one entry of msprobe's dump.json: arguments, results, parameters, nested or not, with statistics."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from profkit.parsers.dump.tensor_dtypes import dtype_name, may_be_nonfinite, shape_text, size_bytes

# Keys of an entry -> what their tensors are to the call.
_PARTS = {"input_args": "input", "input_kwargs": "input", "input": "input", "output": "output"}
_PARAMETERS = "parameters"
_DEEPEST = 32
_MOST_DIMS = 64
_LARGEST_DIM = 2**63 - 1
_CRC32 = re.compile(r"[0-9a-f]{8}")
_MD5 = re.compile(r"[0-9a-f]{32}")
_XOR = re.compile(r"0x[0-9a-f]{1,16}")


class DumpedTensor(NamedTuple):
    """One tensor of an entry.

    Attributes:
        io: input, output, parameter or gradient.
        slot: Number among the leaves of its part, tensors or not.
        argument: Path to it among the arguments (0, 1.0, mask), or the parameter's name.
        fields: What dump.json says of it.
    """

    io: str
    slot: int
    argument: str
    fields: Mapping[str, Any]


def tensors_in(entry: Any, *, gradients: bool) -> Iterator[DumpedTensor]:
    """Give the tensors of an entry in the order of the call: arguments, keyword arguments, results, parameters.

    Args:
        entry: The entry; of any form.
        gradients: The entry holds the gradients of a module's parameters by their names.
    """
    if gradients:
        yield from _by_parameter(entry, "gradient")
        return
    if not isinstance(entry, dict) or not (_PARTS.keys() | {_PARAMETERS}) & entry.keys():
        # A variable that was saved by hand (level debug).
        yield from _leaves(entry, "output")
        return
    arguments = [entry.get("input_args"), entry.get("input_kwargs"), entry.get("input")]
    slot = 0
    for part in arguments:
        yield from _leaves(part, "input", slot)
        slot += _count(part)
    yield from _leaves(entry.get("output"), "output")
    yield from _by_parameter(entry.get(_PARAMETERS), "parameter")


def _walk(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any] | None]]:
    """Give the leaves below a value; None for those that are no tensors."""
    if isinstance(value, dict) and isinstance(value.get("dtype"), str) and "shape" in value:
        yield place, value
    elif isinstance(value, dict) and not isinstance(value.get("type"), str) and len(place) < _DEEPEST:
        for key, child in value.items():
            yield from _walk(child, (*place, key))
    elif isinstance(value, list) and len(place) < _DEEPEST:
        for number, child in enumerate(value):
            yield from _walk(child, (*place, str(number)))
    else:
        yield place, None


def _leaves(part: Any, io: str, first_slot: int = 0) -> Iterator[DumpedTensor]:
    if part is None:
        return
    for slot, (place, fields) in enumerate(_walk(part, ()), first_slot):
        if fields is not None:
            yield DumpedTensor(io, slot, ".".join(place), fields)


def _by_parameter(part: Any, io: str) -> Iterator[DumpedTensor]:
    """Give the tensors of an object of parameters, or of lists of them, by the parameters' names."""
    for name, values in part.items() if isinstance(part, dict) else ():
        for tensor in _leaves(values, io):
            yield tensor._replace(argument=name)


def _count(part: Any) -> int:
    return 0 if part is None else sum(1 for _ in _walk(part, ()))


class Description(NamedTuple):
    """What dump.json says of a tensor, by the columns of the tensors frame."""

    dtype: str | None
    shape: str | None
    size_bytes: int | None
    layout: str | None
    nonfinite: bool | None
    digest: str | None
    max: float
    min: float
    mean: float
    norm: float


def described(fields: Mapping[str, Any]) -> Description:
    """Give what the fields of a tensor say.

    An undefined statistic stands in `nonfinite`: NaN in the others means not known. Extremes of Inf are kept, as they
    tell Inf from NaN; a mean or norm of Inf may be a sum that left its dtype.
    """
    shape = fields["shape"]
    form = _form(fields["dtype"], tuple(shape) if _is_shape(shape) else None)
    statistics = [_number(fields.get(key)) for key in ("Max", "Min", "Mean", "Norm")]
    layout = fields.get("layout")
    return Description(
        form.dtype,
        form.shape,
        form.size_bytes,
        layout if isinstance(layout, str) else None,
        _nonfinite(statistics) if form.may_be_nonfinite else False,
        _digest(fields.get("md5")),
        *(math.nan if value is None else value for value in statistics[:2]),
        *(math.nan if value is None or math.isinf(value) else value for value in statistics[2:]),
    )


class _Form(NamedTuple):
    dtype: str | None
    shape: str | None
    size_bytes: int | None
    may_be_nonfinite: bool


@lru_cache(maxsize=4096)
def _form(dtype_text: str, shape: tuple[int, ...] | None) -> _Form:
    """Give what dtype and shape say; a dump has few distinct ones."""
    dtype = dtype_name(dtype_text)
    size = None if shape is None or dtype is None else size_bytes(shape, dtype)
    may_be = (dtype is None or may_be_nonfinite(dtype)) and not (shape is not None and 0 in shape)
    return _Form(dtype, None if shape is None else shape_text(shape), size, may_be)


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MOST_DIMS
        and all(type(dim) is int and 0 <= dim <= _LARGEST_DIM for dim in value)
    )


def _number(value: Any) -> float | None:
    """Give a recorded statistic as a float, NaN and Inf included; None if it was not recorded."""
    if not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _nonfinite(statistics: Sequence[float | None]) -> bool | None:
    """Tell by maximum, minimum, mean and norm whether a tensor holds NaN or Inf; None if they do not tell.

    All four are looked at: on MindSpore's CPU the extremes leave NaN out and only mean and norm show it. A norm of Inf
    beside a finite mean is the sum of squares leaving its dtype: no element of the tensor need be infinite.
    """
    if any(value is not None and math.isnan(value) for value in statistics):
        return True
    if any(value is not None and math.isinf(value) for value in statistics[:3]):
        return True
    return None if statistics[2] is None else False


def _digest(value: Any) -> str | None:
    """Name the algorithm of what dump.json calls md5: summary mode md5 writes CRC32, xor a word of 64 bits."""
    if not isinstance(value, str):
        return None
    text = value.lower()
    if _CRC32.fullmatch(text):
        return f"crc32:{text}"
    if _MD5.fullmatch(text):
        return f"md5:{text}"
    return f"xor64:{text[2:]}" if _XOR.fullmatch(text) else None
