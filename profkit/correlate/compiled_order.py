"""Operators of two compiled graphs that were scheduled in different orders: which of one is which of the other.

The compiler numbers the operators of one type in one scope in the order of the code, whatever the scheduler makes of
it. Layers with scopes of their own (`key-Dense/MatMul-op0`) have no number that tells them apart; what follows each of
them may have one, and runs in the order in which they do. Where nothing tells, and no other operators show that the two
graphs were scheduled alike, the operators are left open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]


@dataclass
class Moved:
    """What the order of two schedules does not pair, as places in them.

    Attributes:
        pairs: Places of operators of the reference and of the run that belong together.
        left_open: Places of operators of either side that nothing tells apart, set by set.
    """

    pairs: list[tuple[int, int]] = field(default_factory=list)
    left_open: list[tuple[Ints, Ints]] = field(default_factory=list)

    def paired(self) -> tuple[Ints, Ints]:
        """Give the places of the pairs on either side."""
        table = np.array(self.pairs, dtype=np.int64).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    def places(self, side: int) -> Ints:
        """Give the places on one side of all that is in a pair or left open."""
        return np.concatenate([self.paired()[side], *(sets[side] for sets in self.left_open)])


@dataclass(frozen=True)
class Schedule:
    """The operators of one compiled graph in the order they ran in.

    Attributes:
        keys: Code of type and shapes, the same on both sides; -1 if the shapes are not known.
        places: Scope and number of each in the compiled graph; number -1 if it tells nothing.
    """

    keys: Ints
    places: Ints

    def numbered(self) -> Ints:
        """Give the keys whose operators the compiler numbered as of one scope."""
        rows = pd.DataFrame({"key": self.keys, "scope": self.places[:, 0], "number": self.places[:, 1]})
        of_key = rows.groupby("key").agg(scopes=("scope", "nunique"), least=("number", "min"))
        return of_key.index[(of_key["scopes"] == 1) & (of_key["least"] >= 0)].to_numpy(dtype=np.int64)

    def ranks(self, places: Ints) -> tuple[int, ...]:
        """Give the rank by number of each of some operators of one key."""
        return tuple(np.argsort(np.argsort(self.places[places, 1])).tolist())

    def between(self, begin: int, end: int, wanted: Ints, count: int) -> dict[int, Ints]:
        """Give the places of the operators of wanted keys from begin to below end, of keys that are there so often."""
        keys = self.keys[begin:end]
        found, counts = np.unique(keys[np.isin(keys, wanted)], return_counts=True)
        return {int(key): begin + np.flatnonzero(keys == key) for key in found[counts == count]}


def moved(ref: Schedule, run: Schedule, ref_at: Ints, run_at: Ints) -> Moved:
    """Pair the operators of one type and shapes that are as many on both sides, if they changed places.

    Those that neither side numbers are taken in the order they ran in.

    Args:
        ref: The reference.
        run: The run.
        ref_at: Places in the reference of the pairs that keep the order; what these pair completely did not move.
        run_at: Their places in the run.
    """
    keys = np.unique(ref.keys[ref.keys >= 0])
    equal = keys[_counts(keys, ref.keys) == _counts(keys, run.keys)]
    of_ref, of_run = ref.numbered(), run.numbered()
    told = np.intersect1d(of_ref, of_run)
    left, right = (
        _in_order(one.keys, equal, np.where(np.isin(one.keys, told), one.places[:, 1], -1)) for one in (ref, run)
    )
    result = Moved()
    if not _ran_alike(_time_ranks(ref.keys, left), _time_ranks(run.keys, right)):
        half_told = np.setdiff1d(np.intersect1d(equal, np.union1d(of_ref, of_run)), told)
        for key in map(int, half_told):
            sides = [np.flatnonzero(one.keys == key) for one in (ref, run)]
            for part in _runs(run.ranks(sides[1]) if key in of_run else ref.ranks(sides[0])):
                _pair_run(result, ref, run, (sides[0], sides[1]), part, told, by_run=key in of_run)
        stays = ~np.isin(ref.keys[left], half_told)
        left, right = left[stays], right[stays]
    kept = np.full(len(ref.keys), -1, dtype=np.int64)
    kept[ref_at] = run_at
    changed = np.isin(ref.keys[left], ref.keys[left[kept[left] != right]])
    result.pairs += zip(left[changed].tolist(), right[changed].tolist(), strict=True)
    return result


def _pair_run(
    result: Moved, ref: Schedule, run: Schedule, sides: tuple[Ints, Ints], part: slice, told: Ints, *, by_run: bool
) -> None:
    """Pair the operators of one key that nothing but their numbers on one side orders, or leave them open."""
    ours, theirs = sides[0][part], sides[1][part]
    if len(ours) == 1:
        result.pairs.append((int(ours[0]), int(theirs[0])))
        return
    windows = [
        one.between(int(places[part][-1]) + 1, int(places[part.stop]) if part.stop < len(places) else len(one.keys),
                    told, len(ours))
        for one, places in zip((ref, run), sides, strict=True)
    ]  # fmt: skip
    numbered, other = (run, ref) if by_run else (ref, run)
    own = numbered.ranks(theirs if by_run else ours)
    orders = {
        other.ranks(windows[0 if by_run else 1][key])
        for key, places in windows[1 if by_run else 0].items()
        if key in windows[0 if by_run else 1] and numbered.ranks(places) == own
    }
    if len(orders) != 1:
        result.left_open.append((ours, theirs))
        return
    (of_other,) = orders
    of_ref, of_run = (of_other, own) if by_run else (own, of_other)
    result.pairs += zip(ours[np.argsort(of_ref)].tolist(), theirs[np.argsort(of_run)].tolist(), strict=True)


def _runs(ranks: tuple[int, ...]) -> Iterator[slice]:
    """Cut a queue where all that ran before has the lowest ranks."""
    begin = 0
    for end in 1 + np.flatnonzero(np.maximum.accumulate(ranks) == np.arange(len(ranks))):
        yield slice(begin, int(end))
        begin = int(end)


def _ran_alike(ref: Ints, run: Ints) -> bool:
    """Say whether both schedules exchanged the same operators that are numbered on both sides, and some at all."""
    return bool((ref == run).all() and (ref != np.arange(len(ref))).any())


def _time_ranks(keys: Ints, places: Ints) -> Ints:
    """Give the rank in time of each place among those of its key; places are key by key."""
    ranks: Ints = np.argsort(np.lexsort((places, keys[places])))
    return ranks


def _in_order(keys: Ints, wanted: Ints, numbers: Ints) -> Ints:
    """Give the places of the operators of the wanted keys, key by key, by number; those without one as they ran."""
    at = np.flatnonzero(np.isin(keys, wanted))
    return at[np.lexsort((numbers[at], keys[at]))]


def _counts(keys: Ints, values: Ints) -> Ints:
    """Count how often each key, ascending, is among values."""
    ordered = np.sort(values)
    counts: Ints = np.searchsorted(ordered, keys, side="right") - np.searchsorted(ordered, keys)
    return counts
