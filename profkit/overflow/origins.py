"""The hunt: which operator of a dump made the first NaN or Inf, and what it spread to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from profkit.overflow.chain import chain_to_the_loss
from profkit.overflow.device_records import DeviceRecords, record_text
from profkit.overflow.executions import Execution, Step, StepKey, steps_of
from profkit.overflow.graph_facts import GraphFacts
from profkit.overflow.loss_scale import Walked, expected_overflows
from profkit.overflow.norm_jumps import NormJump, norm_jumps
from profkit.overflow.offending_values import offending_values
from profkit.overflow.reasons import norm_jump_reason, reason
from profkit.overflow.spreading import CAUSES, Part, Role, Spreading
from profkit.overflow.tensor_states import State, TensorStates
from profkit.overflow.unread_tensors import mark_unread_tensors
from profkit.progress import Progress, silent
from profkit.run import Run
from profkit.schema import GRAPH_EDGES, GRAPH_NODES, OVERFLOW, OVERFLOW_RECORDS
from profkit.tensor_peaks import TensorPeaks

_ROLES = {
    Part.ORIGIN: "origin",
    Part.OUTSIDE: "unknown",
    Part.CARRIER: "carrier",
    Part.UPDATED: "carrier",
    Part.MASKED: "masked",
    Part.MASKED_OUTSIDE: "unknown",
    Part.UNREADABLE: "unknown",
    Part.OTHER_RANK: "unknown",
    Part.RECORDED: "origin",
    Part.LISTED: "unknown",
    Part.UNDUMPED: "unknown",
    Part.SATURATED: "saturated",
}


_NOT_FINITE = "the device found it to overflow (op_debug_mode 3)"


@dataclass(frozen=True)
class BesideTensors:
    """What a dump holds beside its tensors.

    Attributes:
        overflow_records: Frame of schema.OVERFLOW_RECORDS.
        graph_nodes, graph_edges: Frames of that schema.
        overflow_only: The dump was told to keep only operators whose outputs the device found not finite
            (op_debug_mode 3).
    """

    overflow_records: pd.DataFrame = field(default_factory=OVERFLOW_RECORDS.empty)
    graph_nodes: pd.DataFrame = field(default_factory=GRAPH_NODES.empty)
    graph_edges: pd.DataFrame = field(default_factory=GRAPH_EDGES.empty)
    overflow_only: bool = False


def hunt_run(
    run: Run, progress: Progress = silent, tensors: pd.DataFrame | None = None, peaks: TensorPeaks | None = None
) -> pd.DataFrame:
    """Hunt through what was dumped of a run, or through some of its tensors; as `hunt`."""
    overflow_only = any(source.facts.get("op_debug_mode") == "3" for source in run.sources)
    beside = BesideTensors(run.overflow_records, run.graph_nodes, run.graph_edges, overflow_only)
    return hunt(run.tensors if tensors is None else tensors, progress, beside, peaks)


def hunt(
    tensors: pd.DataFrame,
    progress: Progress = silent,
    beside: BesideTensors | None = None,
    peaks: TensorPeaks | None = None,
) -> pd.DataFrame:
    """Find the operators that NaN, Inf and saturated values come from and spread to.

    Args:
        tensors: Frame of schema.TENSORS, of one dump; every iteration of every rank is judged by itself.
        progress: Told how far it is; may raise CancelledError.
        beside: What the dump holds beside its tensors.
        peaks: What is remembered of the tensors' files; None reads them all.

    Returns:
        Frame of schema.OVERFLOW, by iteration, rank and execution order: a row an execution that reads or writes such
        values, none where it is a mask by intent. Empty if there are none. Where bad values come in, exactly one row is
        primary: the first of the earliest iteration whose values reach the loss or a weight, else the first. That row
        has the role unknown if the values come from outside: from a weight, a network input or what was not dumped.
        A step whose loss scale expects its overflow has no primary row. A record of the device without an operator
        is primary where nothing else is.
    """
    tensors = tensors.reset_index(drop=True)
    beside = beside or BesideTensors()
    states = TensorStates(tensors, progress, peaks)
    steps = steps_of(tensors)
    records = DeviceRecords(beside.overflow_records, steps)
    graph = GraphFacts(beside.graph_nodes, beside.graph_edges, steps, states) if len(beside.graph_nodes) else None
    walked = _walk(steps, states, graph)
    for step, spreading in walked:
        spreading.add_recorded(sorted(records.of_step(step.key)), listed=False)
        spreading.add_recorded(_listed(step) if beside.overflow_only else (), listed=True)
    expected = expected_overflows(walked, states)
    primary = _primary(walked, expected)
    code = _CodeLines(tensors, graph)
    rows = [_unjoined_row(record) for record in records.unjoined]
    if rows and primary is None:
        rows[0]["primary"] = True
    for step, spreading in walked:
        told = {
            **dict.fromkeys(_listed(step) if beside.overflow_only else (), _NOT_FINITE),
            **records.of_step(step.key),
        }
        found = _rows(step, spreading, states, expected.get(step.key))
        here = primary is not None and primary[0] == step.key
        chain = _chain(spreading, primary[1] if primary is not None and here else None)
        for row in found:
            order = row["order"]
            row["primary"] = here and primary == (step.key, order)
            row["chain"] = chain.get(order)
            row["reason"] = "; ".join(filter(None, (told.get(order), row["reason"])))
            if order < len(step.executions) and (order in chain or row["role"] not in ("carrier", "masked")):
                row["code"] = code.of(step.executions[order], step)
        rows += found
    return OVERFLOW.from_rows(rows)


def _listed(step: Step) -> list[int]:
    return [one.order for one in step.executions if one.outputs and not one.is_gradient]


def _chain(spreading: Spreading, start: int | None) -> dict[int, int]:
    """Give the place of executions on the way from the primary one to the loss."""
    if start is None or start not in spreading.roles:
        return {}
    return {order: place for place, order in enumerate(chain_to_the_loss(spreading, start))}


class _CodeLines:
    """The lines of the user's code that made operators: as recorded with calls, or as graph files have them."""

    def __init__(self, tensors: pd.DataFrame, graph: GraphFacts | None) -> None:
        self._graph = graph
        columns = [tensors[name].astype(object).tolist() for name in ("source_file", "source_line", "source_code")]
        self._lines = list(zip(*columns, strict=True))

    def of(self, execution: Execution, step: Step) -> str | None:
        for row in (*execution.outputs, *execution.inputs):
            file, line, code = self._lines[row]
            if isinstance(file, str):
                return f"{file}:{line}" + (f"  {code}" if isinstance(code, str) else "")
        return None if self._graph is None else self._graph.code_of(execution, step)


def _walk(steps: Sequence[Step], states: TensorStates, graph: GraphFacts | None) -> list[Walked]:
    """Give the steps with the roles of their executions, each knowing what the ones before left behind."""
    walked: list[Walked] = []
    parameters: dict[bytes, int] = {}
    updated_badly: defaultdict[int, set[str]] = defaultdict(set)
    for step in steps:
        unread_writers = mark_unread_tensors(step, states)
        for row in step.parameters:
            content = states.digest(row) if states.bad(row) else None
            if content is not None:
                parameters.setdefault(content, row)
        spreading = Spreading(step, states, unread_writers, parameters, updated_badly[step.key.rank], graph)
        updated_badly[step.key.rank] |= {role.execution.op for role in spreading.roles.values() if role.bad_outputs}
        walked.append((step, spreading))
    return walked


def _primary(walked: Sequence[Walked], expected: Mapping[StepKey, str]) -> tuple[StepKey, int] | None:
    """Give step and order of the cause to look at first: of the earliest iteration, one on a rank that made it."""
    found: list[tuple[StepKey, int]] = []
    for step, spreading in walked:
        if step.key in expected or (found and found[0][0].iteration != step.key.iteration):
            continue
        first = _first_cause(spreading)
        if first is not None:
            found.append((step.key, first))
    roles = {step.key: spreading.roles for step, spreading in walked}
    return min(found, key=lambda one: roles[one[0]][one[1]].part is Part.OTHER_RANK, default=None)


def _first_cause(spreading: Spreading) -> int | None:
    causes = spreading.causes() or [
        order for order, role in sorted(spreading.roles.items()) if role.part in (Part.RECORDED, Part.SATURATED)
    ]
    return causes[0] if causes else None


def _rows(step: Step, spreading: Spreading, states: TensorStates, expected: str | None) -> list[dict[str, Any]]:
    rows = [_row(step, role, spreading, states, expected) for _, role in sorted(spreading.roles.items())]
    # Without outputs nobody knows who made it: what an optimizer wrote in place is only the first NaN that was dumped.
    first_nan = next((row for row in rows if row["first_nan"] and not step.inputs_only), None)
    for row in rows:
        row["first_nan"] = row is first_nan
    jumps = [jump for jump in norm_jumps(step, states) if jump.execution.order not in spreading.roles]
    rows += [_jump_row(step, jump, states) for jump in jumps]
    rows.sort(key=lambda row: row["order"])
    if not spreading.roles:
        bad = [row for row in step.parameters if states.bad(row) and not states.looks_like_mask(row)]
        rows += [_parameter_row(step, row, states) for row in bad]
    return rows


def _row(step: Step, role: Role, spreading: Spreading, states: TensorStates, expected: str | None) -> dict[str, Any]:
    execution = role.execution
    outputs = [row for row in execution.results if states.is_float(row)] if role.seen_at is None else role.seen_at[1]
    word = _ROLES[role.part]
    if role.follows or spreading.possible_sources(role):
        word = "masked" if role.part is Part.MASKED_OUTSIDE else "carrier"
    why = reason(role, spreading, states)
    if expected is not None and word == "origin":
        word, why = "expected", f"the loss scale expects it: {expected}; {why}"
    offends = role.part in CAUSES or role.part in (Part.RECORDED, Part.SATURATED)
    return {
        **_place(step, execution),
        "role": word,
        "max_abs_input": _largest(role.execution.inputs, states),
        "reason": why,
        "first_nan": any(states[row] is State.NAN for row in outputs),
        "offending_input": offending_values(role, states) if offends else None,
        **_sums(outputs, states),
    }


def _place(step: Step, execution: Execution) -> dict[str, Any]:
    return {
        "iteration": step.key.iteration,
        "rank": step.key.rank,
        "order": execution.order,
        "op": execution.op,
        "op_type": execution.op_type or None,
        "module": execution.module,
    }


def _jump_row(step: Step, jump: NormJump, states: TensorStates) -> dict[str, Any]:
    return {
        **_place(step, jump.execution),
        "role": "norm_jump",
        "max_abs_input": _largest(jump.execution.inputs, states),
        "reason": norm_jump_reason(jump, states),
        "first_nan": False,
        "norm_ratio": jump.ratio,
        **_sums([row for row in jump.execution.results if states.is_float(row)], states),
    }


def _parameter_row(step: Step, row: int, states: TensorStates) -> dict[str, Any]:
    return {
        "iteration": step.key.iteration,
        "rank": step.key.rank,
        "order": len(step.executions),
        "op": states.op(row),
        "op_type": "Parameter",
        "role": "unknown",
        "reason": "this weight, optimizer state or network input is bad, but no dumped operator reads or writes it so",
        "first_nan": False,
        **_sums([row], states),
    }


def _unjoined_row(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "iteration": record["iteration"],
        "rank": record["rank"],
        "order": -1,
        "op": record["op"]
        if isinstance(record["op"], str)
        else f"task {record['task']} stream {record['device_stream']}",
        "role": "unknown",
        "primary": False,
        "reason": f"{record_text(record)}; no dumped operator belongs to it: {record['reason']}",
        "first_nan": False,
    }


def _sums(rows: Sequence[int], states: TensorStates) -> dict[str, int | None]:
    """Sum up the elements of some tensors by kind; None where what was recorded does not tell."""
    counted = [states.counts(row) for row in rows]
    if rows and all(counts is not None for counts in counted):
        names = ("nan", "pos_inf", "neg_inf", "saturated")
        return {name: sum(getattr(counts, name) for counts in counted) for name in names}
    sums: dict[str, int | None] = {"saturated": None}
    for place, name in enumerate(("nan", "pos_inf", "neg_inf")):
        told = [states.recorded_counts(row)[place] for row in rows]
        sums[name] = sum(number or 0 for number in told) if told and None not in told else None
    return sums


def _largest(rows: Iterable[int], states: TensorStates) -> float:
    ends = [abs(end) for row in rows if states.is_float(row) for end in states.span(row)]
    return max((end for end in ends if not math.isnan(end)), default=math.nan)
