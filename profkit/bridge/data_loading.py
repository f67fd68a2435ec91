"""When a run waited for its input data: the intervals of the data loader and the kernels that fetch a batch."""

from __future__ import annotations

import pandas as pd

from profkit.correlate.intervals import Int64s, merge
from profkit.run import Run

# torch: the annotation that torch.utils.data.DataLoader puts around every batch (torch 1.6 and later).
# MindSpore: host events of the module Dataset (`Dataset::{event}::{stage}`, MindSpore 2.10) belong to the pipeline's
# own threads and do not tell who waits; the step waits in GetNext and in the queue's initialisation.
_LOADER = r"^enumerate\(DataLoader\)#"
FETCHES = frozenset({"GetNext", "GetNextV2", "InitDataSetQueue", "DataQueueGetNext", "QueueDataset"})
"""Operator types that fetch a batch: they end when there is one."""


def loading_intervals(run: Run, rank: int) -> tuple[Int64s, Int64s]:
    """Give the disjoint, ascending intervals (starts, ends) in which the host of a rank ran its data loader."""
    parts = [
        frame.loc[(frame["rank"] == rank) & _matches(frame["name"]), ["start_ns", "dur_ns"]]
        for frame in (run.spans, run.ops[run.ops["level"] == "host"])
    ]
    rows = pd.concat(parts)
    start = rows["start_ns"].to_numpy(dtype="int64")
    return merge(start, start + rows["dur_ns"].to_numpy(dtype="int64"))


def _matches(names: pd.Series[str]) -> pd.Series[bool]:
    categories = names.cat.categories
    wanted = categories[categories.astype(str).str.contains(_LOADER, regex=True)]
    return names.isin(wanted)
