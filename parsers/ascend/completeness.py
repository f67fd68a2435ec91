"""Whether the tables of an Ascend run reach as far as its trace: a table cut at a line end looks whole by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from profkit.errors import ImportIssue, Severity
from profkit.parsers.ascend.kernels import Kernels
from profkit.parsers.ascend.trace import HostTrace

# Start times of one kernel in kernel_details.csv and trace_view.json differ by 1 ns in 1 to 2 of 100 rows.
_SKEW_NS = 2
_STEPS_NAMED = 5


def check_kernels(path: Path, kernels: Kernels, trace: HostTrace) -> list[ImportIssue]:
    """Look for kernels in the trace that begin after the last one of kernel_details.csv.

    Recorded runs of MindSpore and torch_npu have none.
    """
    starts = np.asarray(kernels.columns["start_ns"], dtype=np.int64)
    device = trace.device
    later = device["start_ns"] > (starts.max() + _SKEW_NS if len(starts) else np.iinfo(np.int64).min)
    known = device["is_kernel"] | device["name"].isin(set(kernels.kernel_names))
    missing = int((later & known).sum())
    if not missing:
        return []
    text = f"the trace has {missing:,} kernels after the last one of this table: it was cut"
    return [ImportIssue(Severity.DATA_LOSS, str(path), f"after kernel {len(starts):,}", text)]


def check_steps(path: Path, times: pd.DataFrame, trace: HostTrace) -> list[ImportIssue]:
    """Look for steps that the trace marks and step_trace_time.csv does not have."""
    missing = sorted(set(trace.steps["step"].tolist()) - set(times["step"].tolist()))
    if not missing:
        return []
    named = ", ".join(map(str, missing[:_STEPS_NAMED])) + (", ..." if len(missing) > _STEPS_NAMED else "")
    text = f"the trace marks {len(missing):,} steps that this table does not have ({named})"
    return [ImportIssue(Severity.DATA_LOSS, str(path), "", text)]
