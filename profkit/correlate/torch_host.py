"""What the host operators of a PyTorch run are: nesting, phase, forward partner, module.

* `Fwd thread id` above zero, or the engine's evaluate_function around it, makes an operator backward; the thread does
  not, because backward on a CPU runs on the thread of forward;
* what runs on a thread that the engine has to itself is backward too: hooks and what they queue (DDP's buckets);
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
from profkit.correlate.torch_autograd import SequencedOperators, forward_partners
from profkit.correlate.torch_modules import module_paths
from profkit.schema import PHASES

FORWARD, BACKWARD, RECOMPUTE, OPTIMIZER = range(len(PHASES))
NO_PHASE = -1

_COLUMNS = ["start_ns", "dur_ns", "thread", "name", "op_class", "sequence", "forward_thread", "source"]
_EVALUATE = "autograd::engine::evaluate_function"
_OPTIMIZER_ANNOTATIONS = ("Optimizer.step#", "Optimizer.zero_grad#")

Bools = NDArray[np.bool_]
Objects = NDArray[np.object_]


@dataclass(frozen=True)
class Surroundings:
    """What lies around points on host threads.

    Attributes:
        module: int64 (m,): position of the innermost module call, -1 none.
        in_optimizer: bool (m,): in an optimizer's annotation, and in no module call within it.
    """

    module: Int64s
    in_optimizer: Bools


class HostOperators:
    """Host operators of a run; all arrays have one element an operator and all links are positions among them.

    Args:
        ops: Frame `ops` of the run.
        spans: Frame `spans` of the run.

    Attributes:
        rows: int64: row of each operator in `ops`.
        launches: The launches of `spans` that have a correlation number.
        launch_thread: integers: thread of each launch, in the coding that `around` and `surroundings` take.
        around: The operators, to be asked which is innermost at a time; gone after `let_go_of_intervals`.
    """

    def __init__(self, ops: pd.DataFrame, spans: pd.DataFrame) -> None:
        self.rows = np.flatnonzero((ops["level"] == "host").to_numpy())
        self._ops = ops[_COLUMNS] if len(self.rows) == len(ops) else ops[_COLUMNS].iloc[self.rows]
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

    def let_go_of_intervals(self) -> None:
        """Free the sorted intervals, several times the memory of a column, once all that is read off them is known.

        `around` and `surroundings` cannot be asked any more.
        """
        for known in ("parent", "crossing", "self_ns", "_here", "module_paths"):
            getattr(self, known)
        del self.around, self._around_module, self._around_optimizer

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

    def surroundings(self, time: Int64s, thread: NDArray[np.integer]) -> Surroundings:
        """Say what lies around points of time on threads (in the coding of launch_thread)."""
        module = self._around_module.innermost(time, thread)
        optimizer = self._around_optimizer.innermost(time, thread)
        in_optimizer = optimizer >= 0
        inside = np.flatnonzero(in_optimizer)
        in_optimizer[inside] = self._module_start(module[inside]) < self._optimizer_start[optimizer[inside]]
        return Surroundings(module, in_optimizer)

    def _module_start(self, module: Int64s) -> Int64s:
        """Give the starts of module calls; the least int64 where there is none."""
        return _taken(self._modules["start_ns"].to_numpy(), module, np.iinfo(np.int64).min)

    @cached_property
    def _here(self) -> Surroundings:
        return self.surroundings(self._start, self._thread)

    @property
    def _forward_thread(self) -> Int64s:
        return self._ops["forward_thread"].to_numpy(np.int64, na_value=0)

    @cached_property
    def _backward(self) -> Int64s:
        """Innermost operator at or above each one that marks backward, -1 none."""
        evaluations = [name for name in self._ops["name"].cat.categories if name.startswith(_EVALUATE)]
        marked = (self._forward_thread > 0) | self._ops["name"].isin(evaluations).to_numpy()
        return nearest_ancestor(self.parent, marked)

    @cached_property
    def phase(self) -> NDArray[np.int8]:
        """Index into schema.PHASES."""
        phase = np.full(len(self.rows), FORWARD, dtype=np.int8)
        phase[self._here.in_optimizer | (self._ops["op_class"] == "optimizer").to_numpy()] = OPTIMIZER
        backward = np.flatnonzero(self._backward >= 0)
        phase[backward] = BACKWARD
        phase[(phase == FORWARD) & self._on_engine_threads(backward)] = BACKWARD
        called = backward[self._here.module[backward] >= 0]
        module_start = self._module_start(self._here.module[called])
        phase[called[module_start >= self._start[self._backward[called]]]] = RECOMPUTE
        return phase

    def _on_engine_threads(self, backward: NDArray[np.intp]) -> Bools:
        """Mark operators on threads that evaluate gradients and nothing else: no module call, no forward operator."""
        threads = np.unique(self._thread[backward])
        sequenced = self._ops["sequence"].to_numpy(np.int64, na_value=-1) >= 0
        others = np.concatenate([self._thread[sequenced & (self._backward < 0)], self._thread[self._here.in_optimizer]])
        called = self._thread[(self._here.module >= 0) & (self._backward < 0)]
        return np.isin(self._thread, np.setdiff1d(threads, np.concatenate([others, called])))

    @cached_property
    def forward(self) -> Int64s:
        """For a backward operator, and all below it, the forward operator it differentiates; -1 none or not known."""
        sequence = self._ops["sequence"].to_numpy(np.int64, na_value=-1)
        number = self._forward_thread
        backward = np.flatnonzero((sequence >= 0) & (number > 0) & (self.phase == BACKWARD))
        forward = np.flatnonzero((sequence >= 0) & (number <= 0) & (self.phase != BACKWARD))
        own = np.full(len(sequence), -1, dtype=np.int64)
        if len(backward) and len(forward):
            source = self._ops["source"].cat.codes.to_numpy()
            sides = (
                SequencedOperators(sequence[side], self._start[side], lane[side], source[side])
                for side, lane in ((backward, number), (forward, self._thread))
            )
            partner = forward_partners(*sides)
            own[backward] = np.where(partner >= 0, forward[partner], -1)
        del sequence, number, backward, forward
        anchor = nearest_ancestor(self.parent, own >= 0)
        return np.where((anchor >= 0) & (self.phase == BACKWARD), own[anchor], -1)

    @cached_property
    def module(self) -> Int64s:
        """Module call, -1 not known: the enclosing one, in backward that of the forward operator."""
        called = self._here.module.copy()
        called[(self.phase == BACKWARD) | (self.phase == OPTIMIZER)] = -1
        linked = np.flatnonzero(self.forward >= 0)
        called[linked] = called[self.forward[linked]]
        return called

    @cached_property
    def module_paths(self) -> Objects:
        """Path of every module call."""
        start = self._modules["start_ns"].to_numpy()
        parent = self._around_module.nesting.parent
        inside = self.around.innermost(start, self._module_thread)
        backward = _taken(self._backward, inside, -1)
        backward_start = _taken(self._start, backward, np.iinfo(np.int64).min)
        begins_anew = (backward >= 0) & (_taken(start, parent, np.iinfo(np.int64).min) < backward_start)
        return module_paths(self._modules, parent, begins_anew)


def _enclosing(frame: pd.DataFrame, thread: NDArray[np.integer]) -> Enclosing:
    return Enclosing(frame["start_ns"].to_numpy(), frame["dur_ns"].to_numpy(), thread)


def _taken(values: Int64s, position: Int64s, otherwise: int) -> Int64s:
    """Give the values at positions, another value where the position is -1."""
    taken = np.full(len(position), otherwise, dtype=np.int64)
    known = position >= 0
    taken[known] = values[position[known]]
    return taken
