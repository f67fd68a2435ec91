"""Files of torch.save written without torch: its zip form, a pickle and a member of raw bytes for each storage.

Synthetic; tests marked frameworks hold the same readers against files that torch itself wrote.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np


class _Global:
    """Pickled as a name that the reader never imports."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Storage:
    def __init__(self, key: str, array: np.ndarray) -> None:
        self.key, self.array = key, array


class _Rebuilt:
    def __init__(self, storage: _Storage) -> None:
        self.storage = storage


class _Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """The pickler in Python, which can be told to write names of modules that are not there."""

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, _Storage):
            return "storage", _Global("torch", "FloatStorage"), value.key, "cpu", value.array.size
        return None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Global):
            self.write(b"c" + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Rebuilt):
            shape = value.storage.array.shape
            strides = tuple(stride // 4 for stride in value.storage.array.strides)
            self.save(_Global("torch._utils", "_rebuild_tensor_v2"))
            self.save((value.storage, 0, shape, strides, False, OrderedDict()))
            self.write(b"R")
        else:
            super().save(value, save_persistent_id)


def save_as_torch(path: Path, content: Any) -> None:
    """Write arrays in dicts and lists as torch.save writes float32 tensors."""
    storages: list[_Storage] = []

    def described(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            storages.append(_Storage(str(len(storages)), np.ascontiguousarray(value, np.float32)))
            return _Rebuilt(storages[-1])
        if isinstance(value, dict):
            copy = type(value)((key, described(child)) for key, child in value.items())
            copy.__dict__.update(value.__dict__) if isinstance(value, OrderedDict) else None
            return copy
        return [described(child) for child in value] if isinstance(value, list) else value

    pickled = io.BytesIO()
    _Pickler(pickled, protocol=2).dump(described(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickled.getvalue())
        archive.writestr("archive/byteorder", "little")
        for storage in storages:
            archive.writestr(f"archive/data/{storage.key}", storage.array.tobytes())


def state_dict(**weights: np.ndarray) -> OrderedDict[str, Any]:
    """Give what Module.state_dict gives: an OrderedDict with an attribute of its own."""
    weights_by_name: OrderedDict[str, Any] = OrderedDict(weights)
    weights_by_name._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    return weights_by_name
