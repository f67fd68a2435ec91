"""The hunt: which operator of a dump made the first NaN or Inf, and what it spread to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pandas as pd

from profkit.overflow.executions import Step, StepKey, steps_of
from profkit.overflow.reasons import reason
from profkit.overflow.spreading import Part, Role, Spreading
from profkit.overflow.tensor_states import TensorStates
from profkit.overflow.tensor_values import Counts
from profkit.overflow.unread_tensors import mark_unread_tensors
from profkit.parsers.mindspore.scope import module_of_scope
from profkit.progress import Progress, silent
from profkit.schema import OVERFLOW

_ROLES = {
    Part.ORIGIN: "origin",
    Part.OUTSIDE: "unknown",
    Part.CARRIER: "carrier",
    Part.UPDATED: "carrier",
    Part.MASKED: "masked",
    Part.UNREADABLE: "unknown",
    Part.UNDUMPED: "unknown",
    Part.SATURATED: "saturated",
}


def hunt(tensors: pd.DataFrame, progress: Progress = silent) -> pd.DataFrame:
    """Find the operators that NaN, Inf and saturated values come from and spread to.

    Args:
        tensors: Frame of schema.TENSORS, of one dump; every iteration of every rank is judged by itself.
        progress: Told how far it is; may raise CancelledError.

    Returns:
        Frame of schema.OVERFLOW, by iteration, rank and execution order: a row an execution that reads or writes such
        values, none where it is a mask by intent. Empty if there are none. Where bad values come in, exactly one row is
        primary: the first of the earliest iteration whose values reach the loss or a weight, else the first. That row
        has the role unknown if the values come from outside: from a weight, a network input or what was not dumped.
    """
    tensors = tensors.reset_index(drop=True)
    states = TensorStates(tensors, progress)
    if states.all_fine:
        return OVERFLOW.empty()
    rows: list[dict[str, Any]] = []
    primary: tuple[StepKey, int] | None = None
    parameters: dict[bytes, int] = {}
    updated_badly: defaultdict[int, set[str]] = defaultdict(set)
    for step in steps_of(tensors):
        unread_writers = mark_unread_tensors(step, states)
        for row in step.parameters:
            content = states.digest(row) if states.bad(row) else None
            if content is not None:
                parameters.setdefault(content, row)
        spreading = Spreading(step, states, unread_writers, parameters, updated_badly[step.key.rank])
        updated_badly[step.key.rank] |= {role.execution.op for role in spreading.roles.values() if role.bad_outputs}
        if primary is None or primary[0].iteration == step.key.iteration:
            primary = primary or _primary_of(step, spreading)
        rows += _rows(step, spreading, states)
    for found in rows:
        found["primary"] = primary == (StepKey(found["iteration"], found["rank"]), found["order"])
    return OVERFLOW.from_rows(rows)


def _primary_of(step: Step, spreading: Spreading) -> tuple[StepKey, int] | None:
    causes = spreading.causes() or [
        order for order, role in sorted(spreading.roles.items()) if role.part is Part.SATURATED
    ]
    return (step.key, causes[0]) if causes else None


def _rows(step: Step, spreading: Spreading, states: TensorStates) -> list[dict[str, Any]]:
    rows = [_row(step, role, spreading, states) for _, role in sorted(spreading.roles.items())]
    if not rows:
        bad = [row for row in step.parameters if states.bad(row) and not states.looks_like_mask(row)]
        rows = [_parameter_row(step, row, states) for row in bad]
    return rows


def _row(step: Step, role: Role, spreading: Spreading, states: TensorStates) -> dict[str, Any]:
    execution = role.execution
    outputs = [row for row in execution.results if states.is_float(row)] if role.seen_at is None else role.seen_at[1]
    counted = [counts for row in outputs if (counts := states.counts(row)) is not None]
    inputs = [states.counts(row) for row in execution.inputs if states.is_float(row)]
    return {
        "iteration": step.key.iteration,
        "rank": step.key.rank,
        "order": execution.order,
        "op": execution.op,
        "op_type": execution.op_type or None,
        "role": "carrier" if role.follows or spreading.possible_sources(role) else _ROLES[role.part],
        "max_abs_input": _largest(counts for counts in inputs if counts is not None),
        "reason": reason(role, spreading, states),
        "module": module_of_scope(execution.op),
        **_sums(counted),
    }


def _parameter_row(step: Step, row: int, states: TensorStates) -> dict[str, Any]:
    counts = states.counts(row)
    return {
        "iteration": step.key.iteration,
        "rank": step.key.rank,
        "order": len(step.executions),
        "op": states.op(row),
        "op_type": "Parameter",
        "role": "unknown",
        "reason": "this weight, optimizer state or network input is bad, but no dumped operator reads or writes it so",
        **_sums([counts] if counts is not None else []),
    }


def _sums(counted: list[Counts]) -> dict[str, int | None]:
    names = ("nan", "pos_inf", "neg_inf", "saturated")
    return {name: sum(getattr(counts, name) for counts in counted) if counted else None for name in names}


def _largest(counted: Iterable[Counts]) -> float:
    return max((counts.max_abs for counts in counted if not math.isnan(counts.max_abs)), default=math.nan)
