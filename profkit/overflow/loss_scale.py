"""Overflows that a dynamic loss scale makes on purpose: it grows until gradients overflow, skips that update, shrinks.

Such a step is told from a fault by all of: the forward part is finite; every cause is an overflow of the backward part,
not a value that no scale would cure (a division by 0); weights are as finite as before; there is a loss scale; and a
later iteration is finite again, or the scale is seen to shrink. A scale of 1 has nothing left to give: it is a fault.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from profkit.overflow.executions import Step, StepKey
from profkit.overflow.offending_values import leaves_its_domain
from profkit.overflow.operator_facts import speaks_of_loss_scale
from profkit.overflow.spreading import Part, Spreading
from profkit.overflow.tensor_states import TensorStates

Walked = tuple[Step, Spreading]


def expected_overflows(walked: Sequence[Walked], states: TensorStates) -> Mapping[StepKey, str]:
    """Give the steps whose overflow the loss scale expects, and why.

    Args:
        walked: The steps of all ranks with their roles, by iteration.
        states: States of all tensors.
    """
    expected: dict[StepKey, str] = {}
    for rank in {step.key.rank for step, _ in walked}:
        expected |= _of_rank([one for one in walked if one[0].key.rank == rank], states)
    return expected


def _of_rank(walked: Sequence[Walked], states: TensorStates) -> dict[StepKey, str]:
    scales = [_scale(step, states) for step, _ in walked]
    if not any(scale is not None for scale in scales) and not any(_names_a_scale(step) for step, _ in walked):
        return {}
    expected: dict[StepKey, str] = {}
    for place, (step, spreading) in enumerate(walked):
        if not spreading.causes() or not _is_overflow_of_gradients(step, spreading, states):
            continue
        scale = scales[place]
        if scale is not None and scale <= 1:
            return {}
        why = _recovery(walked, scales, place)
        if why:
            expected[step.key] = why
    return expected


def _is_overflow_of_gradients(step: Step, spreading: Spreading, states: TensorStates) -> bool:
    causes = [spreading.roles[order] for order in spreading.causes()]
    if any(role.part is not Part.ORIGIN or leaves_its_domain(role, states) for role in causes):
        return False
    first_backward = min((e.order for e in step.executions if e.phase == "backward"), default=math.inf)
    spoilt = [role.execution for role in spreading.roles.values() if role.bad_outputs or role.seen_at is not None]
    if any(e.phase == "optimizer" or e.order < first_backward for e in spoilt):
        return False
    return not any(states.bad(row) for row in step.parameters if not states.looks_like_mask(row))


def _recovery(walked: Sequence[Walked], scales: Sequence[float | None], place: int) -> str:
    """Say by what it is seen that the scale coped with the overflow; empty if it is not."""
    scale, before = scales[place], scales[place - 1] if place else None
    told = ""
    later = next((step for step, spreading in walked[place + 1 :] if not spreading.causes()), None)
    if later is not None:
        told = f"iteration {later.key.iteration} is finite again"
    after = next((other for other in scales[place + 1 :] if other is not None), None)
    falls = [(a, b) for a, b in ((before, scale), (scale, after)) if a is not None and b is not None and b < a]
    if falls:
        told += f"{' and ' if told else ''}the scale falls from {falls[0][0]:g} to {falls[0][1]:g}"
    return told


def _scale(step: Step, states: TensorStates) -> float | None:
    """Give the loss scale as a step's parameters hold it, or its own operators read it; None if none does."""
    values = [_scalar(row, states) for row in step.parameters if speaks_of_loss_scale(states.op(row))]
    if not any(value is not None for value in values):
        own = [execution for execution in step.executions if speaks_of_loss_scale(execution.op)]
        values = [_scalar(row, states) for execution in own for row in (*execution.inputs, *execution.mutated)]
    # Flags and counters of the scaler are below it.
    return max((value for value in values if value is not None and value >= 1), default=None)


def _scalar(row: int, states: TensorStates) -> float | None:
    if not states.is_float(row) or states.elements(row) != 1:
        return None
    low, high = states.span(row)
    return low if low == high else None


def _names_a_scale(step: Step) -> bool:
    return any(speaks_of_loss_scale(execution.op) for execution in step.executions)
