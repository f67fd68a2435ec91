"""What is known of operator types: what they write in place, what their Inf may mean, which inputs they cannot bear."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from profkit.vocabulary.op_class import op_class

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Domain(NamedTuple):
    """Elements that an operator type cannot bear.

    Attributes:
        slot: Which of its inputs, counted among those that were dumped.
        elements: Names of the conditions, as offending_values knows them.
    """

    slot: int
    elements: tuple[str, ...]


class NormJump(NamedTuple):
    """From when on an output is much larger than every input.

    Attributes:
        ratio: L2 norm of the output over the largest one of an input.
        smallest_peak: Largest magnitude that the output must reach.
    """

    ratio: float
    smallest_peak: float


@cache
def _facts() -> dict[str, Any]:
    text = files("profkit.overflow").joinpath("operator_facts.toml").read_text(encoding="utf-8")
    facts: dict[str, Any] = tomllib.loads(text)
    return facts


@cache
def _slots(table: str, op_type: str) -> frozenset[int]:
    known = _facts()[table]
    return frozenset(slot for name, slots in known.items() if fnmatchcase(op_type, name) for slot in slots)


@cache
def _is_named(table: str, op_type: str, key: str = "names") -> bool:
    return any(fnmatchcase(op_type, name) for name in _facts()[table][key])


def mutated_inputs(op_type: str) -> frozenset[int]:
    """Give the input slots that an operator type writes in place."""
    return _slots("mutated_inputs", op_type)


def scratch_outputs(op_type: str) -> frozenset[int]:
    """Give the output slots of an operator type that hold no result."""
    return _slots("scratch_outputs", op_type)


def unwritten_outputs(op_type: str) -> frozenset[int]:
    """Give the output slots that some kernel of an operator type leaves as they were."""
    return _slots("unwritten_outputs", op_type)


def least_inputs(op_type: str) -> int:
    """Give the fewest inputs that an operator type of MindSpore has; 0 if that is not known."""
    fewest: int = _facts()["least_inputs"].get(op_type, 0)
    return fewest


def reads_masks(op_type: str) -> bool:
    """Tell whether an operator type takes -Inf by intent."""
    return _is_named("mask_readers", op_type)


def makes_masks(op_type: str) -> bool:
    """Tell whether -Inf made of finite values by an operator type may be a mask by intent."""
    return _is_named("mask_makers", op_type)


def only_fills(op_type: str) -> bool:
    """Tell whether an operator type writes or chooses values and computes none."""
    return _is_named("fillers", op_type)


def reads_bounds(op_type: str) -> bool:
    """Tell whether an operator type takes a scalar of Inf by intent."""
    return _is_named("bound_readers", op_type) or only_fills(op_type) or reads_masks(op_type)


def brings_from_other_ranks(op_type: str) -> bool:
    """Tell whether an operator type writes what other processes sent."""
    return _is_named("from_other_ranks", op_type)


@cache
def grows_naturally(op_type: str) -> bool:
    """Tell whether an output much larger than the inputs of an operator type says nothing."""
    facts = _facts()["norm_jump"]
    return op_class(op_type) in facts["natural_classes"] or _is_named("norm_jump", op_type, "natural_types")


@cache
def norm_jump() -> NormJump:
    """Give from when on an output is much larger than every input."""
    facts = _facts()["norm_jump"]
    return NormJump(facts["ratio"], facts["smallest_peak"])


@cache
def domain_of(op_type: str) -> Domain | None:
    """Give which elements an operator type cannot bear; None if that is not known."""
    for fact in _facts()["domain"]:
        if op_type in fact["names"]:
            return Domain(fact["input"], tuple(fact["elements"]))
    return None


@cache
def speaks_of_loss_scale(name: str) -> bool:
    """Tell whether the name of a parameter or operator is one of a loss scale."""
    lowered = name.lower()
    return any(word in lowered for word in _facts()["loss_scale"]["names"])
