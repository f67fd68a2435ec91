"""The rules of a map: rules.toml, and the user's own file before it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from profkit.compare.data_file import read_data_file
from profkit.errors import UnreadableInputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST_BYTES = 16 << 20
_HINT = "a rules file has the tables of profkit/weights/rules.toml: [names], [leaf], [part], [[split]], ..."


class WithoutPartner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one framework has and the other has no use for: last parts of names, classes of layers (any if empty).

    With `beside`, only where the other network's module has that and none of `leaf`; with `value`, only as long as
    every element is that.
    """

    framework: str
    leaf: str | list[str]
    reason: str
    layer: list[str] = []
    beside: str = ""
    value: float | None = None

    def fits(self, framework: str, leaf: str, layers: Set[str], there: Set[str]) -> bool:
        """Tell whether a parameter is meant, of a layer that has one of these classes, `there` on the other side."""
        leaves = [self.leaf] if isinstance(self.leaf, str) else self.leaf
        if leaf not in leaves or framework != self.framework or (self.layer and not layers & set(self.layer)):
            return False
        return not self.beside or (self.beside in there and not there & set(leaves))


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tensor that is several on the other side, equal parts along an axis; ends of names."""

    whole: str
    parts: list[str]
    axis: int = 0


class Sum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several tensors whose sum is one on the other side, in layers with so many gates; begins of last parts."""

    whole: str
    parts: list[str]
    gates: list[int]


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What mindspore.nn calls the parameters of layers of torch."""

    torch: list[str]
    leaf: dict[str, str] = {}
    part: dict[str, str] = {}
    insert_axis: dict[str, int] = {}
    absent: list[str] = []


class _Names(msgspec.Struct, forbid_unknown_fields=True):
    names: list[str] = []


class _Axes(msgspec.Struct, forbid_unknown_fields=True):
    axes: list[list[int]] = []


class _Layers(msgspec.Struct, forbid_unknown_fields=True):
    layers: list[str] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: str = ""
    names: dict[str, str] = {}
    prefixes: _Names = msgspec.field(default_factory=_Names)
    leaf: dict[str, str] = {}
    part: dict[str, str] = {}
    without_partner: list[WithoutPartner] = []
    split: list[Split] = []
    sum: list[Sum] = []
    layouts: _Axes = msgspec.field(default_factory=_Axes)
    transposed: _Layers = msgspec.field(default_factory=_Layers)
    layer: list[Layer] = []
    operations: dict[str, list[str]] = {}


@dataclass(frozen=True)
class Rules:
    """All rules, the user's first.

    Attributes:
        version: Of rules.toml, and the path of the user's file.
        names: Target by source, whole names: the user's own.
        operations: Operations by source, whole names: the user's own.
        prefixes: Wrappers before every name.
        leaf: Last part in PyTorch's words.
        part: Middle part in PyTorch's words.
        transparent: Middle parts that only one side has.
        without_partner: What needs no partner.
        splits: Tensors in parts.
        sums: Tensors that are added.
        axes: Layouts that a shape may show.
        transposed_layers: Layers that hold their matrix transposed, with their packages.
        layers: What mindspore.nn calls torch's parameters.
    """

    version: str
    names: Mapping[str, str] = field(default_factory=dict)
    operations: Mapping[str, list[str]] = field(default_factory=dict)
    prefixes: frozenset[str] = frozenset()
    leaf: Mapping[str, str] = field(default_factory=dict)
    part: Mapping[str, str] = field(default_factory=dict)
    transparent: frozenset[str] = frozenset()
    without_partner: tuple[WithoutPartner, ...] = ()
    splits: tuple[Split, ...] = ()
    sums: tuple[Sum, ...] = ()
    axes: tuple[tuple[int, ...], ...] = ()
    transposed_layers: frozenset[str] = frozenset()
    layers: tuple[Layer, ...] = ()

    def canonical(self, name: str) -> str:
        """Give a name in PyTorch's words, without wrappers.

        >>> read_rules().canonical("network.blocks.0.norm1.gamma")
        'blocks.0.norm1.weight'
        """
        parts = name.split(".")
        while len(parts) > 1 and parts[0] in self.prefixes:
            del parts[0]
        inner = [self.part.get(part, part) for part in parts[:-1] if part not in self.transparent]
        return ".".join([*inner, self.leaf.get(parts[-1], parts[-1])])

    def needs_no_partner(
        self, framework: str, name: str, layers: Set[str] = frozenset(), there: Set[str] = frozenset()
    ) -> WithoutPartner | None:
        """Give the rule by which a parameter of this framework needs no partner; None if it does.

        Args:
            framework: The side that has it.
            name: Its name.
            layers: Classes of its layer, as far as either side knows them.
            there: Last parts of the names, in PyTorch's words, that the other side has in the same module.
        """
        leaf = self.canonical(name).rpartition(".")[2]
        return next((rule for rule in self.without_partner if rule.fits(framework, leaf, layers, there)), None)


def read_rules(path: Path | None = None) -> Rules:
    """Read the rules: profkit's own, with the user's file before them.

    Raises:
        UnreadableInputError: The user's file cannot be read or is no file of rules.
    """
    own = _own_rules()
    user = _parsed(_text(path), str(path)) if path is not None else _File()
    common = read_data_file("canonical_names.toml")
    return Rules(
        version=own.version if path is None else f"{own.version}; {path}",
        names=user.names,
        operations=user.operations,
        prefixes=frozenset([*common["prefixes"], *own.prefixes.names, *user.prefixes.names]),
        leaf={**common["leaf"], **own.leaf, **user.leaf},
        part={**common["part"], **own.part, **user.part},
        transparent=frozenset(common["transparent"]["parts"]),
        without_partner=(*user.without_partner, *own.without_partner),
        splits=(*user.split, *own.split),
        sums=(*user.sum, *own.sum),
        axes=tuple(tuple(axes) for axes in (*user.layouts.axes, *own.layouts.axes)),
        transposed_layers=frozenset([*user.transposed.layers, *own.transposed.layers]),
        layers=(*user.layer, *own.layer),
    )


@cache
def _own_rules() -> _File:
    return _parsed(files("profkit.weights").joinpath("rules.toml").read_text(encoding="utf-8"), "rules.toml")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise UnreadableInputError(f"{path} is larger than any file of rules", _HINT)
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise UnreadableInputError(f"{path} is no text", _HINT) from error


def _parsed(text: str, source: str) -> _File:
    try:
        content: Any = tomllib.loads(text)
        return msgspec.convert(content, _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise UnreadableInputError(f"{source} is no file of rules: {str(error)[:160]}", _HINT) from error
