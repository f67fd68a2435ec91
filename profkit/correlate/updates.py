"""Alignment of the optimizer: which operators update the same parameter.

Frameworks update the parameters in the same order, PyTorch with a few operators for each, MindSpore with one kernel for
each. That is believed only where the numbers work out and the sizes agree; else the update is one group as a whole.
"""

from __future__ import annotations

from math import prod

import numpy as np
import pandas as pd

from profkit.correlate.placement import SAME_PARAMETER, WHOLE_UPDATE, Placement, Rows
from profkit.correlate.tensor_shapes import shapes_of


def align_updates(
    torch: pd.DataFrame, torch_rows: Rows, mindspore: pd.DataFrame, kernel_rows: Rows
) -> tuple[Placement, Placement]:
    """Place the rows of the optimizer phase of one step, one unit a parameter or one in all.

    Args:
        torch: Ops frame of the PyTorch run.
        torch_rows: Its rows of the phase in order of start.
        mindspore: Ops frame of the MindSpore run.
        kernel_rows: Its rows of the phase in order of start.
    """
    updates = _updates(mindspore, kernel_rows)
    per_parameter, surplus = divmod(len(torch_rows), max(len(updates), 1))
    if len(updates) > 1 and per_parameter and not surplus:
        owner = np.arange(len(torch_rows)) // per_parameter
        if _same_sizes(torch, torch_rows[::per_parameter], mindspore, kernel_rows[updates]):
            kernels = Placement.unmatched(kernel_rows, WHOLE_UPDATE)
            kernels.unit[:] = len(updates)
            kernels.unit[updates] = np.arange(len(updates))
            kernels.reason = [SAME_PARAMETER if unit < len(updates) else WHOLE_UPDATE for unit in kernels.unit]
            return Placement(torch_rows, owner, [SAME_PARAMETER] * len(torch_rows)), kernels
    sides = []
    for rows in (torch_rows, kernel_rows):
        side = Placement.unmatched(rows, WHOLE_UPDATE)
        side.unit[:] = 0
        sides.append(side)
    return sides[0], sides[1]


def _updates(mindspore: pd.DataFrame, rows: Rows) -> Rows:
    """Give the places of the kernels that update one parameter each: the commonest type of the optimizer class."""
    optimizer = mindspore.iloc[rows]
    types = optimizer.loc[optimizer["op_class"] == "optimizer", "op_type"].value_counts()
    if types.empty:
        return np.array([], dtype=np.int64)
    return np.flatnonzero((optimizer["op_type"] == types.index[0]).to_numpy())


def _same_sizes(torch: pd.DataFrame, torch_rows: Rows, mindspore: pd.DataFrame, kernel_rows: Rows) -> bool:
    pairs = zip(_sizes(torch, torch_rows), _sizes(mindspore, kernel_rows), strict=True)
    return all(ours == theirs for ours, theirs in pairs if ours and theirs)


def _sizes(ops: pd.DataFrame, rows: Rows) -> list[int]:
    texts = ops["input_shapes"].astype(object).iloc[rows]
    first = [shapes_of(text)[:1] if isinstance(text, str) else () for text in texts]
    return [prod(shapes[0]) if shapes else 0 for shapes in first]
