"""Tensors whose files do not hold their values.

MindSpore 2.10 on CPU runs many float16 operators with a float32 kernel, and dumps the first half of the float32 buffer
as if it were the float16 result: garbage with random NaN. The right values appear only after the Cast that follows.
Scratch memory handed from a forward to its backward operator is garbage of another kind, and so are outputs that a
kernel leaves unwritten, as Adam those that stand for what it writes in place.
"""

from __future__ import annotations

from profkit.overflow.executions import Execution, Step
from profkit.overflow.tensor_states import State, TensorStates

_CAST = "Cast"


def mark_unread_tensors(step: Step, states: TensorStates) -> dict[bytes, Execution]:
    """Mark the tensors of a step that cannot be read, and give who wrote them, by the hash of their content.

    An output cannot be read if it is float16 and every floating-point input of its operator, which is no Cast, is
    float32 or itself unread; where inputs were not dumped, if its bytes look like that. An input cannot be read if it
    is byte for byte an unread output. Nor can an output that may be unwritten, unless it equals what was written in
    place: then it joins the outputs of its execution.

    Only graphs dump so: the names of their files hold the time.
    """
    writers: dict[bytes, Execution] = {}
    sizes: set[int] = set()
    for execution in step.executions:
        _part_unwritten(execution, states)
        for row in (*execution.inputs, *execution.mutated):
            if states.is_float(row) and states.size_bytes(row) in sizes and states.digest(row) in writers:
                states.mark_unread(row)
        halves = [row for row in execution.outputs if _is_float16_of_a_graph(row, states)]
        if not execution.inputs:
            halves = [row for row in halves if states.bad(row) and states.looks_like_float32_half(row)]
        elif execution.op_type == _CAST or not _is_run_in_float32(execution, states):
            halves = []
        for row in (*halves, *execution.scratch):
            content = states.digest(row) if states.is_float(row) else None
            if content is not None:
                states.mark_unread(row)
                writers.setdefault(content, execution)
                sizes.add(states.size_bytes(row))
    return writers


def _part_unwritten(execution: Execution, states: TensorStates) -> None:
    written = {states.digest(row) for row in execution.mutated} - {None} if execution.maybe_unwritten else set()
    for row in execution.maybe_unwritten:
        if states.digest(row) in written:
            execution.outputs.append(row)
        else:
            states.mark_unread(row)
    execution.maybe_unwritten.clear()


def _is_float16_of_a_graph(row: int, states: TensorStates) -> bool:
    return states.dtype(row) == "float16" and states.is_timed(row) and not states.is_recorded(row)


def _is_run_in_float32(execution: Execution, states: TensorStates) -> bool:
    floats = [row for row in (*execution.inputs, *execution.mutated) if states.is_float(row)]
    wide = [row for row in floats if states.dtype(row) == "float32" or states[row] is State.UNREAD]
    return len(wide) == len(floats) and any(not states.is_scalar(row) for row in wide)
