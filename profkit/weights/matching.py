"""Which parameter of a network belongs to which of the other, from the names and shapes of both.

Each step works on what the steps before left over, the surest first: the user's names, equal names, names in PyTorch's
words, names without a wrapper around one network, tensors in parts, tied weights, and at last the order of modules of
one form. A name that several could bear stays with none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from profkit.compare.sequence_alignment import forced_pairs
from profkit.errors import ProfkitError
from profkit.weights.description import NetDescription, ParameterDescription
from profkit.weights.operations import Operation, parse_operation, shape_after
from profkit.weights.rules import Rules, Split, Sum, read_rules
from profkit.weights.shape_fit import Fit, fit, text
from profkit.weights.square_matrices import without_doubtful_squares
from profkit.weights.weight_map import (
    AMBIGUOUS,
    ASSUMED,
    MAPPED,
    NOT_NEEDED,
    SHAPE,
    SOURCE_ONLY,
    TARGET_ONLY,
    TIED,
    MapRow,
    WeightMap,
)

Names = Callable[[ParameterDescription], set[str]]

_MEND = "name its partner in [names] of the rules, or mend [operations]"


def make_map(source: NetDescription, target: NetDescription, rules: Rules | None = None) -> WeightMap:
    """Map the parameters of one network to those of another, of the same framework or not.

    Args:
        source: The network whose weights there are.
        target: The network that is to have them.
        rules: From read_rules; None for profkit's own.

    Returns:
        A row for every parameter of either side.

    Raises:
        ProfkitError: The user's rules name what is not there, or operations that do not fit.
    """
    rules = rules or read_rules()
    matching = _Matching(source, target, rules)
    matching.by_user()
    matching.by_name(lambda one: {one.name}, "the same name")
    matching.by_name(lambda one: {one.name, one.place or one.name}, "the same name in the module tree")
    matching.by_name(_canonical(rules), "the same name in PyTorch's words")
    matching.without_wrapper()
    matching.in_parts()
    matching.sums()
    matching.tied()
    matching.by_order()
    rows = without_doubtful_squares(matching.rows(), {one.name: one for one in source.parameters})
    label = source.source or source.framework, target.source or target.framework
    return WeightMap(tuple(rows), *label, source.framework, target.framework, rules.version)


def _canonical(rules: Rules) -> Names:
    return lambda one: {rules.canonical(one.name), rules.canonical(one.place or one.name)}


class _Matching:
    """The parameters that are left on both sides, and the rows found so far."""

    def __init__(self, source: NetDescription, target: NetDescription, rules: Rules) -> None:
        self._source, self._target, self._rules = source, target, rules
        self._all_sources = {one.name: one for one in source.parameters if not _is_second_place(source, one)}
        self._all_targets = {one.name: one for one in target.parameters if not _is_second_place(target, one)}
        self._second_places = [one for one in target.parameters if _is_second_place(target, one)]
        self._sources = dict(self._all_sources)
        self._targets = dict(self._all_targets)
        self._by_target: dict[str, MapRow] = {}
        self._by_source: dict[str, MapRow] = {}
        self._doubts: dict[tuple[str, str], str] = {}
        self._leaves: list[dict[str, set[str]]] = [{}, {}]

    def by_user(self) -> None:
        """Take the names and operations of the user's rules.

        Raises:
            ProfkitError: They name what is not there, or operations that do not fit.
        """
        names = {name: self._named_by_user(name, other) for name, other in self._rules.names.items()}
        for name, written in self._rules.operations.items():
            if name not in names:
                names[name] = self._only_partner(name)
            one, there = names[name]
            self._pair(one, there, _as_written(one, there, written), "your rules")
        for one, there in names.values():
            if one.name in self._sources:
                self._pair(one, there, self._fit(one, there), "your rules")

    def _named_by_user(self, name: str, other: str) -> tuple[ParameterDescription, ParameterDescription]:
        """Give the pair that two names of the rules mean; they may have been written for the other direction."""
        for here, there in ((name, other), (other, name)):
            if here in self._sources and there in self._targets:
                return self._sources[here], self._targets[there]
        side, missing = ("target", other) if name in self._sources else ("source", name)
        raise ProfkitError(f"the rules name {missing[:80]!r}, which is not in the {side}", "mend [names] of the rules")

    def _only_partner(self, name: str) -> tuple[ParameterDescription, ParameterDescription]:
        one = self._sources.get(name)
        if one is None:
            raise ProfkitError(f"the rules have operations for {name[:80]!r}, which is not in the source", _MEND)
        names = _canonical(self._rules)(one)
        found = [self._targets[name]] if name in self._targets else []
        found = found or [there for there in self._targets.values() if _canonical(self._rules)(there) & names]
        if len(found) != 1:
            raise ProfkitError(f"{name[:80]!r}, for which the rules have operations, has {len(found)} partners", _MEND)
        return one, found[0]

    def by_name(self, names: Names, how: str) -> None:
        """Pair parameters that share a name, if no other on either side shares it or the shapes leave one choice."""
        here = _by_key(self._sources.values(), names)
        there = _by_key(self._targets.values(), names)
        for key, ones in here.items():
            left = [one for one in ones if one.name in self._sources]
            others = [other for other in there.get(key, []) if other.name in self._targets]
            if not left or not others:
                continue
            fitting = [(one, other) for one in left for other in others if self._fit(one, other).status != SHAPE]
            candidates = fitting if len(left) * len(others) > 1 else [(left[0], others[0])]
            if len(candidates) == 1:
                one, other = candidates[0]
                self._pair(one, other, self._fit(one, other), how)
                continue
            doubt = f"{_some(left)} of the source and {_some(others)} of the target have the name {key!r}"
            self._doubts |= {("source", one.name): doubt for one in left}
            self._doubts |= {("target", one.name): doubt for one in others}

    def without_wrapper(self) -> None:
        """Find the wrapper around one of the networks without which the most names agree, in name and shape."""
        canonical = self._rules.canonical
        here = {one.name: canonical(one.name) for one in self._sources.values()}
        there = {one.name: canonical(one.name) for one in self._targets.values()}
        found: list[tuple[int, str, str, list[tuple[str, str]]]] = []
        for side, long, short in (("source", here, there), ("target", there, here)):
            by_name: dict[str, list[str]] = {}
            for name, key in short.items():
                by_name.setdefault(key, []).append(name)
            for prefix in _wrappers(long.values()):
                pairs = [
                    (name, by_name[key.removeprefix(prefix)][0])
                    for name, key in long.items()
                    if key.startswith(prefix) and len(by_name.get(key.removeprefix(prefix), [])) == 1
                ]
                pairs = pairs if side == "source" else [(other, name) for name, other in pairs]
                pairs = [pair for pair in pairs if self._fit_of(*pair).status != SHAPE]
                found.append((len(pairs), side, prefix, pairs))
        # A few names may agree by chance: most of the smaller side must.
        best = max(found, default=(0, "", "", []))
        if best[0] * 2 <= min(len(here), len(there)) or sum(one[0] == best[0] for one in found) > 1:
            return
        count, side, prefix, pairs = best
        for name, other in pairs:
            if name in self._sources and other in self._targets:
                how = f"the same name without {prefix.rstrip('.')!r} of the {side}, as {count:,} names"
                self._pair(self._sources[name], self._targets[other], self._fit_of(name, other), how)

    def tied(self) -> None:
        """Give a name of elements that are mapped under another name the place of that other."""
        root = {one.name: one.tied_to or one.name for one in self._all_sources.values()}
        mapped = {root[name]: row for name, row in self._by_source.items() if row.status in {MAPPED, TIED}}
        for one in list(self._sources.values()):
            row = mapped.get(root[one.name])
            if row is not None and len(row.sources) == 1:
                self._tie(one, str(row.target), f"the same elements as {row.sources[0]}", row.sources[0])
        canonical = _canonical(self._rules)
        for place in self._second_places:
            names = canonical(place)
            owner = self._all_targets.get(str(place.tied_to))
            for one in list(self._sources.values()):
                if owner is None or not canonical(one) & names:
                    continue
                row = self._by_target.get(owner.name)
                if row is None:
                    self._pair(one, owner, self._fit(one, owner), f"its place {place.name} holds the same parameter")
                else:
                    reason = f"the target holds {owner.name} in this place, too"
                    self._tie(one, owner.name, reason, row.sources[0] if len(row.sources) == 1 else None)
        self._tied_targets()

    def _tie(self, one: ParameterDescription, target: str, reason: str, original: str | None) -> None:
        del self._sources[one.name]
        there = self._all_targets[target]
        self._by_source[one.name] = MapRow(
            (one.name,), target, TIED, reason, (), one.shape, there.shape, one.dtype, there.dtype, original
        )

    def _tied_targets(self) -> None:
        root = {one.name: one.tied_to or one.name for one in self._all_targets.values()}
        given = {root[name]: row for name, row in self._by_target.items() if row.status == MAPPED}
        for there in list(self._targets.values()):
            row = given.get(root[there.name])
            if row is not None and there.shape == row.target_shape:
                self._add(row.sources, there, Fit(MAPPED, row.operations), f"the same elements as {row.target}")

    def in_parts(self) -> None:
        """Map one tensor to its parts, and parts to their whole."""
        for rule in self._rules.splits:
            for whole, parts in self._wholes(self._sources, self._targets, rule):
                for number, part in enumerate(parts):
                    operation = Operation("split", (rule.axis, number, len(parts)))
                    how = f"part {number + 1} of {len(parts)} of {whole.name}"
                    self._add((whole.name,), part, Fit(MAPPED, (operation,)), how)
            for whole, parts in self._wholes(self._targets, self._sources, rule):
                operation = Operation("concatenate", (rule.axis,))
                self._add(tuple(part.name for part in parts), whole, Fit(MAPPED, (operation,)), "its parts in order")

    def _wholes(
        self, one_side: Mapping[str, ParameterDescription], other: Mapping[str, ParameterDescription], rule: Split
    ) -> list[tuple[ParameterDescription, list[ParameterDescription]]]:
        canonical = self._rules.canonical
        by_name = {canonical(one.name): one for one in other.values()}
        found = []
        for whole in one_side.values():
            key = canonical(whole.name)
            before = key.removesuffix(rule.whole)
            if before == key or (before and not before.endswith(".")):
                continue
            parts = [by_name[before + part] for part in rule.parts if before + part in by_name]
            if len(parts) == len(rule.parts) and _makes(whole, parts, rule.axis):
                found.append((whole, parts))
        return found

    def sums(self) -> None:
        """Map the two biases of a recurrent layer to the one of a layer that adds them beforehand."""
        for rule in self._rules.sums:
            for there in list(self._targets.values()):
                parts = self._summands(there, rule)
                if parts:
                    how = f"{there.name} is the sum of {' and '.join(part.name for part in parts)}"
                    self._add(tuple(part.name for part in parts), there, Fit(MAPPED, (Operation("add"),)), how)

    def _summands(self, there: ParameterDescription, rule: Sum) -> list[ParameterDescription]:
        inner, dot, leaf = self._rules.canonical(there.name).rpartition(".")
        if not leaf.startswith(rule.whole):
            return []
        by_name = {self._rules.canonical(one.name): one for one in self._sources.values()}
        everything = {self._rules.canonical(one.name): one for one in self._all_sources.values()}
        after = leaf.removeprefix(rule.whole)
        parts = [by_name.get(f"{inner}{dot}{part}{after}") for part in rule.parts]
        hidden = everything.get(f"{inner}{dot}weight_hh{after}")
        if hidden is None or hidden.shape is None or len(hidden.shape) != 2 or any(part is None for part in parts):
            return []
        gates, rest = divmod(hidden.shape[0], max(hidden.shape[1], 1))
        found = [part for part in parts if part is not None and part.shape == there.shape]
        return found if len(found) == len(parts) and not rest and gates in rule.gates else []

    def by_order(self) -> None:
        """Pair modules of one form that share no name, between pairs that do, where their order leaves no choice."""
        here, there = self._modules(self._sources), self._modules(self._targets)
        if len(here) != len(there):
            return
        forms = [[self._form(ones) for ones in side.values()] for side in (here, there)]
        names = list(here), list(there)
        for i, j in forced_pairs(*forms):
            others = {self._leaf(other): other for other in there[names[1][j]]}
            for one in here[names[0][i]]:
                other = others[self._leaf(one)]
                found = self._fit(one, other)
                how = f"module {i + 1} of {len(forms[0])} without a common name, in order, all of the same form"
                self._pair(one, other, Fit(ASSUMED, found.operations, found.sentence), how)

    def _leaf(self, one: ParameterDescription) -> str:
        return self._rules.canonical(one.name).rpartition(".")[2]

    def _form(self, ones: Sequence[ParameterDescription]) -> frozenset[object]:
        form = ((self._leaf(one), one.shape and tuple(sorted(n for n in one.shape if n != 1))) for one in ones)
        return frozenset(form)

    def _modules(self, left: Mapping[str, ParameterDescription]) -> dict[str, list[ParameterDescription]]:
        """Give the modules of which nothing is paired, with their parameters that need a partner."""
        modules: dict[str, list[ParameterDescription]] = {}
        is_source = left is self._sources
        framework = (self._source if is_source else self._target).framework
        paired = self._by_source if is_source else self._by_target
        doubtful = {name for side, name in self._doubts if side == ("source" if is_source else "target")}
        touched = {name.rpartition(".")[0] for name in (*paired, *doubtful)}
        for one in left.values():
            module = one.name.rpartition(".")[0]
            layers = {one.layer_class} if one.layer_class else set()
            if module not in touched and self._rules.needs_no_partner(framework, one.name, layers) is None:
                modules.setdefault(module, []).append(one)
        return modules

    def _fit(self, one: ParameterDescription, other: ParameterDescription) -> Fit:
        return fit(one, other, self._rules)

    def _fit_of(self, name: str, other: str) -> Fit:
        return self._fit(self._all_sources[name], self._all_targets[other])

    def _pair(self, one: ParameterDescription, there: ParameterDescription, found: Fit, how: str) -> None:
        self._add((one.name,), there, found, how)

    def _add(self, sources: tuple[str, ...], there: ParameterDescription, found: Fit, how: str) -> None:
        first = self._all_sources[sources[0]]
        reason = f"{how}; {found.sentence}" if found.sentence else how
        row = MapRow(
            sources,
            there.name,
            found.status,
            reason,
            found.operations,
            first.shape,
            there.shape,
            first.dtype,
            there.dtype,
        )
        self._by_target[there.name] = row
        self._targets.pop(there.name, None)
        for name in sources:
            self._by_source.setdefault(name, row)
            self._sources.pop(name, None)

    def rows(self) -> Iterator[MapRow]:
        """Give all rows in the order of the source; what only the target has follows its predecessor there."""
        layers = self._layers_of_modules()
        self._leaves = [self._leaves_of_modules(ones) for ones in (self._all_sources, self._all_targets)]
        following = self._rows_behind(layers)
        yield from following.pop("", [])
        by_first: dict[str, list[MapRow]] = {}
        for row in self._by_target.values():
            by_first.setdefault(row.sources[0], []).append(row)
        for name, one in self._all_sources.items():
            if name in self._by_source and self._by_source[name].status == TIED:
                yield self._by_source[name]
            elif name in self._sources:
                yield self._unpaired_source(one, layers)
            for row in by_first.get(name, []):
                yield row
                yield from following.pop(str(row.target), [])
        for rest in following.values():
            yield from rest

    def _rows_behind(self, layers: Mapping[str, set[str]]) -> dict[str, list[MapRow]]:
        following: dict[str, list[MapRow]] = {}
        before = ""
        for name, there in self._all_targets.items():
            if name in self._by_target:
                before = name
            else:
                following.setdefault(before, []).append(self._unpaired_target(there, layers))
        return following

    def _layers_of_modules(self) -> dict[str, set[str]]:
        """Give the classes that either side knows of the layer of each module, by its name in PyTorch's words."""
        layers: dict[str, set[str]] = {}
        for one in (*self._all_sources.values(), *self._all_targets.values()):
            if one.layer_class is not None:
                module = self._rules.canonical(one.name).rpartition(".")[0]
                layers.setdefault(module, set()).add(one.layer_class)
        return layers

    def _leaves_of_modules(self, ones: Mapping[str, ParameterDescription]) -> dict[str, set[str]]:
        """Give the last parts of names of each module, both in PyTorch's words."""
        leaves: dict[str, set[str]] = {}
        for name in ones:
            module, _, leaf = self._rules.canonical(name).rpartition(".")
            leaves.setdefault(module, set()).add(leaf)
        return leaves

    def _unpaired_source(self, one: ParameterDescription, layers: Mapping[str, set[str]]) -> MapRow:
        status, reason, value = self._why_alone(self._source, "source", one, layers)
        return MapRow((one.name,), None, status, reason, (), one.shape, None, one.dtype, as_long_as=value)

    def _unpaired_target(self, there: ParameterDescription, layers: Mapping[str, set[str]]) -> MapRow:
        status, reason, value = self._why_alone(self._target, "target", there, layers)
        return MapRow((), there.name, status, reason, (), None, there.shape, None, there.dtype, as_long_as=value)

    def _why_alone(
        self, net: NetDescription, side: str, one: ParameterDescription, layers: Mapping[str, set[str]]
    ) -> tuple[str, str, float | None]:
        module = self._rules.canonical(one.name).rpartition(".")[0]
        there = self._leaves[1 if side == "source" else 0].get(module, set())
        not_needed = self._rules.needs_no_partner(net.framework, one.name, layers.get(module, set()), there)
        if not_needed is not None:
            return NOT_NEEDED, not_needed.reason, not_needed.value
        doubt = self._doubts.get((side, one.name))
        if doubt:
            return AMBIGUOUS, f"{doubt}: which belong together cannot be told", None
        other = "target" if side == "source" else "source"
        status = SOURCE_ONLY if side == "source" else TARGET_ONLY
        return status, f"the {other} has no such name, shape and place", None


def _is_second_place(net: NetDescription, one: ParameterDescription) -> bool:
    """Tell whether it is another place of a Parameter, which a checkpoint of MindSpore has once."""
    return net.framework == "mindspore" and one.tied_to is not None


def _by_key(ones: Iterable[ParameterDescription], names: Names) -> dict[str, list[ParameterDescription]]:
    found: dict[str, list[ParameterDescription]] = {}
    for one in ones:
        for key in sorted(names(one)):
            found.setdefault(key, []).append(one)
    return found


def _some(ones: Sequence[ParameterDescription]) -> str:
    return ", ".join(one.name for one in ones[:3]) + (", ..." if len(ones) > 3 else "")


def _as_written(one: ParameterDescription, there: ParameterDescription, written: Sequence[str]) -> Fit:
    operations = tuple(parse_operation(text) for text in written)
    if one.shape is not None and there.shape is not None:
        made = shape_after(operations, [one.shape])
        if made != there.shape:
            raise ProfkitError(
                f"the rules make {one.name[:80]} of shape {text(made)}, {there.name[:80]} is {text(there.shape)}",
                "mend [operations] of the rules",
            )
    return Fit(MAPPED, operations)


def _wrappers(names: Iterable[str]) -> list[str]:
    """Give the beginnings of names, with their last dot, that may be a wrapper: those of at least two names."""
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        counts.update(".".join(parts[:length]) + "." for length in range(1, min(len(parts), 5)))
    return [prefix for prefix, count in counts.items() if count > 1]


def _makes(whole: ParameterDescription, parts: Sequence[ParameterDescription], axis: int) -> bool:
    """Tell whether equal parts make the whole along an axis."""
    shapes = {part.shape for part in parts}
    shape = parts[0].shape
    if len(shapes) != 1 or shape is None or whole.shape is None or axis >= len(shape):
        return False
    return whole.shape == (*shape[:axis], shape[axis] * len(parts), *shape[axis + 1 :])
