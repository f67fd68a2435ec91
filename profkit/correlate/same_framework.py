"""Alignment of two runs of one framework (before and after a change) by their sequences of operators.

Equal operators pair in order. What stands in the same narrow gap on both sides replaces each other and is one unit: an
operator and its parts. A wide gap is another network, or another part of one: it stays unmatched. Operators that only
one side has join a neighbour: a repetition joins the operator it repeats, light work the operator it prepares
or finishes; a heavy operator of a kind that is not around stays unmatched. What is the reference and what the run makes
no difference: exchanged sides give the same groups.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.compiled_order import Schedule, moved
from profkit.correlate.executions import StepPair, WorkOfSteps
from profkit.correlate.mindspore_kernels import place_in_graph
from profkit.correlate.neighbours import HEAVY_CLASSES, Neighbourhood
from profkit.correlate.placement import (
    AMBIGUOUS,
    MOVED,
    NO_COUNTERPART,
    REPLACED,
    SAME_PLACE,
    SHAPES_AGREE,
    Placement,
    Rows,
    StepRows,
    joined,
)
from profkit.correlate.sequence import common_sequence
from profkit.correlate.text_columns import texts_of
from profkit.vocabulary.conversions import conversion_kinds

Ints = npt.NDArray[np.int64]

_HEAVY = sorted(HEAVY_CLASSES)
# The widest operator known is a loss of 45 kernels; attention has three heavy parts (two products and a softmax), with
# a norm beside it four. A single operator may also be replaced by a loop over its rows, of any width.
_WIDEST = 64
_MOST_HEAVY_PARTS = 4
_SINGLE = 8
# In the names of the gradients of a compiled graph.
_GRADIENT_SCOPE = "Gradients/"


class SequenceAligner:
    """Aligns steps of two runs of one framework.

    Args:
        ref, run: Identified ops frames.
        level: Level of the rows that stand for the work.
    """

    def __init__(self, ref: pd.DataFrame, run: pd.DataFrame, level: str) -> None:
        self._frames = (ref, run)
        self._work = (WorkOfSteps(ref, level, as_launched=True), WorkOfSteps(run, level, as_launched=True))
        self._types = _common_codes(
            [ops["op_type"].astype(object).fillna(ops["name"].astype(object)) for ops in self._frames]
        )
        self._shapes = _common_codes([ops["input_shapes"].astype(object) for ops in self._frames])
        self._phases = [texts_of(ops["phase"], "") for ops in self._frames]
        self._classes = [texts_of(ops["op_class"]) for ops in self._frames]
        self._converts = [conversion_kinds(ops["op_type"]).notna().to_numpy() for ops in self._frames]
        self._scheduled = all(_runs_compiled(ops) for ops in self._frames)
        self._places = [_places_in_graph(ops) for ops in self._frames] if self._scheduled else []

    def rows(self, pair: StepPair) -> StepRows:
        """Give the rows of one pair of steps."""
        left = self._work[0].rows(pair.left_rank, pair.left_step)
        right = self._work[1].rows(pair.right_rank, pair.right_step)
        return StepRows(left=left, right=right, left_host=left)

    def sequence(self, rows: StepRows) -> tuple[Hashable, Hashable]:
        """Give what pairs of steps share that align alike."""
        both = zip((rows.left, rows.right), self._types, self._shapes, self._phases, strict=True)
        left, right = ((tuple(t[r]), tuple(s[r]), tuple(p[r])) for r, t, s, p in both)
        names = [places[its].tobytes() for places, its in zip(self._places, (rows.left, rows.right), strict=False)]
        return left, (right, *names)

    def align(self, rows: StepRows) -> tuple[Placement, Placement, int]:
        """Place the rows of one pair of steps, phase by phase; a unit has the number of its first reference row."""
        phases = [self._phases[side][part] for side, part in enumerate((rows.left, rows.right))]
        if not all((of_side != "").any() for of_side in phases):
            # One of the runs tells no phases: their order alone remains.
            phases = [np.full(len(of_side), "", dtype=object) for of_side in phases]
        parts, offsets, units = [], [], 0
        for phase in dict.fromkeys([*phases[0], *phases[1], ""]):
            ref_rows = rows.left[phases[0] == phase]
            parts.append(self._part(ref_rows, rows.right[phases[1] == phase], str(phase)))
            offsets.append(units)
            units += len(ref_rows)
        ref = joined([left for left, _ in parts], offsets, rows.left)
        run = joined([right for _, right in parts], offsets, rows.right)
        return ref, run, units

    def _part(self, ref_rows: Rows, run_rows: Rows, phase: str) -> tuple[Placement, Placement]:
        ref_keys = (self._types[0][ref_rows], self._shapes[0][ref_rows])
        run_keys = (self._types[1][run_rows], self._shapes[1][run_rows])
        ref_at, run_at = _common_sequence(ref_keys, run_keys)
        ref = Placement.unmatched(ref_rows, NO_COUNTERPART)
        run = Placement.unmatched(run_rows, NO_COUNTERPART)
        left_open: list[tuple[Ints, Ints]] = []
        if self._scheduled:
            in_graph = [self._places[at][rows] for at, rows in enumerate((ref_rows, run_rows))]
            changes = moved(*_schedules(ref_keys, run_keys, in_graph), ref_at, run_at)
            stays = ~np.isin(ref_at, changes.places(0)) & ~np.isin(run_at, changes.places(1))
            ref_at, run_at = ref_at[stays], run_at[stays]
            left_open = changes.left_open
            for at, (side, places) in enumerate(zip((ref, run), changes.paired(), strict=True)):
                side.unit[places] = changes.paired()[0]
                for sets in left_open:
                    side.unit[sets[at]] = sets[0][0]
                side.reason = [
                    MOVED if its else reason for its, reason in zip(side.unit >= 0, side.reason, strict=True)
                ]
        for left, right in zip(ref_at, run_at, strict=True):
            agree = ref_keys[1][left] == run_keys[1][right] >= 0
            for side, at in ((ref, left), (run, right)):
                side.unit[at], side.reason[at] = left, SHAPES_AGREE if agree else SAME_PLACE
        heavy = [np.isin(self._classes[at][rows], _HEAVY) for at, rows in enumerate((ref_rows, run_rows))]
        for gap in _replacements(ref_at, run_at, *heavy):
            if any((side.unit[part] >= 0).any() for side, part in zip((ref, run), gap, strict=True)):
                continue
            for side, part in zip((ref, run), gap, strict=True):
                side.unit[part] = gap[0].start
                side.reason[part] = [REPLACED] * (part.stop - part.start)
        for at, (side, keys) in enumerate(((ref, ref_keys), (run, run_keys))):
            classes = self._classes[at][side.rows].tolist()
            converts = self._converts[at][side.rows]
            around = Neighbourhood(keys[0], classes, backward=phase == "backward", converts=converts)
            around.adopt(side.unit, side.reason)
            _leave_open(side, [sets[at] for sets in left_open])
        return ref, run


def _common_codes(columns: list[pd.Series[str]]) -> list[Ints]:
    # In the order of their text, so that a code does not tell which side came first.
    codes, _ = pd.factorize(pd.concat(columns, ignore_index=True), sort=True)
    return np.split(codes.astype(np.int64), [len(columns[0])])


def _runs_compiled(ops: pd.DataFrame) -> bool:
    """Say whether a run executes a compiled graph with its gradients: a scheduler orders it anew each time."""
    return any(_GRADIENT_SCOPE in str(name) for name in ops["name"].cat.categories)


def _places_in_graph(ops: pd.DataFrame) -> Ints:
    """Give the scope of each operator, as a code, and its number there; -1 if it tells nothing: two columns.

    Lookups in tables of equal size are numbered from the first or from the last, whichever way the graph was compiled.
    """
    names = ops["name"]
    categories = names.cat.categories
    scopes, numbers = zip(*map(place_in_graph, categories), strict=True) if len(categories) else ((), ())
    codes, _ = pd.factorize(np.array(scopes, dtype=object))
    known = np.column_stack([codes, np.array(numbers)]).astype(np.int64)
    places = known[names.cat.codes.to_numpy()]
    places[(ops["op_class"] == "embedding").to_numpy(), 1] = -1
    return places


def _schedules(ref: tuple[Ints, Ints], run: tuple[Ints, Ints], places: list[Ints]) -> tuple[Schedule, Schedule]:
    shapes = int(max(ref[1].max(initial=-1), run[1].max(initial=-1))) + 1
    ours, theirs = (np.where(its[1] >= 0, its[0] * shapes + its[1], -1) for its in (ref, run))
    return Schedule(ours, places[0]), Schedule(theirs, places[1])


def _leave_open(side: Placement, places: list[Ints]) -> None:
    """Take, in place, the units that stood for undecided sets, with all that joined them."""
    numbers = [int(side.unit[its[0]]) for its in places]
    joined_them = np.isin(side.unit, numbers)
    side.reason = [NO_COUNTERPART if its else reason for its, reason in zip(joined_them, side.reason, strict=True)]
    side.unit[joined_them] = -1
    for number, its in zip(numbers, places, strict=True):
        side.candidates[its] = number
        for at in its:
            side.reason[at] = AMBIGUOUS


def _common_sequence(ref: tuple[Ints, Ints], run: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Pair equal operators; of equally good pairings the same one is chosen when the sides are exchanged."""
    if _order_of(run) < _order_of(ref):
        run_at, ref_at = common_sequence(run, ref)
        return ref_at, run_at
    return common_sequence(ref, run)


def _order_of(keys: tuple[Ints, Ints]) -> tuple[int, list[int], list[int]]:
    types, shapes = keys
    return len(types), types.tolist(), shapes.tolist()


def _replacements(
    ref_at: Ints, run_at: Ints, ref_heavy: npt.NDArray[np.bool_], run_heavy: npt.NDArray[np.bool_]
) -> Iterator[tuple[slice, slice]]:
    """Give what replaces each other: unpaired on both sides between the same two pairs, one operator and its parts."""
    if not len(ref_at):
        return
    bounds = zip([-1, *ref_at], [*ref_at, len(ref_heavy)], [-1, *run_at], [*run_at, len(run_heavy)], strict=True)
    for ref_from, ref_to, run_from, run_to in bounds:
        gap = (slice(int(ref_from) + 1, int(ref_to)), slice(int(run_from) + 1, int(run_to)))
        narrow, wide = sorted(
            (part.stop - part.start, int(heavy[part].sum()))
            for heavy, part in zip((ref_heavy, run_heavy), gap, strict=True)
        )
        one_operator = 0 < narrow[0] <= _SINGLE and narrow[1] <= 1
        its_parts = narrow[0] > 0 and wide[0] <= _WIDEST and max(narrow[1], wide[1]) <= _MOST_HEAVY_PARTS
        if one_operator or (its_parts and min(narrow[1], wide[1]) <= 1):
            yield gap
