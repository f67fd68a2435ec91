"""A network as a tree of modules: what they are called, what they are, and what is known of their settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.saved_description import read_description
from profkit.store import write_bytes_in_one_step

Shape = tuple[int, ...]
Value = None | bool | int | float | str | tuple[Any, ...]

_FORMAT, _VERSION = "profkit structure", 1
MOST_MODULES, DEEPEST = 1_000_000, 100
_HINT = "name a printed network, a checkpoint, or the file that `NetStructure.save` wrote"


class ModuleNode(msgspec.Struct, omit_defaults=True):
    """A module of a network.

    Attributes:
        name: What its parent calls it; "" for the network itself.
        classes: Its class, then those it is made from, each with its package where known; empty in a checkpoint.
        positional: Settings printed without a name.
        printed: Settings printed with one.
        held: Settings read from the module itself.
        parameters: Its own parameters and buffers, shapes by name; None where they are not known.
        children: Its modules in the order in which they were added.
    """

    name: str
    classes: list[str] = []
    positional: list[Value] = []
    printed: dict[str, Value] = {}
    held: dict[str, Value] = {}
    parameters: dict[str, Shape] | None = None
    children: list[ModuleNode] = []

    @property
    def layer(self) -> str | None:
        """Its class without the package; None if it is not known."""
        return self.classes[0].rpartition(".")[2] if self.classes else None


class _Written(msgspec.Struct):
    format: str
    version: int
    framework: str
    network: ModuleNode


@dataclass(frozen=True)
class NetStructure:
    """The modules of a network.

    Attributes:
        framework: "pytorch", "mindspore" or "unknown".
        network: The network itself.
        source: Where it comes from: a path, or the class of the network.
        whole: False for a checkpoint, which shows no module without parameters.
    """

    framework: str
    network: ModuleNode
    source: str = ""
    whole: bool = True

    def modules(self) -> Iterator[tuple[str, ModuleNode]]:
        """Give all modules with their paths, parents first."""
        stack = [("", self.network)]
        while stack:
            path, node = stack.pop()
            yield path, node
            stack += [(joined(path, child.name), child) for child in reversed(node.children)]

    def save(self, path: Path | str) -> None:
        """Write it as JSON, for `profkit structure` on another machine.

        Raises:
            ProfkitError: The place cannot be written.
        """
        written = _Written(_FORMAT, _VERSION, self.framework, self.network)
        write_bytes_in_one_step(Path(path), msgspec.json.format(msgspec.json.encode(written), indent=1) + b"\n")


def joined(path: str, name: str) -> str:
    """Give the path of a module below another."""
    return f"{path}.{name}" if path else name


def read_structure_file(path: Path) -> NetStructure:
    """Read what NetStructure.save wrote.

    Raises:
        UnreadableInputError: It cannot be read, or is none.
    """
    written = read_description(path, _Written, is_none="holds no structure of a network", hint=_HINT)
    if written.format != _FORMAT or written.version != _VERSION:
        raise UnreadableInputError(f"{path} holds no structure of version {_VERSION}", _HINT)
    return checked(NetStructure(written.framework, written.network, str(path)))


def checked(structure: NetStructure) -> NetStructure:
    """Give a structure that is neither too large nor too deep to be compared.

    Raises:
        ProfkitError: It is.
    """
    level, count, depth = [structure.network], 0, 0
    while level:
        count, depth = count + len(level), depth + 1
        if count > MOST_MODULES or depth > DEEPEST:
            raise ProfkitError(
                f"{structure.source} has more than {MOST_MODULES:,} modules, or {DEEPEST} of them inside each other",
                "compare a part of the network",
            )
        level = [child for node in level for child in node.children]
    return structure
