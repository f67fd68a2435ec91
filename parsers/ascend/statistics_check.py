"""A run's own count of its kernels (op_statistic.csv) against the kernels read from kernel_details.csv."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from profkit.errors import ImportIssue, Severity
from profkit.parsers.ascend.kernels import is_communication
from profkit.parsers.ascend.tables import read_table
from profkit.parsers.exact_time import NANOSECONDS
from profkit.progress import Progress

_TYPES_NAMED = 5


def check_counts(path: Path, kernels: dict[str, Any], progress: Progress) -> list[ImportIssue]:
    """Compare the number of kernels of each type and core; op_statistic.csv counts computing kernels alone.

    Args:
        path: op_statistic.csv of the run.
        kernels: Columns of schema.OPS as of ascend_kernels.Kernels.
        progress: Told which part of the file was read.

    Returns:
        What the file lost, and one issue if the counts differ.

    Raises:
        UnreadableInputError: The header lacks the type, the core or the count.
    """
    table = read_table(path, "op_statistic", progress)
    counts = table.times("count", NANOSECONDS)
    told = pd.DataFrame({"type": table.texts("type").to_pylist(), "core": table.texts("core").to_pylist()})
    told = told.assign(count=counts.ns)[counts.known]
    told = told.astype({"type": object, "core": object}).groupby(["type", "core"])["count"].sum()
    computing = ~is_communication(kernels)
    keys = [
        pd.Series(np.asarray(kernels[column].astype(object))[computing], name=column) for column in ("op_type", "core")
    ]
    found = keys[0].groupby(keys).size()
    both = pd.DataFrame({"told": dict(told), "found": dict(found)}).fillna(0).astype("int64")
    both = both[both["told"] != both["found"]]
    if both.empty:
        return table.issues
    named = ", ".join(
        f"{kind[0]} {row.found:,} of {row.told:,}"
        for kind, row in zip(both.index[:_TYPES_NAMED], both.itertuples(), strict=False)
    )
    more = f" and {len(both) - _TYPES_NAMED:,} more types" if len(both) > _TYPES_NAMED else ""
    text = f"kernel_details.csv has other numbers of kernels than op_statistic.csv: {named}{more}"
    return [*table.issues, ImportIssue(Severity.DATA_LOSS, str(path), "", text)]
