"""Feeding each module of one network what its partner was fed, and handing on what its partner handed on.

So every module, and the code between modules, is run on right numbers, whatever went wrong before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.capturing.watched_net import tensors_in
from profkit.frameworks import is_mindspore_tensor, is_torch_tensor
from profkit.parsers.dump.captured_tensors import CapturedTensors
from profkit.parsers.dump.tensor_dtypes import dtype_name
from profkit.progress import silent

Make = Callable[[NDArray[Any]], Any]
Kept = dict[tuple[str, str, int], list[Path]]


class Substitution:
    """What the partners of modules took and gave, call by call."""

    def __init__(self, recorded: Path, partners: Mapping[str, str], make: Make) -> None:
        """Look at a recording.

        Args:
            recorded: Directory of the capture of the other network.
            partners: Path of a module there, by path of a module here.
            make: Makes a tensor of an array.
        """
        self._kept = _calls(recorded)
        self._partners, self._make = partners, make
        self._seen: Counter[tuple[str, str]] = Counter()

    def __call__(self, path: str, io: str, value: Any) -> Any:
        """Give what a module is to take or give instead of a value; None for the value itself."""
        partner = self._partners.get(path)
        if partner is None:
            return None
        call = self._seen[path, io]
        self._seen[path, io] += 1
        files = self._kept.get((partner, io, call), [])
        tensors = [tensor for _, tensor in tensors_in(value)]
        if not files or len(files) != len(tensors):
            return None
        arrays = [np.load(file, allow_pickle=False) for file in files]
        if any(array.shape != tuple(tensor.shape) for array, tensor in zip(arrays, tensors, strict=True)):
            return None
        made = (self._like(array, tensor) for array, tensor in zip(arrays, tensors, strict=True))
        return _rebuilt(value, made)

    def _like(self, array: NDArray[Any], tensor: Any) -> Any:
        made = self._make(array)
        if dtype_name(str(made.dtype)) == dtype_name(str(tensor.dtype)):
            return made
        return made.to(tensor.dtype) if is_torch_tensor(tensor) else made.astype(tensor.dtype)


def _calls(recorded: Path) -> Kept:
    tensors = CapturedTensors().read(recorded, silent).frames["tensors"]
    tensors = tensors[tensors["io"].isin(["input", "output"])].sort_values(["order", "slot"], kind="stable")
    kept: Kept = defaultdict(list)
    calls: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], int] = {}
    columns = (tensors[name].tolist() for name in ("op", "io", "order", "path"))
    for op, io, order, path in zip(*columns, strict=True):
        if last.get((op, io), order) != order:
            calls[op, io] += 1
        last[op, io] = order
        kept[op, io, calls[op, io]].append(Path(path))
    return dict(kept)


def _rebuilt(value: Any, made: Any) -> Any:
    """Put tensors in the places of those of a value, in the order of tensors_in."""
    if is_torch_tensor(value) or is_mindspore_tensor(value):
        return next(made)
    if isinstance(value, Mapping):
        items = {key: _rebuilt(one, made) for key, one in value.items()}
        kind: Any = type(value)
        return kind(items)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_rebuilt(one, made) for one in value))
    if isinstance(value, (list, tuple)):
        return type(value)(_rebuilt(one, made) for one in value)
    return value
