"""What a map of weights needs to know of a network: the names, shapes, dtypes and layers of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint, is_index, read_checkpoint
from profkit.saved_description import read_description
from profkit.store import write_bytes_in_one_step

_FORMAT = "profkit network"
_VERSION = 1
_HINT = "name a checkpoint, or the description that `NetDescription.save` wrote"


class ParameterDescription(msgspec.Struct, frozen=True, omit_defaults=True):
    """A parameter or buffer of a network.

    Attributes:
        name: Its name in a checkpoint.
        shape: Lengths of the dimensions; None if not known.
        dtype: numpy's name, or torch's for what numpy lacks; None if not known.
        layer: Class of the module that owns it, with its package; None if not known.
        place: Its place in the module tree, where that is not its name: MindSpore's `Parameter(name=...)`.
        tied_to: Name of the earlier parameter whose elements it shares; None if it has its own.
    """

    name: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    layer: str | None = None
    place: str | None = None
    tied_to: str | None = None

    @property
    def layer_class(self) -> str | None:
        """Class of its module without the package."""
        return None if self.layer is None else self.layer.rpartition(".")[2]


class _Written(msgspec.Struct):
    format: str
    version: int
    framework: str
    parameters: tuple[ParameterDescription, ...]


@dataclass(frozen=True)
class NetDescription:
    """The parameters and buffers of a network, in its own order.

    Attributes:
        framework: "pytorch", "mindspore" or "unknown".
        parameters: Each once by name.
        source: Where the description comes from: a path, or the class of the network.
        unread: What the source holds beside them, with the reason.
    """

    framework: str
    parameters: tuple[ParameterDescription, ...]
    source: str = ""
    unread: tuple[tuple[str, str], ...] = ()

    def save(self, path: Path | str) -> None:
        """Write it as JSON, for `profkit weights map` on another machine.

        Raises:
            ProfkitError: The place cannot be written.
        """
        written = _Written(_FORMAT, _VERSION, self.framework, self.parameters)
        write_bytes_in_one_step(Path(path), msgspec.json.format(msgspec.json.encode(written)) + b"\n")


def describe_checkpoint(checkpoint: Checkpoint) -> NetDescription:
    """Describe the network that a checkpoint was saved from; layers and places are not known."""
    first: dict[Any, str] = {}
    parameters = []
    for name, tensor in checkpoint.tensors.items():
        original = first.setdefault(tensor.place, name) if tensor.place is not None else name
        tied_to = original if original != name else None
        parameters.append(ParameterDescription(name, tensor.shape, tensor.dtype, tied_to=tied_to))
    unread = [*checkpoint.unread.items(), *((name, "beside the network") for name in checkpoint.outside)]
    return NetDescription(checkpoint.framework, tuple(parameters), checkpoint.source, tuple(unread))


def describe(path: Path | str) -> NetDescription:
    """Describe the network of a checkpoint or of a description file (.json).

    Raises:
        UnreadableInputError: It cannot be read, or is neither.
    """
    path = Path(path)
    if path.suffix.lower() != ".json" or is_index(path):
        checkpoint = read_checkpoint(path)
        if checkpoint.cut:
            raise UnreadableInputError(f"{path} is cut or damaged: {checkpoint.cut}", "copy or save it again")
        return describe_checkpoint(checkpoint)
    written = read_description(path, _Written, is_none="describes no network", hint=_HINT)
    if written.format != _FORMAT or written.version != _VERSION:
        raise UnreadableInputError(f"{path} describes no network of version {_VERSION}", _HINT)
    return NetDescription(written.framework, unique(written.parameters, str(path)), str(path))


def unique(parameters: tuple[ParameterDescription, ...], source: str) -> tuple[ParameterDescription, ...]:
    """Give the parameters, each of a name of its own.

    Raises:
        ProfkitError: Two have one name.
    """
    names: set[str] = set()
    for one in parameters:
        if one.name in names:
            raise ProfkitError(f"{source} has two parameters called {one.name[:80]!r}", "give each its own name")
        names.add(one.name)
    return parameters
