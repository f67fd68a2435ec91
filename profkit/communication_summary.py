"""Collectives and point-to-point transfers of one run, summed: time, wait, bytes, bandwidth."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from profkit.run import Run
from profkit.schema import COMM

GROUPINGS: dict[str, tuple[str, ...]] = {
    "operation": ("rank", "operation", "kind"),
    "name": ("rank", "name", "operation", "kind"),
    "step": ("rank", "step", "operation", "kind"),
}

# hcom_allReduce__170_1_1 (HCCL), ncclDevKernel_AllReduce_Sum_f32_RING_LL(...) and ncclKernel_AllReduce_... (NCCL).
_OPERATION = re.compile(r"^(?:hcom_([A-Za-z]+)|nccl(?:Dev)?Kernel_([A-Za-z]+))")
_POINT_TO_POINT = re.compile(r"send|recv|receive", re.IGNORECASE)


def communication_rows(run: Run) -> pd.DataFrame:
    """Give the frame `comm` of a run; where none was recorded, the device rows of communication, without wait and size.

    Args:
        run: A run whose operators are identified.
    """
    if len(run.comm):
        return run.comm
    ops = run.ops
    rows = ops[((ops["level"] == "device") & (ops["op_class"] == "communication")).to_numpy(bool, na_value=False)]
    names = rows["name"].astype(str)
    kinds = np.where(names.str.contains(_POINT_TO_POINT), "p2p", "collective")
    columns = rows[["rank", "step", "name", "start_ns", "dur_ns", "source"]]
    return COMM.build(columns.assign(kind=kinds))


def summarise_communication(comm: pd.DataFrame, by: str) -> pd.DataFrame:
    """Sum transfers by one of GROUPINGS; the costliest stand first.

    Args:
        comm: Frame `comm`.
        by: A key of GROUPINGS.

    Returns:
        The grouping's columns, count (int64), total_ns, wait_ns, size_bytes (Int64; NA if one of the transfers does not
        tell it), bandwidth_gb_s (float64: bytes over the time without waiting, 10^9 bytes a second; NaN if unknown).
    """
    keys = list(GROUPINGS[by])
    rows = comm.assign(operation=comm["name"].astype(str).map(operation_of))
    plain = rows[keys].astype({key: object for key in keys if key not in ("rank", "step")})
    grouped = rows[["dur_ns", "wait_ns", "size_bytes"]].groupby([plain[key] for key in keys], sort=False)
    sums = grouped.sum().where(grouped.count().eq(grouped.size(), axis="index"))
    transfer = (sums["dur_ns"] - sums["wait_ns"]).astype("Float64")
    bandwidth = (sums["size_bytes"] / transfer.where(transfer > 0)).astype("Float64")
    summary = pd.DataFrame(
        {
            "count": grouped.size(),
            "total_ns": sums["dur_ns"],
            "wait_ns": sums["wait_ns"],
            "size_bytes": sums["size_bytes"],
            "bandwidth_gb_s": bandwidth.to_numpy(dtype=np.float64, na_value=np.nan),
        }
    ).reset_index()
    return summary.sort_values(["total_ns", *keys], ascending=[False, *(True for _ in keys)], ignore_index=True)


def operation_of(name: str) -> str:
    """Give the operation a transfer's name tells (allReduce, AllGather), or the name itself."""
    match = _OPERATION.match(name)
    return next(filter(None, match.groups())) if match else name
