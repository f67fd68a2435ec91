"""Which tensor of side A belongs to which of side B; whoever has no partner stays a row of its own.

The strategies run one after the other, each on what the earlier ones left over. None shifts the rest of the sequence
when a file is missing: what could belong to several partners is left alone, with a note.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from profkit.compare.fingerprints import (
    TOLERANCE,
    USUAL_TOLERANCE,
    Fingerprint,
    fingerprint,
    paired_by_value,
)
from profkit.compare.forward_order import composites_after_their_parts
from profkit.compare.sequence_alignment import forced_pairs, longest_rising
from profkit.compare.sides import Group, Side, sides_of
from profkit.errors import UnreadableInputError
from profkit.parsers.module_renames import ModuleRenames
from profkit.progress import Progress, silent

GIVEN = "given"
HINTED_MODULE = "renamed module"
WEIGHT_MAP = "weight map"
ONE_NAME = "name"
TRANSLATED_NAME = "translated name"
NAME_AND_NEIGHBOURS = "name and neighbours"
VALUE = "value"
MODULE_PATH = "module path"
ORDER_AND_SHAPE = "order and shape"


@dataclass
class Pairs:
    """The pairs found so far.

    Attributes:
        partner_of_a, partner_of_b: Row of the partner by row.
        how: How a row of A was paired.
        named_groups: Groups in which a name was found on both sides.
        copies: By side ("a", "b"), row of a copy and the row of the same side that holds the same values.
    """

    partner_of_a: dict[int, int] = field(default_factory=dict)
    partner_of_b: dict[int, int] = field(default_factory=dict)
    how: dict[int, str] = field(default_factory=dict)
    named_groups: set[Group] = field(default_factory=set)
    copies: dict[str, dict[int, int]] = field(default_factory=lambda: {"a": {}, "b": {}})

    def add(self, row_a: int, row_b: int, how: str) -> None:
        """Note a pair; each row is paired once."""
        self.partner_of_a[row_a] = row_b
        self.partner_of_b[row_b] = row_a
        self.how[row_a] = how


def pair(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    names: Mapping[str, str] | None = None,
    given: Mapping[int, int] | None = None,
    renames: ModuleRenames | None = None,
    strategies: Sequence[str] | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Pair the tensors of two sides.

    Args:
        a: A tensors frame, the reference.
        b: A tensors frame.
        names: Name on side B by name on side A, as a weight map gives them; these go before every strategy.
        given: Row of b by row of a, where the caller knows which belong together; these go before all else.
        renames: Modules that have another name on side B; these go before every strategy, and no strategy takes a name
            of side B for the one that is called otherwise there.
        strategies: Those of STRATEGIES to use; None for all.
        progress: Listens, and may cancel.

    Returns:
        One row a pair or an unpaired tensor, in forward order (outputs and inputs, then gradients, then parameters, of
        each iteration), with columns row_a and row_b (int64, -1 none), paired_by (str or None), sure (bool: a
        disagreement of the two counts against the network, not against the pairing) and note (str, for an unpaired row:
        why it has no partner, where that is not plain).
    """
    sides = sides_of(a, b, renames)
    pairs = Pairs()
    for row_a, row_b in (given or {}).items():
        pairs.add(row_a, row_b, GIVEN)
    if names:
        _pair_by_map(*sides, pairs, names)
    if renames:
        _pair_by_renames(*sides, pairs)
    for name, strategy in _STRATEGIES.items():
        if strategies is None or name in strategies:
            progress("pairing", f"by {name}", None)
            strategy(*sides, pairs)
    return _merged(*sides, pairs)


def _pair_by_renames(a: Side, b: Side, pairs: Pairs) -> None:
    _pair_equal_counts(a, b, pairs, (_only(a.canonical, a.renamed, ""), _only(b.canonical, b.renamed)), HINTED_MODULE)


def _only(names: Sequence[str], chosen: Iterable[bool], otherwise: str | None = None) -> list[str | None]:
    """Give the names of the chosen rows; that of the others pairs with none if it differs from side to side."""
    return [name if its else otherwise for name, its in zip(names, chosen, strict=True)]


def _pair_by_map(a: Side, b: Side, pairs: Pairs, names: Mapping[str, str]) -> None:
    renamed = [names.get(name, "") for name in a.name]
    mapped = set(names.values())
    _pair_equal_counts(a, b, pairs, (renamed, [name if name in mapped else None for name in b.name]), WEIGHT_MAP)


def _pair_by_recorded_name(a: Side, b: Side, pairs: Pairs) -> None:
    ours, theirs = ([not its for its in side.renamed] for side in (a, b))
    _pair_equal_counts(a, b, pairs, (_only(a.name, ours, ""), _only(b.name, theirs)), ONE_NAME)


def _pair_by_translated_name(a: Side, b: Side, pairs: Pairs) -> None:
    _pair_equal_counts(a, b, pairs, (a.canonical, b.canonical), TRANSLATED_NAME)


def _pair_equal_counts(
    a: Side, b: Side, pairs: Pairs, names: tuple[Sequence[str | None], Sequence[str | None]], how: str
) -> None:
    """Pair the k-th of a name with the k-th, where both sides have the name equally often."""
    rows_a = _by_label(a, pairs.partner_of_a, lambda row: (a.group[row], a.slot[row], names[0][row]))
    rows_b = _by_label(b, pairs.partner_of_b, lambda row: (b.group[row], b.slot[row], names[1][row]))
    for label, rows in rows_a.items():
        partners = rows_b.get(label, [])
        if len(rows) == len(partners):
            pairs.named_groups.add(a.group[rows[0]])
            for row_a, row_b in zip(rows, partners, strict=True):
                pairs.add(row_a, row_b, how)


def _by_label(side: Side, paired: Mapping[int, int], label: Callable[[int], Hashable]) -> dict[Hashable, list[int]]:
    """Give the unpaired rows in forward order by label."""
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row in side.rows:
        if row not in paired:
            rows[label(row)].append(row)
    return rows


def _pair_by_neighbours(a: Side, b: Side, pairs: Pairs) -> None:
    """Pair names that one side has less often, as far as file numbers or the pairs around them leave no choice."""
    labels_a = {(a.group[row], a.slot[row], a.canonical[row]) for row in a.rows if row not in pairs.partner_of_a}
    labels_b = {(b.group[row], b.slot[row], b.canonical[row]) for row in b.rows if row not in pairs.partner_of_b}
    common = labels_a & labels_b
    left_a = [row for row in a.rows if (a.group[row], a.slot[row], a.canonical[row]) in common]
    left_b = [row for row in b.rows if (b.group[row], b.slot[row], b.canonical[row]) in common]
    left_a = [row for row in left_a if row not in pairs.partner_of_a]
    left_b = [row for row in left_b if row not in pairs.partner_of_b]
    trusted = _last_agreeing_number(a, b, pairs)
    for (group, *_), rows_a, rows_b in _between_anchors(a, b, pairs, left_a, left_b):
        pairs.named_groups.add(group)
        keys_a: list[Hashable] = [(a.slot[row], a.canonical[row]) for row in rows_a]
        keys_b: list[Hashable] = [(b.slot[row], b.canonical[row]) for row in rows_b]
        limit = trusted.get(group, -1)
        if _all_below(a, rows_a, limit) and _all_below(b, rows_b, limit):
            keys_a = [(key, a.number[row]) for key, row in zip(keys_a, rows_a, strict=True)]
            keys_b = [(key, b.number[row]) for key, row in zip(keys_b, rows_b, strict=True)]
        for i, j in forced_pairs(keys_a, keys_b):
            pairs.add(rows_a[i], rows_b[j], NAME_AND_NEIGHBOURS)


def _last_agreeing_number(a: Side, b: Side, pairs: Pairs) -> dict[Group, int]:
    """Give the groups in which every pair carries one file number on both sides, with the largest such number.

    Up to that number the counter of both sides ran alike: a missing file left a gap and moved no later one.
    """
    largest: dict[Group, int] = {}
    for row_a, row_b in pairs.partner_of_a.items():
        number, group = a.number[row_a], a.group[row_a]
        agrees = number is not None and number == b.number[row_b] and largest.get(group, 0) >= 0
        largest[group] = max(largest.get(group, 0), number or 0) if agrees else -1
    return largest


def _all_below(side: Side, rows: Sequence[int], limit: int) -> bool:
    numbers = [side.number[row] for row in rows]
    return all(number is not None and number < limit for number in numbers)


def _pair_by_order_and_shape(a: Side, b: Side, pairs: Pairs) -> None:
    """Pair what shares no name, between pairs that do, where the sequence of shapes leaves no choice."""
    names_a = {(a.group[row], a.canonical[row]) for row in a.rows}
    names_b = {(b.group[row], b.canonical[row]) for row in b.rows}
    left_a = [
        row for row in a.rows if row not in pairs.partner_of_a and (a.group[row], a.canonical[row]) not in names_b
    ]
    left_b = [
        row for row in b.rows if row not in pairs.partner_of_b and (b.group[row], b.canonical[row]) not in names_a
    ]
    for _, rows_a, rows_b in _between_anchors(a, b, pairs, left_a, left_b):
        known_a = [row for row in rows_a if a.shape[row] is not None]
        known_b = [row for row in rows_b if b.shape[row] is not None]
        keys_a = [(a.slot[row], a.shape[row]) for row in known_a]
        keys_b = [(b.slot[row], b.shape[row]) for row in known_b]
        for i, j in forced_pairs(keys_a, keys_b):
            pairs.add(known_a[i], known_b[j], ORDER_AND_SHAPE)


def _pair_by_value(a: Side, b: Side, pairs: Pairs) -> None:
    """Pair what holds the same values, whatever it is called and however it is laid out."""
    left_a, left_b = _rows_by_size(a, pairs.partner_of_a), _rows_by_size(b, pairs.partner_of_b)
    for key, rows_a in left_a.items():
        rows_b = left_b.get(key, [])
        if not rows_b:
            continue
        tolerance = max(
            TOLERANCE.get(side.dtype[row], USUAL_TOLERANCE) for side, rows in ((a, rows_a), (b, rows_b)) for row in rows
        )
        found, copies_a, copies_b = paired_by_value(_fingerprints(a, rows_a), _fingerprints(b, rows_b), tolerance)
        pairs.copies["a"] |= copies_a
        pairs.copies["b"] |= copies_b
        for one in found:
            pairs.add(one.row_a, one.row_b, VALUE)


def _rows_by_size(side: Side, paired: Mapping[int, int]) -> dict[Hashable, list[int]]:
    """Give the unpaired rows that have values by group and number of elements, in forward order."""
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row in side.rows:
        shape = side.shape[row]
        if row not in paired and shape is not None and side.open[row] is not None:
            rows[side.group[row], math.prod(int(dim) for dim in shape.split(",") if dim)].append(row)
    return rows


def _fingerprints(side: Side, rows: Sequence[int]) -> dict[int, Fingerprint]:
    fingerprints = {}
    for row in rows:
        opener = side.open[row]
        assert opener is not None, "rows without values are left out before"
        try:
            found = fingerprint(opener())
        except UnreadableInputError:
            continue
        if found is not None:
            fingerprints[row] = found
    return fingerprints


def _pair_by_module_path(a: Side, b: Side, pairs: Pairs) -> None:
    """Pair the output of a module with that of the last operator of its scope, if the module was called once."""
    for modules, graph, swapped in ((a, b, False), (b, a, True)):
        paired_modules, paired_graph = pairs.partner_of_a, pairs.partner_of_b
        if swapped:
            paired_modules, paired_graph = paired_graph, paired_modules
        last: dict[tuple[Group, str], int] = {}
        for row in graph.rows:
            path = graph.module[row]
            if path is not None and graph.group[row][2] == "output":
                last[graph.group[row], path] = row
        called = Counter((modules.group[row], modules.canonical[row]) for row in modules.rows)
        for row in modules.rows:
            key = modules.group[row], modules.canonical[row]
            partner = last.get(key)
            if partner is None or row in paired_modules or partner in paired_graph or called[key] > 1:
                continue
            if modules.module[row] is None and modules.shape[row] == graph.shape[partner] is not None:
                pairs.add(*((partner, row) if swapped else (row, partner)), MODULE_PATH)


Strategy = Callable[[Side, Side, Pairs], None]

# From the surest to the least sure.
_STRATEGIES: dict[str, Strategy] = {
    ONE_NAME: _pair_by_recorded_name,
    TRANSLATED_NAME: _pair_by_translated_name,
    NAME_AND_NEIGHBOURS: _pair_by_neighbours,
    VALUE: _pair_by_value,
    MODULE_PATH: _pair_by_module_path,
    ORDER_AND_SHAPE: _pair_by_order_and_shape,
}
STRATEGIES = tuple(_STRATEGIES)

# A disagreement of tensors paired by these may be one of the pairing.
_UNSURE = frozenset({MODULE_PATH})

Stretch = tuple[Group, int]
"""A group and the number of anchors before the rows in question."""


def _between_anchors(
    a: Side, b: Side, pairs: Pairs, rows_a: Sequence[int], rows_b: Sequence[int]
) -> list[tuple[Stretch, list[int], list[int]]]:
    """Cut unpaired rows at the pairs that stand in the same order on both sides; give the parts both sides have."""
    places_a, places_b = _anchors(a, b, pairs)
    stretch_a = _stretches(a, rows_a, places_a)
    stretch_b = _stretches(b, rows_b, places_b)
    return [(stretch, rows, stretch_b[stretch]) for stretch, rows in stretch_a.items() if stretch in stretch_b]


def _anchors(a: Side, b: Side, pairs: Pairs) -> tuple[dict[Group, list[int]], dict[Group, list[int]]]:
    """Give by group the places of the pairs that rise on both sides."""
    by_group: dict[Group, list[tuple[int, int]]] = defaultdict(list)
    for row_a in a.rows:
        if row_a in pairs.partner_of_a:
            by_group[a.group[row_a]].append((int(a.place[row_a]), int(b.place[pairs.partner_of_a[row_a]])))
    places_a: dict[Group, list[int]] = {}
    places_b: dict[Group, list[int]] = {}
    for group, places in by_group.items():
        kept = longest_rising([place_b for _, place_b in places])
        places_a[group] = [places[i][0] for i in kept]
        places_b[group] = [places[i][1] for i in kept]
    return places_a, places_b


def _stretches(side: Side, rows: Sequence[int], anchors: Mapping[Group, list[int]]) -> dict[Stretch, list[int]]:
    stretches: dict[Stretch, list[int]] = defaultdict(list)
    for row in rows:
        group = side.group[row]
        stretches[group, bisect_left(anchors.get(group, ()), side.place[row])].append(row)
    return stretches


def _merged(a: Side, b: Side, pairs: Pairs) -> pd.DataFrame:
    """Write pairs and unpaired rows in the order of A; what only B has follows its predecessor in B."""
    entries: list[tuple[tuple[float, ...], int, int]] = [
        ((*_group_order(a.group[row]), a.place[row], 0, 0), row, pairs.partner_of_a.get(row, -1)) for row in a.rows
    ]
    last: dict[Group, float] = {}
    for row in b.rows:
        group = b.group[row]
        if row in pairs.partner_of_b:
            last[group] = float(a.place[pairs.partner_of_b[row]])
        else:
            entries.append(((*_group_order(group), last.get(group, -math.inf), 1, b.place[row]), -1, row))
    entries.sort(key=lambda entry: entry[0])
    rows_a = [row_a for _, row_a, _ in entries]
    rows_b = [row_b for _, _, row_b in entries]
    # Beside pairs that are known otherwise, what is left over need not belong together.
    doubtful_groups = pairs.named_groups | {a.group[row] for row, how in pairs.how.items() if how == VALUE}
    frame = pd.DataFrame(
        {
            "row_a": np.array(rows_a, dtype=np.int64),
            "row_b": np.array(rows_b, dtype=np.int64),
            "paired_by": [pairs.how.get(row) if row >= 0 else None for row in rows_a],
            "sure": [
                pairs.how.get(row) not in _UNSURE
                and (pairs.how.get(row) != ORDER_AND_SHAPE or a.group[row] not in doubtful_groups)
                for row in rows_a
            ],
            "note": _notes(a, b, rows_a, rows_b, pairs),
        }
    )
    names = [a.canonical[i] if i >= 0 else b.canonical[j] for i, j in zip(rows_a, rows_b, strict=True)]
    groups = [a.group[i] if i >= 0 else b.group[j] for i, j in zip(rows_a, rows_b, strict=True)]
    return frame.iloc[composites_after_their_parts(names, groups)].reset_index(drop=True)


def _group_order(group: Group) -> tuple[int, int, int]:
    rank, iteration, io = group
    return rank, iteration, {"gradient": 1, "parameter": 2}.get(io, 0)


def _notes(a: Side, b: Side, rows_a: Sequence[int], rows_b: Sequence[int], pairs: Pairs) -> list[str]:
    """Say of an unpaired row why it has no partner: its name stands elsewhere, or its values do."""
    count_a = Counter((a.group[row], a.slot[row], a.canonical[row]) for row in a.rows)
    count_b = Counter((b.group[row], b.slot[row], b.canonical[row]) for row in b.rows)
    notes = []
    for i, j in zip(rows_a, rows_b, strict=True):
        side, row = (a, i) if i >= 0 else (b, j)
        label = side.group[row], side.slot[row], side.canonical[row]
        ambiguous = (i < 0 or j < 0) and label in count_a and label in count_b
        original = pairs.copies["a" if i >= 0 else "b"].get(row)
        paired = pairs.partner_of_a if i >= 0 else pairs.partner_of_b
        if (i < 0 or j < 0) and original is not None and original in paired:
            notes.append(
                f"{side.name[row]} holds the same values as {side.name[original]}, and the other side has none left"
            )
            continue
        notes.append(
            f"{side.name[row]} was recorded {count_a[label]} times in A and {count_b[label]} times in B, "
            "and which of them belong together cannot be told"
            if ambiguous
            else ""
        )
    return notes
