"""What each unit of work cost on either side: medians over the steps both runs recorded.

Two measures. The kernel time of a unit is the sum of its executions. Its wall time also holds the gaps before them, in
which a host prepares the next operator: many tiny kernels cost mostly gaps. On the host the wall times of all
operators of a step add up exactly to the time from its first start to its last end; on a device, where streams
overlap and idle time has other causes, wall time is kernel time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.run import Run

# One step has nothing to be compared with.
_STEPS_THAT_TELL = 2

SIDE_WORDS = {"pt": "pytorch", "ms": "mindspore"}


def side_words(alignment: pd.DataFrame, ref: Run | None) -> tuple[str, str]:
    """Give the words of the reference's and of the run's side in an alignment.

    Args:
        alignment: Frame of schema.ALIGNMENT.
        ref: The reference run; None if there is none.
    """
    if not alignment["side"].isin(list(SIDE_WORDS)).any():
        return "ref", "run"
    if ref is not None and ref.framework == "mindspore":
        return "ms", "pt"
    return "pt", "ms"


def timed_rows(alignment: pd.DataFrame, side: str, run: Run) -> pd.DataFrame:
    """Give the executions of one side with their wall time.

    Args:
        alignment: Frame of schema.ALIGNMENT.
        side: Which side.
        run: The run of that side.

    Returns:
        The alignment's rows of that side in steps that were paired, ordered by step and start, with `wall_ns` (int64).
    """
    rows = alignment[(alignment["side"] == side)]
    paired = rows.loc[rows["unit"] >= 0, ["rank", "step"]].drop_duplicates()
    rows = rows.merge(paired, on=["rank", "step"]).sort_values(["rank", "step", "start_ns"], kind="stable")
    on_device = (run.ops["level"].to_numpy()[rows["row"].to_numpy()] == "device").any()
    return rows.assign(wall_ns=rows["dur_ns"] if on_device else _time_since_the_last_end(rows))


def _time_since_the_last_end(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Give what each execution adds to the time that has passed since its step began."""
    start = rows["start_ns"].to_numpy()
    step = rows.groupby(["rank", "step"], sort=False).ngroup()
    latest = (rows["start_ns"] + rows["dur_ns"]).groupby(step.to_numpy()).cummax().to_numpy()
    first = np.concatenate([[True], np.diff(step.to_numpy()) != 0])[: len(rows)]
    before = np.where(first, start, np.roll(latest, 1))
    return (latest - before).astype(np.int64)


def step_table(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Give the cost of each unit in each step.

    Args:
        rows: Frame of `timed_rows`.
        value: `dur_ns` or `wall_ns`.

    Returns:
        Index unit, one column a (rank, step); NaN where the unit did not run in that step. Unmatched rows are left out.
    """
    matched = rows[rows["unit"] >= 0]
    return matched.pivot_table(index="unit", columns=["rank", "step"], values=value, aggfunc="sum", observed=True)


def _low(walls: pd.DataFrame) -> pd.Series[float]:
    # One that was measured: between two, a machine that stalled twice in three steps would hide the third. pandas takes
    # no quantile of a table without columns, which is what nothing aligned gives.
    return walls.quantile(0.25, axis=1, interpolation="lower") if len(walls.columns) else walls.median(axis=1)


def unit_costs(ref_rows: pd.DataFrame, run_rows: pd.DataFrame) -> pd.DataFrame:
    """Give what every matched unit cost on either side.

    Args:
        ref_rows: Frame of `timed_rows` of the reference.
        run_rows: The same of the run.

    Returns:
        Index unit. ref_ns, run_ns: median kernel time over steps; ref_wall_ns, run_wall_ns: median wall time;
        ref_low_ns, run_low_ns: what at least three quarters of the steps took (wall time); steps: number of steps; all
        float64 but steps (int64). A unit that ran on one side only is left out.
    """
    parts = []
    for name, rows in (("ref", ref_rows), ("run", run_rows)):
        walls = step_table(rows, "wall_ns")
        parts.append(
            pd.DataFrame(
                {
                    f"{name}_ns": step_table(rows, "dur_ns").median(axis=1),
                    f"{name}_wall_ns": walls.median(axis=1),
                    f"{name}_low_ns": _low(walls),
                    f"{name}_steps": walls.notna().sum(axis=1),
                }
            )
        )
    both = parts[0].join(parts[1], how="inner")
    return both.assign(steps=both.pop("run_steps").clip(upper=both.pop("ref_steps")))


def by_chance(rows: pd.DataFrame, longer_ns: pd.Series[float]) -> pd.Series[float]:
    """Give how many units a machine that stalls now and then would stretch by so much in most of their steps.

    Other programs take the processor from an operator for some milliseconds. How often a stall is how long is told by
    the units themselves: their steps against their shortest. A unit that is slow for a reason is so in every step.

    Args:
        rows: Frame of `timed_rows`.
        longer_ns: By unit, the time in question.

    Returns:
        By unit, the expected number of units, float64; 0 where there is one step only, which tells nothing.
    """
    walls = step_table(rows, "wall_ns").reindex(longer_ns.index)
    stalls = walls.sub(walls.min(axis=1), axis=0).to_numpy(dtype=np.float64)
    count = stalls.shape[1]
    if count < _STEPS_THAT_TELL:
        return pd.Series(0.0, index=longer_ns.index)
    shares = np.empty_like(stalls)
    for step in range(count):
        known = np.sort(stalls[~np.isnan(stalls[:, step]), step])
        # A stall of half the time in question makes it look real, beside what the median adds.
        longer = len(known) - np.searchsorted(known, np.maximum(longer_ns.to_numpy() / 2, 1.0))
        shares[:, step] = longer / max(len(known), 1)
    shares.sort(axis=1)
    most = count - (count - 1) // 4
    return pd.Series(len(walls) * shares[:, count - most :].prod(axis=1), index=longer_ns.index)
