"""One recorded run as the diseases look at it: its executions, its full steps, and whose each instant of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.bridge.median_step import StepWindow, step_windows
from profkit.bridge.step_parts import step_pieces
from profkit.correlate.executions import has_device_rows, working_rows
from profkit.run import Run

_ROWS_NAMED = 3
STEPS_WITH_A_WARM_UP = 3
"""So many steps and more have a warm-up step to leave out."""
NOT_COMPUTING = ("communication", "host_gap", "data_waiting")
"""Parts of a step in which nothing is computed."""
_COLUMNS = [
    *("rank", "step", "level", "start_ns", "dur_ns", "name", "op_type", "op_class", "phase", "module", "stream"),
    *("core", "input_shapes", "source", "row"),
]


@dataclass(frozen=True)
class Recording:
    """The executions of a run and its steps.

    Attributes:
        run: The run, identified.
        rows: One row an execution that stands for the run's work (device rows without those launched before the
            recording, or outermost host rows), in order of rank and start: columns of schema.OPS, `ops_row` (its row
            there) and `named` (bool: a slow finding names it already).
        windows: Its full steps, the first left out where there are three or more; the whole recording if it has none.
        all_windows: Its steps with the first.
    """

    run: Run
    rows: pd.DataFrame
    windows: Sequence[StepWindow]
    all_windows: Sequence[StepWindow]

    @property
    def step_ns(self) -> int:
        """Median length of a step; of an even number the shorter of the middle two."""
        lengths = sorted(window.length_ns for window in self.windows)
        return lengths[(len(lengths) - 1) // 2]

    @cached_property
    def computing_ns(self) -> int:
        """Median time of a step that is neither idle, nor communication alone, nor waiting for data."""
        return self.cost_of_pieces(~self.pieces["part"].isin(NOT_COMPUTING).to_numpy())

    @property
    def on_device(self) -> bool:
        """Whether the executions are those of a device."""
        return bool((self.rows["level"] == "device").any())

    @cached_property
    def pieces(self) -> pd.DataFrame:
        """The steps cut into pieces (see `bridge.step_parts.step_pieces`) with `window`, the number of the step."""
        rows = self.rows.assign(unit=-1, reason="", row=self.rows["ops_row"])
        parts = [
            step_pieces(rows, window, self.run).assign(window=number) for number, window in enumerate(self.windows)
        ]
        return pd.concat(parts, ignore_index=True)

    def cost(self, chosen: NDArray[np.bool_]) -> int:
        """Give the time of some executions in a step: sum of their durations, median over the steps, ns."""
        return self.middle(self.rows[chosen], "dur_ns")

    def middle(self, rows: pd.DataFrame, column: str) -> int:
        """Give the median over the steps of the sum of a column of some of the executions."""
        sums = rows.groupby(["rank", "step"])[column].sum()
        return round(median(int(sums.get((window.rank, window.step), 0)) for window in self.windows))

    def cost_of_pieces(self, chosen: NDArray[np.bool_]) -> int:
        """Give the time of some pieces in a step: sum, median over the steps, ns."""
        sums = self.pieces[chosen].groupby("window")["ns"].sum()
        return round(median(int(sums.get(number, 0)) for number in range(len(self.windows))))

    def one_step(self, chosen: NDArray[np.bool_]) -> pd.DataFrame:
        """Give some executions of one step: the one of median length."""
        window = sorted(self.windows)[0] if len(self.windows) == 1 else _middle_window(self.windows)
        return self.rows[chosen & ((self.rows["rank"] == window.rank) & (self.rows["step"] == window.step)).to_numpy()]


def _middle_window(windows: Sequence[StepWindow]) -> StepWindow:
    ordered = sorted(windows, key=lambda window: (window.length_ns, window.rank, window.step))
    return ordered[(len(ordered) - 1) // 2]


def recording(run: Run, named_rows: NDArray[np.int64]) -> Recording | None:
    """Look at a run.

    Args:
        run: An identified run.
        named_rows: Rows of its ops frame that a slow finding names already.

    Returns:
        None if the run has no executions with a length.
    """
    if run.ops.empty:
        return None
    level = "device" if has_device_rows(run.ops) else "host"
    at = np.flatnonzero(working_rows(run.ops, level))
    rows = run.ops.iloc[at][_COLUMNS].assign(ops_row=at, named=np.isin(at, named_rows))
    rows = rows.sort_values(["rank", "start_ns"], kind="stable").reset_index(drop=True)
    every = rows[["rank", "step"]].drop_duplicates()
    full = every[every["step"] >= 0]
    candidates = (full if len(full) else every).itertuples(index=False, name=None)
    windows = [window for window in step_windows(rows, run.steps, candidates) if window.length_ns > 0]
    if not windows:
        return None
    firsts = {min(w.step for w in windows if w.rank == rank) for rank in {w.rank for w in windows}}
    enough = len({window.step for window in windows}) >= STEPS_WITH_A_WARM_UP
    later = [window for window in windows if not (enough and window.step in firsts)]
    return Recording(run, rows, tuple(later), tuple(windows))


def row_names(rows: pd.DataFrame) -> str:
    """Say which records some executions are: file and record numbers, the first few."""
    if rows.empty:
        return ""
    source = str(rows["source"].iloc[0])
    own = rows[rows["source"] == source]["row"].tolist()
    more = len(rows) - min(len(own), _ROWS_NAMED)
    told = ", ".join(str(number) for number in own[:_ROWS_NAMED]) + (f" and {more:,} more" if more else "")
    return f"records {told} of {Path(source).name}"


def counted(values: pd.Series[Any], durations: pd.Series[int], most: int = 4) -> str:
    """Give values with their number and time, the costliest first: "TransData x57 1.23 ms, Transpose x5 0.10 ms"."""
    table = durations.groupby(values.astype(object).fillna("unknown")).agg(["size", "sum"])
    table = table.sort_values("sum", ascending=False, kind="stable")
    texts = [f"{name} x{size} {milliseconds(total)}" for name, size, total in table.head(most).itertuples(name=None)]
    more = f" and {len(table) - most} other types" if len(table) > most else ""
    return ", ".join(texts) + more


def milliseconds(ns: float) -> str:
    """Give a time in ms with three decimals, as findings write it."""
    return f"{ns / 1e6:.3f} ms"
