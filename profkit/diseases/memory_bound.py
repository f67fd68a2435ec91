"""Kernels that spend their time moving data, as the counters of the AI Core tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.diseases.recording import Recording, counted, row_names
from profkit.diseases.subject import Cost, Finding, Subject, finding
from profkit.thresholds import thresholds

# PipeUtilization: share of a kernel's cycles in which the pipe that loads from global memory is busy. Chips before
# Atlas A2 write it without the core's prefix.
_LOADING = ("aic_mte2_ratio", "aiv_mte2_ratio", "mte2_ratio")


def memory_bound(subject: Subject) -> list[Finding]:
    """Name the time in kernels whose loading pipe is busy nearly throughout; silent where no counters were recorded."""
    counters = subject.counters
    loading = counters[counters["counter"].isin(_LOADING)]
    if loading.empty:
        return []
    worst = loading.astype({"source": object}).groupby(["source", "row"])["value"].max()

    def chosen(side: Recording) -> NDArray[np.bool_]:
        keys = pd.MultiIndex.from_frame(side.rows[["source", "row"]].astype({"source": object}))
        busy = worst.reindex(keys).to_numpy()
        return np.nan_to_num(busy) >= thresholds("memory_bound")["mte2_ratio"]

    cost = subject.run.cost(chosen(subject.run))
    if cost < subject.least("memory_bound"):
        return []
    rows = subject.run.one_step(chosen(subject.run))
    evidence = (
        f"{len(rows)} kernels load data for at least {thresholds('memory_bound')['mte2_ratio']:.0%} of their time and "
        f"take {subject.share_of_computing(cost)}: {counted(rows['op_type'], rows['dur_ns'])}; {row_names(rows)}"
        f"{subject.named_elsewhere(chosen)}"
    )
    advice = (
        "faster arithmetic will not help: fuse elementwise kernels with their neighbours, keep tensors in 16 bits, "
        "avoid layouts that read with strides"
    )
    fresh = cost - subject.named_ns(chosen)
    return [finding("memory_bound", Cost(cost, None, fresh), evidence, advice, groups=subject.groups(rows))]
