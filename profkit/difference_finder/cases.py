"""Inputs for both networks, as files: each side makes tensors of its own framework from them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.errors import ProfkitError
from profkit.frameworks import is_mindspore_tensor, is_torch_tensor
from profkit.saving.tensor_values import array_of

_TREE = "case.json"
_LARGEST_RANDOM_INTEGER = 10
_SUFFIX = ".npy"


def cases_of(inputs: Any, auto_inputs: Any, seed: int) -> Iterator[Any]:
    """Give the cases that the user asks for, one at a time.

    Args:
        inputs: A tuple or dict of arguments, which is one case; or a list, generator or other iterable of such.
        auto_inputs: A tuple of (shape, dtype), or {"input": that tuple, "num": how many cases}.
        seed: For auto_inputs.

    Raises:
        ProfkitError: There is nothing to run, or it is described wrongly.
    """
    if (inputs is None) == (auto_inputs is None):
        raise ProfkitError("give either inputs or auto_inputs", "such as auto_inputs=(((1, 3, 224, 224), np.float32),)")
    if auto_inputs is not None:
        yield from _random_cases(auto_inputs, seed)
        return
    if isinstance(inputs, (tuple, dict)):
        yield inputs
    elif _is_array(inputs) or isinstance(inputs, (str, os.PathLike)):
        yield (inputs,)
    elif isinstance(inputs, Iterable):
        for case in inputs:
            yield case if isinstance(case, (tuple, dict)) else (case,)
    else:
        raise ProfkitError(f"a {type(inputs).__name__} is no input", "give arrays, tensors or .npy files in a tuple")


def _random_cases(auto_inputs: Any, seed: int) -> Iterator[tuple[Any, ...]]:
    count = 1
    if isinstance(auto_inputs, Mapping):
        auto_inputs, count = auto_inputs.get("input"), auto_inputs.get("num", 1)
    numbers = np.random.default_rng(seed)
    try:
        described = [(tuple(shape), np.dtype(dtype)) for shape, dtype in auto_inputs]
    except (TypeError, ValueError) as error:
        raise ProfkitError(f"auto_inputs are not understood: {error}", "((shape, dtype), ...)") from error
    for _ in range(count):
        yield tuple(_random(numbers, shape, dtype) for shape, dtype in described)


def _random(numbers: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "b":
        return numbers.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        # Whole numbers are mostly places in a table: small ones.
        return numbers.integers(0, _LARGEST_RANDOM_INTEGER, shape).astype(dtype)
    return numbers.standard_normal(shape).astype(dtype)


def write_case(folder: Path, arguments: Any, labels: Any) -> None:
    """Write the arguments of a call and what the loss is given besides the result."""
    folder.mkdir(parents=True)
    written: list[str] = []
    tree = {"arguments": _written(arguments, folder, written), "labels": _written(labels, folder, written)}
    (folder / _TREE).write_text(json.dumps(tree))


def read_case(folder: Path, make: Callable[[NDArray[Any]], Any]) -> tuple[Sequence[Any], Mapping[str, Any], Any]:
    """Read a case, with each array made into a tensor.

    Returns:
        Arguments by place, arguments by name, labels.
    """
    tree = json.loads((folder / _TREE).read_text())
    arguments, labels = (_read(tree[name], folder, make) for name in ("arguments", "labels"))
    return ((), arguments, labels) if isinstance(arguments, dict) else (arguments, {}, labels)


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic)) or is_torch_tensor(value) or is_mindspore_tensor(value)


def _written(value: Any, folder: Path, written: list[str]) -> dict[str, Any]:
    if isinstance(value, os.PathLike) or (isinstance(value, str) and value.endswith(_SUFFIX)):
        try:
            value = np.load(value, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ProfkitError(f"{os.fspath(value)} cannot be read as an input: {error}", "give a .npy file") from error
    if _is_array(value):
        name = f"{len(written)}{_SUFFIX}"
        written.append(name)
        np.save(folder / name, array_of(value, f"input {len(written)}"), allow_pickle=False)
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": {str(key): _written(one, folder, written) for key, one in value.items()}}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_written(one, folder, written) for one in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"value": value}
    raise ProfkitError(f"a {type(value).__name__} is no input", "give arrays, tensors, .npy files or plain values")


def _read(tree: dict[str, Any], folder: Path, make: Callable[[NDArray[Any]], Any]) -> Any:
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return make(np.load(folder / content, allow_pickle=False))
    if kind == "dict":
        return {key: _read(one, folder, make) for key, one in content.items()}
    if kind in {"list", "tuple"}:
        items = [_read(one, folder, make) for one in content]
        return tuple(items) if kind == "tuple" else items
    return content
