"""Steps of a MindSpore CPU run, which records none: read from the repetition of its operators.

An executed graph names each of its operators once, so the k-th execution of a name is the k-th step. PyNative mode
repeats names; there a step is one period of the sequence of operator types, and a run that does not repeat has no
steps.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_GRAPH_NAME = re.compile(r"(?:Gradients|Expand|recompute_\w+)/|Default/[^/]+-[^/]+/")

# What runs in the second half of a step, by its scope.
_LATE_SCOPE = re.compile(r"Gradients/|Default/optimizer-|Expand/_\w*(?:Backward|Grad)/")
# From this share of the names on, running once less than the others means that a part of a step was recorded.
_SHARE_OF_CUT_STEP = 0.02


def runs_graph(names: pd.Series[Any]) -> bool:
    """Tell whether the names are those of an executed graph and of nothing else.

    Args:
        names: Full operator names. PyNative operators have no scope (`Mul`), or the bare one (`Default/BiasAdd-op1`).
    """
    distinct = [str(name) for name in names.unique()]
    return all("/" in name for name in distinct) and any(_GRAPH_NAME.match(name) for name in distinct)


def graph_steps(names: pd.Series[Any], start: NDArray[np.int64]) -> NDArray[np.int32]:
    """Number the executions of a graph.

    Most names run once a step; the k-th execution of the earliest of them begins step k. Names that run more often
    (loops) fall into the step they lie in. A recording that begins within a step holds the rest of it in front: those
    executions have no step.

    Args:
        names: Full operator names, ordered by start.
        start: int64 (n,), ascending.

    Returns:
        int32 (n,); -1 outside whole steps, and everywhere if the k-th executions do not lie apart in time.
    """
    codes, distinct = pd.factorize(names)
    counts = np.bincount(codes)
    how_often = int(np.bincount(counts).argmax())
    turns = pd.Series(codes).groupby(codes).cumcount().to_numpy()
    late = np.array([_LATE_SCOPE.match(str(name)) is not None for name in distinct])
    cut = how_often - 1
    is_rest = counts == how_often
    if cut and (counts == cut).mean() > _SHARE_OF_CUT_STEP and late[is_rest].mean() > late[counts == cut].mean():
        once_a_step = np.isin(counts, (cut, how_often))[codes]
        steps = _steps_by_turn(turns - is_rest[codes], once_a_step, start, cut)
        if steps is not None:
            return steps
    steps = _steps_by_turn(turns, counts[codes] == how_often, start, how_often)
    return np.full(len(start), -1, dtype=np.int32) if steps is None else steps


def _steps_by_turn(
    turns: NDArray[np.int64], once_a_step: NDArray[np.bool_], start: NDArray[np.int64], steps: int
) -> NDArray[np.int32] | None:
    """Number by the turns of the names that run once a step; None if their turns do not lie apart in time."""
    counted = once_a_step & (turns >= 0) & (turns < steps)
    grouped = pd.Series(start[counted]).groupby(turns[counted])
    begins, lasts = grouped.min().to_numpy(), grouped.max().to_numpy()
    if (begins[1:] <= lasts[:-1]).any():
        return None
    return (np.searchsorted(begins, start, side="right") - 1).astype(np.int32)


def periodic_steps(types: pd.Series[Any], cuts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Number the periods of the sequence of operator types.

    What does not repeat at the beginning (initialisation, a part of a step) has no step, nor has a part of one at the
    end.

    Args:
        types: Operator types, ordered by start.
        cuts: Positions behind each run of optimizer operators; where a period holds one, it ends there.

    Returns:
        int32 (n,); -1 outside whole periods, and everywhere if nothing repeats.
    """
    steps = np.full(len(types), -1, dtype=np.int32)
    codes, _ = pd.factorize(types)
    period, first = _period_of_tail(codes)
    if period == 0:
        return steps
    inside = cuts[(cuts > first) & (cuts <= len(codes))]
    offsets = np.unique(inside % period)
    anchor = int(offsets[0]) if len(offsets) == 1 else len(codes) % period
    begin = first + (anchor - first) % period
    whole = (len(codes) - begin) // period
    steps[begin : begin + whole * period] = np.repeat(np.arange(whole, dtype=np.int32), period)
    return steps


def _period_of_tail(codes: NDArray[np.integer]) -> tuple[int, int]:
    """Give the shortest period of the longest tail that repeats, and where that tail begins; (0, 0) if none does.

    A tail counts if it holds two periods at least and leaves out two periods at most. The prefix function of the
    reversed sequence holds the period of every tail (Knuth, Morris, Pratt 1977).
    """
    count = len(codes)
    lengths = np.arange(1, count + 1)
    periods = lengths - _prefix_function(codes[::-1].tolist())
    repeats = (2 * periods <= lengths) & (count - lengths <= 2 * periods)
    if not repeats.any():
        return 0, 0
    longest = int(np.flatnonzero(repeats)[-1])
    return int(periods[longest]), count - int(lengths[longest])


def _prefix_function(codes: list[int]) -> NDArray[np.int64]:
    """Give for each prefix the length of its longest proper prefix that is its suffix too."""
    border = [0] * len(codes)
    length = 0
    for i in range(1, len(codes)):
        code = codes[i]
        while length and code != codes[length]:
            length = border[length - 1]
        length += code == codes[length]
        border[i] = length
    return np.array(border, dtype=np.int64)
