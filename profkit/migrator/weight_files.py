"""The calls of the migration guide on weights: maps, conversion, comparison. The work is done in profkit.weights."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.errors import ProfkitError, UnreadableInputError, first_line_of
from profkit.frameworks import import_mindspore, import_torch, is_mindspore_cell, is_torch_module
from profkit.migrator.printed_tables import print_issues, print_parity, print_table
from profkit.safe_text import printable
from profkit.store import write_bytes_in_one_step
from profkit.weights import (
    NetDescription,
    WeightMap,
    compare_weights,
    convert,
    describe,
    describe_net,
    make_map,
    predicted_map,
    read_map,
    troubleshooter_tables,
)
from profkit.weights.operations import shape_after

Names = dict[str, str]
_CONVERSION = ("source", "target", "status", "operations", "source_shape", "target_shape", "reason")
_OF_TORCH = ("Parameter name of torch", "Parameter name of MindSpore")
_SIDES = "torch", "MindSpore"
_DIFFERING = 2


def get_weight_map(
    pt_net: Any = None,
    weight_map_save_path: Any = None,
    weight_name_prefix: str | None = None,
    custom_name_func: Callable[[Names], Names] | None = None,
    print_map: bool = False,
    *,
    ms_net: Any = None,
    **renamed: Any,
) -> tuple[Names, Names]:
    """Map the parameters of a torch network to those of a MindSpore network.

    Args:
        pt_net: torch.nn.Module; `pt_model` in older scripts.
        weight_map_save_path: File for the map, `[names, operations]` in JSON.
        weight_name_prefix: Put before every name of MindSpore, with a dot.
        custom_name_func: Given the table of names, gives another; runs last.
        print_map: Print the map.
        ms_net: The MindSpore network that is to have the weights. Names and shapes of both then decide; without it
            the network is predicted to be of mindspore.nn, and the calls that are given one correct the map by it.
        **renamed: `pt_model`, the older name of `pt_net`.

    Returns:
        Name in MindSpore by name in torch, and operations on the values by name in torch.

    Raises:
        ProfkitError: It is no torch network, or a parameter has no single partner.
    """
    pt_net = renamed.pop("pt_model", pt_net)
    _refuse(renamed, "get_weight_map")
    if not is_torch_module(pt_net):
        raise ProfkitError(f"a {type(pt_net).__name__} is no torch.nn.Module", "give the torch network")
    source = describe_net(pt_net)
    made = predicted_map(source) if ms_net is None else make_map(source, describe_net(ms_net))
    for row in made.unsettled:
        name = " + ".join(row.sources) or row.target
        sys.stderr.write(printable(f"{name} has no sure partner: {row.reason}") + "\n")
    names, values = troubleshooter_tables(made)
    if weight_name_prefix:
        names = {name: f"{weight_name_prefix}.{other}" for name, other in names.items()}
    if custom_name_func is not None:
        names = dict(custom_name_func(names))
    if print_map:
        table = pd.DataFrame({"torch": list(names), "MindSpore": list(names.values())})
        print_table(table.assign(operations=[values.get(name) for name in names]), "The weight map")
    if weight_map_save_path is not None:
        path = _writable(weight_map_save_path)
        write_bytes_in_one_step(path, json.dumps([names, values]).encode("ascii"))
    return names, values


def convert_weight(
    weight_map_path: Any = None,
    pt_file_path: Any = None,
    ms_file_save_path: Any = None,
    *,
    print_conv_info: bool = True,
    print_save_path: bool = True,
    pt_param_dict: Mapping[str, Any] | None = None,
    weight_map: Sequence[Mapping[str, str]] | None = None,
) -> pd.DataFrame:
    """Write the weights of a torch checkpoint as a MindSpore checkpoint.

    Args:
        weight_map_path: The map that `get_weight_map` wrote.
        pt_file_path: .pth, .pt, .bin or .safetensors; only tensors are read, nothing in it is run.
        ms_file_save_path: The .ckpt to write; directories are made.
        print_conv_info: Print what became of each parameter.
        print_save_path: Print where the file is.
        pt_param_dict: A state_dict instead of pt_file_path.
        weight_map: The two tables of `get_weight_map` instead of weight_map_path.

    Returns:
        One row a parameter (profkit.schema.WEIGHT_MAP).

    Raises:
        ProfkitError: A file cannot be read, a parameter has no partner, or the map names functions. No file is left.
    """
    if ms_file_save_path is None:
        raise ProfkitError("convert_weight has no place to write to", "give ms_file_save_path")
    target = _writable(ms_file_save_path)
    if target.suffix.lower() != ".ckpt":
        raise ProfkitError(f"{target} is no .ckpt", "name a MindSpore checkpoint")
    with tempfile.TemporaryDirectory(prefix="profkit-") as folder:
        source = _torch_file(pt_file_path, pt_param_dict, Path(folder))
        done = convert(source, target, _given_map(weight_map_path, weight_map, Path(folder)))
    rows = done.frame()
    if print_conv_info:
        print_table(rows[list(_CONVERSION)], "The list of conversion result", _OF_TORCH)
    if print_save_path:
        sys.stdout.write(f"{len(done.written()):,} parameters written to {printable(target)}\n")
    return rows


def convert_weight_and_load(weight_map_path: Any, pt_file_path: Any, net: Any) -> pd.DataFrame:
    """Convert the weights of a torch checkpoint and load them into a MindSpore network; no file is left.

    Where the map does not fit the network (made for mindspore.nn, and the network uses mint), names and shapes of both
    decide.

    Returns:
        One row a parameter (profkit.schema.WEIGHT_MAP).

    Raises:
        ProfkitError: As for `convert_weight`, or the network does not take the weights.
    """
    if not is_mindspore_cell(net):
        raise ProfkitError(f"a {type(net).__name__} is no mindspore.nn.Cell", "give the network to load into")
    mindspore = import_mindspore("convert_weight_and_load")
    fitted = _fitting_map(read_map(weight_map_path), describe(os.fspath(pt_file_path)), describe_net(net))
    with tempfile.TemporaryDirectory(prefix="profkit-") as folder:
        unfinished = Path(folder) / "converted.ckpt"
        done = convert(os.fspath(pt_file_path), unfinished, fitted)
        try:
            missing, _ = mindspore.load_param_into_net(net, mindspore.load_checkpoint(str(unfinished)))
        except (RuntimeError, ValueError, TypeError) as error:
            reason = first_line_of(error)
            raise ProfkitError(f"the network does not take the weights: {reason}", "check map and network") from error
    for name in missing:
        sys.stderr.write(f"{printable(name)} of the network has got no value\n")
    sys.stdout.write(f"{len(done.written()):,} parameters loaded into the network\n")
    return done.frame()


def compare_pth_and_ckpt(
    weight_map_path: Any,
    pt_file_path: Any,
    ms_file_path: Any,
    compare_value: bool = True,
    print_level: int = 1,
    rtol: float | None = 1e-4,
    atol: float | None = 1e-4,
    equal_nan: bool = False,
    print_conv_info: bool = False,
    symmetric: bool = True,
) -> pd.DataFrame:
    """Compare the weights of a torch and a MindSpore network, as files.

    Args:
        weight_map_path: The map of `get_weight_map` or `save_net_and_weight_params`; None makes one from both files.
        pt_file_path: The torch checkpoint, the reference.
        ms_file_path: The MindSpore checkpoint.
        compare_value: False compares names and shapes only.
        print_level: 0 prints nothing, 1 every parameter, 2 those that differ.
        rtol: As for `compare_npy_dir`; None for both judges by dtype.
        atol: As for `compare_npy_dir`.
        equal_nan: As for `compare_npy_dir`.
        print_conv_info: Also print which parameter becomes which.
        symmetric: As for `compare_npy_dir`.

    Returns:
        A parity frame in the order of the torch network.

    Raises:
        ProfkitError: A file cannot be read, or nothing in them belongs together.
    """
    fitted = None
    if weight_map_path is not None:
        fitted = _fitting_map(
            read_map(weight_map_path), describe(os.fspath(pt_file_path)), describe(os.fspath(ms_file_path))
        )
    if print_conv_info and fitted is not None:
        print_table(fitted.frame()[list(_CONVERSION)], "The weight map", _OF_TORCH)
    return _compared(
        (pt_file_path, ms_file_path), fitted, compare_value, print_level, rtol, atol, equal_nan, symmetric, _SIDES
    )


def compare_ms_ckpt(
    orig_file_path: Any,
    target_file_path: Any,
    compare_value: bool = True,
    print_level: int = 1,
    rtol: float | None = 1e-4,
    atol: float | None = 1e-4,
    equal_nan: bool = False,
    symmetric: bool = True,
) -> pd.DataFrame:
    """Compare two MindSpore checkpoints, parameter by parameter; as `compare_pth_and_ckpt`."""
    files = orig_file_path, target_file_path
    return _compared(files, None, compare_value, print_level, rtol, atol, equal_nan, symmetric, ("orig", "target"))


def _compared(
    files: tuple[Any, Any],
    weight_map: WeightMap | None,
    compare_value: bool,
    print_level: int,
    rtol: float | None,
    atol: float | None,
    equal_nan: bool,
    symmetric: bool,
    sides: Sequence[str],
) -> pd.DataFrame:
    if print_level not in {0, 1, 2}:
        raise ProfkitError(f"print_level {print_level!r} is unknown", "0 nothing, 1 all, 2 what differs")
    paths = [Path(os.fspath(file)) for file in files]
    shapes = compare_weights(*paths, weight_map=weight_map, shapes_only=True)
    print_issues(shapes.issues)
    if shapes.cut:
        raise UnreadableInputError(shapes.cut, "copy or save it again")
    _print(shapes.parity, "The list of comparison results for shapes", print_level, sides, shapes=True)
    if not compare_value:
        return shapes.parity
    values = compare_weights(
        *paths, weight_map=weight_map, rtol=rtol, atol=atol, symmetric=symmetric, equal_nan=equal_nan
    )
    _print(values.parity, "The list of comparison results for values", print_level, sides)
    return values.parity


def _print(parity: pd.DataFrame, title: str, level: int, sides: Sequence[str], *, shapes: bool = False) -> None:
    if level == 0:
        return
    shown = parity[parity["status"] != "match"] if level == _DIFFERING else parity
    columns = ("name_a", "name_b", "status", "shape_a", "shape_b", "reason") if shapes else None
    print_parity(shown, title, sides=sides, columns=columns, of=parity)


def _fitting_map(given: WeightMap, source: NetDescription, target: NetDescription) -> WeightMap:
    """Give a map with the rows of the given one that fit the target, and rows made from both networks for the rest."""
    shapes = {one.name: one.shape for one in target.parameters}
    sources = {one.name: one.shape for one in source.parameters}
    fitting = {}
    for row in given.rows:
        if row.target not in shapes or any(sources.get(name) is None for name in row.sources) or not row.sources:
            continue
        shape = shapes[row.target]
        try:
            given_shape = shape_after(row.operations, [sources[name] or () for name in row.sources])
        except ProfkitError:
            continue
        if shape is None or shape == given_shape:
            fitting[row.sources] = row
    if len(fitting) == sum(row.target in shapes for row in given.rows if row.sources) and fitting:
        left = [row for row in given.rows if row.sources and row.target not in shapes]
        if not left:
            return given
    made = make_map(source, target)
    taken = {row.target for row in fitting.values()}
    rows = [*fitting.values()]
    rows += [row for row in made.rows if row.sources not in fitting and (row.target is None or row.target not in taken)]
    return replace(made, rows=tuple(rows))


def _given_map(path: Any, tables: Sequence[Mapping[str, str]] | None, folder: Path) -> WeightMap:
    """Read the map from its file, or the two tables as if they were one: functions in them are never called."""
    if tables is None:
        if path is None:
            raise ProfkitError("convert_weight has no map", "give weight_map_path or weight_map")
        return read_map(path)
    file = folder / "map.json"
    try:
        file.write_text(json.dumps([dict(table) for table in tables]), encoding="ascii")
    except (TypeError, ValueError) as error:
        raise ProfkitError(f"weight_map is not the pair that get_weight_map gives: {error}", "give that") from error
    return read_map(file)


def _torch_file(path: Any, parameters: Mapping[str, Any] | None, folder: Path) -> Path:
    if parameters is None:
        if path is None:
            raise ProfkitError("convert_weight has no weights", "give pt_file_path or pt_param_dict")
        return Path(os.fspath(path))
    file = folder / "parameters.pth"
    import_torch("pt_param_dict").save(dict(parameters), file)
    return file


def _writable(path: Any) -> Path:
    target = Path(os.fspath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProfkitError(f"{target.parent} cannot be made: {error.strerror}", "give another path") from error
    return target


def _refuse(left: Mapping[str, Any], call: str) -> None:
    if left:
        raise ProfkitError(f"{call} takes no {next(iter(left))!r}", "see its help")
