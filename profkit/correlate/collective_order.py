"""Collective operations of two device runs: what one moves between the ranks, the other moves in the same order.

PyTorch launches them out of the hooks that store gradients, MindSpore by operators of their own; neither stands where
the other's does among the operators, but the order of the operations is that of the gradients on both sides.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from profkit.correlate.placement import SAME_COLLECTIVE, Placement
from profkit.correlate.sequence import common_sequence

_COMMUNICATION = "communication"
# The longer ones first: an all-reduce is no reduce. Without case, `_` and `-`, as libraries spell them differently.
_OPERATION = re.compile("allreduce|reducescatter|allgather|alltoall|broadcast|sendrecv|reduce|send|recv|receive")


def align_collectives(
    sides: tuple[Placement, Placement], frames: tuple[pd.DataFrame, pd.DataFrame], first_unit: int
) -> None:
    """Pair, in place, the unmatched collectives of two steps by their order.

    Args:
        sides: All device rows of the step, of either run.
        frames: Ops frames of the two runs.
        first_unit: Number from which on units are free; a pair gets it plus the place of its left row.
    """
    found = [_unmatched_collectives(side, ops) for side, ops in zip(sides, frames, strict=True)]
    number = {kind: place for place, kind in enumerate(sorted({kind for _, kinds in found for kind in kinds}))}
    keys = [np.array([number[kind] for kind in kinds], dtype=np.int64) for _, kinds in found]
    without_shapes = [np.full(len(one), -1, dtype=np.int64) for one in keys]
    pairs = common_sequence((keys[0], without_shapes[0]), (keys[1], without_shapes[1]))
    for places in zip(*pairs, strict=True):
        at = [found[one][0][place] for one, place in enumerate(places)]
        for side, its in zip(sides, at, strict=True):
            side.unit[its], side.reason[its] = first_unit + at[0], SAME_COLLECTIVE


def _unmatched_collectives(side: Placement, ops: pd.DataFrame) -> tuple[list[int], list[str]]:
    """Give the places of the unmatched collectives of a step and their operations; those of no known one are left."""
    free = side.rows[side.unit < 0]
    taken = ops.iloc[free]
    places = np.flatnonzero(side.unit < 0)[(taken["op_class"] == _COMMUNICATION).to_numpy()]
    told = [(int(at), _operation(str(ops["name"].iloc[side.rows[at]]))) for at in places]
    known = [(at, kind) for at, kind in told if kind is not None]
    return [at for at, _ in known], [kind for _, kind in known]


def _operation(name: str) -> str | None:
    found = _OPERATION.search(name.lower().replace("_", "").replace("-", ""))
    return found.group() if found else None
