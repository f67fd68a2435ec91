"""Events of a PyTorch trace collected into compact columns: what each is, which are kept, what is counted instead."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from profkit.errors import Severity
from profkit.parsers.damage_log import DamageLog, Repair
from profkit.parsers.growing_columns import GrowingCodes, GrowingIntegers, GrowingNumbers, codes_of
from profkit.parsers.pytorch.kineto_collectives import CollectiveEvents
from profkit.parsers.pytorch.kineto_facts import kineto_facts
from profkit.parsers.pytorch.kineto_memory import MemoryEvents, are_memory_events

Bools = NDArray[np.bool_]
Codes = NDArray[np.int32]
Int64s = NDArray[np.int64]
Roles = NDArray[np.int8]

ROLES = ("host", "device", "module", "annotation", "launch", "step", "python", "memory", "")
"""What an event is. Python functions that are no module calls, and events of no role, are not kept."""
HOST, DEVICE, MODULE, ANNOTATION, LAUNCH, STEP, PYTHON, MEMORY, NOTHING = range(len(ROLES))

STEP_NAME = re.compile(r"ProfilerStep#(\d{1,9})")
_MODULE_PREFIX = "nn.Module: "
_UNKNOWN_NAME = "unknown"
_NAMES_REMEMBERED = 1 << 16
_LARGEST_LOOKUP = 1 << 14

_NO_TIME = Repair("no start or no duration: left out", Severity.DATA_LOSS)
_BEYOND = Repair("the time is beyond int64 nanoseconds: left out", Severity.DATA_LOSS)
_NEGATIVE = Repair("the duration is negative: taken as zero", Severity.DATA_LOSS)
_UNTOLD_NAME = Repair(
    "the name is 'unknown': torch 2.6 and later write that for names that are not plain ASCII", Severity.DATA_LOSS
)
_NO_CATEGORY = Repair(
    "no category (torch_npu: CANN calls and device tasks, read from the profiler's directory): left out",
    Severity.DATA_LOSS,
)
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class KeptEvents:
    """Events that are kept, in file order; arrays have one element an event.

    Attributes:
        row: int64, place in the list of the file.
        role: int8, place in ROLES.
        start_ns, dur_ns: int64.
        name, cat, lane, inputs: int32, place in the list of distinct values; -1 none.
        names, cats: Distinct texts.
        lanes: Distinct (pid, tid); None where not recorded.
        input_records: Distinct (dims, types), JSON as recorded; None where not recorded.
        integers: Int64 columns by name.
    """

    row: Int64s
    role: Roles
    start_ns: Int64s
    dur_ns: Int64s
    name: Codes
    cat: Codes
    lane: Codes
    inputs: Codes
    names: list[str]
    cats: list[str]
    lanes: list[tuple[str | None, str | None]]
    input_records: list[tuple[str | None, str | None]]
    integers: dict[str, pd.arrays.IntegerArray]

    def __len__(self) -> int:
        return len(self.row)

    def of(self, *roles: int) -> Bools:
        """Mark the events of some roles."""
        return np.isin(self.role, roles)

    def chosen(self, mask: Bools) -> KeptEvents:
        """Give some of the events."""
        arrays = ("row", "role", "start_ns", "dur_ns", "name", "cat", "lane", "inputs")
        return replace(
            self,
            **{name: getattr(self, name)[mask] for name in arrays},
            integers={name: values[mask] for name, values in self.integers.items()},
        )


class _Columns:
    """Columns that events are added to, window by window."""

    def __init__(self, integers: tuple[str, ...]) -> None:
        self._row, self._start, self._dur = (GrowingNumbers(np.int64) for _ in range(3))
        self._role = GrowingNumbers(np.int8)
        self._name: GrowingCodes[str] = GrowingCodes()
        self._cat: GrowingCodes[str] = GrowingCodes()
        self._lane: GrowingCodes[tuple[str | None, str | None]] = GrowingCodes()
        self._inputs: GrowingCodes[tuple[str | None, str | None]] = GrowingCodes()
        self._integers = {name: GrowingIntegers() for name in integers}

    def add(self, events: pa.RecordBatch, roles: Roles, chosen: Bools) -> None:
        """Add some events of a window; those have a start and a duration, others need not."""
        if not chosen.any():
            return
        self._role.append(roles[chosen])
        self._row.append(events["row"].to_numpy()[chosen])
        self._start.append(_known(events["ts_ns"])[chosen])
        self._dur.append(np.maximum(_known(events["dur_ns"])[chosen], 0))
        name, cat = events["name"], events["cat"]
        self._name.append(*_with_empty(name.dictionary.to_pylist(), codes_of(name)[chosen]))
        self._cat.append(cat.dictionary.to_pylist(), codes_of(cat)[chosen])
        self._lane.append(*_pairs(events["pid"], events["tid"], chosen))
        self._inputs.append(*_pairs(events["dims"], events["types"], chosen))
        mask = pa.array(chosen)
        for column, growing in self._integers.items():
            growing.append(events[column].filter(mask))

    def finish(self) -> KeptEvents:
        """Give all of them; nothing may be added afterwards."""
        return KeptEvents(
            row=self._row.finish(),
            role=self._role.finish(),
            start_ns=self._start.finish(),
            dur_ns=self._dur.finish(),
            name=self._name.finish(),
            cat=self._cat.finish(),
            lane=self._lane.finish(),
            inputs=self._inputs.finish(),
            names=list(self._name.numbers),
            cats=list(self._cat.numbers),
            lanes=list(self._lane.numbers),
            input_records=list(self._inputs.numbers),
            integers={name: growing.finish() for name, growing in self._integers.items()},
        )


def _known(numbers: pa.Array) -> Int64s:
    """Give int64, 0 where unknown."""
    known: Int64s = (pc.fill_null(numbers, 0) if numbers.null_count else numbers).to_numpy()
    return known


def _with_empty(texts: list[str], codes: Codes) -> tuple[list[str], Codes]:
    """Give names where those that are not recorded are empty."""
    return [*texts, ""], np.where(codes < 0, len(texts), codes).astype(np.int32) if (codes < 0).any() else codes


def _pairs(
    first: pa.DictionaryArray, second: pa.DictionaryArray, chosen: Bools
) -> tuple[list[tuple[str | None, str | None]], Codes]:
    """Give the distinct pairs of two texts in the chosen rows, and the place of each row's pair among them."""
    if first.null_count == len(first) and second.null_count == len(second):
        return [(None, None)], np.zeros(int(chosen.sum()), np.int32)
    firsts, seconds = [*first.dictionary.to_pylist(), None], [*second.dictionary.to_pylist(), None]
    combined = (codes_of(first)[chosen] % len(firsts)) * len(seconds) + codes_of(second)[chosen] % len(seconds)
    distinct, codes = _distinct(combined, len(firsts) * len(seconds))
    return [(firsts[i // len(seconds)], seconds[i % len(seconds)]) for i in distinct.tolist()], codes


def _distinct(numbers: NDArray[np.integer], limit: int) -> tuple[NDArray[np.integer], Codes]:
    """Give the distinct numbers below a limit and the place of each number among them.

    Small ones are looked up instead of sorted.
    """
    if limit > _LARGEST_LOOKUP:
        distinct, places = np.unique(numbers, return_inverse=True)
        return distinct, places.astype(np.int32)
    present = np.zeros(limit, np.int32)
    present[numbers] = 1
    return np.flatnonzero(present), (np.cumsum(present, dtype=np.int32) - 1)[numbers]


class EventCollector:
    """Collects the events of one trace; `choose` and `add` are called in turn for each window.

    Attributes:
        damage: What was lost.
        left_out: Events that are not kept, by category.
        categories: All categories of the file.
        memory: Its memory events.
        collectives: Operators and device events with arguments of a collective; they are kept as such as well.
    """

    def __init__(self, source: Path) -> None:
        self.damage = DamageLog(source)
        self.left_out: Counter[str] = Counter()
        self.categories: set[str] = set()
        self.memory = MemoryEvents(self.damage)
        self.collectives = CollectiveEvents()
        self._roles: Roles = np.zeros(0, np.int8)
        self._operators = _Columns(("external_id", "correlation", "sequence", "forward_thread", "record_function"))
        self._spans = _Columns(("correlation", "python_id", "python_parent"))

    def choose(self, events: pa.Table) -> Bools:
        """Say which events of a window to read in full; the others are counted."""
        if not events.num_rows:
            return np.zeros(0, np.bool_)
        batch = events.to_batches()[0]
        self.categories.update(batch["cat"].dictionary.to_pylist())
        roles = _roles(batch)
        roles[are_memory_events(batch)] = MEMORY
        kept = (roles < PYTHON) | (roles == MEMORY)
        if not kept.all():
            self._count_left_out(batch, ~kept)
        self._roles = roles[kept]
        return kept

    def add(self, events: pa.Table) -> None:
        """Take the events that were chosen last."""
        batch, roles = events.to_batches()[0], self._roles
        of_memory = roles == MEMORY
        if of_memory.any():
            self.memory.add(batch, of_memory)
        placed = pc.and_(pc.is_valid(batch["ts_ns"]), pc.is_valid(batch["dur_ns"])).to_numpy(zero_copy_only=False)
        self._count(_NO_TIME, batch, ~(placed | of_memory))
        kept = placed & ~of_memory
        negative = pc.fill_null(pc.less(batch["dur_ns"], 0), fill_value=False).to_numpy(zero_copy_only=False)
        self._count(_NEGATIVE, batch, kept & negative)
        self._count(_UNTOLD_NAME, batch, kept & _is_text(batch["name"], _UNKNOWN_NAME))
        operators = kept & (roles <= DEVICE)
        self.collectives.add(batch, kept, roles == DEVICE)
        self._operators.add(batch, roles, operators)
        self._spans.add(batch, roles, kept & ~operators)

    def finish(self, base_ns: int) -> tuple[KeptEvents, KeptEvents]:
        """Give operators with device tasks, and spans, the trace's base time added to their starts."""
        operators, spans = (self._moved(columns.finish(), base_ns) for columns in (self._operators, self._spans))
        return operators, spans

    def _moved(self, events: KeptEvents, base_ns: int) -> KeptEvents:
        beyond = events.start_ns > _INT64.max - base_ns - events.dur_ns
        if beyond.any():
            self.damage.count_all(_BEYOND, events.row[beyond])
            events = events.chosen(~beyond)
        np.add(events.start_ns, base_ns, out=events.start_ns)
        return events

    def _count(self, kind: Repair, batch: pa.RecordBatch, mask: Bools) -> None:
        if mask.any():
            self.damage.count_all(kind, batch["row"].to_numpy()[mask])

    def _count_left_out(self, batch: pa.RecordBatch, left: Bools) -> None:
        phases, cats = [*batch["ph"].dictionary.to_pylist(), None], [*batch["cat"].dictionary.to_pylist(), None]
        phase, cat = codes_of(batch["ph"]) % len(phases), codes_of(batch["cat"]) % len(cats)
        kinds = (cat * len(phases) + phase)[left]
        counts = np.bincount(kinds)
        # In the order of their first events: of equal counts the first one is named first.
        for kind in dict.fromkeys(kinds.tolist()) if np.count_nonzero(counts) > 1 else kinds[:1].tolist():
            category, letter = cats[kind // len(phases)], phases[kind % len(phases)]
            if category is not None or letter is not None:
                self.left_out[category if category is not None else f"phase {letter}"] += int(counts[kind])
        self._count(_NO_CATEGORY, batch, left & _is_text(batch["ph"], "X") & (cat == len(cats) - 1))


def _is_text(texts: pa.DictionaryArray, text: str) -> Bools:
    distinct = texts.dictionary.to_pylist()
    return codes_of(texts) == distinct.index(text) if text in distinct else np.zeros(len(texts), np.bool_)


def _roles(batch: pa.RecordBatch) -> Roles:
    """Give the role of each event of a window, judging each distinct text once."""
    facts = kineto_facts()
    cat = codes_of(batch["cat"])
    role = _judged(batch["cat"].dictionary, cat, facts.roles)
    legacy = _judged(batch["pid"].dictionary, codes_of(batch["pid"]), facts.legacy_roles)
    role = np.where(cat < 0, legacy, role)
    role[~_is_text(batch["ph"], "X")] = NOTHING
    kinds = np.array([*map(_kind_of_name, batch["name"].dictionary.to_pylist()), NOTHING], np.int8)
    kind = kinds[codes_of(batch["name"])]
    role[(role == HOST) & ((kind == ANNOTATION) | (kind == STEP))] = ANNOTATION
    role[(role == ANNOTATION) & (kind == STEP)] = STEP
    role[(role == PYTHON) & (kind == MODULE)] = MODULE
    return role


def _judged(texts: pa.Array, codes: Codes, role_of: Mapping[str, str]) -> Roles:
    roles = [ROLES.index(role_of.get(text, "")) for text in texts.to_pylist()]
    return np.array([*roles, NOTHING], np.int8)[codes]


@lru_cache(_NAMES_REMEMBERED)
def _kind_of_name(name: str) -> int:
    """Say what a name alone tells: a step, another annotation, a module call or nothing."""
    if name.startswith(_MODULE_PREFIX):
        return MODULE
    if STEP_NAME.fullmatch(name):
        return STEP
    return ANNOTATION if kineto_facts().annotation_name.match(name) else NOTHING
