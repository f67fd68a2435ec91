"""What PyTorch records of collectives: arguments of the call (record_param_comms) and, copied, of its kernel.

Written since torch 2.3 by ProcessGroupNCCL (also over RCCL), by other backends on the call alone. The duration of the
call is that of the launch, not of the transfer: only kernels have a duration here. Which call launched which kernel is
worked out by profkit.correlate; a call with a kernel is left out of sums there (profkit.communication_summary).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from profkit.parsers.chrome.events import Argument
from profkit.parsers.pytorch.kineto_facts import kineto_facts
from profkit.schema import COMM

_MARK = "Collective name"
COLLECTIVE_ARGUMENTS = (
    Argument("operation", "text", _MARK, beside=_MARK),
    Argument("element_type", "text", "dtype", beside=_MARK),
    Argument("in_elements", "int", "In msg nelems", beside=_MARK),
    Argument("out_elements", "int", "Out msg nelems", beside=_MARK),
    Argument("group_size", "int", "Group size", beside=_MARK),
    Argument("group_name", "text", "Process Group Name", "Process Group ID", beside=_MARK),
    Argument("group_description", "text", "Process Group Description", beside=_MARK),
    Argument("group_ranks", "text", "Process Group Ranks", beside=_MARK),
)
_COLUMNS = ("row", "ts_ns", "dur_ns", "name", *(argument.column for argument in COLLECTIVE_ARGUMENTS))
_POINT_TO_POINT = re.compile(r"send|recv|receive", re.IGNORECASE)
_LARGEST_COUNT = 2**58
_INT64_MAX = np.iinfo(np.int64).max


class CollectiveEvents:
    """Collects the operators and kernels that carry arguments of a collective, window by window."""

    def __init__(self) -> None:
        self._windows: list[pa.Table] = []

    def add(self, events: pa.RecordBatch, kept: NDArray[np.bool_], on_device: NDArray[np.bool_]) -> None:
        """Take those of some operators and device events.

        Args:
            events: With COLLECTIVE_ARGUMENTS.
            kept: bool, one an event: it has a start and a duration, and is an event of a kind that has collectives.
            on_device: bool, one an event.
        """
        names = events["operation"]
        if names.null_count == len(names):
            return
        plain = names.cast(pa.string())
        transfers = pc.invert(pc.is_in(plain, pa.array(kineto_facts().no_transfers)))
        wanted = pc.and_(pc.and_(pc.is_valid(plain), pa.array(kept)), transfers)
        chosen = {name: _plain(events[name].filter(wanted)) for name in _COLUMNS}
        self._windows.append(pa.table({**chosen, "on_device": pa.array(on_device).filter(wanted)}))

    def frame(self, base_ns: int, rank: int, source: str) -> pd.DataFrame:
        """Give frame `comm`, in file order, the trace's base time added; without those that it moves out of int64."""
        if not self._windows:
            return COMM.empty()
        events = pa.concat_tables(self._windows)
        events = events.filter(pc.less_equal(events["ts_ns"], _INT64_MAX - base_ns))
        columns = {name: events[name].to_pylist() for name in events.column_names}
        rows = [
            _row(dict(zip(columns, values, strict=True)), base_ns) for values in zip(*columns.values(), strict=True)
        ]
        return COMM.from_rows([{**row, "rank": rank, "step": -1, "source": source} for row in rows])


def _plain(values: pa.Array) -> pa.Array:
    return values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values


def _row(event: dict[str, Any], base_ns: int) -> dict[str, Any]:
    word = event["element_type"]
    dtype, item_bytes = kineto_facts().collective_dtypes.get(word, (word, None))
    counts = [count for count in (event["in_elements"], event["out_elements"]) if count is not None]
    largest = max(counts, default=-1)
    fits = 0 <= largest < _LARGEST_COUNT
    ranks = event["group_ranks"]
    return {
        "name": event["name"] or "",
        "kind": "p2p" if _POINT_TO_POINT.search(event["operation"]) else "collective",
        "start_ns": event["ts_ns"] + base_ns,
        "dur_ns": max(event["dur_ns"], 0) if event["on_device"] else None,
        "message_bytes": largest * item_bytes if fits and item_bytes is not None else None,
        "dtype": dtype,
        "elements": largest if fits else None,
        "group": _group(event["group_name"], event["group_description"]),
        "group_size": event["group_size"],
        "group_ranks": ranks.strip("[]").replace(" ", "") or None if ranks else None,
        "operation": event["operation"],
        "level": "device" if event["on_device"] else "host",
        "row": event["row"],
    }


def _group(name: str | None, description: str | None) -> str | None:
    if name and description and name != description:
        return f"{name} ({description})"
    return name or description or None
