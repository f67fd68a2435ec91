"""How much memory each component held: its peaks, the recorded curve, and what it was allocated for."""

from __future__ import annotations

import pandas as pd

_KEYS = ["rank", "component"]
WINDOWS = 512
"""Equal parts of the recorded time in which the largest sample is told."""

_MEASURES = {"allocated": "allocated_bytes", "reserved": "reserved_bytes"}


def memory_peaks(memory: pd.DataFrame) -> pd.DataFrame:
    """Give the largest samples of each component; the component with the largest peak stands first.

    Args:
        memory: Frame `memory`.

    Returns:
        rank (int32), component (category), samples (int64), peak_allocated_bytes, peak_allocated_at_ns (time of the
        first sample that high), last_allocated_bytes (what was never given back), peak_reserved_bytes,
        peak_reserved_at_ns, and of the recorded changes alone: peak_growth_bytes and last_growth_bytes (most, and at
        last, above what was held when the recording began), requested_bytes (sum of all allocations) (all Int64; NA
        where not recorded).
    """
    curve = memory_curve(memory)
    grouped = curve.groupby(_KEYS, observed=True, sort=False)
    peaks = pd.DataFrame({"samples": grouped.size()})
    for measure, column in _MEASURES.items():
        known = curve[curve[column].notna()]
        highest = known.loc[known.groupby(_KEYS, observed=True, sort=False)[column].idxmax()].set_index(_KEYS)
        peaks[f"peak_{measure}_bytes"] = highest[column].reindex(peaks.index)
        peaks[f"peak_{measure}_at_ns"] = highest["time_ns"].astype("Int64").reindex(peaks.index)
        if measure == "allocated":
            last = known.drop_duplicates(_KEYS, keep="last").set_index(_KEYS)[column]
            peaks["last_allocated_bytes"] = last.reindex(peaks.index)
    peaks = peaks.join(_growth(curve))
    largest = peaks[["peak_allocated_bytes", "peak_reserved_bytes", "peak_growth_bytes"]].max(axis="columns")
    order = largest.sort_values(ascending=False, kind="stable", na_position="last").index
    return peaks.loc[order].reset_index()


def _growth(curve: pd.DataFrame) -> pd.DataFrame:
    changes = curve[curve["change_bytes"].notna()]
    keys = [changes[key] for key in _KEYS]
    growth = changes["change_bytes"].groupby(keys, observed=True, sort=False).cumsum()
    grown = growth.groupby(keys, observed=True, sort=False)
    requested = changes["change_bytes"].clip(lower=0).groupby(keys, observed=True, sort=False)
    return pd.DataFrame(
        {
            "peak_growth_bytes": grown.max().clip(lower=0).astype("Int64"),
            "last_growth_bytes": grown.last().astype("Int64"),
            "requested_bytes": requested.sum().astype("Int64"),
        }
    )


def memory_curve(memory: pd.DataFrame) -> pd.DataFrame:
    """Give the samples by rank, component and time; files list them out of order.

    Args:
        memory: Frame `memory`.

    Returns:
        rank, component, time_ns, allocated_bytes, reserved_bytes, change_bytes.
    """
    columns = [*_KEYS, "time_ns", *_MEASURES.values(), "change_bytes"]
    return memory[columns].sort_values([*_KEYS, "time_ns"], kind="stable", ignore_index=True)


def memory_envelope(memory: pd.DataFrame) -> pd.DataFrame:
    """Give what each component held over time, the largest sample of each of WINDOWS equal parts of the recorded time.

    Where no amounts were recorded but changes, it is the sum of the changes so far.

    Args:
        memory: Frame `memory`.

    Returns:
        rank, component, window (int64, from 0), time_ns (of the sample), held_bytes (Int64); windows without a sample
        have no row.
    """
    curve = memory_curve(memory)
    grown = curve.groupby(_KEYS, observed=True, sort=False)["change_bytes"].cumsum()
    held = curve.assign(held_bytes=curve["allocated_bytes"].fillna(curve["reserved_bytes"]).fillna(grown))
    held = held[held["held_bytes"].notna()]
    if held.empty:
        return held.assign(window=held["time_ns"])[[*_KEYS, "window", "time_ns", "held_bytes"]]
    first, last = int(held["time_ns"].min()), int(held["time_ns"].max())
    window = (held["time_ns"] - first) * WINDOWS // (last - first + 1)
    held = held.assign(window=window.astype("int64"))
    largest = held.groupby([*_KEYS, "window"], observed=True, sort=False)["held_bytes"].idxmax()
    return held.loc[largest, [*_KEYS, "window", "time_ns", "held_bytes"]].reset_index(drop=True)


def summarise_allocations(allocations: pd.DataFrame) -> pd.DataFrame:
    """Sum the allocations by what they were for; the largest sum stands first.

    Args:
        allocations: Frame `allocations`.

    Returns:
        rank, component, name (NA where not recorded), count (int64), total_bytes, largest_bytes (Int64; NA if the size
        of one is not known), kept (int64) and kept_bytes (Int64): of those that were not released while recorded,
        mean_held_ns (Int64: mean time from allocation to release of those that were released; NA if none was).
    """
    keys = [*_KEYS, "name"]
    released = allocations["end_ns"].notna() | allocations["last_node"].notna()
    rows = allocations.assign(
        kept=~released,
        kept_bytes=allocations["size_bytes"].where(~released, 0),
        held_ns=(allocations["end_ns"] - allocations["start_ns"]).astype("Float64"),
    ).astype({"component": object, "name": object})
    grouped = rows.groupby(keys, sort=False, dropna=False)
    complete = grouped["size_bytes"].count().eq(grouped.size())
    summary = pd.DataFrame(
        {
            "count": grouped.size(),
            "total_bytes": grouped["size_bytes"].sum().where(complete),
            "largest_bytes": grouped["size_bytes"].max().where(complete),
            "kept": grouped["kept"].sum(),
            "kept_bytes": grouped["kept_bytes"].sum().where(complete),
            "mean_held_ns": grouped["held_ns"].mean().round().astype("Int64"),
        }
    ).reset_index()
    return summary.sort_values(["total_bytes", *keys], ascending=[False, True, True, True], ignore_index=True)
