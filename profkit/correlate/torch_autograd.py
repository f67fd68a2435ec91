"""Which forward operator a backward operator differentiates, from the autograd engine's sequence numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.correlate.intervals import Int64s


@dataclass(frozen=True)
class SequencedOperators:
    """Operators that carry a sequence number; arrays have one element an operator.

    Attributes:
        sequence: int64, the number.
        start: int64, ns.
        lane: Integers. Of forward operators their thread, numbered over all sources; of backward operators the
            `Fwd thread id`, which is no thread id of the trace.
        source: integer codes of the files.
    """

    sequence: Int64s
    start: Int64s
    lane: NDArray[np.integer]
    source: NDArray[np.integer]


def forward_partners(backward: SequencedOperators, forward: SequencedOperators) -> Int64s:
    """Find the forward operator of each backward one: same sequence number and thread, the last to start before.

    Sequence numbers count per thread. Which thread a `Fwd thread id` means is voted on by the sequence numbers that
    only one thread has.

    Returns:
        int64, one a backward operator: position among the forward ones, -1 none.
    """
    thread = _elected_threads(backward, forward)
    return np.where(thread >= 0, _last_before(forward, backward, thread), -1)


def _elected_threads(backward: SequencedOperators, forward: SequencedOperators) -> Int64s:
    """Give the thread that each backward operator's `Fwd thread id` means, -1 where no number tells."""
    threads = pd.DataFrame({"source": forward.source, "sequence": forward.sequence, "thread": forward.lane})
    threads = threads.drop_duplicates()
    alone = threads[~threads.duplicated(["source", "sequence"], keep=False)]
    asked = pd.DataFrame({"source": backward.source, "sequence": backward.sequence, "number": backward.lane})
    counted = asked.groupby(["source", "sequence", "number"]).size().rename("votes").reset_index()
    votes = counted.merge(alone, on=["source", "sequence"])
    votes = votes.groupby(["source", "number", "thread"])["votes"].sum().reset_index()
    elected = votes.sort_values("votes", kind="stable").drop_duplicates(["source", "number"], keep="last")
    named = asked[["source", "number"]].merge(elected, on=["source", "number"], how="left")["thread"]
    return named.fillna(-1).to_numpy(np.int64)


def _last_before(forward: SequencedOperators, backward: SequencedOperators, thread: Int64s) -> Int64s:
    """Give the last forward operator of the same thread and number that starts before each backward one, -1 none.

    All are sorted together; then the last forward operator before each place is the one, if it is of the same numbers.
    At equal starts the backward operator comes first, so that it does not find what starts with it.
    """
    count = len(forward.start)
    lane = np.concatenate([forward.lane, thread])
    sequence = np.concatenate([forward.sequence, backward.sequence])
    is_forward = np.arange(len(lane)) < count
    order = np.lexsort((is_forward, np.concatenate([forward.start, backward.start]), sequence, lane))
    last = np.maximum.accumulate(np.where(is_forward[order], np.arange(len(order)), -1))
    asked = np.flatnonzero(~is_forward[order])
    row, found = order[asked], np.where(last[asked] >= 0, order[last[asked]], -1)
    fits = (found >= 0) & (lane[found] == lane[row]) & (sequence[found] == sequence[row])
    partner = np.full(len(thread), -1, dtype=np.int64)
    partner[row - count] = np.where(fits, found, -1)
    return partner
