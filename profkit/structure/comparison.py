"""Two networks, module by module: what is the same, what is only called otherwise, and what really differs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.schema import STRUCTURE
from profkit.structure.alignment import Pair, Place, align
from profkit.structure.layer_facts import facts
from profkit.structure.live_structure import describe_structure
from profkit.structure.net_tree import ModuleNode, NetStructure, Value
from profkit.structure.settings import Layer, leaf_name, read_layer, same_value, without_ones
from profkit.structure.sources import read_structure

NETWORK = "(network)"
"""What the network itself is called in the rows."""
DIFFERENCES = frozenset({"different", "order", "missing_a", "missing_b", "undecidable"})
"""Statuses that are no agreement."""


@dataclass(frozen=True)
class StructureComparison:
    """What compare_structure found.

    Attributes:
        rows: A STRUCTURE frame (profkit.schema).
        source_a, source_b: What was compared.
    """

    rows: pd.DataFrame
    source_a: str = ""
    source_b: str = ""

    @property
    def agrees(self) -> bool:
        """Whether every module of either has a partner that is the same, or differs by nature only."""
        return not self.rows["status"].isin(DIFFERENCES).any()


@dataclass
class _Verdict:
    """What was found about a pair."""

    differences: list[str] = field(default_factory=list)
    natural: list[str] = field(default_factory=list)
    not_told: list[str] = field(default_factory=list)


def compare_structure(net_a: Any, net_b: Any) -> StructureComparison:
    """Compare the structures of two networks of either framework, module by module.

    >>> compare_structure(torch_net, "ms/mindspore_net_structure.json").rows     # doctest: +SKIP

    Args:
        net_a: A torch.nn.Module, a mindspore.nn.Cell, a NetStructure, or the path of a printed network, a structure,
            a checkpoint, or a folder of save_net_and_weight_params. It is the reference.
        net_b: As net_a.

    Raises:
        ProfkitError: One is no network, or cannot be read.
    """
    a, b = _structure(net_a), _structure(net_b)
    comparer = _Comparer(a, b)
    found = [comparer.row(pair) for pair in align(a, b, comparer.differ)]
    columns = {name: [row.get(name) for row in found] for name in STRUCTURE.names}
    return StructureComparison(STRUCTURE.build(columns), a.source, b.source)


def _structure(net: Any) -> NetStructure:
    if isinstance(net, NetStructure):
        return net
    if isinstance(net, (str, os.PathLike)):
        return read_structure(Path(net))
    return describe_structure(net)


class _Comparer:
    def __init__(self, a: NetStructure, b: NetStructure) -> None:
        self._a, self._b = a, b
        self._layers: dict[int, Layer] = {}

    def differ(self, one: ModuleNode, other: ModuleNode) -> bool:
        """Tell whether the settings of two modules differ."""
        return bool(self._verdict(one, other).differences)

    def row(self, pair: Pair) -> dict[str, str | None]:
        """Give the row of a pair."""
        place: dict[str, str | None] = {}
        for side, one in (("a", pair.a), ("b", pair.b)):
            place |= {f"module_{side}": _path(one), f"layer_{side}": None if one is None else one.node.layer}
        if pair.a is None or pair.b is None:
            return {**place, **self._alone(pair)}
        verdict = self._verdict(pair.a.node, pair.b.node)
        if pair.moved:
            status, reason = "order", f"it runs in another place: {_path(pair.a)} in A, {_path(pair.b)} in B"
        elif verdict.differences:
            status, reason = "different", "; ".join(verdict.differences)
        elif verdict.not_told:
            status, reason = "undecidable", f"only one side tells: {'; '.join(verdict.not_told)}"
        elif verdict.natural:
            status, reason = "natural", "called or written otherwise, and the same"
        else:
            status, reason = "same", "nothing that is told differs"
        return {
            **place,
            "status": status,
            "differences": "; ".join(verdict.differences) or None,
            "natural": "; ".join(verdict.natural) or None,
            "not_told": "; ".join(verdict.not_told) or None,
            "paired_by": pair.paired_by,
            "reason": reason,
        }

    def _alone(self, pair: Pair) -> dict[str, str | None]:
        one = pair.a or pair.b
        node = one.node if one is not None else ModuleNode("")
        own, other = (self._a, self._b) if pair.a is not None else (self._b, self._a)
        missing, letter = ("missing_b", "B") if pair.a is not None else ("missing_a", "A")
        layer = read_layer(node, own.framework)
        if pair.note:
            return {"status": "natural", "natural": pair.note, "reason": pair.note}
        if layer.facts.no_effect and (not layer.facts.unless or layer.settings.get(layer.facts.unless) == 0):
            note = "it has no effect"
            return {"status": "natural", "natural": note, "reason": f"{letter} has no such module; {note}"}
        if not other.whole and not _has_parameters(node):
            return {"status": "undecidable", "reason": f"{letter} is a checkpoint, which shows modules with parameters"}
        why = "" if _has_parameters(node) else "; a function may compute the same there"
        return {"status": missing, "reason": f"{letter} has no such module{why}"}

    def _verdict(self, one: ModuleNode, other: ModuleNode) -> _Verdict:
        first, second = self._layer(one, self._a.framework), self._layer(other, self._b.framework)
        # The layer of a checkpoint is not known: its shapes are read as if it were that of the other side.
        if first.kind and not other.classes:
            second = read_layer(other, self._b.framework, (first.kind, first.facts))
        elif second.kind and not one.classes:
            first = read_layer(one, self._a.framework, (second.kind, second.facts))
        verdict = _Verdict()
        self._compare_layers(one, other, first, second, verdict)
        if first.kind is None or second.kind is None or not (one.classes and other.classes):
            _compare_parameters(one, other, verdict)
        verdict.natural += _other_words(one, other)
        return verdict

    def _layer(self, node: ModuleNode, framework: str) -> Layer:
        key = id(node)
        if key not in self._layers:
            self._layers[key] = read_layer(node, framework)
        return self._layers[key]

    def _compare_layers(
        self, one: ModuleNode, other: ModuleNode, first: Layer, second: Layer, verdict: _Verdict
    ) -> None:
        names = f"{one.layer} against {other.layer}"
        if first.kind != second.kind:
            if first.kind and second.kind and not (first.facts.container and second.facts.container):
                verdict.differences.append(names)
            elif one.classes and other.classes and not (first.facts.container or second.facts.container):
                verdict.not_told.append(f"what {one.layer if first.kind is None else other.layer} computes ({names})")
            return
        if first.kind is not None and one.classes and other.classes and one.layer != other.layer:
            verdict.natural.append(f"{one.layer} is {other.layer}")
        if first.kind is not None and bool(one.classes) != bool(other.classes):
            verdict.not_told.append(f"the layer ({one.layer or other.layer})")
        for name in first.facts.settings if first.kind is not None else _common(first, second):
            _compare_setting(name, first, second, verdict)


def _common(first: Layer, second: Layer) -> list[str]:
    """Give the settings that two classes of the user's both tell; what one alone keeps is its own affair."""
    return [name for name in first.settings if name in second.settings]


def _compare_setting(name: str, first: Layer, second: Layer, verdict: _Verdict) -> None:
    told = [side.settings[name] for side in (first, second) if name in side.settings]
    if len(told) == 1:
        letter = "A" if name in first.settings else "B"
        verdict.not_told.append(f"{name} ({_text(told[0])} in {letter})")
    elif told and not same_value(*told):
        spelled = [side.spelled.get(name) for side in (first, second)]
        texts = [_text(value) + (f" ({as_is})" if as_is else "") for value, as_is in zip(told, spelled, strict=True)]
        verdict.differences.append(f"{name}: {texts[0]} against {texts[1]}")
    elif told:
        spelled = [side.spelled.get(name) for side in (first, second)]
        if spelled[0] != spelled[1]:
            verdict.natural += [f"{as_is} is {name}={_text(told[0])}" for as_is in spelled if as_is]


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    return str(value)[:200]


def _compare_parameters(one: ModuleNode, other: ModuleNode, verdict: _Verdict) -> None:
    if one.parameters is None or other.parameters is None:
        return
    first = {leaf_name(name): shape for name, shape in one.parameters.items()}
    second = {leaf_name(name): shape for name, shape in other.parameters.items()}
    for name in (*first, *(name for name in second if name not in first)):
        if name not in second or name not in first:
            where = "A" if name in first else "B"
            if name in facts().not_missed.names:
                verdict.natural.append(f"{name} only in {where}, which counts batches")
            else:
                verdict.differences.append(f"parameter {name} only in {where}")
        elif without_ones(first[name]) != without_ones(second[name]):
            verdict.differences.append(f"parameter {name}: {first[name]} against {second[name]}")
        elif first[name] != second[name]:
            verdict.natural.append(f"axes of length 1 in {name}: {first[name]} is {second[name]}")


def _other_words(one: ModuleNode, other: ModuleNode) -> list[str]:
    """Say which parameters have another name in the other framework."""
    theirs = {leaf_name(name): name for name in other.parameters or ()}
    pairs: Iterable[tuple[str, str]] = ((name, theirs.get(leaf_name(name), name)) for name in one.parameters or ())
    return [f"{name} is {there}" for name, there in pairs if name != there]


def _has_parameters(node: ModuleNode) -> bool:
    return any(inner.parameters for _, inner in NetStructure("", node).modules())


def _path(place: Place | None) -> str | None:
    return None if place is None else place.path or NETWORK
