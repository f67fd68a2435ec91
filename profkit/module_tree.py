"""The modules of the network as a tree: inclusive times of both sides, and the worst verdict below each."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.schema import MODULES, OVERFLOW_FROM_WORST, PARITY_FROM_WORST
from profkit.verdict_severity import severity, verdicts_of


def module_tree(operators: pd.DataFrame, parity: pd.DataFrame, overflow: pd.DataFrame) -> pd.DataFrame:
    """Sum operators up the tree of their modules.

    Args:
        operators: Frame of schema.OPERATORS.
        parity: Frame of schema.PARITY; its verdicts count for the modules they name.
        overflow: Frame of schema.OVERFLOW; as parity.

    Returns:
        Frame of schema.MODULES, every module after the one that holds it, in the order of first appearance; first of
        all the whole network. Operators whose module is not known count for the whole network alone.
    """
    paths = [operators["module"], parity["module"], overflow["module"]]
    names = pd.unique(pd.concat([path.astype(object) for path in paths], ignore_index=True).dropna())
    tree = _with_ancestors([str(name) for name in names])
    above = _ancestry([str(name) for name in names])
    frame = pd.DataFrame({"module": tree})
    parts = frame["module"].str.rpartition(".")
    frame["name"] = parts[2]
    frame["depth"] = [path.count(".") + 1 if path else 0 for path in tree]
    times = _up(operators, above)
    frame["operators"] = times.size().reindex(tree, fill_value=0).to_numpy()
    for side in ("ref_ns", "run_ns"):
        frame[side] = times[side].sum(min_count=1).reindex(tree).astype("Int64").to_numpy()
    frame["ratio"] = (frame["run_ns"].astype("Float64") / frame["ref_ns"].replace(0, pd.NA)).astype("float64")
    frame["impact_ns"] = frame["run_ns"] - frame["ref_ns"]
    flagged = operators[operators["flag"].eq("slow").fillna(value=False)]
    frame["slow"] = _up(flagged, above).size().reindex(tree, fill_value=0).to_numpy()
    frame["parity"] = _worst(parity, "status", PARITY_FROM_WORST, above, tree)
    frame["max_abs"] = _up(parity, above)["max_abs"].max().reindex(tree).to_numpy()
    frame["overflow"] = _worst(overflow, "role", OVERFLOW_FROM_WORST, above, tree)
    return MODULES.build(frame)


def _with_ancestors(names: list[str]) -> list[str]:
    """Give all paths and the paths above them, in the order of a walk through the tree."""
    children: dict[str, dict[str, None]] = {"": {}}
    for name in names:
        for above, path in _levels(name):
            children.setdefault(above, {}).setdefault(path)
            children.setdefault(path, {})
    walk: list[str] = []
    waiting = [""]
    while waiting:
        path = waiting.pop()
        walk.append(path)
        waiting.extend(reversed(children[path]))
    return walk


def _levels(name: str) -> list[tuple[str, str]]:
    paths = ["", *accumulate(name.split("."), lambda above, part: f"{above}.{part}")]
    # A name that begins with a dot has the empty path twice: nothing stands above itself.
    return [(above, path) for above, path in pairwise(paths) if above != path]


def _ancestry(names: list[str]) -> pd.DataFrame:
    """Pair every module with itself and everything above it; an unknown module with the whole network."""
    pairs = [(name, path) for name in names for path in ("", *(path for _, path in _levels(name)))]
    return pd.DataFrame([*pairs, (None, "")], columns=["of", "above"]).drop_duplicates()


def _up(rows: pd.DataFrame, above: pd.DataFrame) -> Any:
    """Group rows by every module at or above their own."""
    keyed = rows.assign(of=rows["module"].astype(object).where(rows["module"].notna(), None))
    return keyed.merge(above, on="of", how="inner").groupby("above", sort=False)


def _worst(
    rows: pd.DataFrame, column: str, from_worst: tuple[str, ...], above: pd.DataFrame, tree: list[str]
) -> npt.NDArray[np.object_]:
    ranked = rows.assign(severity=severity(rows[column], from_worst))
    worst = _up(ranked, above)["severity"].min().reindex(tree).fillna(len(from_worst))
    return verdicts_of(worst.to_numpy(dtype=np.int64), from_worst)
