"""The values that an operator could not bear: which elements of its inputs, how many, how extreme, where."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from profkit.overflow.executions import Execution
from profkit.overflow.operator_facts import domain_of
from profkit.overflow.spreading import Part, Role
from profkit.overflow.tensor_states import State, TensorStates
from profkit.overflow.tensor_values import Condition, can_be_judged, count_where, first_where, largest_of
from profkit.parsers.dump.array_file import AnyArray

_MOST_INPUTS = 4


class _Elements(NamedTuple):
    """Elements that an operator cannot bear.

    Attributes:
        text: What is said of them.
        end: The extreme that shows how bad it is: smallest, largest, or none where all are alike.
        condition: Which elements they are, for the largest finite values of the input's and of the output's dtype.
    """

    text: str
    end: str
    condition: Callable[[float, float], Condition]


_ELEMENTS: Mapping[str, _Elements] = {
    "negative": _Elements("are negative", "smallest", lambda _in, _out: lambda x: x < 0),
    "zero": _Elements("are 0", "", lambda _in, _out: lambda x: x == 0),
    "minus_one_or_less": _Elements("are -1 or less", "smallest", lambda _in, _out: lambda x: x <= -1),
    "one_or_more": _Elements("are 1 or more in magnitude", "largest", lambda _in, _out: lambda x: np.abs(x) >= 1),
    "below_one": _Elements("are below 1", "smallest", lambda _in, _out: lambda x: x < 1),
    "outside_zero_to_one": _Elements("are outside 0 to 1", "largest", lambda _in, _out: lambda x: (x < 0) | (x > 1)),
    "exp_overflows": _Elements(
        "are too large for exp in {output}", "largest", lambda _in, out: lambda x: x > math.log(out)
    ),
    "square_overflows": _Elements(
        "are too large for a square in {output}", "largest", lambda _in, out: lambda x: np.abs(x) > math.sqrt(out)
    ),
    "beyond_output": _Elements(
        "are beyond the largest {output}", "largest", lambda _in, out: lambda x: np.isfinite(x) & (np.abs(x) > out)
    ),
}
_OVERFLOWS = frozenset({"exp_overflows", "square_overflows", "beyond_output"})


def offending_values(role: Role, states: TensorStates) -> str | None:
    """Say which input values a bad result comes of: by what the operator type cannot bear, else by the bad elements.

    Returns:
        "36 of 64 elements of input 0 are negative, smallest -1.541 at [3,7]"; None if no value was dumped that tells.
    """
    if role.bad_inputs:
        return _first_bad(role.bad_inputs, "input", states)
    told = [text for _, text in _outside_domain(role.execution, role.part, states)]
    if not told and role.part is not Part.SATURATED:
        told = _at_the_first_bad(role, states)
    return "; ".join(told or _extremes(role.execution, states)) or None


def leaves_its_domain(role: Role, states: TensorStates) -> bool:
    """Tell whether a bad result comes of values that no scale would cure, as a division by 0."""
    return any(name not in _OVERFLOWS for name, _ in _outside_domain(role.execution, role.part, states))


def _outside_domain(execution: Execution, part: Part, states: TensorStates) -> list[tuple[str, str]]:
    """Give the names of the conditions that elements of the input fulfil, and what is said of them."""
    domain = domain_of(execution.op_type)
    floats = [row for row in execution.inputs if states.slot(row) == (domain.slot if domain else -1)]
    if domain is None or not floats or not can_be_judged(states.dtype(floats[0])):
        return []
    row = floats[0]
    outputs = [states.dtype(one) for one in execution.outputs]
    output = next((dtype for dtype in outputs if can_be_judged(dtype)), None) or states.dtype(row) or "float32"
    found = []
    for name in domain.elements:
        elements = _ELEMENTS[name]
        condition = elements.condition(largest_of(states.dtype(row) or output), largest_of(output))
        text = _told_of(row, elements, condition, output, states)
        if text is not None:
            found.append((name, text))
    return found


def _told_of(row: int, elements: _Elements, condition: Condition, output: str, states: TensorStates) -> str | None:
    array, what = states.array(row), elements.text.format(output=output)
    if array is None:
        ends = np.array(states.span(row))
        if not condition(ends).any():
            return None
        return f"input {states.slot(row)} reaches from {_figure(ends[0])} to {_figure(ends[1])}: elements {what}"
    number = count_where(array, condition)
    if not number:
        return None
    size = array.size * (2 if array.dtype.kind == "c" else 1)
    text = f"{number:,} of {size:,} elements of input {states.slot(row)} {what}"
    return f"{text}, {_end(row, array, elements.end, condition, states)}"


def _end(row: int, array: AnyArray, end: str, condition: Condition, states: TensorStates) -> str:
    low, high = states.span(row)
    if not end:
        return f"the first{_at(first_where(array, condition))}"
    outside = [one for one in (low, high) if condition(np.array([one])).any()]
    extreme = low if end == "smallest" else max(outside, key=abs, default=high)
    return f"{end} {_figure(extreme)}{_at(_place_of(extreme, array))}"


def _first_bad(rows: list[int], word: str, states: TensorStates) -> str | None:
    """Say where the first NaN or Inf of some tensors stands."""
    told = []
    for row in rows[:_MOST_INPUTS]:
        array = states.array(row)
        place = None if array is None else first_where(array, lambda x: ~np.isfinite(x))
        if array is not None and place is not None:
            told.append(f"first {_value(array[place])} of {word} {states.slot(row)}{_at(place)}")
    return "; ".join(told) or None


def _at_the_first_bad(role: Role, states: TensorStates) -> list[str]:
    """Say what the inputs hold at the first bad element of an output of the same shape."""
    for row in role.bad_outputs:
        array = states.array(row)
        place = None if array is None else first_where(array, lambda x: ~np.isfinite(x))
        if array is None or place is None:
            continue
        there = [_input_at(one, array, place, states) for one in role.execution.inputs if states.is_float(one)]
        known = [text for text in there[:_MOST_INPUTS] if text]
        if known and any(states.shape(one) == states.shape(row) for one in role.execution.inputs):
            return [f"output {states.slot(row)} is {_value(array[place])}{_at(place)} where {' and '.join(known)}"]
    return []


def _input_at(row: int, output: AnyArray, place: tuple[int, ...], states: TensorStates) -> str | None:
    array = states.array(row)
    if array is None:
        return None
    try:
        value = np.broadcast_to(array, output.shape)[place]
    except ValueError:
        return None
    return f"input {states.slot(row)} is {_value(value)}"


def _extremes(execution: Execution, states: TensorStates) -> list[str]:
    """Say how large the inputs are and where."""
    told = []
    for row in execution.inputs:
        if not states.is_float(row) or states[row] is not State.FINITE or math.isnan(sum(states.span(row))):
            continue
        low, high = states.span(row)
        extreme = low if abs(low) > abs(high) else high
        array = states.array(row)
        place = None if array is None else _place_of(extreme, array)
        told.append(f"input {states.slot(row)} is largest with {_figure(extreme)}{_at(place)}")
    return told[:_MOST_INPUTS]


def _place_of(value: float, array: AnyArray) -> tuple[int, ...] | None:
    return first_where(array, lambda x: x == value)


def _at(place: tuple[int, ...] | None) -> str:
    return f" at [{','.join(map(str, place))}]" if place else ""


def _value(value: object) -> str:
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(f"{value}", f"{value:.4g}")


def _figure(value: float) -> str:
    return f"{value + 0.0:.4g}"
