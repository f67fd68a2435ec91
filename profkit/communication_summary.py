"""Collectives and point-to-point transfers of one run, summed: time, wait, bytes, bandwidth."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.run import Run
from profkit.schema import COMM

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GROUPINGS: dict[str, tuple[str, ...]] = {
    "operation": ("rank", "operation", "kind"),
    "name": ("rank", "name", "operation", "kind"),
    "step": ("rank", "step", "operation", "kind"),
    "group": ("rank", "group", "group_size", "operation", "kind"),
    "dtype": ("rank", "dtype", "operation", "kind"),
}
_PLACES = ("rank", "group", "src", "dst", "transport")

# hcom_allReduce__170_1_1 (HCCL), ncclDevKernel_AllReduce_Sum_f32_RING_LL(...) and ncclKernel_AllReduce_... (NCCL).
_OPERATION = re.compile(r"^(?:hcom_([A-Za-z]+)|nccl(?:Dev)?Kernel_([A-Za-z]+))")
_POINT_TO_POINT = re.compile(r"send|recv|receive", re.IGNORECASE)
_OF_CALL = ("message_bytes", "dtype", "group", "group_size", "group_ranks", "operation", "elements", "algorithm")


def communication_rows(run: Run) -> pd.DataFrame:
    """Give one row a transfer: frame `comm`, joined to the operators where it is made of them.

    Where the profiler wrote a table of transfers (communication.json), it stands as it is. Elsewhere a transfer is a
    device row of communication; what its kernel does not tell (bytes, group) is taken from the call that launched it,
    if it launched no other. Calls whose kernel is not in the recording stand with an unknown duration.

    Args:
        run: A run whose operators are identified.
    """
    own = run.comm.loc[run.comm["row"].isna(), "rank"].unique()
    table = run.comm[run.comm["rank"].isin(own)]
    joined = run.comm[~run.comm["rank"].isin(own)]
    ops = run.ops[~run.ops["rank"].isin(own).to_numpy()]
    is_transfer = (ops["level"] == "device") & (ops["op_class"] == "communication")
    kernels = _kernel_rows(ops[is_transfer.to_numpy(bool, na_value=False)], joined)
    calls = _with_ops(joined[(joined["level"] == "host").to_numpy(bool, na_value=False)], ops)
    kernels = _filled_from_calls(kernels, calls)
    calls = calls[~calls["op"].isin(kernels["launcher"])]
    parts = [table, kernels.drop(columns=["launcher", "op"]), calls.drop(columns=["launcher", "op"])]
    rows = pd.concat([part.astype(object) for part in parts if len(part)] or [COMM.empty()], ignore_index=True)
    return COMM.build(rows)


def _with_ops(comm: pd.DataFrame, ops: pd.DataFrame) -> pd.DataFrame:
    """Give rows of `comm` with the step of their ops row, its place (op) and its launcher; -1 without one."""
    candidates = ops[ops["row"].isin(comm["row"].dropna())]
    known = pd.DataFrame(
        {
            "source": candidates["source"].astype(object),
            "row": candidates["row"].astype("Int64"),
            "op": candidates.index.to_numpy(),
            "launcher": candidates["launcher"],
            "of_step": candidates["step"],
        }
    ).drop_duplicates(["source", "row"])
    found = comm.astype({"source": object}).merge(known, on=["source", "row"], how="left")
    found["step"] = found["of_step"].fillna(found["step"]).astype("int32")
    return found.drop(columns="of_step").fillna({"op": -1, "launcher": -1}).astype({"op": "int64", "launcher": "int64"})


def _kernel_rows(transfers: pd.DataFrame, joined: pd.DataFrame) -> pd.DataFrame:
    """Give the device rows of `comm`, and as such the device rows of communication that it does not have."""
    on_device = joined[(joined["level"] == "device").to_numpy(bool, na_value=False)]
    places = pd.MultiIndex.from_arrays([transfers["source"].astype(object), transfers["row"]])
    recorded = pd.MultiIndex.from_arrays([on_device["source"].astype(object), on_device["row"].astype("int64")])
    others = transfers[~places.isin(recorded)]
    kinds = np.where(others["name"].astype(str).str.contains(_POINT_TO_POINT), "p2p", "collective")
    columns = others[["rank", "step", "name", "start_ns", "dur_ns", "source", "row"]]
    plain = COMM.build(columns.assign(kind=kinds, level="device"))
    rows = pd.concat([on_device.astype(object), plain.astype(object)], ignore_index=True)
    return _with_ops(COMM.build(rows), transfers).sort_values("start_ns", kind="stable", ignore_index=True)


def _filled_from_calls(kernels: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    alone = kernels.index[(kernels["launcher"] >= 0) & ~kernels["launcher"].duplicated(keep=False)]
    of_call = calls[calls["op"] >= 0].set_index("op")
    for column in _OF_CALL:
        told = kernels.loc[alone, "launcher"].map(of_call[column].astype(object))
        values = kernels[column].astype(object)
        values.loc[alone] = values.loc[alone].where(values.loc[alone].notna(), told)
        kernels[column] = values
    return kernels


def summarise_communication(comm: pd.DataFrame, by: str) -> pd.DataFrame:
    """Sum transfers by one of GROUPINGS; the costliest stand first.

    Args:
        comm: Frame `comm`.
        by: A key of GROUPINGS.

    Returns:
        The grouping's columns, count (int64), total_ns, wait_ns, size_bytes, message_bytes, elements (Int64; NA if one
        of the transfers does not tell it); 10^9 bytes a second (float64; NaN if unknown): bandwidth_gb_s (size over the
        time without waiting), algorithm_gb_s (message over the whole time) and bus_gb_s (algorithm_gb_s times the share
        of the message that crosses a link: profkit/collectives.toml).
    """
    keys = list(GROUPINGS[by])
    named = comm["name"].astype(str).map(operation_of)
    told = comm["operation"].astype(object)
    rows = comm.assign(operation=told.where(told.notna(), named))
    rows["bus_bytes"] = rows["message_bytes"].astype("Float64") * _bus_factors(rows)
    plain = rows[keys].astype({key: object for key in keys if key not in ("rank", "step")})
    measures = ["dur_ns", "wait_ns", "size_bytes", "message_bytes", "bus_bytes", "elements"]
    grouped = rows[measures].groupby([plain[key] for key in keys], sort=False, dropna=False)
    sums = grouped.sum().where(grouped.count().eq(grouped.size(), axis="index"))
    summary = pd.DataFrame(
        {
            "count": grouped.size(),
            "total_ns": sums["dur_ns"],
            "wait_ns": sums["wait_ns"],
            "size_bytes": sums["size_bytes"],
            "bandwidth_gb_s": _per_ns(sums["size_bytes"], sums["dur_ns"] - sums["wait_ns"]),
            "message_bytes": sums["message_bytes"],
            "algorithm_gb_s": _per_ns(sums["message_bytes"], sums["dur_ns"]),
            "bus_gb_s": _per_ns(sums["bus_bytes"], sums["dur_ns"]),
            "elements": sums["elements"],
        }
    ).reset_index()
    summary = summary.astype({key: "Int64" for key in keys if key == "group_size"})
    return summary.sort_values(["total_ns", *keys], ascending=[False, *(True for _ in keys)], ignore_index=True)


def summarise_links(links: pd.DataFrame) -> pd.DataFrame:
    """Sum transfers by link; the busiest stand first.

    Sums of the profiler (`total`) stand for the operations they are of; operations that it picked (top1, ...) are no
    more than examples of them.

    Args:
        links: Frame `links`.

    Returns:
        rank, group, src, dst, transport (NA where not recorded), size_bytes, dur_ns (Int64), bandwidth_gb_s (float64,
        10^9 bytes a second: size over time; NaN if unknown).
    """
    whole = links[links["selection"].isin(["total", "operation"])]
    plain = whole[list(_PLACES)].astype({"group": object, "transport": object})
    grouped = whole[["size_bytes", "dur_ns"]].groupby([plain[key] for key in _PLACES], sort=False, dropna=False)
    sums = grouped.sum().where(grouped.count().eq(grouped.size(), axis="index"))
    table = sums.assign(bandwidth_gb_s=_per_ns(sums["size_bytes"], sums["dur_ns"])).reset_index()
    table = table.astype({"src": "Int64", "dst": "Int64"})
    order = ["dur_ns", *_PLACES]
    return table.sort_values(order, ascending=[False, *(True for _ in _PLACES)], ignore_index=True)


def _per_ns(amounts: pd.Series[Any], times: pd.Series[Any]) -> NDArray[np.float64]:
    times = times.astype("Float64")
    speeds: NDArray[np.float64] = (
        (amounts / times.where(times > 0)).astype("Float64").to_numpy(np.float64, na_value=np.nan)
    )
    return speeds


def _bus_factors(rows: pd.DataFrame) -> pd.Series[Any]:
    """Give the share of each message that crosses a link; NA where operation or size of the group are not known."""
    facts = _facts()["bus_factor"]
    kinds = {spelling: kind for kind, spellings in facts.items() for spelling in spellings}
    operations = rows["operation"].map({name: kinds.get(_bare(str(name))) for name in rows["operation"].unique()})
    processes = rows["group_size"].astype("Float64")
    share = (processes - 1) / processes.where(processes > 0)
    once = pd.Series(1.0, index=rows.index, dtype="Float64")
    factors = once.where(operations == "once")
    factors = factors.where(operations != "all_but_own", share)
    return factors.where(operations != "twice_all_but_own", 2 * share)


def _bare(operation: str) -> str:
    bare = operation.lower().replace("_", "")
    for word in _facts()["spelling"]["ignored"]:
        bare = bare.replace(word, "")
    return bare


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(files("profkit").joinpath("collectives.toml").read_text(encoding="utf-8"))


def operation_of(name: str) -> str:
    """Give the operation a transfer's name tells (allReduce, AllGather), or the name itself."""
    match = _OPERATION.match(name)
    return next(filter(None, match.groups())) if match else name
