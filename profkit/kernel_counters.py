"""Hardware counters of the kernels of a run, read on request, and summed with the operators they belong to."""

from __future__ import annotations

from typing import Any

import pandas as pd

from profkit.errors import ImportIssue
from profkit.frame_spec import concatenate
from profkit.parsers.ascend.kernel_counters import is_summed
from profkit.parsers.base import CountsKernels
from profkit.parsers.registry import parser_named
from profkit.progress import Progress, silent
from profkit.run import Run
from profkit.schema import COUNTERS
from profkit.summary import GROUPINGS


def load_counters(run: Run, *, progress: Progress = silent) -> tuple[pd.DataFrame, tuple[ImportIssue, ...]]:
    """Read frame `counters` of the sources of a run, and what was lost of it; not cached.

    Raises:
        UnreadableInputError: A table cannot be read.
    """
    frames, issues = [COUNTERS.empty()], list[ImportIssue]()
    for source in run.sources:
        parser = parser_named(source.format)
        if isinstance(parser, CountsKernels):
            counters, noted = parser.read_counters(source.path, progress)
            frames.append(counters)
            issues += [issue for issue in noted if issue not in run.issues]
    return concatenate(COUNTERS, frames), tuple(issues)


def summarise_counters(ops: pd.DataFrame, counters: pd.DataFrame, by: str) -> pd.DataFrame:
    """Sum the counters of operators grouped as profkit.summary groups them.

    Args:
        ops: Rows of frame `ops`.
        counters: Frame `counters`.
        by: A key of profkit.summary.GROUPINGS.

    Returns:
        The grouping's columns and one column a counter (float64; NaN where no kernel of the group has it): sums of
        times, cycles and bytes, means of ratios, rates and bandwidths weighted by the kernels' durations.
    """
    keys = list(GROUPINGS[by])
    if counters.empty:
        return pd.DataFrame(columns=keys)
    kernels = ops[["source", "row", "dur_ns", *keys]].astype({"source": object})
    joined = counters.astype({"source": object, "counter": object}).merge(kernels, on=["source", "row"])
    joined = joined.astype(dict.fromkeys(keys, object))
    weighted = joined.assign(weight=joined["dur_ns"].astype("float64").clip(lower=1))
    weighted["product"] = weighted["value"] * weighted["weight"]
    sums = weighted.groupby([*keys, "counter"], dropna=False, sort=False)[["value", "product", "weight"]].sum()
    total = sums.index.get_level_values("counter").map(is_summed).to_numpy(bool)
    values = sums["value"].where(total, sums["product"] / sums["weight"]).rename("value").reset_index()
    return _wide(values, keys, [str(one) for one in counters["counter"].cat.categories])


def _wide(values: pd.DataFrame, keys: list[str], order: list[str]) -> pd.DataFrame:
    groups = values[keys].drop_duplicates().reset_index(drop=True)
    columns: list[pd.Series[Any]] = []
    places = values.merge(groups.assign(place=groups.index), on=keys)
    for counter in order:
        of_counter = places[places["counter"] == counter].set_index("place")["value"]
        if len(of_counter):
            columns.append(of_counter.reindex(groups.index).rename(counter))
    return pd.concat([groups, *columns], axis="columns")
