"""What the host operators of a PyTorch run are: nesting, phase, forward partner, module.

* `Fwd thread id` above zero, or the engine's evaluate_function around it, makes an operator backward; the thread does
  not, because backward on a CPU runs on the thread of forward;
* a module call within backward is a checkpoint that computes its forward anew;
* a backward operator belongs to the last forward operator that began with its sequence number on its forward thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.correlate.intervals import Enclosing, Int64s, nearest_ancestor, self_time
from profkit.correlate.shared_codes import shared_codes
from profkit.correlate.torch_modules import module_paths
from profkit.schema import PHASES

FORWARD, BACKWARD, RECOMPUTE, OPTIMIZER = range(len(PHASES))
NO_PHASE = -1

_EVALUATE = "autograd::engine::evaluate_function"
_OPTIMIZER_ANNOTATIONS = ("Optimizer.step#", "Optimizer.zero_grad#")

Bools = NDArray[np.bool_]
Objects = NDArray[np.object_]


@dataclass(frozen=True)
class Surroundings:
    """What lies around points on host threads.

    Attributes:
        module: int64 (m,): position of the innermost module call, -1 none.
        module_start: int64 (m,): its start, ns; the least int64 where there is none.
        in_optimizer: bool (m,): in an optimizer's annotation, and in no module call within it.
    """

    module: Int64s
    module_start: Int64s
    in_optimizer: Bools


class HostOperators:
    """Host operators of a run; all arrays have one element an operator and all links are positions among them.

    Args:
        ops: Frame `ops` of the run.
        spans: Frame `spans` of the run.

    Attributes:
        rows: int64: row of each operator in `ops`.
        launches: The launches of `spans` that have a correlation number.
        launch_thread: int64: thread of each launch, in the coding that `around` and `surroundings` take.
        around: The operators, to be asked which is innermost at a time.
    """

    def __init__(self, ops: pd.DataFrame, spans: pd.DataFrame) -> None:
        self.rows = np.flatnonzero((ops["level"] == "host").to_numpy())
        self._ops = ops.iloc[self.rows]
        self._start = self._ops["start_ns"].to_numpy()
        kind = spans["kind"]
        self.launches = spans[(kind == "launch").to_numpy() & spans["correlation"].notna().to_numpy()]
        self._modules = spans[(kind == "module").to_numpy()]
        optimizer = [name for name in spans["name"].cat.categories if name.startswith(_OPTIMIZER_ANNOTATIONS)]
        optimizers = spans[(kind == "annotation").to_numpy() & spans["name"].isin(optimizer).to_numpy()]
        codes = shared_codes([self._ops, self.launches, self._modules, optimizers], ["source", "thread"])
        self._thread, self.launch_thread, self._module_thread, optimizer_thread = codes
        self.around = _enclosing(self._ops, self._thread)
        self._around_module = _enclosing(self._modules, self._module_thread)
        self._around_optimizer = _enclosing(optimizers, optimizer_thread)
        self._optimizer_start = optimizers["start_ns"].to_numpy()

    @cached_property
    def parent(self) -> Int64s:
        """Directly enclosing operator, -1 none."""
        return self.around.nesting.parent

    @cached_property
    def crossing(self) -> Int64s:
        """Operators that reach beyond the operator they began in."""
        return self.around.nesting.crossing

    @cached_property
    def self_ns(self) -> Int64s:
        """Time outside the operators directly below, ns."""
        return self_time(self.around.nesting.end - self._start, self.parent)

    def surroundings(self, time: Int64s, thread: Int64s) -> Surroundings:
        """Say what lies around points of time on threads (in the coding of launch_thread)."""
        module = self._around_module.innermost(time, thread)
        never = np.iinfo(np.int64).min
        module_start = _taken(self._modules["start_ns"].to_numpy(), module, never)
        optimizer = self._around_optimizer.innermost(time, thread)
        in_optimizer = (optimizer >= 0) & (module_start < _taken(self._optimizer_start, optimizer, never))
        return Surroundings(module, module_start, in_optimizer)

    @cached_property
    def _here(self) -> Surroundings:
        return self.surroundings(self._start, self._thread)

    @cached_property
    def _marks_backward(self) -> Bools:
        forward_thread = self._ops["forward_thread"].fillna(0).to_numpy(np.int64)
        evaluations = [name for name in self._ops["name"].cat.categories if name.startswith(_EVALUATE)]
        return (forward_thread > 0) | self._ops["name"].isin(evaluations).to_numpy()

    @cached_property
    def phase(self) -> Int64s:
        """Index into schema.PHASES."""
        backward = nearest_ancestor(self.parent, self._marks_backward)
        backward_start = _taken(self._start, backward, 0)
        recomputed = (backward >= 0) & (self._here.module >= 0) & (self._here.module_start >= backward_start)
        by_class = (self._ops["op_class"] == "optimizer").to_numpy()
        phase = np.where(self._here.in_optimizer | by_class, OPTIMIZER, FORWARD)
        return np.where(recomputed, RECOMPUTE, np.where(backward >= 0, BACKWARD, phase))

    @cached_property
    def forward(self) -> Int64s:
        """For a backward operator, and all below it, the forward operator it differentiates; -1 none or not known."""
        sequence = self._ops["sequence"].fillna(-1).to_numpy(np.int64)
        forward_thread = self._ops["forward_thread"].fillna(0).to_numpy(np.int64)
        table = pd.DataFrame({"position": np.arange(len(sequence)), "sequence": sequence, "start": self._start})
        table["source"] = self._ops["source"].cat.codes.to_numpy()
        table["number"], table["thread"] = forward_thread, self._thread
        is_backward = (sequence >= 0) & (forward_thread > 0) & (self.phase == BACKWARD)
        is_forward = (sequence >= 0) & (forward_thread <= 0) & (self.phase != BACKWARD)
        own = np.full(len(table), -1, dtype=np.int64)
        if is_backward.any() and is_forward.any():
            pairs = _partners(table[is_backward], table[is_forward])
            own[pairs["position"]] = pairs["partner"]
        anchor = nearest_ancestor(self.parent, own >= 0)
        return np.where((anchor >= 0) & (self.phase == BACKWARD), own[anchor], -1)

    @cached_property
    def module(self) -> Objects:
        """Module path, None where not known: of the enclosing call, in backward that of the forward operator."""
        called = self.path_of(self._here.module)
        called[(self.phase == BACKWARD) | (self.phase == OPTIMIZER)] = None
        return np.where(self.forward >= 0, called[self.forward], called)

    def path_of(self, call: Int64s) -> Objects:
        """Give the paths of module calls by their positions; None for -1."""
        paths = np.full(len(call), None, dtype=object)
        known = call >= 0
        paths[known] = self._call_paths[call[known]]
        return paths

    @cached_property
    def _call_paths(self) -> Objects:
        """Path of every module call."""
        start = self._modules["start_ns"].to_numpy()
        parent = self._around_module.nesting.parent
        inside = self.around.innermost(start, self._module_thread)
        backward = nearest_ancestor(self.parent, self._marks_backward)
        backward = _taken(backward, inside, -1)
        backward_start = _taken(self._start, backward, np.iinfo(np.int64).min)
        begins_anew = (backward >= 0) & (_taken(start, parent, np.iinfo(np.int64).min) < backward_start)
        return module_paths(self._modules, parent, begins_anew)


def _enclosing(frame: pd.DataFrame, thread: Int64s) -> Enclosing:
    return Enclosing(frame["start_ns"].to_numpy(), frame["dur_ns"].to_numpy(), thread)


def _taken(values: Int64s, position: Int64s, otherwise: int) -> Int64s:
    """Give the values at positions, another value where the position is -1."""
    taken = np.full(len(position), otherwise, dtype=np.int64)
    known = position >= 0
    taken[known] = values[position[known]]
    return taken


def _partners(backward: pd.DataFrame, forward: pd.DataFrame) -> pd.DataFrame:
    """Find the forward operator of each backward one: same sequence number and thread, the last to start before.

    Sequence numbers count per thread, but `Fwd thread id` is no thread id of the trace. Which thread it means is voted
    on by the sequence numbers that only one thread has.

    Returns:
        Columns position and partner, only the pairs found.
    """
    threads = forward.drop_duplicates(["source", "sequence", "thread"])
    alone = threads[~threads.duplicated(["source", "sequence"], keep=False)][["source", "sequence", "thread"]]
    votes = backward[["source", "sequence", "number"]].merge(alone, on=["source", "sequence"])
    votes = votes.groupby(["source", "number", "thread"]).size().rename("votes").reset_index()
    elected = votes.sort_values("votes", kind="stable").drop_duplicates(["source", "number"], keep="last")
    placed = backward.drop(columns="thread").merge(elected[["source", "number", "thread"]], on=["source", "number"])
    right = forward[["start", "sequence", "thread", "position"]].rename(columns={"position": "partner"})
    pairs = pd.merge_asof(
        placed.sort_values("start", kind="stable"),
        right.sort_values("start", kind="stable"),
        on="start",
        by=["thread", "sequence"],
        allow_exact_matches=False,
    )
    return pairs.dropna(subset="partner")[["position", "partner"]].astype(np.int64)
