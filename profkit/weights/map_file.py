"""Maps of weights as files: profkit's own JSON, and the JSON and tables of names of other tools.

A file is data: operations are read by name from profkit.weights.operations. The TroubleShooter's maps name functions
to be imported and called; the one it has is known by its name, and a map that names any other is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.parsers.dump.weight_map import WEIGHT_MAP_FORMAT, names_of, weight_map_content
from profkit.schema import WEIGHT_MAP_STATUS
from profkit.store import write_bytes_in_one_step
from profkit.weights.operations import Operation, parse_operation
from profkit.weights.weight_map import MAPPED, NOT_NEEDED, TIED, MapRow, WeightMap

_VERSION = 1
_HINT = "make the map anew with `profkit weights map`"
# The only function that troubleshooter 1.0.18 writes into a map: expand_dims of the weight of Conv1d.
_CONV1D_FUNCTION = "troubleshooter.migrator.mapping_relation.weight_adapter.trans_conv1d_weight_value"
_CONV1D_OPERATIONS = (Operation("expand_dims", (2,)),)


class _WrittenRow(msgspec.Struct, omit_defaults=True):
    sources: tuple[str, ...]
    target: str | None
    status: str
    reason: str = ""
    operations: tuple[str, ...] = ()
    source_shape: tuple[int, ...] | None = None
    target_shape: tuple[int, ...] | None = None
    source_dtype: str | None = None
    target_dtype: str | None = None
    tied_to: str | None = None
    as_long_as: float | None = None


class _Written(msgspec.Struct):
    format: str
    version: int
    rows: tuple[_WrittenRow, ...]
    source: str = ""
    target: str = ""
    source_framework: str = "unknown"
    target_framework: str = "unknown"
    rules: str = ""


def write_map(path: Path | str, weight_map: WeightMap) -> None:
    """Write a map as profkit's own JSON, with shapes, operations and reasons.

    Raises:
        ProfkitError: The place cannot be written.
    """
    rows = tuple(
        _WrittenRow(
            row.sources,
            row.target,
            row.status,
            row.reason,
            tuple(map(str, row.operations)),
            row.source_shape,
            row.target_shape,
            row.source_dtype,
            row.target_dtype,
            row.tied_to,
            row.as_long_as,
        )
        for row in weight_map.rows
    )
    frameworks = weight_map.source_framework, weight_map.target_framework
    written = _Written(
        WEIGHT_MAP_FORMAT, _VERSION, rows, weight_map.source, weight_map.target, *frameworks, weight_map.rules
    )
    write_bytes_in_one_step(Path(path), msgspec.json.format(msgspec.json.encode(written)) + b"\n")


def write_troubleshooter_map(path: Path | str, weight_map: WeightMap) -> None:
    """Write a map as the TroubleShooter's `torch_net_map.json`: [names, functions].

    What needs no partner stands there under its own name, and what is tied under that of its parameter, as that tool
    wants every name of the checkpoint. Operations that it has no function for are written by their names, which profkit
    reads back.

    Raises:
        ProfkitError: A parameter has no single partner, or the place cannot be written.
    """
    write_bytes_in_one_step(Path(path), json.dumps(troubleshooter_tables(weight_map)).encode("ascii"))


def troubleshooter_tables(weight_map: WeightMap) -> tuple[dict[str, str], dict[str, str]]:
    """Give a map as the two tables of `torch_net_map.json`: names, and operations by name.

    Raises:
        ProfkitError: A parameter has no single partner.
    """
    names: dict[str, str] = {}
    values: dict[str, str] = {}
    for row in weight_map.rows:
        if row.status == NOT_NEEDED and row.sources:
            names[row.sources[0]] = row.sources[0]
        if row.status not in {MAPPED, TIED} or row.target is None:
            continue
        (name,) = row.sources if len(row.sources) == 1 else (None,)
        if name is None or name in names:
            raise ProfkitError(
                f"{row.target[:80]!r} has no parameter of its own to come from", "write profkit's own map"
            )
        names[name] = row.target
        if row.operations:
            conv1d = row.operations == _CONV1D_OPERATIONS and len(row.source_shape or (0, 0, 0)) == 3
            values[name] = _CONV1D_FUNCTION if conv1d else " ".join(map(str, row.operations))
    return names, values


def read_map(path: Path | str) -> WeightMap:
    """Read a map: profkit's JSON, the TroubleShooter's, or a table of names in JSON or TOML.

    Raises:
        UnreadableInputError: The file cannot be read, is no map, or names functions.
    """
    path = Path(path)
    content = weight_map_content(path)
    if isinstance(content, Mapping) and content.get("format") == WEIGHT_MAP_FORMAT:
        return _own(content, path)
    names = names_of(content, path, tied=isinstance(content, list))
    operations = _operations_by_name(content, path)
    first: dict[str, str] = {}
    rows = []
    for name, other in names.items():
        original = first.setdefault(other, name)
        tied_to = original if original != name else None
        status, reason = (TIED, f"as {tied_to}") if tied_to else (MAPPED, f"{path.name} says so")
        rows.append(MapRow((name,), other, status, reason, operations.get(name, ()), tied_to=tied_to))
    return WeightMap(tuple(rows), str(path), str(path))


def _own(content: Any, path: Path) -> WeightMap:
    try:
        written = msgspec.convert(content, _Written)
        rows = tuple(_row(row, path) for row in written.rows)
    except msgspec.ValidationError as error:
        raise UnreadableInputError(f"{path} is no map of weights: {str(error)[:160]}", _HINT) from error
    except ProfkitError as error:
        raise UnreadableInputError(f"{path}: {error.message}", _HINT) from error
    if written.version != _VERSION:
        raise UnreadableInputError(f"{path} is a map of version {written.version}, not {_VERSION}", _HINT)
    targets = [row.target for row in rows if row.status == MAPPED]
    if len(targets) != len(set(targets)):
        raise UnreadableInputError(f"{path} gives a parameter of the target twice", "mend the map")
    labels = written.source, written.target, written.source_framework, written.target_framework, written.rules
    return WeightMap(rows, *labels)


def _row(row: _WrittenRow, path: Path) -> MapRow:
    if row.status not in WEIGHT_MAP_STATUS:
        raise ProfkitError(f"{row.status[:40]!r} is no status of a row of {path.name}")
    if row.status == MAPPED and (not row.sources or row.target is None):
        raise ProfkitError(f"a row of {path.name} maps nothing")
    return MapRow(
        row.sources,
        row.target,
        row.status,
        row.reason,
        tuple(map(parse_operation, row.operations)),
        row.source_shape,
        row.target_shape,
        row.source_dtype,
        row.target_dtype,
        row.tied_to,
        row.as_long_as,
    )


def _operations_by_name(content: Any, path: Path) -> dict[str, tuple[Operation, ...]]:
    """Read the second half of the TroubleShooter's pair.

    Raises:
        UnreadableInputError: It names a function that is not known.
    """
    values = content[1] if isinstance(content, list) and len(content) == 2 else {}
    if not isinstance(values, Mapping):
        raise UnreadableInputError(f"{path} has no table of operations in its second part", _HINT)
    operations: dict[str, tuple[Operation, ...]] = {}
    for name, value in values.items():
        if value == _CONV1D_FUNCTION:
            operations[name] = _CONV1D_OPERATIONS
            continue
        try:
            operations[name] = tuple(map(parse_operation, str(value).split(" ")))
        except ProfkitError:
            raise UnreadableInputError(
                f"{path} names the function {str(value)[:120]!r} for {str(name)[:80]!r}: functions are never called",
                _HINT,
            ) from None
    return operations
