"""How much memory each component held: its peaks, or the recorded curve."""

from __future__ import annotations

import pandas as pd

_KEYS = ["rank", "component"]
_MEASURES = {"allocated": "allocated_bytes", "reserved": "reserved_bytes"}


def memory_peaks(memory: pd.DataFrame) -> pd.DataFrame:
    """Give the largest samples of each component; the component with the largest peak stands first.

    Args:
        memory: Frame `memory`.

    Returns:
        rank (int32), component (category), samples (int64), peak_allocated_bytes, peak_allocated_at_ns (time of the
        first sample that high), last_allocated_bytes (what was never given back), peak_reserved_bytes,
        peak_reserved_at_ns (all Int64; NA where not recorded).
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
    largest = peaks[["peak_allocated_bytes", "peak_reserved_bytes"]].max(axis="columns")
    order = largest.sort_values(ascending=False, kind="stable", na_position="last").index
    return peaks.loc[order].reset_index()


def memory_curve(memory: pd.DataFrame) -> pd.DataFrame:
    """Give the samples by rank, component and time; files list them out of order.

    Args:
        memory: Frame `memory`.

    Returns:
        rank, component, time_ns, allocated_bytes, reserved_bytes.
    """
    columns = [*_KEYS, "time_ns", *_MEASURES.values()]
    return memory[columns].sort_values([*_KEYS, "time_ns"], kind="stable", ignore_index=True)
