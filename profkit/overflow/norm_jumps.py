"""Outputs that are much larger than every input while all is finite yet: where an overflow announces itself.

Ratio of L2 norms as msprobe's anomaly check has it (above 100); operators that count, copy, sum or fill do that by
nature, as does the multiplication by a loss scale.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from profkit.overflow.executions import Execution, Step
from profkit.overflow.operator_facts import grows_naturally, norm_jump
from profkit.overflow.tensor_states import State, TensorStates

_SCALINGS = ("Mul", "mul", "mul_", "__mul__", "__rmul__", "__imul__", "multiply")


class NormJump(NamedTuple):
    """An output that is much larger than every input.

    Attributes:
        execution: Who wrote it.
        output: Its row.
        ratio: Its L2 norm over the largest one of an input; Inf if all inputs are 0.
    """

    execution: Execution
    output: int
    ratio: float


def norm_jumps(step: Step, states: TensorStates) -> list[NormJump]:
    """Give the largest jump of each execution of a step whose inputs and results are all known to be finite."""
    found = [_jump(execution, states) for execution in step.executions if not grows_naturally(execution.op_type)]
    return [jump for jump in found if jump is not None]


def _jump(execution: Execution, states: TensorStates) -> NormJump | None:
    inputs = [row for row in execution.inputs if states.is_float(row)]
    outputs = [row for row in execution.outputs if states.is_float(row)]
    if execution.mutated or execution.lacks_inputs or not inputs:
        return None
    if any(states[row] is not State.FINITE for row in (*execution.inputs, *outputs)):
        return None
    if execution.op_type in _SCALINGS and any(states.elements(row) == 1 for row in inputs):
        return None
    jumps = [NormJump(execution, row, _ratio(row, inputs, states)) for row in outputs if _may_jump(row, inputs, states)]
    largest = max(jumps, key=lambda jump: jump.ratio, default=None)
    return largest if largest is not None and largest.ratio > norm_jump().ratio else None


def _may_jump(output: int, inputs: list[int], states: TensorStates) -> bool:
    """Rule out by largest magnitudes, which are known, what the norms, which cost a pass, cannot make a jump."""
    peak, peak_in = states.magnitude(output), max(states.magnitude(row) for row in inputs)
    if math.isnan(peak) or math.isnan(peak_in) or peak < norm_jump().smallest_peak:
        return False
    return peak * math.sqrt(max(states.elements(output), 1)) > norm_jump().ratio * peak_in


def _ratio(output: int, inputs: list[int], states: TensorStates) -> float:
    norm, largest = states.norm(output), max(states.norm(row) for row in inputs)
    if math.isnan(norm) or math.isnan(largest):
        return math.nan
    return norm / largest if largest else math.inf
