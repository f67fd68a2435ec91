"""The values of a tensor of either framework as a numpy array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.errors import ProfkitError
from profkit.frameworks import is_mindspore_tensor, is_torch_tensor

_KINDS_OF_NUMBERS = "biufc"


def array_of(value: Any, what: str) -> NDArray[Any]:
    """Give the values of a tensor in memory of the host; floats that numpy lacks as float32, which changes no value.

    Args:
        value: torch.Tensor, mindspore.Tensor, numpy array or number.
        what: Its name, for the error.

    Raises:
        ProfkitError: It is none of these, or has no values.
    """
    if is_torch_tensor(value):
        array = _of_torch(value, what)
    elif is_mindspore_tensor(value):
        array = np.asarray(value.asnumpy())
    elif isinstance(value, (np.ndarray, np.generic, bool, int, float, complex)):
        array = np.asarray(value)
    else:
        raise ProfkitError(
            f"{what} is a {type(value).__module__}.{type(value).__name__}, not a tensor",
            "save tensors, numbers, numpy arrays, or lists, tuples and dicts of them",
        )
    if array.dtype.kind in _KINDS_OF_NUMBERS:
        return array
    try:
        # bfloat16 and float8 are numpy extension types.
        return array.astype(np.float32)
    except (TypeError, ValueError):
        raise ProfkitError(f"{what} holds {array.dtype}, not numbers", "convert it to a number type first") from None


def _of_torch(value: Any, what: str) -> NDArray[Any]:
    try:
        tensor = value.detach()
        if tensor.layout != _torch().strided:
            tensor = tensor.to_dense()
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        tensor = tensor.cpu().resolve_conj().resolve_neg()
        if tensor.is_floating_point() and tensor.dtype not in _numpy_floats():
            tensor = tensor.float()
        return np.asarray(tensor.numpy())
    except (RuntimeError, TypeError, NotImplementedError) as error:
        first_line = str(error).partition("\n")[0]
        raise ProfkitError(f"the values of {what} cannot be read: {first_line}", "save a plain tensor") from error


def _numpy_floats() -> tuple[Any, ...]:
    torch = _torch()
    return torch.float16, torch.float32, torch.float64


def _torch() -> Any:
    from profkit.frameworks import import_torch  # noqa: PLC0415 - keeps the import beside its use

    return import_torch("a torch tensor")
