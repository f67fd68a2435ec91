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


def _quartile(walls: pd.DataFrame, part: float) -> pd.Series[float]:
    # pandas takes no quantile of a table without columns, which is what nothing aligned gives.
    return walls.quantile(part, axis=1) if len(walls.columns) else walls.median(axis=1)


def unit_costs(alignment: pd.DataFrame, ref: Run, run: Run) -> pd.DataFrame:
    """Give what every matched unit cost on either side.

    Returns:
        Index unit. ref_ns, run_ns: median kernel time over steps; ref_wall_ns, run_wall_ns: median wall time;
        ref_low_ns, run_low_ns, ref_high_ns, run_high_ns: first and third quartile of the wall times; steps: number of
        steps; all float64 but steps (int64). A unit that ran on one side only is left out.
    """
    words = side_words(alignment, ref)
    parts = []
    for name, word, one in zip(("ref", "run"), words, (ref, run), strict=True):
        rows = timed_rows(alignment, word, one)
        walls = step_table(rows, "wall_ns")
        middle = walls.median(axis=1)
        parts.append(
            pd.DataFrame(
                {
                    f"{name}_ns": step_table(rows, "dur_ns").median(axis=1),
                    f"{name}_wall_ns": middle,
                    f"{name}_low_ns": _quartile(walls, 0.25),
                    f"{name}_high_ns": _quartile(walls, 0.75),
                    f"{name}_steps": walls.notna().sum(axis=1),
                }
            )
        )
    both = parts[0].join(parts[1], how="inner")
    return both.assign(steps=both.pop("run_steps").clip(upper=both.pop("ref_steps")))
