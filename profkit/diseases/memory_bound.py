"""Kernels that spend their time moving data, as the counters of the AI Core tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.diseases.recording import Recording, counted, milliseconds, row_names
from profkit.diseases.subject import Finding, Subject, finding
from profkit.thresholds import thresholds

# PipeUtilization: share of a kernel's cycles in which the pipe that loads from global memory is busy. Chips before
# Atlas A2 write it without the core's prefix.
_LOADING = ("aic_mte2_ratio", "aiv_mte2_ratio", "mte2_ratio")


def memory_bound(subject: Subject) -> list[Finding]:
    """Name the time in kernels whose loading pipe is busy nearly throughout, beyond that of a reference with counters.

    Silent where none were recorded.
    """
    counters = subject.counters
    loading = counters[counters["counter"].isin(_LOADING)]
    if loading.empty:
        return []
    worst = loading.astype({"source": object}).groupby(["source", "row"])["value"].max()

    def told(side: Recording) -> pd.Series[float]:
        keys = pd.MultiIndex.from_frame(side.rows[["source", "row"]].astype({"source": object}))
        return worst.reindex(keys)

    def chosen(side: Recording) -> NDArray[np.bool_]:
        return np.nan_to_num(told(side).to_numpy()) >= thresholds("memory_bound")["mte2_ratio"]

    # A reference without counters is not known to have no such kernels: there the whole time counts.
    comparable = subject.ref is not None and bool(told(subject.ref).notna().any())
    alone = subject if comparable else replace(subject, ref=None)
    cost = alone.excess_of_rows("memory_bound", chosen)
    if cost is None:
        return []
    rows = subject.run.one_step(chosen(subject.run))
    of_ref = "" if cost.ref_ns is None else f" ({milliseconds(cost.ref_ns)} in the reference)"
    evidence = (
        f"{len(rows)} kernels load data for at least {thresholds('memory_bound')['mte2_ratio']:.0%} of their time and "
        f"take {subject.share_of_computing(cost.ns)}{of_ref}: {counted(rows['op_type'], rows['dur_ns'])}; "
        f"{row_names(rows)}{subject.named_elsewhere(chosen)}"
    )
    advice = (
        "faster arithmetic will not help: fuse elementwise kernels with their neighbours, keep tensors in 16 bits, "
        "avoid layouts that read with strides"
    )
    return [finding("memory_bound", cost, evidence, advice, groups=subject.groups(rows))]
