"""The class of work of every row of a run, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.correlate.intervals import Int64s, nearest_ancestor
from profkit.schema import CLASS_SOURCES
from profkit.vocabulary import classify

_LAUNCHER, _HINT = CLASS_SOURCES.index("launcher"), CLASS_SOURCES.index("hint")
_COLUMNS = ["op_class", "class_source"]


def with_classes_of_types(ops: pd.DataFrame, hinted: Mapping[str, str] | None) -> pd.DataFrame:
    """Give the rows with op_class and class_source by their operator type.

    Args:
        ops: Ops frame.
        hinted: As vocabulary.classify takes it.
    """
    told = classify(ops["op_type"], hinted)
    return ops.assign(op_class=told["op_class"], class_source=told["class_source"])


def with_classes_of_launchers(
    ops: pd.DataFrame, parent: Int64s, launcher: Int64s, hinted: Mapping[str, str] | None
) -> pd.DataFrame:
    """Give device rows whose type tells no class that of the nearest operator above their launch, else of their name.

    Args:
        ops: Ops frame of `with_classes_of_types`.
        parent: int64 (n,): row of the enclosing host row, -1 none.
        launcher: int64 (n,): row of the launching host row, -1 none.
        hinted: As vocabulary.classify takes it; what it says of a kernel's name counts more than the launcher.
    """
    classes, sources = (ops[name].cat.codes.to_numpy().copy() for name in _COLUMNS)
    asked = np.flatnonzero((ops["level"] == "device").to_numpy() & (classes < 0))
    if not len(asked):
        return ops
    classed = nearest_ancestor(parent, classes >= 0)
    above = np.where(launcher[asked] >= 0, classed[launcher[asked]], -1)
    launched = above >= 0
    classes[asked[launched]] = classes[above[launched]]
    sources[asked[launched]] = _LAUNCHER
    # Names are judged one by one by many rules: not those that nobody asks for.
    named = asked if hinted else asked[~launched]
    by_name = classify(ops["name"].iloc[named], hinted)
    name_class, name_source = (by_name[name].cat.codes.to_numpy() for name in _COLUMNS)
    of_name = (sources[named] != _LAUNCHER) | (name_source == _HINT)
    classes[named[of_name]] = name_class[of_name]
    sources[named[of_name]] = name_source[of_name]
    return ops.assign(op_class=_coded(classes, ops["op_class"]), class_source=_coded(sources, ops["class_source"]))


def _coded(codes: NDArray[np.int8], like: pd.Series[str]) -> pd.Categorical[str]:
    return pd.Categorical.from_codes(codes, categories=like.cat.categories)
