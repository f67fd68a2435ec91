"""What MindSpore 1.0 to 2.4 records of each operator once: type, core, and shapes and dtypes of its tensors.

framework_raw_{id}.csv has one line a task, the timeline of 1.x repeats the same in the `args` of each event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from profkit.errors import ImportIssue, Severity
from profkit.parsers.mindspore.legacy_files import legacy_facts
from profkit.parsers.mindspore.legacy_tables import read_table

_TENSOR = re.compile(r"^(?P<io>input|output)_(?P<slot>\d{1,4})$", re.IGNORECASE)
_TYPE_PREFIX = re.compile(r"^(NUMBER_TYPE_|DT_?)")
_NUMBERED = re.compile(r"-op\d+\w*$")


class OperatorFacts(NamedTuple):
    """What is known of one operator; None where it is not."""

    op_type: str | None = None
    core: str | None = None
    input_shapes: str | None = None
    input_dtypes: str | None = None
    output_shapes: str | None = None


def read_operator_facts(path: Path, issues: list[ImportIssue]) -> dict[str, OperatorFacts]:
    """Give the facts of framework_raw by full operator name.

    An operator that stands in several graphs with other tensors has no shapes here: which of them ran is not told.

    Raises:
        UnreadableInputError: The header lacks the name or op_info.
    """
    table = read_table(path, "framework_raw", issues)
    facts: dict[str, OperatorFacts] = {}
    unreadable, several = 0, set()
    for name, op_type, core, text in zip(
        *(table.texts(column) for column in ("name", "type", "core", "inputs")), strict=True
    ):
        tensors = _object(text)
        unreadable += tensors is None
        found = OperatorFacts(op_type, core, *tensor_texts(tensors or {}))
        known = facts.setdefault(name or "", found)
        if known[2:] != found[2:]:
            several.add(name)
            facts[name or ""] = OperatorFacts(known.op_type, known.core)
    if unreadable:
        text = f"op_info is no JSON object in {unreadable:,} lines: shapes of these operators are unknown"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    if several:
        text = f"{len(several):,} operators are listed with several sets of shapes: theirs are unknown"
        issues.append(ImportIssue(Severity.INFO, str(path), "", text))
    return facts


def _object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def tensor_texts(tensors: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Give the schema's input_shapes, input_dtypes and output_shapes.

    Args:
        tensors: `input_0` (1.x) or `Input_0` (2.2 and later), `output_0`, ... -> {format, data_type, shape}; a shape is
            "32,3,224,224" or a list of numbers, and empty for a scalar.
    """
    slots: dict[str, list[tuple[int, Mapping[str, Any]]]] = {"input": [], "output": []}
    for key, tensor in tensors.items():
        match = _TENSOR.match(key)
        if match and isinstance(tensor, dict):
            slots[match["io"].lower()].append((int(match["slot"]), tensor))
    inputs = [tensor for _, tensor in sorted(slots["input"], key=lambda pair: pair[0])]
    outputs = [tensor for _, tensor in sorted(slots["output"], key=lambda pair: pair[0])]
    dtypes = ";".join(dtype_of(str(tensor.get("data_type", ""))) for tensor in inputs)
    return _shapes(inputs), dtypes if inputs else None, _shapes(outputs)


def _shapes(tensors: Iterable[Mapping[str, Any]]) -> str | None:
    shapes = []
    for tensor in tensors:
        shape = tensor.get("shape")
        if isinstance(shape, list) and all(isinstance(dim, int) for dim in shape):
            shapes.append(",".join(map(str, shape)))
        elif isinstance(shape, str | int) and re.fullmatch(r"[0-9, -]*", str(shape)):
            shapes.append(str(shape).replace(" ", ""))
        else:
            return None
    return ";".join(shapes) if shapes else None


def dtype_of(word: str) -> str:
    """Give numpy's name of a data type: `NUMBER_TYPE_FLOAT32`, `FLOAT` and `DTFLOAT` are float32."""
    bare = _TYPE_PREFIX.sub("", word)
    return str(legacy_facts()["dtypes"].get(bare, bare.lower()))


def fact_columns(names: pd.Series[Any], facts: Mapping[str, OperatorFacts]) -> dict[str, pd.Series[Any]]:
    """Give columns of schema.OPS for rows of these operators.

    Args:
        names: Full operator names, categorical.
        facts: By full name; a type that is not there is read from the name.
    """
    none = OperatorFacts()
    by_name = {name: facts.get(name, none) for name in names.cat.categories}
    types = {name: found.op_type or type_of_name(str(name)) for name, found in by_name.items()}
    plain = names.astype(object)
    columns = {"op_type": plain.map(types)}
    for column in ("core", "input_shapes", "input_dtypes", "output_shapes"):
        columns[column] = plain.map({name: getattr(found, column) for name, found in by_name.items()})
    return {column: series.astype("category") for column, series in columns.items()}


def type_of_name(name: str) -> str:
    """Read the type from a full name: `Default/conv1-Conv2d/Cast-op168` is Cast."""
    return _NUMBERED.sub("", name.rsplit("/", 1)[-1])
