"""What the pickle of a PyTorch checkpoint describes: tensors as views of storages, in mappings and lists."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from profkit.parsers.checkpoint.restricted_pickle import (
    BadPickleError,
    GlobalName,
    PickledMapping,
    Source,
    Unread,
    read_pickle,
)
from profkit.parsers.dump.tensor_dtypes import dtype_name, element_bytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST = 2**63 - 1
_MOST_DIMS = 32
# A view that repeats its elements may stand for more of them than are stored; beyond this no memory would hold them.
_MOST_REPEATED = 1 << 27
_DEEPEST = 64
_MOST_PLACES = 2_000_000


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of elements that tensors are views of.

    Attributes:
        key: Its name in the file.
        dtype: Of its elements.
        length: Its elements.
    """

    key: str
    dtype: str
    length: int


@dataclass(frozen=True, slots=True)
class TensorView:
    """A tensor of a checkpoint: a strided view of a storage, seen to lie within it.

    Attributes:
        storage: The storage.
        dtype: Of the tensor's elements.
        offset: First element, in elements of `dtype`.
        shape: Lengths of the dimensions.
        strides: Steps of the dimensions, in elements.
    """

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass
class TorchObjects:
    """The content of a checkpoint.

    Attributes:
        tensors: The tensors by their places: keys and numbers joined by dots.
        wrapper: Key of the outermost mapping that holds the network; "" if the network is not wrapped.
        outermost: What the outermost object is: "mapping", "tensor" or "list".
        parameters: What shows that they are the parameters of a network; "" if nothing does.
        unread: Names of what was not built, by how often it was met.
        storages: The storages the pickle mentions, by key.
    """

    tensors: dict[str, TensorView] = field(default_factory=dict)
    wrapper: str = ""
    outermost: str = "mapping"
    parameters: str = ""
    unread: dict[str, int] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)


@cache
def _known() -> Mapping[str, Any]:
    return tomllib.loads(files("profkit.parsers.checkpoint").joinpath("pickle_globals.toml").read_text("utf-8"))


def read_objects(source: Source) -> TorchObjects:
    """Read the pickle of a checkpoint.

    Raises:
        BadPickleError: It is cut, damaged or hostile, holds a whole module, or a tensor leaves its storage.
    """
    objects = TorchObjects()

    def persistent_load(identity: Any) -> Storage | GlobalName:
        if isinstance(identity, tuple) and len(identity) > 1 and identity[0] == "module":
            # The class of a whole module with its source code, in the older form.
            return identity[1] if isinstance(identity[1], GlobalName) else GlobalName("a module")
        storage = _storage(identity)
        if objects.storages.setdefault(storage.key, storage) != storage:
            raise BadPickleError(f"it describes the storage {storage.key[:40]!r} in two ways")
        return storage

    outermost = read_pickle(source, _call, persistent_load)
    if isinstance(outermost, TensorView):
        objects.outermost = "tensor"
    elif isinstance(outermost, (list, tuple)):
        objects.outermost = "list"
    elif not isinstance(outermost, dict):
        name = outermost.name if isinstance(outermost, (Unread, GlobalName)) else type(outermost).__name__
        raise BadPickleError(f"it holds an object {name}, not the weights of one; objects are never built")
    _collect(outermost, objects)
    objects.wrapper = _wrapper(outermost)
    objects.parameters = _signs_of_parameters(outermost, objects)
    return objects


def _call(function: GlobalName, arguments: tuple[Any, ...]) -> Any:
    """Give what stands for the result of a call; nothing is called."""
    known = _known()
    name = function.name
    form = known["tensors"].get(name)
    if form is not None:
        return _tensor(form, arguments)
    if name in known["mappings"]["names"]:
        return _mapping(arguments)
    if name in known["sequences"]["names"]:
        return arguments[0] if arguments and isinstance(arguments[0], (tuple, list)) else ()
    if name in known["unread_tensors"]:
        return Unread(known["unread_tensors"][name])
    if name not in known["plain"]["names"] and _is_hostile(name):
        raise BadPickleError(f"it calls {name}, which no checkpoint needs: it may be an attack; nothing was run")
    return Unread(name)


def _is_hostile(name: str) -> bool:
    parts = name.split(".")
    modules = _known()["hostile"]["modules"]
    return any(".".join(parts[:length]) in modules for length in range(1, len(parts) + 1))


def _mapping(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Give the dict that OrderedDict([(key, value), ...]) stands for; the factory of a defaultdict is left out."""
    items = next((argument for argument in arguments if isinstance(argument, (list, tuple, dict))), ())
    if isinstance(items, dict):
        return PickledMapping(items)
    pairs = [item for item in items if isinstance(item, (list, tuple)) and len(item) == 2]
    return PickledMapping((key, value) for key, value in pairs if isinstance(key, (str, int)))


def _tensor(form: str, arguments: tuple[Any, ...]) -> Any:
    if form == "parameter":
        return arguments[0] if arguments else Unread("torch._utils._rebuild_parameter")
    if form == "subclass":
        if len(arguments) > 2 and isinstance(arguments[0], GlobalName) and isinstance(arguments[2], tuple):
            return _call(arguments[0], arguments[2])
        return Unread("torch._tensor._rebuild_from_type_v2")
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        raise BadPickleError("a tensor in it has no storage")
    storage, offset, shape, strides = arguments[:4]
    dtype = storage.dtype
    if form == "dtype":
        named = arguments[6] if len(arguments) > 6 else None
        dtype = dtype_name(named.name) or "" if isinstance(named, GlobalName) else ""
        if not dtype:
            return Unread(f"a tensor of {named.name if isinstance(named, GlobalName) else 'an unknown dtype'}")
    view = TensorView(storage, dtype, offset, _sizes(shape), _sizes(strides))
    _check(view)
    return view


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or len(value) > _MOST_DIMS:
        raise BadPickleError("a tensor in it has no possible shape")
    if not all(type(size) is int and 0 <= size <= _LARGEST for size in value):
        raise BadPickleError("a tensor in it has no possible shape")
    return tuple(value)


def _check(view: TensorView) -> None:
    """See that every element of the view lies in its storage.

    Raises:
        BadPickleError: One does not.
    """
    if type(view.offset) is not int or view.offset < 0 or len(view.shape) != len(view.strides):
        raise BadPickleError("a tensor in it has no possible place")
    if 0 in view.shape:
        return
    if math.prod(view.shape) > max(view.storage.length, _MOST_REPEATED):
        raise BadPickleError(f"a tensor in it has more elements than its storage {view.storage.key[:40]!r} can give")
    last = view.offset + sum((size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True))
    held = view.storage.length * element_bytes(view.storage.dtype)
    if (last + 1) * element_bytes(view.dtype) > held:
        raise BadPickleError(f"a tensor in it leaves its storage {view.storage.key[:40]!r} of {held:,} bytes")


def _storage(identity: Any) -> Storage:
    """Read a persistent id: ("storage", type, key, location, elements[, view]).

    Raises:
        BadPickleError: It is none, or of a dtype that is not known.
    """
    if not (isinstance(identity, tuple) and len(identity) in {5, 6} and identity[0] in {"storage", b"storage"}):
        raise BadPickleError("it refers to something that is no storage")
    _, kind, key, _, length = identity[:5]
    if isinstance(key, int) and 0 <= key <= _LARGEST:
        key = str(key)
    if not isinstance(kind, GlobalName) or not isinstance(key, str):
        raise BadPickleError("a storage in it has no type or no name")
    if type(length) is not int or not 0 <= length <= _LARGEST:
        raise BadPickleError("a storage in it has no possible length")
    if len(identity) == 6 and identity[5] is not None:
        raise BadPickleError("it holds views of storages, which torch wrote before 0.4: load and save it again")
    dtype = _known()["storages"].get(kind.name) or dtype_name(kind.name)
    if dtype is None:
        raise BadPickleError(f"it has a storage of {kind.name}, which is not known or quantised")
    return Storage(key, dtype, length)


def _collect(outermost: Any, objects: TorchObjects) -> None:
    """Take the tensors out of mappings and lists, in their order, each container once.

    Raises:
        BadPickleError: There are more places than any checkpoint has.
    """
    entered: set[int] = set()
    waiting: list[tuple[tuple[str, ...], Any]] = [((), outermost)]
    places = 0
    plain = frozenset(_known()["plain"]["names"])
    while waiting:
        place, value = waiting.pop()
        places += 1
        if places > _MOST_PLACES:
            raise BadPickleError("it has more entries than any checkpoint")
        if isinstance(value, TensorView):
            objects.tensors[_unique(".".join(place), objects.tensors)] = value
        elif isinstance(value, (Unread, GlobalName)):
            if value.name not in plain and isinstance(value, Unread):
                objects.unread[value.name] = objects.unread.get(value.name, 0) + 1
        elif isinstance(value, Storage):
            objects.unread["a storage without a tensor"] = objects.unread.get("a storage without a tensor", 0) + 1
        elif isinstance(value, (dict, list, tuple)) and id(value) not in entered and len(place) < _DEEPEST:
            entered.add(id(value))
            waiting += reversed([((*place, key), child) for key, child in _children(value)])


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in items:
        text = key.decode("latin-1") if isinstance(key, bytes) else str(key)
        yield text, child


def _unique(name: str, taken: Mapping[str, object]) -> str:
    """Give the name, with a number where another place spells the same."""
    if name not in taken:
        return name
    number = 2
    while f"{name}#{number}" in taken:
        number += 1
    return f"{name}#{number}"


def _wrapper(outermost: Any) -> str:
    """Give the key of the outermost mapping that holds the network, if the tensors do not lie in it themselves."""
    if not isinstance(outermost, dict) or any(isinstance(value, TensorView) for value in outermost.values()):
        return ""
    for name in _known()["wrappers"]["names"]:
        inner = outermost.get(name)
        if isinstance(inner, dict) and any(isinstance(value, TensorView) for value in inner.values()):
            return str(name)
    return ""


def _signs_of_parameters(outermost: Any, objects: TorchObjects) -> str:
    """Say what shows that a file holds a network's parameters, and not tensors that a script put into a dict."""
    if not isinstance(outermost, dict):
        return ""
    if objects.wrapper:
        return f"{objects.wrapper!r} in it holds a network"
    for mapping in (outermost, *(value for value in outermost.values() if isinstance(value, dict))):
        if isinstance(mapping, PickledMapping) and "_metadata" in mapping.attributes:
            return "it is the state_dict of a module"
        if "param_groups" in mapping:
            return "it holds the state of an optimizer"
    words = frozenset(_known()["parameters"]["names"])
    named = sum(name.rpartition(".")[2] in words for name in objects.tensors)
    if objects.tensors and 2 * named >= len(objects.tensors):
        return f"{named:,} of its {len(objects.tensors):,} tensors are named like parameters"
    return ""
