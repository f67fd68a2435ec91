"""The executions of operators in a dump: the tensors of one run of one operator, and the order of the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from profkit.overflow.operator_facts import mutated_inputs, scratch_outputs


class StepKey(NamedTuple):
    """One iteration of one rank: tensors are only related within it."""

    iteration: int
    rank: int


@dataclass
class Execution:
    """One run of one operator; tensors are named by their rows in the tensors frame.

    Attributes:
        order: Place in execution order within the step, from 0.
        op: Name as dumped.
        op_type: Type as dumped; "" if the dump tells none.
        inputs: What it read; without the slots that it writes in place.
        mutated: Slots that it reads and writes: the dump shows them as they are afterwards.
        outputs: What it wrote.
        scratch: Outputs that hold no result.
    """

    order: int
    op: str
    op_type: str
    inputs: list[int] = field(default_factory=list)
    mutated: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    scratch: list[int] = field(default_factory=list)

    def add(self, row: int, io: str, slot: int) -> None:
        """Take a tensor by its row."""
        if io == "input":
            (self.mutated if slot in mutated_inputs(self.op_type) else self.inputs).append(row)
        else:
            (self.scratch if slot in scratch_outputs(self.op_type) else self.outputs).append(row)

    @property
    def results(self) -> list[int]:
        """The tensors that hold what it computed: its outputs, or what it wrote in place where none was dumped."""
        return self.outputs or self.mutated


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


def steps_of(tensors: pd.DataFrame) -> list[Step]:
    """Give the steps of a tensors frame, earliest iteration first."""
    keys = sorted(set(zip(tensors["iteration"].tolist(), tensors["rank"].tolist(), strict=True)))
    here = [(tensors["iteration"] == iteration) & (tensors["rank"] == rank) for iteration, rank in keys]
    return [_step(StepKey(*key), tensors[rows]) for key, rows in zip(keys, here, strict=True)]


def _step(key: StepKey, tensors: pd.DataFrame) -> Step:
    parameters = tensors.index[tensors["io"] == "parameter"].tolist()
    rest = tensors[tensors["io"] != "parameter"]
    rest = rest.assign(when=_when(rest)).sort_values("when", kind="stable")
    runs_seen: Counter[tuple[object, ...]] = Counter()
    executions: dict[tuple[object, ...], Execution] = {}
    first_seen: dict[tuple[object, ...], int] = {}
    first_written: dict[tuple[object, ...], int] = {}
    columns = [rest[name].astype(object) for name in ("graph", "op", "op_type", "io", "slot", "when")]
    for row, graph, op, op_type, io, slot, when in zip(rest.index, *columns, strict=True):
        # In a loop an operator runs again under the same name: its nth input and nth output belong to its nth run.
        tensor: tuple[object, ...] = (graph, op, io, slot)
        run: tuple[object, ...] = (graph, op, io == "gradient", runs_seen[tensor])
        runs_seen[tensor] += 1
        if run not in executions:
            executions[run] = Execution(0, str(op), "" if pd.isna(op_type) else str(op_type))
            first_seen[run] = when
        executions[run].add(row, str(io), slot)
        if io != "input":
            first_written.setdefault(run, when)
    ordered = sorted(executions, key=lambda run: first_written.get(run, first_seen[run]))
    for order, run in enumerate(ordered):
        executions[run].order = order
    return Step(key, [executions[run] for run in ordered], parameters)


def _when(tensors: pd.DataFrame) -> pd.Series[int]:
    """Give a number that orders the tensors of a step: the time they were written, or the place in the list.

    Saved tensors without times stand in forward order already, gradients last.
    """
    place = pd.Series(range(len(tensors)), index=tensors.index, dtype="Int64")
    return tensors["time_ns"].fillna(place).astype("int64")
