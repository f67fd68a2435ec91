"""`save_net_and_weight_params`: a network as the files that the migration guide compares."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from profkit.errors import ProfkitError, first_line_of
from profkit.frameworks import import_mindspore, import_torch, is_mindspore_cell, is_torch_module
from profkit.store import write_bytes_in_one_step
from profkit.structure import describe_structure
from profkit.weights import describe_net, predicted_map, write_troubleshooter_map

TORCH_WEIGHTS, TORCH_MAP, TORCH_TEXT = (
    "torch_troubleshooter_create.pth", "torch_net_map.json", "torch_net_architecture.txt",
)  # fmt: skip
MINDSPORE_WEIGHTS, MINDSPORE_TEXT = "mindspore_troubleshooter_create.ckpt", "mindspore_net_architecture.txt"
TORCH_STRUCTURE, MINDSPORE_STRUCTURE = "torch_net_structure.json", "mindspore_net_structure.json"

# An address differs from run to run and says nothing about the network.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def save_net_and_weight_params(
    net: Any = None, path: Any = None, weight_params_filename: str | None = None, **renamed: Any
) -> None:
    """Write a network's weights, its printed form and, of a torch network, the map of its parameter names.

    A torch.nn.Module gives torch_troubleshooter_create.pth, torch_net_map.json and torch_net_architecture.txt, a
    mindspore.nn.Cell mindspore_troubleshooter_create.ckpt and mindspore_net_architecture.txt. Either gives a
    *_net_structure.json as well: what print leaves out, for `profkit structure`.

    Args:
        net: The network; `model` in older scripts.
        path: Directory, made if it is missing; None for the current one.
        weight_params_filename: Name of the weight file instead of the usual one.
        **renamed: `model`, the older name of `net`.

    Raises:
        ProfkitError: It is no network of either framework, or the directory cannot be written.
    """
    net = renamed.pop("model", net)
    if renamed:
        raise ProfkitError(f"save_net_and_weight_params takes no {next(iter(renamed))!r}", "see its help")
    folder = Path.cwd() if path is None else Path(os.fspath(path))
    is_torch = is_torch_module(net)
    if not is_torch and not is_mindspore_cell(net):
        raise ProfkitError(
            f"a {type(net).__name__} is neither a torch.nn.Module nor a mindspore.nn.Cell", "give a network"
        )
    usual, suffix = (TORCH_WEIGHTS, ".pth") if is_torch else (MINDSPORE_WEIGHTS, ".ckpt")
    name = weight_params_filename or usual
    if Path(name).name != name:
        raise ProfkitError(f"weight_params_filename {name!r} is no plain file name", "give the directory as path")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProfkitError(f"{folder} cannot be made: {error.strerror}", "give another path") from error
    if is_torch:
        torch = import_torch("saving a torch network")
        _write(folder / name, suffix, lambda place: torch.save(net.state_dict(), place))
        write_troubleshooter_map(folder / TORCH_MAP, predicted_map(describe_net(net)))
    else:
        mindspore = import_mindspore("saving a MindSpore network")
        _write(folder / name, suffix, lambda place: mindspore.save_checkpoint(net, str(place)))
    text = _ADDRESS.sub("", str(net))
    write_bytes_in_one_step(folder / (TORCH_TEXT if is_torch else MINDSPORE_TEXT), f"{text}\n".encode())
    describe_structure(net).save(folder / (TORCH_STRUCTURE if is_torch else MINDSPORE_STRUCTURE))


def _write(path: Path, suffix: str, write: Callable[[Path], Any]) -> None:
    """Have the framework write a file beside its place, and put it there when it is whole."""
    try:
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
            unfinished = Path(folder) / f"weights{suffix}"
            write(unfinished)
            unfinished.replace(path)
    except (OSError, RuntimeError, ValueError) as error:
        reason = first_line_of(error)
        raise ProfkitError(f"{path} cannot be written: {reason}", "check path and free space") from error
