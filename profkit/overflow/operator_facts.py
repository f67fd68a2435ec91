"""What is known of operator types: which inputs they write, which outputs hold no result, which read masks."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from profkit.parsers.mindspore.scope import module_of_scope, phase_of_scope
from profkit.vocabulary.op_class import op_class

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@cache
def _facts() -> dict[str, Any]:
    text = files("profkit.overflow").joinpath("operator_facts.toml").read_text(encoding="utf-8")
    facts: dict[str, Any] = tomllib.loads(text)
    return facts


@cache
def _slots(table: str, op_type: str) -> frozenset[int]:
    known = _facts()[table]
    return frozenset(slot for name, slots in known.items() if fnmatchcase(op_type, name) for slot in slots)


def mutated_inputs(op_type: str) -> frozenset[int]:
    """Give the input slots that an operator type writes in place."""
    return _slots("mutated_inputs", op_type)


def scratch_outputs(op_type: str) -> frozenset[int]:
    """Give the output slots of an operator type that hold no result."""
    return _slots("scratch_outputs", op_type)


@cache
def reads_masks(op_type: str) -> bool:
    """Tell whether an operator type takes -Inf by intent."""
    return any(fnmatchcase(op_type, name) for name in _facts()["mask_readers"]["names"])


@cache
def makes_masks(op_type: str) -> bool:
    """Tell whether -Inf made of finite values by an operator type may be a mask by intent."""
    return any(fnmatchcase(op_type, name) for name in _facts()["mask_makers"]["names"])


def ends_a_step(op: str, op_type: str) -> bool:
    """Tell whether a bad output of an operator is a bad loss or a bad weight.

    Args:
        op: Full name with scope; its module counts as a whole part: "loss" stands in "WithLoss" too.
        op_type: Its type.
    """
    phase = phase_of_scope(op)
    if phase == "optimizer" or op_class(op_type) == "optimizer":
        return True
    return phase != "backward" and (module_of_scope(op) == "loss" or op_class(op_type) == "loss")
