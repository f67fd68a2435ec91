"""Host rows that are no operators but marks around some: `DistributedDataParallel.forward`, a stage, a compiled region.

torch_npu files what `record_function` marks as an operator, torch.compile marks its regions so everywhere, and
MindSpore its stages on Ascend. Such a row may hold a whole network; the work is what stands in it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.intervals import Int64s, nearest_ancestor
from profkit.correlate.neighbours import HEAVY_CLASSES

# Operators and launches are named `aten::linear`, `Kernel::KernelLaunch::...`; marks by a bare word.
_NAMESPACE = "::"
_SEVERAL = 2

Bools = npt.NDArray[np.bool_]


def recorded_regions(ops: pd.DataFrame) -> Bools:
    """Mark the host rows that only stand around operators.

    Such a row has a bare name that no fact and no hint knows, and holds operators: any, if the words of its name tell
    no class, else several heavy ones (a custom norm may hold small operators and is a norm). In backward the nodes of
    the autograd engine have bare names; there none is marked.

    Args:
        ops: Identified ops frame.

    Returns:
        bool (n,).
    """
    names = ops["name"].cat
    bare = [_NAMESPACE not in str(name) for name in names.categories]
    is_bare = np.array([*bare, False], dtype=bool)[names.codes.to_numpy()]
    host = (ops["level"] == "host").to_numpy()
    known = ops["class_source"].isin(["table", "hint"]).to_numpy()
    possible = host & is_bare & ~known & (ops["phase"] != "backward").to_numpy()
    if not possible.any():
        return possible
    parent = ops["parent"].to_numpy()
    heavy = host & ops["op_class"].isin(sorted(HEAVY_CLASSES)).to_numpy() & ~possible
    outer_heavy = heavy & ~((parent >= 0) & heavy[parent])
    several = _held(parent, possible, outer_heavy) >= _SEVERAL
    some = _held(parent, possible, host & ~is_bare) > 0
    return possible & some & (ops["op_class"].isna().to_numpy() | several)


def outermost_operators(ops: pd.DataFrame) -> Bools:
    """Mark the host rows that nothing encloses but regions, and that are none.

    Args:
        ops: Identified ops frame.

    Returns:
        bool (n,).
    """
    parent = ops["parent"].to_numpy()
    host = (ops["level"] == "host").to_numpy()
    regions = recorded_regions(ops)
    if not regions.any():
        return host & (parent < 0)
    enclosing = nearest_ancestor(parent, host & ~regions)
    return host & ~regions & ((parent < 0) | (enclosing[parent] < 0))


def _held(parent: Int64s, holders: Bools, rows: Bools) -> Int64s:
    """Count, for each holder, the rows that stand anywhere below it; 0 for other rows."""
    above = nearest_ancestor(parent, holders)
    beyond = np.where(parent >= 0, above[parent], -1)
    counts = np.zeros(len(parent), dtype=np.int64)
    reached = above[rows]
    while len(reached := reached[reached >= 0]):
        counts += np.bincount(reached, minlength=len(parent))
        reached = beyond[reached]
    return counts
