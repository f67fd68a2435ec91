"""How much two modules are alike, by what they are and by all that is in them; and the best order-keeping pairing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from profkit.structure.layer_facts import layer_of
from profkit.structure.net_tree import ModuleNode
from profkit.structure.settings import read_layer

# A pair whose settings differ is still better than two modules without a partner, but never than an equal pair.
_EQUAL, _ALIKE = 8, 3
_LARGEST_TABLE = 40_000

Children = Callable[[ModuleNode, int], Sequence[ModuleNode]]
Differ = Callable[[ModuleNode, ModuleNode], bool]


class Likeness:
    """Likeness of the modules of two networks.

    Args:
        frameworks: Of both networks.
        children: Gives the modules of a module of either side (0 or 1) that count.
        differ: Tells whether two modules of the same layer have settings that differ.
    """

    def __init__(self, frameworks: tuple[str, str], children: Children, differ: Differ) -> None:
        self._frameworks = frameworks
        self._children = children
        self._differ = differ
        self._forms: dict[int, Hashable] = {}
        self._contents: dict[int, Counter[Hashable]] = {}

    def form(self, node: ModuleNode, side: int) -> Hashable:
        """Give what a module is without names, settings and the order of its modules: its layer and those in it."""
        key = id(node)
        if key not in self._forms:
            found = layer_of(node, self._frameworks[side])
            is_open = found is None or found[1].open
            inner = Counter(self.form(child, side) for child in self._children(node, side)) if is_open else Counter()
            kind = found[0] if found is not None and not found[1].container else ""
            shapes = tuple(sorted(map(str, (node.parameters or {}).values()))) if not node.classes else ()
            self._forms[key] = (kind, frozenset(inner.items()), shapes)
        return self._forms[key]

    def score(self, one: ModuleNode, other: ModuleNode) -> int:
        """Give 0 for modules that are not each other's, up to 8 for equal ones."""
        kinds = [layer_of(node, framework) for node, framework in zip((one, other), self._frameworks, strict=True)]
        known = [kind[0] if kind is not None and not kind[1].container else "" for kind in kinds]
        if known[0] != known[1] and one.classes and other.classes:
            return 0
        if known[0] and one.classes and other.classes:
            return _ALIKE if self._differ(one, other) else _EQUAL
        mine, theirs = self._content(one, 0), self._content(other, 1)
        most = max(mine.total(), theirs.total())
        if not most:
            return _ALIKE if self._differ(one, other) else _EQUAL
        share = (mine & theirs).total() / most
        return round(_EQUAL * share) if share else 0

    def _content(self, node: ModuleNode, side: int) -> Counter[Hashable]:
        """Count the layers in a module twice: as they are, and with all settings that are told."""
        key = id(node)
        if key not in self._contents:
            found: Counter[Hashable] = Counter()
            layer = read_layer(node, self._frameworks[side])
            if layer.kind is not None and not layer.facts.container:
                told = frozenset((name, str(value)) for name, value in layer.settings.items() if name != "eps")
                found.update([layer.kind, (layer.kind, told)])
            if not node.classes:
                found.update(str(shape) for shape in (node.parameters or {}).values())
            if layer.facts.open:
                for child in self._children(node, side):
                    found.update(self._content(child, side))
            self._contents[key] = found
        return self._contents[key]

    def best_pairs(self, left: Sequence[ModuleNode], right: Sequence[ModuleNode]) -> list[tuple[int, int]]:
        """Pair two sequences in their order so that the pairs are as alike as can be; where several are, the first.

        Equal beginnings and ends are paired first. If what is left is too much to look at every pair of, it is paired
        by place as far as the layers agree.
        """
        begin = 0
        while begin < min(len(left), len(right)) and self.score(left[begin], right[begin]) == _EQUAL:
            begin += 1
        rest = min(len(left), len(right)) - begin
        end = 0
        while end < rest and self.score(left[-1 - end], right[-1 - end]) == _EQUAL:
            end += 1
        middle = left[begin : len(left) - end], right[begin : len(right) - end]
        pairs = [(i, i) for i in range(begin)]
        pairs += [(begin + i, begin + j) for i, j in self._middle_pairs(*middle)]
        return pairs + [(len(left) - end + i, len(right) - end + i) for i in range(end)]

    def _middle_pairs(self, left: Sequence[ModuleNode], right: Sequence[ModuleNode]) -> list[tuple[int, int]]:
        if len(left) * len(right) > _LARGEST_TABLE:
            both = enumerate(zip(left, right, strict=False))
            return [(i, i) for i, (one, other) in both if self.score(one, other)]
        scores = np.array([[self.score(one, other) for other in right] for one in left], np.int64)
        return _best_path(scores.reshape(len(left), len(right)))


def _best_path(scores: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Give the pairs (row, column), both rising, with the largest sum of scores; none of score 0."""
    rows, columns = scores.shape
    best = np.zeros((rows + 1, columns + 1), np.int64)
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            best[i, j] = max(best[i + 1, j], best[i, j + 1], scores[i, j] + best[i + 1, j + 1])
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < rows and j < columns:
        if scores[i, j] and best[i, j] == scores[i, j] + best[i + 1, j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i, j] == best[i + 1, j]:
            i += 1
        else:
            j += 1
    return pairs
