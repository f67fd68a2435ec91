"""Why an execution has its role: one sentence with the numbers that it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable

from profkit.overflow.norm_jumps import NormJump
from profkit.overflow.spreading import Part, Role, Spreading
from profkit.overflow.tensor_states import State, TensorStates


def reason(role: Role, spreading: Spreading, states: TensorStates) -> str:
    """Give the sentence for one role."""
    sentences = {
        Part.ORIGIN: _origin,
        Part.OUTSIDE: _outside,
        Part.CARRIER: _carrier,
        Part.UPDATED: _updated,
        Part.MASKED: _masked,
        Part.MASKED_OUTSIDE: _outside,
        Part.UNREADABLE: _unreadable,
        Part.OTHER_RANK: _other_rank,
        Part.RECORDED: _recorded,
        Part.LISTED: _recorded,
        Part.UNDUMPED: _undumped,
        Part.SATURATED: _saturated,
    }
    return sentences[role.part](role, spreading, states)


def norm_jump_reason(jump: NormJump, states: TensorStates) -> str:
    """Give the sentence for an output that is much larger than every input."""
    times = f"{_figure(jump.ratio)} times" if math.isfinite(jump.ratio) else "infinitely"
    size = f"reaches {_figure(states.magnitude(jump.output))} with a norm {times} that of its largest input"
    return f"output {states.slot(jump.output)} {size}; all is finite: {_ranges(jump.execution.inputs, states)}"


def _origin(role: Role, spreading: Spreading, states: TensorStates) -> str:
    execution = role.execution
    if role.seen_at is not None:
        cast, outputs = role.seen_at
        made = (
            f"its float16 result was dumped as one half of a float32 buffer and cannot be read; {cast.short_name} "
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
        origin = spreading.roles[sources[0]].execution.short_name
        cause = f"what {origin} made may come here through operators that were not dumped"
    elif spreading.is_fed_by_graph(role):
        cause = f"by the graph it comes of {role.follows[0].short_name}, through operators that were not dumped"
    elif role.follows:
        cause = f"{role.follows[0].short_name} reads the same"
    elif any(spreading.parameter_of(row) is not None for row in role.bad_inputs):
        cause = "the cause lies before this operator"
    elif undumped := spreading.undumped_before(role):
        cause = f"the cause lies before this operator: by the graph it reads {', '.join(undumped[:3])}, not dumped"
    else:
        cause = "the cause lies before this operator: a weight, a network input or an operator that was not dumped"
    finite = "its outputs are finite" if role.execution.results else "none of its outputs was dumped"
    written = _bad_outputs(role.bad_outputs, states) or finite
    return f"{_bad_inputs(role, spreading, states)}; {cause}; {written}"


def _updated(role: Role, spreading: Spreading, states: TensorStates) -> str:
    return f"updates in place what was bad before this iteration; {_bad_outputs(role.bad_outputs, states)}"


def _carrier(role: Role, spreading: Spreading, states: TensorStates) -> str:
    if not role.bad_inputs:
        return _repeats(role, states)
    makes_nan = any(states[row] is State.NAN for row in role.bad_outputs) and not any(
        states[row] is State.NAN for row in role.bad_inputs
    )
    made = "makes NaN of Inf: " if makes_nan else ""
    written = _bad_outputs(role.bad_outputs, states) or _seen_behind(role, states)
    return f"{made}{_bad_inputs(role, spreading, states)}; {written}"


def _seen_behind(role: Role, states: TensorStates) -> str:
    if role.seen_at is None:
        return "its outputs cannot be read"
    cast, outputs = role.seen_at
    return f"its float16 result cannot be read; {cast.short_name} behind it shows {_bad_elements(outputs, states)}"


def _repeats(role: Role, states: TensorStates) -> str:
    execution, made = role.execution, ", ".join(one.short_name for one in role.follows)
    bad = _bad_outputs(role.bad_outputs, states) or _seen_behind(role, states)
    if execution.is_gradient:
        return f"the gradient is bad as is what {made} computes before it: {bad}"
    if execution.forward_call in {one.op for one in role.follows}:
        return f"its forward call {made} saw NaN or Inf already: {bad}"
    if any(execution.holds(one) for one in role.follows):
        return f"contains {made}, where the bad value comes in: {bad}"
    return f"shows what {made} made: {bad}"


def _other_rank(role: Role, spreading: Spreading, states: TensorStates) -> str:
    made = _bad_outputs(role.bad_outputs, states)
    return f"{made}, from inputs of this rank that are finite: another rank sent it, or the sum overflowed"


def _recorded(role: Role, spreading: Spreading, states: TensorStates) -> str:
    return f"from finite inputs: {_ranges(role.execution.inputs, states)}; its outputs are finite as dumped"


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
    if not unjudged:
        ranges = _ranges(inputs, states)
        return f"{made}; an input of it was not dumped, so it may carry on what came before; {ranges}"
    return f"{made}; {_slots(unjudged, states)} cannot be read, so it may carry on what came before"


def _undumped(role: Role, spreading: Spreading, states: TensorStates) -> str:
    if role.bad_inputs:
        lost = "its outputs cannot be read" if role.execution.results else "none of its outputs was dumped"
        return f"{_bad_inputs(role, spreading, states)}; {lost}"
    return f"{_bad_outputs(role.bad_outputs, states)}; inputs were not dumped, it may carry on or make it"


def _saturated(role: Role, spreading: Spreading, states: TensorStates) -> str:
    counted = [(row, counts) for row in role.bad_outputs if (counts := states.counts(row)) is not None]
    made = "; ".join(
        f"output {states.slot(row)}: {counts.saturated:,} of {counts.size:,} elements stand at the largest "
        f"{states.dtype(row)} ({_figure(counts.max_abs)})"
        for row, counts in counted
    ) or "; ".join(
        f"output {states.slot(row)} reaches the largest {states.dtype(row)} ({_figure(states.magnitude(row))})"
        for row in role.bad_outputs
    )
    return f"{made}, from inputs below it: {_ranges(role.execution.inputs, states)}; a chip that saturates hides Inf so"


def _bad_inputs(role: Role, spreading: Spreading, states: TensorStates) -> str:
    parts = []
    for row in role.bad_inputs:
        writer, parameter = role.writers.get(row), spreading.parameter_of(row)
        if writer is not None:
            source = f"written by {writer.short_name}"
        elif parameter is not None:
            source = f"equal to {states.op(parameter)} as dumped in iteration {states.iteration(parameter)}"
        else:
            source = "written by no dumped operator"
        parts.append(f"input {states.slot(row)} already holds {_elements(row, states)}, {source}")
    return "; ".join(parts)


def _bad_outputs(rows: Iterable[int], states: TensorStates) -> str:
    return "; ".join(f"output {states.slot(row)} holds {_elements(row, states)}" for row in rows)


def _bad_elements(rows: Iterable[int], states: TensorStates) -> str:
    return "; ".join(_elements(row, states) for row in rows)


def _elements(row: int, states: TensorStates) -> str:
    """Say "36 NaN and 2 +Inf of 64 elements"."""
    counts = states.counts(row)
    numbers = (counts.nan, counts.pos_inf, counts.neg_inf) if counts is not None else states.recorded_counts(row)
    kinds = zip(numbers, ("NaN", "+Inf", "-Inf"), strict=True)
    named = " and ".join(f"{number:,} {word}" for number, word in kinds if number)
    if named:
        return f"{named} of {states.elements(row) if counts is None else counts.size:,} elements"
    kind = {State.NAN: "NaN or Inf", State.INF: "Inf"}[states[row]]
    return f"{kind} by its recorded statistics"


def _ranges(rows: Iterable[int], states: TensorStates) -> str:
    """Say "input 0 -2.1 to 3.4 (3 zeros)" of every floating-point input."""
    parts = []
    for row in rows:
        low, high = states.span(row) if states.is_float(row) else (math.nan, math.nan)
        if math.isnan(low):
            continue
        counts = states.counts(row)
        span = _figure(low)
        if high != low:
            span += f" to {_figure(high)}"
            span += f" ({counts.zeros:,} of {counts.size:,} are 0)" if counts is not None and counts.zeros else ""
        elif states.elements(row) > 1:
            span += " throughout"
        parts.append(f"input {states.slot(row)} is {span}")
    return ", ".join(parts) or "no floating-point input"


def _slots(rows: Iterable[int], states: TensorStates) -> str:
    return ", ".join(f"input {states.slot(row)}" for row in rows)


def _figure(value: float) -> str:
    return f"{value + 0.0:.4g}"
