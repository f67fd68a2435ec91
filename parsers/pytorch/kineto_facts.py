"""What is known of the words in PyTorch traces (kineto_events.toml), and the texts made of recorded inputs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class KinetoFacts:
    """The tables of kineto_events.toml.

    Attributes:
        roles: Category -> host, device, launch, annotation or python.
        legacy_roles: Process of the legacy export -> host or device.
        device_types: Category -> operator type of its device events.
        arguments: Column -> spellings of the argument.
        annotation_name: Matches operators that are annotations (torch until 1.10).
        no_tensors: Type words of inputs that are no tensors.
        dtypes: Type word -> numpy's name.
        allocators: Name of each device type, by its number.
        no_transfers: Names of collectives that transfer nothing.
        collective_dtypes: Type word of collectives -> numpy's name, bytes of an element.
    """

    roles: Mapping[str, str]
    legacy_roles: Mapping[str, str]
    device_types: Mapping[str, str]
    arguments: Mapping[str, tuple[str, ...]]
    annotation_name: re.Pattern[str]
    no_tensors: frozenset[str]
    dtypes: Mapping[str, str]
    allocators: tuple[str, ...]
    no_transfers: tuple[str, ...]
    collective_dtypes: Mapping[str, tuple[str, int]]


@cache
def kineto_facts() -> KinetoFacts:
    """Read the tables, once."""
    text = files("profkit.parsers.pytorch").joinpath("kineto_events.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return KinetoFacts(
        roles=tables["categories"],
        legacy_roles=tables["legacy_processes"],
        device_types=tables["device_types"],
        arguments={column: tuple(spellings) for column, spellings in tables["arguments"].items()},
        annotation_name=re.compile("|".join(tables["annotation_names"]["patterns"])),
        no_tensors=frozenset(tables["no_tensors"]["types"]),
        dtypes=tables["dtypes"],
        allocators=tuple(tables["allocators"]["names"]),
        no_transfers=tuple(tables["no_transfers"]["names"]),
        collective_dtypes={word: (dtype, size) for word, (dtype, size) in tables["collective_dtypes"].items()},
    )


def input_text(dims_text: str | None, types_text: str | None) -> tuple[str | None, str | None]:
    """Give the schema's input_shapes and input_dtypes of an operator's recorded inputs.

    Inputs that are no tensors are left out; the tensors of a list stand one after the other, with an empty dtype,
    because a trace does not tell it. An operator without tensor inputs has None in both, as one without records.

    Args:
        dims_text: JSON of `Input Dims`; None where not recorded.
        types_text: JSON of `Input type`.
    """
    dims, types = _list_of(dims_text or "[]"), _list_of(types_text or "[]")
    if not types:
        # Torch 1.8 could record dims alone: an empty list may then be a scalar tensor or no tensor at all.
        tensors = [(shape, "") for shape in dims if shape]
    elif len(types) == len(dims):
        tensors = [tensor for shape, word in zip(dims, types, strict=True) for tensor in _tensors(shape, word)]
    else:
        return None, None
    if not tensors:
        return None, None
    shapes = [",".join(str(dim) for dim in shape) for shape, _ in tensors]
    return ";".join(shapes), ";".join(dtype for _, dtype in tensors) if types else None


def _tensors(shape: Any, word: Any) -> Iterator[tuple[Any, str]]:
    facts = kineto_facts()
    if not isinstance(shape, list) or not isinstance(word, str) or word in facts.no_tensors:
        return
    if word == "TensorList" or (shape and isinstance(shape[0], list)):
        yield from ((inner, "") for inner in shape if isinstance(inner, list))
    else:
        yield shape, facts.dtypes.get(word, word)


def _list_of(text: str) -> list[Any]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return []
    return value if isinstance(value, list) else []
