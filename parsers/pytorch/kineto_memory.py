"""Memory events of a PyTorch trace (`[memory]`, recorded with profile_memory=True) as samples of frame `memory`.

Every allocation and release is one event: instants in the C++ exporter (`ph` i), `ph` X of category cpu_instant_event
in the Python one, and without category until torch 1.10. Totals are written since torch 1.10; before, an event tells
its own bytes alone. The allocator of the CPU has no pool: it always writes 0 as reserved, which is given as unknown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from profkit.errors import Severity
from profkit.parsers.chrome.events import Argument
from profkit.parsers.damage_log import DamageLog, Repair
from profkit.parsers.growing_columns import codes_of
from profkit.parsers.pytorch.kineto_facts import kineto_facts
from profkit.schema import MEMORY

MEMORY_ARGUMENTS = tuple(
    Argument(column, "int", key, beside="Bytes")
    for column, key in (
        ("change_bytes", "Bytes"),
        ("allocated_bytes", "Total Allocated"),
        ("reserved_bytes", "Total Reserved"),
        ("device_type", "Device Type"),
        ("device_id", "Device Id"),
    )
)
_NAME, _CATEGORY = "[memory]", "cpu_instant_event"
_COLUMNS = ("row", "ts_ns", *(argument.column for argument in MEMORY_ARGUMENTS))
_CPU = 0
_NO_TIME = Repair("a memory event has no time or no bytes: left out", Severity.DATA_LOSS)
_BEYOND = Repair("the time of a memory event is beyond int64 nanoseconds: left out", Severity.DATA_LOSS)
_INT64_MAX = np.iinfo(np.int64).max


def are_memory_events(events: pa.RecordBatch) -> NDArray[np.bool_]:
    """Mark the memory events of a window, shape (n,): by their name, and by what no annotation of that name has."""
    marked = _is(events["name"], _NAME)
    return marked & (_is(events["ph"], "i") | _is(events["cat"], _CATEGORY)) if marked.any() else marked


def _is(texts: pa.DictionaryArray, text: str) -> NDArray[np.bool_]:
    distinct = texts.dictionary.to_pylist()
    return codes_of(texts) == distinct.index(text) if text in distinct else np.zeros(len(texts), np.bool_)


class MemoryEvents:
    """Collects the memory events of one trace, window by window."""

    def __init__(self, damage: DamageLog) -> None:
        self._damage = damage
        self._windows: list[pa.Table] = []

    def add(self, window: pa.RecordBatch, of_memory: NDArray[np.bool_]) -> None:
        """Take the events of are_memory_events of a window, with MEMORY_ARGUMENTS."""
        events = window.select(_COLUMNS).filter(pa.array(of_memory))
        told = pc.and_(pc.is_valid(events["ts_ns"]), pc.is_valid(events["change_bytes"]))
        if not pc.all(told).as_py():
            lost = events["row"].filter(pc.invert(told)).to_numpy()
            self._damage.count_all(_NO_TIME, lost)
            events = events.filter(told)
        self._windows.append(pa.Table.from_batches([events]))

    def frame(self, base_ns: int, rank: int, source: str) -> pd.DataFrame:
        """Give frame `memory`, in file order, the trace's base time added."""
        if not self._windows:
            return MEMORY.empty()
        events = pa.concat_tables(self._windows)
        times = events["ts_ns"].to_numpy()
        beyond = times > _INT64_MAX - base_ns
        self._damage.count_all(_BEYOND, events["row"].to_numpy()[beyond])
        events, times = events.filter(pa.array(~beyond)), times[~beyond] + base_ns
        on_cpu = pc.fill_null(pc.equal(events["device_type"], _CPU), fill_value=False)
        return MEMORY.build(
            {
                "rank": np.full(len(times), rank, np.int32),
                "time_ns": times,
                "component": _components(events["device_type"], events["device_id"]),
                "allocated_bytes": _integers(events["allocated_bytes"]),
                "reserved_bytes": _integers(pc.if_else(on_cpu, None, events["reserved_bytes"])),
                "change_bytes": _integers(events["change_bytes"]),
                "source": pd.Categorical.from_codes(np.zeros(len(times), np.int8), categories=pd.Index([source])),
            }
        )


def _integers(values: pa.ChunkedArray) -> pd.arrays.IntegerArray:
    known = values.is_valid().to_numpy()
    return pd.arrays.IntegerArray(pc.fill_null(values, 0).to_numpy().astype(np.int64), ~known)


def _components(types: pa.ChunkedArray, numbers: pa.ChunkedArray) -> pd.Categorical[Any]:
    """Name the device of each event: cpu, cuda:0, hip:1; unknown where its type is not told."""
    pairs = pd.MultiIndex.from_arrays([types.to_pandas(types_mapper=_int64), numbers.to_pandas(types_mapper=_int64)])
    codes, distinct = pd.factorize(pairs)
    names: dict[str, int] = {}
    places = [names.setdefault(_device_name(kind, number), len(names)) for kind, number in distinct]
    taken = np.array([*places, -1], np.int32)[codes]
    return pd.Categorical.from_codes(taken, categories=pd.Index(list(names), dtype=object))


def _int64(kind: pa.DataType) -> Any:
    return pd.Int64Dtype() if kind == pa.int64() else None


def _device_name(kind: Any, number: Any) -> str:
    if pd.isna(kind):
        return "unknown"
    devices = kineto_facts().allocators
    word = devices[int(kind)] if 0 <= kind < len(devices) else f"device type {int(kind)}"
    return word if kind == _CPU or pd.isna(number) or number < 0 else f"{word}:{int(number)}"
