"""Module paths from the `nn.Module: Class_k` calls of a PyTorch trace.

The recorder numbers the objects of a class in the order of their first call within one recording, so Linear_7 is one
object throughout a trace, but another one in the next trace. A path that holds across traces and steps is made of
classes and places: `VisionTransformer.Block_2.Mlp.Linear_1` is the second Linear of the only Mlp of the third Block.
The place counts the objects of one class below one parent by their first call; it is left out where there is only one.
Attribute names (`blocks.2.mlp.fc2`) are not in the trace.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.correlate.intervals import Int64s

_PREFIX = "nn.Module: "
_NUMBERED = r"^(?P<kind>.*)_\d+$"


def module_paths(calls: pd.DataFrame, parent: Int64s, in_backward: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Give the path of every module call.

    A call made by the backward pass itself (a checkpoint computing its forward anew) has lost its parents; it takes
    the path that its object had in the call before.

    Args:
        calls: Spans of kind module, any order: name, start_ns, source.
        parent: int64 (n,): position of the enclosing call, -1 none.
        in_backward: bool (n,): the call has no enclosing call within the backward pass that makes it.
    """
    objects = calls["name"].astype(str).str.removeprefix(_PREFIX).reset_index(drop=True)
    source = calls["source"].astype(str).reset_index(drop=True)
    start = calls["start_ns"].to_numpy()
    parent = np.where(in_backward, -1, parent)
    below = pd.Series(np.where(parent >= 0, objects.to_numpy()[parent], ""), dtype=object)
    below[in_backward] = "\0recomputed"
    names = _names_below(pd.DataFrame({"source": source, "below": below, "object": objects, "start": start}))
    paths = np.full(len(calls), None, dtype=object)
    level = np.flatnonzero(parent < 0)
    level = level[~in_backward[level]]
    paths[level] = names[level]
    _descend(paths, names, parent, level)
    again = np.flatnonzero(in_backward)
    if not len(again):
        return paths
    paths[again] = _paths_before(source, objects, start, paths, again)
    _descend(paths, names, parent, again)
    return paths


def _names_below(edges: pd.DataFrame) -> NDArray[np.object_]:
    """Name each call's object by its class and its place among the objects of that class below the same parent."""
    first = edges.sort_values("start", kind="stable").drop_duplicates(["source", "below", "object"])
    kind = first["object"].str.extract(_NUMBERED)["kind"].fillna(first["object"])
    siblings = first.assign(kind=kind).groupby(["source", "below", "kind"], sort=False)
    place = siblings.cumcount().astype(str)
    several = siblings["object"].transform("size") > 1
    named = first.assign(named=kind.where(~several, kind + "_" + place))
    keys = ["source", "below", "object"]
    return edges.merge(named[[*keys, "named"]], on=keys, how="left")["named"].to_numpy(dtype=object)


def _descend(paths: NDArray[np.object_], names: NDArray[np.object_], parent: Int64s, level: Int64s) -> None:
    """Fill the paths below the calls of a level, one level after the other; works in place."""
    by_parent = np.argsort(parent, kind="stable")
    sorted_parent = parent[by_parent]
    while len(level):
        first = np.searchsorted(sorted_parent, level, side="left")
        last = np.searchsorted(sorted_parent, level, side="right")
        children = by_parent[_joined_ranges(first, last)]
        paths[children] = paths[parent[children]] + "." + names[children]
        level = children


def _joined_ranges(first: Int64s, last: Int64s) -> Int64s:
    """Give first[0] .. last[0]-1, first[1] .. last[1]-1, ... in one array."""
    lengths = last - first
    begin = np.repeat(first - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    return begin + np.arange(int(lengths.sum()))


def _paths_before(
    source: pd.Series[str],
    objects: pd.Series[str],
    start: Int64s,
    paths: NDArray[np.object_],
    asked: Int64s,
) -> NDArray[np.object_]:
    """Give the path each object had in its last call before; its own name where there was none."""
    known = np.flatnonzero(pd.notna(paths))
    table = pd.DataFrame({"source": source, "object": objects, "start": start})
    right = table.iloc[known].assign(path=paths[known]).sort_values("start", kind="stable")
    left = table.iloc[asked].assign(asked=np.arange(len(asked))).sort_values("start", kind="stable")
    found = pd.merge_asof(left, right, on="start", by=["source", "object"], direction="backward")
    found = found.sort_values("asked")
    return found["path"].where(found["path"].notna(), found["object"]).to_numpy(dtype=object)
