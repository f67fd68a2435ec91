"""Alignment of the optimizer: which operators update the same parameter.

Frameworks update the parameters in the same order, PyTorch with a few operators for each, MindSpore with one kernel for
each. That is believed only where PyTorch repeats the same operators for each and the sizes agree; else (foreach and
fused forms, groups of parameters with rules of their own) the update is one group as a whole.
"""

from __future__ import annotations

from math import prod

import numpy as np
import pandas as pd

from profkit.correlate.placement import SAME_PARAMETER, WHOLE_UPDATE, Placement, Rows
from profkit.correlate.tensor_shapes import shapes_of

_SEVERAL = 2


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
    per_parameter = _operators_of_each(torch, torch_rows, len(updates))
    if per_parameter and _same_sizes(torch, torch_rows[::per_parameter], mindspore, kernel_rows[updates]):
        owner = np.arange(len(torch_rows)) // per_parameter
        kernels = Placement.unmatched(kernel_rows, WHOLE_UPDATE)
        # What serves all updates (powers of beta, the count of steps) goes with the one that follows.
        kernels.unit[:] = np.searchsorted(updates, np.arange(len(kernel_rows))).clip(max=len(updates) - 1)
        for at in updates:
            kernels.reason[at] = SAME_PARAMETER
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


def _operators_of_each(torch: pd.DataFrame, rows: Rows, parameters: int) -> int:
    """Give how many operators update each parameter; 0 if they are not the same ones for each."""
    each, surplus = divmod(len(rows), max(parameters, 1))
    if parameters < _SEVERAL or not each or surplus:
        return 0
    names = torch["name"].cat.codes.to_numpy()[rows].reshape(parameters, each)
    return each if (names == names[0]).all() else 0


def _same_sizes(torch: pd.DataFrame, torch_rows: Rows, mindspore: pd.DataFrame, kernel_rows: Rows) -> bool:
    pairs = zip(_sizes(torch, torch_rows), _sizes(mindspore, kernel_rows), strict=True)
    return all(ours == theirs for ours, theirs in pairs if ours and theirs)


def _sizes(ops: pd.DataFrame, rows: Rows) -> list[int]:
    texts = ops["input_shapes"].astype(object).iloc[rows]
    first = [shapes_of(text)[:1] if isinstance(text, str) else () for text in texts]
    return [prod(shapes[0]) if shapes else 0 for shapes in first]
