"""The executions of operators in a dump: the tensors of one run of one operator, and the order of the runs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from profkit.overflow.operator_facts import least_inputs, mutated_inputs, scratch_outputs, unwritten_outputs
from profkit.parsers.mindspore.scope import module_of_scope, phase_of_scope
from profkit.vocabulary.op_class import op_class

_MODULE_CALLS = ("Module.", "Cell.")
_OPERATOR = re.compile(r"[^_/]+-op\d+\w*$")
_FORWARD, _BACKWARD = ".forward", ".backward"


def short_operator_name(op: str, module: str | None) -> str:
    """Give the last part of an operator's name and its module: "Div-op0 of blocks.0.norm1"."""
    match = _OPERATOR.search(op)
    if match is None:
        return op
    return f"{match.group()} of {module}" if module else match.group()


class StepKey(NamedTuple):
    """One iteration of one rank: tensors are only related within it."""

    iteration: int
    rank: int


@dataclass
class Execution:
    """One run of one operator, or of one module in a dump of calls; tensors are named by their rows in the frame.

    Attributes:
        order: Place in execution order within the step, from 0.
        op: Name as dumped.
        op_type: Type as dumped; "" if the dump tells none.
        graph: Graph number of the dump; -1 none.
        phase: Part of the training step: forward, backward, recompute, optimizer; None if not known.
        module: Module path; None if not known.
        is_gradient: It stands for a gradient that was recorded by itself, and is no operator.
        inputs: What it read; without the slots that it writes in place.
        mutated: Slots that it reads and writes: the dump shows them as they are afterwards.
        outputs: What it wrote.
        scratch: Outputs that hold no result.
        maybe_unwritten: Outputs that its kernel may have left as they were; until they are told apart.
        lacks_inputs: The dump is known not to hold all its inputs.
    """

    order: int
    op: str
    op_type: str
    graph: int = -1
    phase: str | None = None
    module: str | None = None
    is_gradient: bool = False
    inputs: list[int] = field(default_factory=list)
    mutated: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    scratch: list[int] = field(default_factory=list)
    maybe_unwritten: list[int] = field(default_factory=list)
    lacks_inputs: bool = False

    def add(self, row: int, io: str, slot: int) -> None:
        """Take a tensor by its row."""
        if io == "input":
            (self.mutated if slot in mutated_inputs(self.op_type) else self.inputs).append(row)
        elif slot in unwritten_outputs(self.op_type):
            self.maybe_unwritten.append(row)
        else:
            (self.scratch if slot in scratch_outputs(self.op_type) else self.outputs).append(row)

    @property
    def results(self) -> list[int]:
        """The tensors that hold what it computed: its outputs, or what it wrote in place where none was dumped."""
        return self.outputs or self.mutated

    @property
    def short_name(self) -> str:
        """Last part of its name, and its module."""
        return short_operator_name(self.op, self.module)

    @property
    def is_module(self) -> bool:
        """Whether it is the call of a module, whose operators may be dumped as well."""
        return self.op.startswith(_MODULE_CALLS)

    @property
    def forward_call(self) -> str | None:
        """Name of the forward call that this backward call belongs to; None if it is none or its name tells none."""
        return self.op.replace(_BACKWARD, _FORWARD) if _BACKWARD in self.op else None

    @property
    def ends_a_step(self) -> bool:
        """Whether a bad result is a bad loss, a bad gradient of a weight, or a bad weight.

        The module counts as a whole part of the scope: "loss" stands in "WithLoss" too.
        """
        if self.is_gradient or self.phase == "optimizer" or op_class(self.op_type) == "optimizer":
            return True
        return self.phase != "backward" and (self.module == "loss" or op_class(self.op_type) == "loss")

    def holds(self, other: Execution) -> bool:
        """Tell whether another execution runs inside this call of a module, as far as module and phase tell."""
        if not self.is_module or not self.module or not other.module or other is self:
            return False
        inside = other.module == self.module and not other.is_module
        return (inside or other.module.startswith(f"{self.module}.")) and other.phase == self.phase


@dataclass(frozen=True)
class Step:
    """The executions of one iteration of one rank, in execution order, and the parameters dumped with them."""

    key: StepKey
    executions: Sequence[Execution]
    parameters: Sequence[int]

    @property
    def outputs_only(self) -> bool:
        """Whether no input of any operator was dumped."""
        return not any(execution.inputs or execution.mutated for execution in self.executions)

    @property
    def inputs_only(self) -> bool:
        """Whether no output of any operator was dumped (input_output 1 of MindSpore's dump)."""
        return not any(execution.outputs or execution.scratch for execution in self.executions)


def steps_of(tensors: pd.DataFrame) -> list[Step]:
    """Give the steps of a tensors frame, earliest iteration first."""
    keys = sorted(set(zip(tensors["iteration"].tolist(), tensors["rank"].tolist(), strict=True)))
    here = [(tensors["iteration"] == iteration) & (tensors["rank"] == rank) for iteration, rank in keys]
    steps = [_step(StepKey(*key), tensors[rows]) for key, rows in zip(keys, here, strict=True)]
    _mark_lacking_inputs(steps, tensors)
    return steps


def _step(key: StepKey, tensors: pd.DataFrame) -> Step:
    parameters = tensors.index[tensors["io"] == "parameter"].tolist()
    rest = tensors[tensors["io"] != "parameter"]
    rest = rest.assign(when=_when(rest)).sort_values("when", kind="stable")
    runs_seen: Counter[tuple[object, ...]] = Counter()
    executions: dict[tuple[object, ...], Execution] = {}
    first_seen: dict[tuple[object, ...], int] = {}
    first_written: dict[tuple[object, ...], int] = {}
    names = ("graph", "op", "op_type", "io", "slot", "when")
    columns = [rest[name].astype(object).tolist() for name in names]
    phases, modules = (_told(rest, name) for name in ("phase", "module"))
    for row, graph, op, op_type, io, slot, when, phase, module in zip(
        rest.index.tolist(), *columns, phases, modules, strict=True
    ):
        # In a loop an operator runs again under the same name: its nth input and nth output belong to its nth run.
        tensor: tuple[object, ...] = (graph, op, io, slot)
        run: tuple[object, ...] = (graph, op, io == "gradient", runs_seen[tensor])
        runs_seen[tensor] += 1
        if run not in executions:
            executions[run] = _execution(str(op), op_type, graph, phase, module)
            executions[run].is_gradient = io == "gradient"
            first_seen[run] = when
        executions[run].add(row, str(io), slot)
        if io != "input":
            first_written.setdefault(run, when)
    ordered = sorted(executions, key=lambda run: first_written.get(run, first_seen[run]))
    for order, run in enumerate(ordered):
        executions[run].order = order
    return Step(key, [executions[run] for run in ordered], parameters)


def _execution(op: str, op_type: object, graph: int, phase: str | None, module: str | None) -> Execution:
    return Execution(
        0,
        op,
        op_type if isinstance(op_type, str) else "",
        graph,
        phase or phase_of_scope(op),
        module if module is not None else module_of_scope(op),
    )


def _told(tensors: pd.DataFrame, name: str) -> list[Any]:
    """Give a column of text, None where it tells nothing."""
    if name not in tensors:
        return [None] * len(tensors)
    column = tensors[name].astype(object)
    return column.where(column.notna(), None).tolist()


def _when(tensors: pd.DataFrame) -> pd.Series[int]:
    """Give a number that orders the tensors of a step: the time they were written, or the place in the list.

    Saved tensors without times stand in forward order already, gradients last.
    """
    place = pd.Series(range(len(tensors)), index=tensors.index, dtype="Int64")
    return tensors["time_ns"].fillna(place).astype("int64")


def _mark_lacking_inputs(steps: Sequence[Step], tensors: pd.DataFrame) -> None:
    """Find the executions of which an input is missing that the operator has: by its type, or by its other runs."""
    slots: list[int] = tensors["slot"].tolist()
    timed: list[bool] = tensors["time_ns"].notna().tolist()
    seen: dict[str, set[int]] = defaultdict(set)
    for step in steps:
        for execution in step.executions:
            seen[execution.op].update(slots[row] for row in (*execution.inputs, *execution.mutated))
    for step in steps:
        for execution in step.executions:
            rows = (*execution.inputs, *execution.mutated)
            fewer = len(rows) < least_inputs(execution.op_type) and any(timed[row] for row in rows)
            execution.lacks_inputs = bool(rows) and (fewer or {slots[row] for row in rows} != seen[execution.op])
