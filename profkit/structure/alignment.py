"""Which module of one network is which of the other: tree against tree, by names, by layers, and by order.

Parents are paired before their children. Modules that run one after the other (a Sequential) are paired by place as
long as the layers agree, else so that the pairs are as alike as can be; named ones by name in PyTorch's words, and what
is left by likeness, in order. A container that only one side has is looked into.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from profkit.compare.canonical_names import canonical_name
from profkit.structure.layer_facts import layer_of
from profkit.structure.likeness import Differ, Likeness
from profkit.structure.net_tree import ModuleNode, NetStructure, joined

_MOST_SWAPS = 32
_MOST_WRAPPERS = 8


@dataclass(frozen=True)
class Place:
    """A module with its path."""

    path: str
    node: ModuleNode


@dataclass(frozen=True)
class Pair:
    """Two modules that are each other's, or one without the other.

    Attributes:
        a, b: The modules.
        paired_by: name, place, order or layer; "" for one alone.
        moved: They stand in another order than their neighbours do, and the order is that in which they run.
        note: What is natural about it; "" if nothing is.
    """

    a: Place | None
    b: Place | None
    paired_by: str = ""
    moved: bool = False
    note: str = ""


def align(a: NetStructure, b: NetStructure, differ: Differ) -> Iterator[Pair]:
    """Pair the modules of two networks.

    Args:
        a: One network.
        b: The other.
        differ: Tells whether two modules of the same layer have settings that differ.

    Returns:
        A pair for every module of either, parents first, in the order of A; what only B has follows its predecessor.
    """
    return _Alignment(a, b, differ).pairs()


class _Alignment:
    def __init__(self, a: NetStructure, b: NetStructure, differ: Differ) -> None:
        self._frameworks = a.framework, b.framework
        self._networks = a.network, b.network
        self._differ = differ
        self._likeness = Likeness(self._frameworks, self._nodes, differ)

    def pairs(self) -> Iterator[Pair]:
        roots = [Place("", node) for node in self._networks]
        first = self._without_wrapper(roots[0], roots[1], 0)
        second = self._without_wrapper(roots[1], roots[0], 1)
        for side, (inner, outer) in enumerate(zip((first, second), roots, strict=True)):
            yield from self._around(outer, inner, side)
        yield from self._below(Pair(first, second, "name"))

    def _around(self, outer: Place, inner: Place, side: int) -> Iterator[Pair]:
        """Give the wrappers around a network, and what else is in them."""
        while outer.path != inner.path:
            note = f"a wrapper around the network, which is {inner.path} in it"
            yield _alone(outer, side, note)
            children = self._children(outer, side)
            outer = next(child for child in children if f"{inner.path}.".startswith(f"{child.path}."))
            for beside in children:
                if beside.path != outer.path:
                    yield from self._below(_alone(beside, side))

    def _without_wrapper(self, place: Place, other: Place, side: int) -> Place:
        """Give the network inside wrappers: a module below whose children share more names with the other network.

        What has parameters of its own is no wrapper.
        """
        wanted = {_name(child.node) for child in self._children(other, 1 - side)}
        best, common = place, self._common(place, side, wanted)
        level = [place]
        for _ in range(3):
            outer = [one for one in level if not one.node.parameters]
            level = [child for one in outer[:_MOST_WRAPPERS] for child in self._children(one, side)]
            for inner in level:
                found = self._common(inner, side, wanted)
                if found > max(common, len(wanted) // 2):
                    best, common = inner, found
        return best

    def _common(self, place: Place, side: int, wanted: set[str]) -> int:
        return len({_name(child.node) for child in self._children(place, side)} & wanted)

    def _below(self, top: Pair) -> Iterator[Pair]:
        stack = [top]
        while stack:
            pair = stack.pop()
            yield pair
            if pair.a is None or pair.b is None:
                alone = pair.a or pair.b
                side = 0 if pair.b is None else 1
                if alone is not None and not pair.note and self._is_open(alone, side):
                    inner = self._children(alone, side)
                    stack += reversed([_alone(one, side) for one in inner])
            elif self._is_open(pair.a, 0) and self._is_open(pair.b, 1):
                stack += reversed(self._paired(pair.a, pair.b))

    def _is_open(self, place: Place, side: int) -> bool:
        found = layer_of(place.node, self._frameworks[side])
        return found is None or found[1].open

    def _nodes(self, node: ModuleNode, side: int) -> list[ModuleNode]:
        return [place.node for place in self._children(Place("", node), side)]

    def _children(self, place: Place, side: int) -> list[Place]:
        """Give the modules of a module; one that a layer runs after itself stands behind that layer."""
        found: list[Place] = []
        for child in place.node.children:
            if child.classes == ["None"]:
                continue
            path = joined(place.path, child.name)
            found.append(Place(path, child))
            layer = layer_of(child, self._frameworks[side])
            if layer is not None and layer[2].next:
                found += [Place(joined(path, n.name), n) for n in child.children if n.name == layer[2].next]
        return found

    def _paired(self, a: Place, b: Place) -> list[Pair]:
        left, right = self._children(a, 0), self._children(b, 1)
        ordered = self._is_ordered(a, left, 0) and self._is_ordered(b, right, 1)
        pairs = self._by_place(left, right) if ordered else self._by_name(left, right)
        return self._in_order(left, right, self._looked_into(pairs, ordered=ordered))

    def _is_ordered(self, place: Place, children: Sequence[Place], side: int) -> bool:
        found = layer_of(place.node, self._frameworks[side])
        if found is not None:
            return found[1].order
        names = [child.node.name for child in children if child.node.name.isdecimal()]
        return len(names) > 1 and len(names) * 2 > len(children)

    def _by_place(self, left: Sequence[Place], right: Sequence[Place]) -> list[Pair]:
        if len(left) == len(right) and all(self._alike(x, y) for x, y in zip(left, right, strict=True)):
            pairs = [Pair(x, y, "place") for x, y in zip(left, right, strict=True)]
            return self._with_swaps(pairs)
        return self._by_likeness(left, right, ordered=True)

    def _with_swaps(self, pairs: list[Pair]) -> list[Pair]:
        """Pair two layers crosswise that differ in their places and agree with each other's."""
        differing = [i for i, one in enumerate(pairs) if one.a and one.b and self._differs(one.a, one.b)]
        for number, i in enumerate(differing[:_MOST_SWAPS]):
            for j in differing[number + 1 : _MOST_SWAPS]:
                one, other = pairs[i], pairs[j]
                if one.moved or other.moved or not (one.a and one.b and other.a and other.b):
                    continue
                crosswise = (one.a, other.b), (other.a, one.b)
                if all(self._alike(x, y) and not self._differs(x, y) for x, y in crosswise):
                    pairs[i] = Pair(one.a, other.b, "layer", moved=True)
                    pairs[j] = Pair(other.a, one.b, "layer", moved=True)
        return pairs

    def _differs(self, x: Place, y: Place) -> bool:
        return self._differ(x.node, y.node)

    def _alike(self, x: Place, y: Place) -> bool:
        """Tell whether two modules may be each other's: the same layer, or classes of which nothing is known."""
        one, other = layer_of(x.node, self._frameworks[0]), layer_of(y.node, self._frameworks[1])
        if one is None or other is None:
            if not x.node.classes or not y.node.classes:
                return True
            known = one or other
            has_parts = bool(x.node.children) == bool(y.node.children)
            return known is None or (has_parts and known[1].container)
        return one[0] == other[0] or (one[1].container and other[1].container)

    def _by_name(self, left: Sequence[Place], right: Sequence[Place]) -> list[Pair]:
        names = {_name(place.node): place for place in reversed(right)}
        pairs: list[Pair] = []
        rest: list[Place] = []
        for place in left:
            other = names.pop(_name(place.node), None)
            if other is None:
                rest.append(place)
            else:
                pairs.append(Pair(place, other, "name"))
        taken = {pair.b.path for pair in pairs if pair.b}
        others = [place for place in right if place.path not in taken]
        return pairs + self._by_likeness(rest, others, ordered=False)

    def _by_likeness(self, left: Sequence[Place], right: Sequence[Place], *, ordered: bool) -> list[Pair]:
        """Pair what is most alike in its order; then what is left of one form, then one for one in a gap."""
        chosen = self._likeness.best_pairs([x.node for x in left], [y.node for y in right])
        pairs = [Pair(left[i], right[j], "order" if ordered else "layer") for i, j in chosen]
        bounds = [(-1, -1), *chosen, (len(left), len(right))]
        gaps = [(list(left[i + 1 : i2]), list(right[j + 1 : j2])) for (i, j), (i2, j2) in pairwise(bounds)]
        pairs += self._moved(gaps, ordered=ordered)
        for ours, theirs in gaps:
            # Modules with names of their own that are not alike are two, not one that was replaced.
            replaced = ordered or all(self._alike(x, y) for x, y in zip(ours, theirs, strict=False))
            if len(ours) == len(theirs) and replaced:
                pairs += [Pair(x, y, "order") for x, y in zip(ours, theirs, strict=True)]
            else:
                pairs += [_alone(x, 0) for x in ours] + [_alone(y, 1) for y in theirs]
        return pairs

    def _moved(self, gaps: list[tuple[list[Place], list[Place]]], *, ordered: bool) -> list[Pair]:
        """Pair modules of one form that stand in different gaps, and take them out of these."""
        found: list[Pair] = []
        waiting: dict[Hashable, list[tuple[Place, list[Place]]]] = {}
        for _, theirs in gaps:
            for place in theirs:
                waiting.setdefault(self._likeness.form(place.node, 1), []).append((place, theirs))
        for ours, _ in gaps:
            for place in list(ours):
                candidates = waiting.get(self._likeness.form(place.node, 0), [])
                if candidates:
                    other, theirs = candidates.pop(0)
                    ours.remove(place)
                    theirs.remove(other)
                    found.append(Pair(place, other, "layer", moved=ordered))
        return found

    def _looked_into(self, pairs: list[Pair], *, ordered: bool) -> list[Pair]:
        """Replace containers that one side alone has by what they hold, where that pairs more."""
        alone = [[one.a for one in pairs if one.a and not one.b], [one.b for one in pairs if one.b and not one.a]]
        if not (alone[0] and alone[1]):
            return pairs
        for side in (0, 1):
            containers = [place for place in alone[side] if place.node.children and self._is_open(place, side)]
            if not containers or any(p.node.children and self._is_open(p, 1 - side) for p in alone[1 - side]):
                continue
            inner = [
                one
                for place in alone[side]
                for one in (self._children(place, side) if place in containers else [place])
            ]
            sides = (inner, alone[1]) if side == 0 else (alone[0], inner)
            found = self._by_likeness(*sides, ordered=ordered)
            if sum(1 for one in found if one.a and one.b) * 2 <= len(alone[1 - side]):
                continue
            note = "a container that only this side has; its modules are paired"
            opened = [_alone(one, side, note) for one in containers]
            return [one for one in pairs if one.a and one.b] + opened + found
        return pairs

    def _in_order(self, left: Sequence[Place], right: Sequence[Place], pairs: list[Pair]) -> list[Pair]:
        """Sort pairs by the order of A; what only B has follows its predecessor there."""
        paths = [place.path for place in right]
        a_of = {one.b.path: one.a.path for one in pairs if one.a and one.b}
        follows: dict[str, str] = {}
        last = ""
        for path in paths:
            last = a_of.get(path, last)
            follows[path] = last
        rank = {place.path: number for number, place in enumerate(left)}

        def position(numbered: tuple[int, Pair]) -> tuple[int, int, int]:
            number, one = numbered
            if one.a is not None:
                outer = next((rank[p] for p in _upwards(one.a.path) if p in rank), len(rank))
                return outer, 0 if one.a.path in rank else 1, number
            before = next((follows[p] for p in _upwards(one.b.path if one.b else "") if p in follows), last)
            outer = next((rank[p] for p in _upwards(before) if p in rank), -1)
            return outer, 2, number

        return [one for _, one in sorted(enumerate(pairs), key=position)]


def _alone(place: Place, side: int, note: str = "") -> Pair:
    return Pair(place, None, note=note) if side == 0 else Pair(None, place, note=note)


def _name(node: ModuleNode) -> str:
    """Give the name of a module in PyTorch's words."""
    return canonical_name(f"x.{node.name}.x").removeprefix("x.").removesuffix(".x")


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]
