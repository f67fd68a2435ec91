"""Who each operator of a MindSpore run is: class, step, phase, module, launcher and self time.

On CPU the kernels themselves are recorded (level host) and nothing else; on Ascend the kernels of the device are, with
the host operators that launched them. What a run does not tell is left unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.correlate.intervals import Enclosing, self_time
from profkit.correlate.mindspore_modules import trusted_modules
from profkit.correlate.mindspore_phases import graph_phases, optimizer_cuts, pynative_phases
from profkit.correlate.mindspore_steps import graph_steps, periodic_steps, runs_graph
from profkit.correlate.operator_classes import with_classes_of_launchers, with_classes_of_types
from profkit.run import Run
from profkit.schema import OPS, STEPS

_INFERRED = "inferred"


def identify_mindspore(run: Run, hinted: Mapping[str, str] | None = None) -> Run:
    """Fill in what the recording implies about each operator.

    On CPU: step (by repetition; -1 where nothing repeats), phase, module where its scope can be trusted, and a steps
    frame marked "inferred". With device kernels: step as recorded, phase and module by the scope in the kernel's name
    or its launcher's, launcher, and parent and self time of host operators.

    Args:
        run: Run of framework mindspore. A run that was identified already comes back equal.
        hinted: As vocabulary.classify takes it.
    """
    if run.ops.empty:
        return run
    ops = with_classes_of_types(run.ops, hinted)
    nests = bool(len(run.spans)) or bool((ops["level"] == "device").any())
    parts = [
        _identify_traced(ops[ops["rank"] == rank], run.spans[run.spans["rank"] == rank])
        if nests
        else _identify_cpu(ops[ops["rank"] == rank])
        for rank in ops["rank"].unique()
    ]
    ops = pd.concat(parts).sort_index()
    ops = with_classes_of_launchers(ops, ops["parent"].to_numpy(), ops["launcher"].to_numpy(), hinted)
    ops = OPS.build(ops)
    return replace(run, ops=ops, steps=run.steps if nests else _inferred_steps(ops))


def _identify_cpu(ops: pd.DataFrame) -> pd.DataFrame:
    order = np.argsort(ops["start_ns"].to_numpy(), kind="stable")
    kernels = ops.iloc[order]
    names, types, classes = kernels["name"], kernels["op_type"], kernels["op_class"]
    if runs_graph(names):
        steps = graph_steps(names, kernels["start_ns"].to_numpy())
        phases = graph_phases(names, classes, steps)
    else:
        cuts = optimizer_cuts(types, classes)
        steps = periodic_steps(types, cuts)
        phases = pynative_phases(types, classes, steps)
    modules = trusted_modules(names, types, phases, steps)
    return _with(kernels, step=steps, phase=phases, module=modules.to_numpy(dtype=object))


def _with(ops: pd.DataFrame, **columns: NDArray[Any]) -> pd.DataFrame:
    """Give the rows with some columns replaced; text comes as object and goes back as category when built."""
    return ops.assign(**{name: pd.Series(values, index=ops.index) for name, values in columns.items()})


def _identify_traced(ops: pd.DataFrame, spans: pd.DataFrame) -> pd.DataFrame:
    host = ops[ops["level"] == "host"]
    launches = spans[spans["kind"] == "launch"]
    threads, _ = pd.factorize(pd.concat([host["thread"].astype(object), launches["thread"].astype(object)]))
    enclosing = Enclosing(host["start_ns"].to_numpy(), host["dur_ns"].to_numpy(), threads[: len(host)])
    place = enclosing.nesting
    rows = host.index.to_numpy(dtype=np.int64)
    parent = ops["parent"].copy()
    own = ops["self_ns"].copy()
    launcher = ops["launcher"].copy()
    if len(host):
        parent[host.index] = _rows_of(place.parent, rows)
        own[host.index] = self_time(place.end - host["start_ns"].to_numpy(), place.parent)
        around = _rows_of(enclosing.innermost(launches["start_ns"].to_numpy(), threads[len(host) :]), rows)
        by_launch = pd.Series(around, index=launches["correlation"]).groupby(level=0).first()
        on_device = ops["level"] == "device"
        launcher[on_device] = ops.loc[on_device, "correlation"].map(by_launch).fillna(-1).astype("int64")
    identified = ops.assign(parent=parent, self_ns=own, launcher=launcher)
    scopes = _scopes(identified)
    steps = ops["step"].to_numpy()
    phases = _phases_of_traced(identified, scopes, steps)
    device_phases = phases.copy()
    device_phases[(ops["level"] == "host").to_numpy()] = None
    modules = trusted_modules(scopes, ops["op_type"], device_phases, steps)
    return _with(identified, phase=phases, module=modules.to_numpy(dtype=object))


def _phases_of_traced(ops: pd.DataFrame, scopes: pd.Series[Any], steps: NDArray[np.int32]) -> NDArray[np.object_]:
    """Give the phase of each row of a run with device kernels.

    Names tell the phase of an executed graph, and only if any of them tells backward: PyNative kernels have no scope or
    all the same one. There the types of the kernels tell, of those in a step, and a launch is of its kernels' phase.
    """
    phases = np.full(len(ops), None, dtype=object)
    of_level = {level: (ops["level"] == level).to_numpy() for level in ("host", "device")}
    for rows in (of_level[level] & scopes.notna().to_numpy() for level in of_level):
        if rows.any():
            phases[rows] = graph_phases(scopes[rows], ops["op_class"][rows], steps[rows])
    kernels = np.flatnonzero(of_level["device"] & (steps >= 0))
    if not len(kernels) or np.isin(phases[kernels], ["backward", "recompute"]).any():
        return phases
    kernels = kernels[np.argsort(ops["start_ns"].to_numpy()[kernels], kind="stable")]
    told = pynative_phases(ops["op_type"].iloc[kernels], ops["op_class"].iloc[kernels], steps[kernels])
    phases[kernels] = told
    launcher = pd.Series(ops["launcher"].to_numpy()[kernels])
    of_launch = pd.Series(told)[(launcher >= 0).to_numpy()].groupby(launcher[launcher >= 0]).first()
    place = pd.Series(np.arange(len(ops)), index=ops.index)
    phases[place[of_launch.index].to_numpy()] = of_launch.to_numpy()
    return phases


def _rows_of(position: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(rows):
        return np.full(len(position), -1, dtype=np.int64)
    return np.where(position >= 0, rows[position], -1)


def _scopes(ops: pd.DataFrame) -> pd.Series[Any]:
    """Give the full operator name in each row's name; a bare kernel name takes that of its launcher."""
    names = ops["name"].astype(object)
    of_host = {name: _scope_of_event(str(name)) for name in names[ops["level"] == "host"].unique()}
    of_device = {
        name: _scope_of_event(str(name).rpartition("/")[0]) for name in names[ops["level"] == "device"].unique()
    }
    scopes = names.map(of_host).where(ops["level"] == "host", names.map(of_device)).astype(object)
    orphan = scopes.isna() & (ops["launcher"] >= 0)
    scopes[orphan] = scopes.reindex(ops.loc[orphan, "launcher"]).to_numpy()
    return scopes


def _scope_of_event(name: str) -> str | None:
    """Take the module and event off a host event's name: `Kernel::KernelLaunch::Default/net-Net/MatMul-op0`."""
    scope = name.rpartition("::")[2]
    return scope if "/" in scope else None


def _inferred_steps(ops: pd.DataFrame) -> pd.DataFrame:
    known = ops[ops["step"] >= 0]
    if known.empty:
        return STEPS.empty()
    ends = known.assign(end_ns=known["start_ns"] + known["dur_ns"])
    grouped = ends.groupby(["rank", "step"], sort=True)
    steps = grouped.agg(
        start_ns=("start_ns", "min"), end_ns=("end_ns", "max"), source=("source", "first")
    ).reset_index()
    dur = steps["end_ns"] - steps["start_ns"]
    return STEPS.build(steps.drop(columns="end_ns").assign(dur_ns=dur, how=_INFERRED))
