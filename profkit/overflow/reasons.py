"""Why an execution has its role: one sentence with the numbers that it rests on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from profkit.overflow.executions import Execution
from profkit.overflow.spreading import Part, Role, Spreading
from profkit.overflow.tensor_states import State, TensorStates
from profkit.overflow.tensor_values import Counts
from profkit.parsers.mindspore.scope import module_of_scope

_OPERATOR = re.compile(r"[^_/]+-op\d+\w*$")


def reason(role: Role, spreading: Spreading, states: TensorStates) -> str:
    """Give the sentence for one role."""
    sentences = {
        Part.ORIGIN: _origin,
        Part.OUTSIDE: _outside,
        Part.CARRIER: _carrier,
        Part.UPDATED: _updated,
        Part.MASKED: _masked,
        Part.UNREADABLE: _unreadable,
        Part.UNDUMPED: _undumped,
        Part.SATURATED: _saturated,
    }
    return sentences[role.part](role, spreading, states)


def short_name(execution: Execution) -> str:
    """Give the last part of an operator's name and its module: "Div-op0 of blocks.0.norm1"."""
    match = _OPERATOR.search(execution.op)
    module = module_of_scope(execution.op)
    name = match.group() if match else execution.op
    return f"{name} of {module}" if module else name


def _origin(role: Role, spreading: Spreading, states: TensorStates) -> str:
    execution = role.execution
    if role.seen_at is not None:
        cast, outputs = role.seen_at
        made = (
            f"its float16 result was dumped as one half of a float32 buffer and cannot be read; {short_name(cast)} "
            f"behind it shows {_bad_elements(outputs, states)}"
        )
    else:
        made = _bad_outputs(role.bad_outputs, states)
    if spreading.outputs_only:
        return (
            f"the first bad output in time: {made}; inputs were not dumped, a weight or network input may be the cause"
        )
    if role.mask_inputs:
        slots = _slots(role.mask_inputs, states)
        return f"{made}, made of the Inf that masks {slots}; all other inputs are finite"
    absorbed = "" if spreading.is_live(execution.order) else "; it reaches neither the loss nor a weight"
    return f"{made}, from finite inputs: {_ranges(execution.inputs, states)}{absorbed}"


def _outside(role: Role, spreading: Spreading, states: TensorStates) -> str:
    sources = spreading.possible_sources(role)
    if sources:
        origin = short_name(spreading.roles[sources[0]].execution)
        cause = f"what {origin} made may come here through operators that were not dumped"
    elif role.follows:
        cause = f"{short_name(role.follows[0])} reads the same"
    elif any(spreading.parameter_of(row) is not None for row in role.bad_inputs):
        cause = "the cause lies before this operator"
    else:
        cause = "the cause lies before this operator: a weight, a network input or an operator that was not dumped"
    return f"{_bad_inputs(role, spreading, states)}; {cause}; {_bad_outputs(role.bad_outputs, states)}"


def _updated(role: Role, spreading: Spreading, states: TensorStates) -> str:
    return f"updates in place what was bad before this iteration; {_bad_outputs(role.bad_outputs, states)}"


def _carrier(role: Role, spreading: Spreading, states: TensorStates) -> str:
    if not role.bad_inputs:
        made = ", ".join(short_name(writer) for writer in role.follows)
        return f"shows what {made} made: {_bad_outputs(role.bad_outputs, states)}"
    makes_nan = any(states[row] is State.NAN for row in role.bad_outputs) and not any(
        states[row] is State.NAN for row in role.bad_inputs
    )
    made = "makes NaN of Inf: " if makes_nan else ""
    return f"{made}{_bad_inputs(role, spreading, states)}; {_bad_outputs(role.bad_outputs, states)}"


def _masked(role: Role, spreading: Spreading, states: TensorStates) -> str:
    can_hold = any(states.is_float(row) for row in role.execution.results)
    return (
        f"{_bad_inputs(role, spreading, states)}; its outputs {'are finite' if can_hold else 'cannot hold NaN or Inf'}"
    )


def _unreadable(role: Role, spreading: Spreading, states: TensorStates) -> str:
    made = _bad_outputs(role.bad_outputs, states)
    inputs = role.execution.inputs
    unjudged = [row for row in inputs if states[row] in (State.UNREAD, State.UNKNOWN)]
    if not inputs:
        return f"{made}; none of its inputs was dumped"
    return f"{made}; {_slots(unjudged, states)} cannot be read, so it may carry on what came before"


def _undumped(role: Role, spreading: Spreading, states: TensorStates) -> str:
    if role.bad_inputs:
        return f"{_bad_inputs(role, spreading, states)}; none of its outputs was dumped"
    return f"{_bad_outputs(role.bad_outputs, states)}; inputs were not dumped, it may carry on or make it"


def _saturated(role: Role, spreading: Spreading, states: TensorStates) -> str:
    counted = [(row, counts) for row in role.bad_outputs if (counts := states.counts(row)) is not None]
    made = "; ".join(
        f"output {states.slot(row)}: {counts.saturated:,} of {counts.size:,} elements stand at the largest "
        f"{states.dtype(row)} ({_figure(counts.max_abs)})"
        for row, counts in counted
    )
    return f"{made}, from inputs below it: {_ranges(role.execution.inputs, states)}; a chip that saturates hides Inf so"


def _bad_inputs(role: Role, spreading: Spreading, states: TensorStates) -> str:
    parts = []
    for row in role.bad_inputs:
        writer, parameter = role.writers.get(row), spreading.parameter_of(row)
        if writer is not None:
            source = f"written by {short_name(writer)}"
        elif parameter is not None:
            source = f"equal to {states.op(parameter)} as dumped in iteration {states.iteration(parameter)}"
        else:
            source = "written by no dumped operator"
        parts.append(f"input {states.slot(row)} already holds {_elements(states.counts(row))}, {source}")
    return "; ".join(parts)


def _bad_outputs(rows: Iterable[int], states: TensorStates) -> str:
    return "; ".join(f"output {states.slot(row)} holds {_elements(states.counts(row))}" for row in rows)


def _bad_elements(rows: Iterable[int], states: TensorStates) -> str:
    return "; ".join(_elements(states.counts(row)) for row in rows)


def _elements(counts: Counts | None) -> str:
    """Say "36 NaN and 2 +Inf of 64 elements"."""
    if counts is None:
        return "NaN or Inf by its recorded statistics"
    kinds = ((counts.nan, "NaN"), (counts.pos_inf, "+Inf"), (counts.neg_inf, "-Inf"))
    named = " and ".join(f"{number:,} {word}" for number, word in kinds if number)
    return f"{named} of {counts.size:,} elements"


def _ranges(rows: Iterable[int], states: TensorStates) -> str:
    """Say "input 0 -2.1 to 3.4 (3 zeros)" of every floating-point input."""
    parts = []
    for row in rows:
        counts = states.counts(row) if states.is_float(row) else None
        if counts is None or math.isnan(counts.low):
            continue
        span = _figure(counts.low)
        if counts.high != counts.low:
            span += f" to {_figure(counts.high)}"
            span += f" ({counts.zeros:,} of {counts.size:,} are 0)" if counts.zeros else ""
        elif counts.size > 1:
            span += " throughout"
        parts.append(f"input {states.slot(row)} is {span}")
    return ", ".join(parts) or "no floating-point input"


def _slots(rows: Iterable[int], states: TensorStates) -> str:
    return ", ".join(f"input {states.slot(row)}" for row in rows)


def _figure(value: float) -> str:
    return f"{value + 0.0:.4g}"
