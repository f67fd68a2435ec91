"""layers.toml: what the layers of both frameworks are, and how their settings are read."""

from __future__ import annotations

import sys
from functools import cache
from importlib.resources import files

import msgspec

from profkit.structure.net_tree import ModuleNode, Value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A layer in the words of torch.nn; the fields are explained in layers.toml."""

    settings: list[str] = []
    spatial: int = 0
    transposed: bool = False
    open: bool = False
    order: bool = False
    container: bool = False
    no_effect: bool = False
    unless: str = ""
    shaped: dict[str, list[str | int]] = {}
    present: dict[str, str] = {}


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the classes of a framework are read; the fields are explained in layers.toml."""

    framework: str
    classes: list[str]
    kind: str = ""
    if_printed: str = ""
    if_inside: str = ""
    inside: str = ""
    next: str = ""
    positional: list[str] = []
    printed: dict[str, str] = {}
    held: dict[str, str | list[str]] = {}
    left_out: dict[str, bool | int | float | str] = {}
    fixed: dict[str, bool | int | float | str] = {}
    without_padding: dict[str, bool | int | float | str] = {}
    one_minus: list[str] = []
    trainable: list[str] = []
    padding_by_mode: bool = False

    def places(self, setting: str) -> tuple[str, ...]:
        """Give the attributes of a live layer that may hold a setting, the first that is there counts."""
        held = self.held.get(setting, [])
        return (held,) if isinstance(held, str) else tuple(held)


class _Settings(msgspec.Struct, forbid_unknown_fields=True):
    settings: list[str]


class _Names(msgspec.Struct, forbid_unknown_fields=True):
    names: list[str]


class _Facts(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    kinds: dict[str, Kind]
    per_axis: _Settings
    not_settings: _Names
    not_held: _Names
    not_missed: _Names
    variants: list[Variant]


@cache
def facts() -> _Facts:
    """Give layers.toml."""
    text = files("profkit.structure").joinpath("layers.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Facts)


@cache
def _variants() -> dict[tuple[str, str], list[Variant]]:
    found: dict[tuple[str, str], list[Variant]] = {}
    for variant in facts().variants:
        for name in variant.classes:
            found.setdefault((variant.framework, name), []).append(variant)
    return found


@cache
def not_settings() -> frozenset[str]:
    """Give the names of what is printed and is no setting."""
    return frozenset(facts().not_settings.names)


@cache
def per_axis() -> frozenset[str]:
    """Give the settings that have a number for each spatial axis."""
    return frozenset(facts().per_axis.settings)


@cache
def not_held() -> frozenset[str]:
    """Give the names of what every module of a framework holds."""
    return frozenset(facts().not_held.names)


def layer_of(node: ModuleNode, framework: str) -> tuple[str, Kind, Variant] | None:
    """Tell which layer a module is: in the words of torch.nn, with what is known of it; None for a class of its own."""
    for path in node.classes:
        if not _may_be_of_a_framework(path):
            continue
        name = path.rpartition(".")[2]
        for variant in _variants().get((framework, name), []):
            if variant.if_printed and variant.if_printed not in node.printed:
                continue
            if variant.if_inside and all(child.name != variant.if_inside for child in node.children):
                continue
            kind = variant.kind or name
            return kind, facts().kinds[kind], variant
    return None


def _may_be_of_a_framework(path: str) -> bool:
    """Tell whether a class may be the framework's: its package, or, where that is not printed, its bare name."""
    package = path.rpartition(".")[0]
    return not package or package.partition(".")[0] in {"torch", "mindspore"}


def scalar(value: Value) -> bool:
    """Tell whether a value is a number, a text or True and False."""
    return isinstance(value, (bool, int, float, str))
