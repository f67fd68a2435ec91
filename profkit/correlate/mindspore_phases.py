"""Forward, backward and optimizer parts of a MindSpore run.

A graph operator tells its phase by its scope (`Gradients/...`, `Default/optimizer-SGD/...`). Operators of expanded
functions (`Expand/...`) tell none: those that run after the forward pass are backward; of the others some are gradients
that need no forward result and run early, so they stay unknown. PyNative operators have no scope; there backward begins
with the `Ones` that seeds it, before the first gradient operator.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.parsers.mindspore.scope import cells_of_scope, phase_of_scope

_SEED = "Ones"
# The kernel that seeds on Ascend; beside a seed it is part of the gradient of a loss.
_SEED_OF_KERNELS = "OnesLike"
# Not BackpropInput: that is also the forward of a transposed convolution. Not ApplyGradientDescent.
_GRADIENT = re.compile(r"Grad(?!ient)|BackpropFilter$")
# The gradient of a gather, but also a forward operator of its own: decides only where nothing else does.
_MAYBE_GRADIENT = "UnsortedSegmentSum"
# State updates of an optimizer before its main operators (global step, powers of beta); layers have them as well.
_ASSIGN = re.compile(r"^Assign")
_EXPANDED = "Expand/"
_EXPANDED_BACKWARD = re.compile(r"^Expand/_\w*(?:Backward|Grad)/")
# Cell of TrainOneStepCell that reduces the gradients over the ranks.
_REDUCES_GRADIENTS = "grad_reducer"
_UNKNOWN = ""


def optimizer_cuts(types: pd.Series[Any], classes: pd.Series[Any]) -> NDArray[np.int64]:
    """Give the positions behind each run of optimizer operators; gradient operators end a run, others do not.

    Args:
        types: Operator types, ordered by start.
        classes: Their op_class.
    """
    gradient = _matches(types, _GRADIENT) | _equals(types, _MAYBE_GRADIENT)
    updates = np.flatnonzero(_main_updates(types, classes))
    if not len(updates):
        return np.zeros(0, dtype=np.int64)
    gradients_before = np.cumsum(gradient)[updates]
    last_of_run = np.append(gradients_before[1:] != gradients_before[:-1], True)
    return updates[last_of_run] + 1


def pynative_phases(types: pd.Series[Any], classes: pd.Series[Any], steps: NDArray[np.int32]) -> NDArray[np.object_]:
    """Give the phase of each operator of a PyNative run.

    Between two optimizer runs (or in one step, where there is no optimizer operator) lie one forward and one backward.

    Args:
        types: Operator types, ordered by start.
        classes: Their op_class.
        steps: int32 (n,), -1 unknown.

    Returns:
        object (n,); None where it cannot be told.
    """
    gradient = _matches(types, _GRADIENT)
    if not gradient.any():
        gradient = _equals(types, _MAYBE_GRADIENT)
    seeds = _equals(types, _SEED), _equals(types, _SEED_OF_KERNELS)
    update = _main_updates(types, classes)
    phases = np.full(len(types), None, dtype=object)
    if not gradient.any() and not update.any():
        phases[:] = None if seeds[0].any() or seeds[1].any() else "forward"
        return phases
    assign = np.flatnonzero((classes == "optimizer").to_numpy())
    for first, last in _segments(optimizer_cuts(types, classes), steps):
        phases[first:last] = "forward"
        marks = first + np.flatnonzero(gradient[first:last])
        updates = first + np.flatnonzero(update[first:last])
        if len(marks):
            phases[_seeded(seeds, first, marks[0]) : last] = "backward"
        if len(updates):
            before = marks[marks < updates[0]]
            after_gradients = assign[(assign > (before[-1] if len(before) else first - 1)) & (assign <= updates[0])]
            phases[after_gradients[0] : updates[-1] + 1] = "optimizer"
    return phases


def _seeded(seeds: Iterable[NDArray[np.bool_]], first: int, gradient: int) -> int:
    """Give the last seed between two rows, of the first sort that is there at all; the later row if there is none."""
    for seed in seeds:
        found = np.flatnonzero(seed[first:gradient])
        if len(found):
            return first + int(found[-1])
    return gradient


def graph_phases(names: pd.Series[Any], classes: pd.Series[Any], steps: NDArray[np.int32]) -> NDArray[np.object_]:
    """Give the phase of each operator of an executed graph.

    Args:
        names: Full operator names, ordered by start.
        classes: Their op_class. In a jitted function the optimizer has no scope, and is known by its class.
        steps: int32 (n,), -1 unknown.

    Returns:
        object (n,); None for expanded operators that run while the forward pass does, or outside any step.
    """
    distinct = {name: _phase_of_name(str(name)) for name in names.unique()}
    phases = names.astype(object).map(distinct).to_numpy(dtype=object)
    scoped = {name for name in distinct if cells_of_scope(str(name))}
    bare_update = (classes == "optimizer").to_numpy() & ~names.isin(scoped).to_numpy() & (phases == "forward")
    phases[bare_update] = "optimizer"
    by_step = np.argsort(steps, kind="stable")
    for rows in np.split(by_step, np.flatnonzero(np.diff(steps[by_step])) + 1):
        if steps[rows[0]] < 0:
            continue
        late = np.arange(len(rows)) >= _turning_point(phases[rows])
        phases[rows[late & (phases[rows] == _UNKNOWN)]] = "backward"
    phases[phases == _UNKNOWN] = None
    return phases


def _phase_of_name(name: str) -> str | None:
    if _EXPANDED_BACKWARD.match(name):
        return "backward"
    if name.startswith(_EXPANDED):
        return _UNKNOWN
    cells = cells_of_scope(name)
    return "backward" if cells and cells[0].attribute == _REDUCES_GRADIENTS else phase_of_scope(name)


def _turning_point(phases: NDArray[np.object_]) -> int:
    """Give the last position that leaves the fewest forward operators behind it and backward ones before it.

    Some gradients need no forward result and run early, so neither the first backward nor the last forward operator is
    the place. Of equal positions the last one claims the least.
    """
    forward_before = np.append(0, np.cumsum(phases == "forward"))
    backward_before = np.append(0, np.cumsum(phases == "backward"))
    misplaced = forward_before[-1] - forward_before + backward_before
    return len(misplaced) - 1 - int(np.argmin(misplaced[::-1]))


def _segments(cuts: NDArray[np.int64], steps: NDArray[np.int32]) -> list[tuple[int, int]]:
    if len(cuts):
        bounds = np.unique(np.concatenate([[0], cuts, [len(steps)]]))
        return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    known = np.flatnonzero(steps >= 0)
    firsts = known[np.append(True, steps[known][1:] != steps[known][:-1])] if len(known) else known
    lasts = np.append(firsts[1:], known[-1] + 1) if len(known) else known
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _main_updates(types: pd.Series[Any], classes: pd.Series[Any]) -> NDArray[np.bool_]:
    """Mark optimizer operators; plain assignments count only in a run that has no others."""
    update = (classes == "optimizer").to_numpy()
    main = update & ~_matches(types, _ASSIGN)
    return main if main.any() else update


def _matches(types: pd.Series[Any], pattern: re.Pattern[str]) -> NDArray[np.bool_]:
    matching = {name for name in types.dropna().unique() if pattern.search(str(name))}
    return types.isin(matching).to_numpy()


def _equals(types: pd.Series[Any], word: str) -> NDArray[np.bool_]:
    return types.isin([word]).to_numpy()
