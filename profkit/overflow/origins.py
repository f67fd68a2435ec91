"""The hunt: which operator of a dump made the first NaN or Inf, and what it spread to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from profkit.overflow.chain import chain_to_the_loss
from profkit.overflow.executions import Execution, Step, StepKey, steps_of
from profkit.overflow.loss_scale import Walked, expected_overflows
from profkit.overflow.norm_jumps import NormJump, norm_jumps
from profkit.overflow.offending_values import offending_values
from profkit.overflow.reasons import norm_jump_reason, reason
from profkit.overflow.spreading import CAUSES, Part, Role, Spreading
from profkit.overflow.tensor_states import State, TensorStates
from profkit.overflow.unread_tensors import mark_unread_tensors
from profkit.progress import Progress, silent
from profkit.schema import OVERFLOW

_ROLES = {
    Part.ORIGIN: "origin",
    Part.OUTSIDE: "unknown",
    Part.CARRIER: "carrier",
    Part.UPDATED: "carrier",
    Part.MASKED: "masked",
    Part.UNREADABLE: "unknown",
    Part.OTHER_RANK: "unknown",
    Part.RECORDED: "origin",
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
        A step whose loss scale expects its overflow has no primary row.
    """
    tensors = tensors.reset_index(drop=True)
    states = TensorStates(tensors, progress)
    walked = _walk(steps_of(tensors), states)
    expected = expected_overflows(walked, states)
    primary = _primary(walked, expected)
    chain: dict[int, int] = {}
    rows: list[dict[str, Any]] = []
    for step, spreading in walked:
        here = primary is not None and primary[0] == step.key
        if primary is not None and here and primary[1] in spreading.roles:
            way = chain_to_the_loss(spreading, primary[1])
            chain = {order: place for place, order in enumerate(way)}
        found = _rows(step, spreading, states, expected.get(step.key))
        for row in found:
            row["primary"] = primary == (step.key, row["order"])
            row["chain"] = chain.get(row["order"]) if here else None
        rows += found
    return OVERFLOW.from_rows(rows)


def _walk(steps: Sequence[Step], states: TensorStates) -> list[Walked]:
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
        spreading = Spreading(step, states, unread_writers, parameters, updated_badly[step.key.rank])
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
        order for order, role in sorted(spreading.roles.items()) if role.part is Part.SATURATED
    ]
    return causes[0] if causes else None


def _rows(step: Step, spreading: Spreading, states: TensorStates, expected: str | None) -> list[dict[str, Any]]:
    rows = [_row(step, role, spreading, states, expected) for _, role in sorted(spreading.roles.items())]
    first_nan = next((row for row in rows if row["first_nan"]), None)
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
    word = "carrier" if role.follows or spreading.possible_sources(role) else _ROLES[role.part]
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
