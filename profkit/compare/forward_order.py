"""Forward order: in which order recorded tensors came into being."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_AFTER_OUTPUTS = {"gradient": 1, "parameter": 2}
# More than any name has dots.
_BEHIND = 1_000_000


def forward_rows(tensors: pd.DataFrame) -> NDArray[np.int64]:
    """Give the rows of a tensors frame in forward order.

    By rank, then iteration, then what flows forward (inputs and outputs) before gradients before parameters, each by
    the number in the file name, else by time of writing, else as listed.
    """
    io = tensors["io"].astype(str).map(lambda word: _AFTER_OUTPUTS.get(word, 0)).to_numpy(dtype=np.int64)
    key = np.arange(len(tensors), dtype=np.int64)
    for kind in np.unique(io):
        rows = np.flatnonzero(io == kind)
        for column in ("order", "time_ns"):
            recorded = tensors[column].iloc[rows]
            if recorded.notna().all():
                key[rows] = recorded.to_numpy(dtype=np.int64)
                break
    # lexsort is stable: rows of one key stay as listed.
    order: NDArray[np.int64] = np.lexsort((key, io, tensors["iteration"].to_numpy(), tensors["rank"].to_numpy()))
    return order


def composites_after_their_parts(names: Sequence[str], groups: Sequence[Hashable]) -> list[int]:
    """Move a module that was listed before all of its parts behind the last of them.

    The output of blocks.0 exists only after that of blocks.0.norm; a recorder that lists modules in the order of their
    definition puts it first, and a divergence inside would be charged to the composite. A module recorded several
    times, or after some of its parts, stays where it is.

    Args:
        names: Module names with dots, in the order listed.
        groups: Only names of one group are looked at together.

    Returns:
        The positions in their new order.
    """
    first: dict[tuple[Hashable, str], int] = {}
    last: dict[tuple[Hashable, str], int] = {}
    count: dict[tuple[Hashable, str], int] = {}
    for position, (name, group) in enumerate(zip(names, groups, strict=True)):
        count[group, name] = count.get((group, name), 0) + 1
        cut = name.rfind(".")
        while cut > 0:
            above = group, name[:cut]
            first.setdefault(above, position)
            last[above] = position
            cut = name.rfind(".", 0, cut)
    key: list[tuple[int, int]] = []
    for position, (name, group) in enumerate(zip(names, groups, strict=True)):
        own = group, name
        early = count[own] == 1 and position < first.get(own, -1)
        # Of several composites with one last part, the innermost (longest name) comes first.
        key.append((last[own], _BEHIND - name.count(".")) if early else (position, 0))
    return sorted(range(len(names)), key=lambda position: key[position])
