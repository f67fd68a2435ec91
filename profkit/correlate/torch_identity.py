"""Kernel to operator to module to phase, for a run of PyTorch.

A device task belongs to the launch with its correlation number, and that to the innermost operator around the launch on
the launching thread. Flow arrows are not used: half of them have no start. A task whose launch lies before the recorded
window is carry-over and belongs to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.correlate.intervals import Enclosing, Int64s
from profkit.correlate.operator_classes import with_classes_of_launchers, with_classes_of_types
from profkit.correlate.torch_host import FORWARD, NO_PHASE, OPTIMIZER, Bools, HostOperators, Objects
from profkit.errors import ImportIssue, Severity
from profkit.run import Run, Source
from profkit.schema import OPS, PHASES

_Integer = TypeVar("_Integer", bound=np.integer)


def identify_torch(run: Run, hinted: Mapping[str, str] | None = None) -> Run:
    """Give the run with the identity of its operators; see profkit.correlate.identity.

    The step of a row is that of its launch, or of its own start where nothing was launched.
    """
    if run.ops.empty:
        return run
    ops = with_classes_of_types(run.ops, hinted)
    host = HostOperators(ops, run.spans)
    tasks = _device_tasks(ops, host)
    host.let_go_of_intervals()
    phase = _of_all_rows(host.phase, host, len(ops), NO_PHASE)
    module = _of_all_rows(host.module, host, len(ops), -1)
    forward = _of_all_rows(_rows(host.forward, host), host, len(ops), -1)
    parent = _of_all_rows(_rows(host.parent, host), host, len(ops), -1)
    self_ns = _of_all_rows(host.self_ns, host, len(ops), 0)
    self_ns[tasks.rows] = ops["dur_ns"].to_numpy()[tasks.rows]
    owned = tasks.launcher >= 0
    phase[tasks.rows] = np.where(owned, phase[tasks.launcher], tasks.phase_alone)
    module[tasks.rows] = np.where(owned, module[tasks.launcher], tasks.module_alone)
    forward[tasks.rows] = np.where(owned, forward[tasks.launcher], -1)
    launcher = ops["launcher"].to_numpy()
    if len(tasks.rows):
        launcher = launcher.copy()
        launcher[tasks.rows] = tasks.launcher
    carry_over = np.zeros(len(ops), dtype=bool)
    carry_over[tasks.rows] = tasks.carry_over
    identified = with_classes_of_launchers(ops, parent, launcher, hinted).assign(
        step=_steps(ops, run.steps, tasks),
        self_ns=self_ns,
        phase=pd.Categorical.from_codes(phase, categories=pd.Index(PHASES)),
        module=_paths(host.module_paths, module),
        parent=parent,
        launcher=launcher,
        forward_op=forward,
        carry_over=carry_over,
    )
    return replace(run, ops=OPS.build(identified), sources=_with_crossings(run.sources, ops, host))


@dataclass(frozen=True)
class _DeviceTasks:
    """Device rows; all arrays have one element a task.

    Attributes:
        rows: int64: row in `ops`.
        launcher: int64: row of the launching operator, -1 none or not known.
        launched_ns: int64: when it was launched; its own start where no launch is known.
        carry_over: bool: its launch lies before the recorded window.
        phase_alone, module_alone: Index into PHASES and module call of a launch outside any operator; -1 for tasks
            without a launch.
    """

    rows: Int64s
    launcher: Int64s
    launched_ns: Int64s
    carry_over: Bools
    phase_alone: Int64s
    module_alone: Int64s


def _device_tasks(ops: pd.DataFrame, host: HostOperators) -> _DeviceTasks:
    rows = np.flatnonzero((ops["level"] == "device").to_numpy())
    tasks = ops.iloc[rows]
    launch = _launch_of(tasks, host.launches)
    launched = launch >= 0
    launch_start = host.launches["start_ns"].to_numpy()
    time, thread = launch_start[launch[launched]], host.launch_thread[launch[launched]]
    launcher = tasks["launcher"].to_numpy().copy()
    around = _rows(host.around.innermost(time, thread), host)
    launcher[launched] = np.where(around >= 0, around, launcher[launched])
    start = ops["start_ns"].to_numpy()
    launched_ns = np.where(launcher >= 0, start[launcher], start[rows])
    launched_ns[launched] = time
    place = host.surroundings(time, thread)
    phase_alone = np.full(len(rows), NO_PHASE, dtype=np.int64)
    phase_alone[launched] = np.where(place.in_optimizer, OPTIMIZER, FORWARD)
    module_alone = np.full(len(rows), -1, dtype=np.int64)
    module_alone[launched] = place.module
    has_launches = tasks["rank"].isin(host.launches["rank"].unique()).to_numpy()
    carry_over = ~launched & (launcher < 0) & tasks["correlation"].notna().to_numpy() & has_launches
    return _DeviceTasks(rows, launcher, launched_ns, carry_over, phase_alone, module_alone)


def _launch_of(tasks: pd.DataFrame, launches: pd.DataFrame) -> Int64s:
    """Give the position of each task's launch, -1 none; a task without a correlation number has none.

    A run records a process once, so rank and number name a launch; tasks and launches may stand in different files.
    """
    key = ["rank", "correlation"]
    known = launches[key].reset_index(drop=True)
    known["launch"] = np.arange(len(known))
    asked = tasks[key].reset_index(drop=True)
    found = asked.merge(known.drop_duplicates(key), on=key, how="left")["launch"]
    return np.where(asked["correlation"].notna(), found.fillna(-1), -1).astype(np.int64)


def _of_all_rows(values: NDArray[_Integer], host: HostOperators, count: int, otherwise: int) -> NDArray[_Integer]:
    """Give values of host operators to their rows of `ops`, another value to the other rows."""
    if len(host.rows) == count:
        return values
    spread = np.full(count, otherwise, dtype=values.dtype)
    spread[host.rows] = values
    return spread


def _rows(positions: Int64s, host: HostOperators) -> Int64s:
    """Turn positions among the host operators into rows of `ops`."""
    if len(host.rows) and host.rows[-1] == len(host.rows) - 1:
        return positions
    rows = np.full(len(positions), -1, dtype=np.int64)
    known = positions >= 0
    rows[known] = host.rows[positions[known]]
    return rows


def _steps(ops: pd.DataFrame, steps: pd.DataFrame, tasks: _DeviceTasks) -> NDArray[np.int32]:
    """Give the recorded step each row was launched in, -1 outside any and for carry-over.

    Where a process marks no steps in time, a row keeps the number that was recorded with it.
    """
    timed = steps[steps["start_ns"].notna().to_numpy() & steps["dur_ns"].notna().to_numpy()]
    step_rank, rank = timed["rank"].to_numpy(), ops["rank"].to_numpy()
    start, dur = timed["start_ns"].to_numpy(np.int64), timed["dur_ns"].to_numpy(np.int64)
    time = ops["start_ns"].to_numpy()
    if len(tasks.rows):
        time = time.copy()
        time[tasks.rows] = tasks.launched_ns
    found = Enclosing(start, dur, step_rank).innermost(time, rank)
    step = np.where(np.isin(rank, step_rank), np.int32(-1), ops["step"].to_numpy())
    step[found >= 0] = timed["step"].to_numpy()[found[found >= 0]]
    step[tasks.rows[tasks.carry_over]] = -1
    return step


def _paths(paths: Objects, call: Int64s) -> pd.Categorical[str]:
    """Give the module path of each row from its module call, -1 none."""
    unused = np.ones(len(paths) + 1, dtype=bool)
    unused[call] = False
    shown = paths.copy()
    shown[unused[:-1]] = None
    code_of_call, distinct = pd.factorize(shown, sort=True)
    return pd.Categorical.from_codes(np.append(code_of_call, -1)[call], categories=pd.Index(distinct.tolist()))


def _with_crossings(sources: tuple[Source, ...], ops: pd.DataFrame, host: HostOperators) -> tuple[Source, ...]:
    """Add one issue to each source whose operators do not nest; a source that has it already stays as it is."""
    counts = ops.iloc[host.rows[host.crossing]]["source"].astype(str).value_counts().to_dict()

    def told(source: Source) -> Source:
        count = counts.get(str(source.path), 0)
        text = f"{count} host operators reach beyond the one they began in: cut there for self time and launches"
        issue = ImportIssue(Severity.INFO, str(source.path), "", text)
        return replace(source, issues=(*source.issues, issue)) if count and issue not in source.issues else source

    return tuple(told(source) for source in sources)
