"""Small calls of the migration guide's scripts, under their names: `ts.widget.get_pt_grads(net)` and others."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.errors import ProfkitError, first_line_of
from profkit.frameworks import import_mindspore, is_mindspore_cell, is_torch_module
from profkit.loss_curves import LossLog, compared_losses, loss_statistics, read_loss_log
from profkit.randomness import fix_random
from profkit.report.figures import loss_error_line, loss_lines
from profkit.report.formats import render
from profkit.safe_text import printable
from profkit.store import write_bytes_in_one_step

__all__ = ["fix_random", "get_pt_grads", "load_ms_weight2net", "loss_compare"]


def get_pt_grads(model: Any) -> dict[str, Any]:
    """Give the gradients of a torch network by `{name}_{index}` of its parameters, in their order.

    A parameter without gradient (frozen, or not reached by backward()) is None, which `ts.save` leaves out.

    Raises:
        ProfkitError: It is no torch network.
    """
    if not is_torch_module(model):
        raise ProfkitError(f"a {type(model).__name__} is no torch.nn.Module", "give the network that was trained")
    return {f"{name}_{index}": value.grad for index, (name, value) in enumerate(model.named_parameters())}


def load_ms_weight2net(model: Any, file: Any) -> tuple[list[str], list[str]]:
    """Load a checkpoint into a MindSpore network.

    Returns:
        Parameters of the network that the file does not hold, and names in the file that the network has not. Both are
        also said on stderr.

    Raises:
        ProfkitError: It is no MindSpore network, or the file is none of its checkpoints.
    """
    if not is_mindspore_cell(model):
        raise ProfkitError(f"a {type(model).__name__} is no mindspore.nn.Cell", "give the network to load into")
    mindspore = import_mindspore("load_ms_weight2net")
    path = os.fspath(file)
    try:
        values = mindspore.load_checkpoint(path)
        missing, unknown = mindspore.load_param_into_net(model, values)
    except (ValueError, RuntimeError, TypeError, OSError) as error:
        reason = first_line_of(error)
        raise ProfkitError(f"{path} cannot be loaded into the network: {reason}", "check file and network") from error
    unknown = [name for name in unknown if name in values]
    for names, what in ((missing, "the file has no value for"), (unknown, "the network has no place for")):
        for name in names:
            sys.stderr.write(f"{printable(path)}: {what} {printable(name)}\n")
    return list(missing), unknown


def loss_compare(
    left_file: Mapping[str, Any],
    right_file: Mapping[str, Any],
    title: str = "Loss Compare",
    *,
    output_dir: Any = "loss_compare",
) -> pd.DataFrame:
    """Compare the losses that two training runs wrote into their logs.

    Args:
        left_file: {"path": log, "loss_tag": the text before the number, "label": what to call it}; the reference.
        right_file: The same of the other run.
        title: What to write above the picture.
        output_dir: Where loss_compare.png, error.png, statistic.csv and the losses of each log as .csv are written.

    Returns:
        One row a step: step, left, right, abs_error, rel_error (profkit.loss_curves.compared_losses).

    Raises:
        ProfkitError: A log cannot be read or holds no loss, or the directory cannot be written.
    """
    left, right = read_loss_log(left_file), read_loss_log(right_file)
    curves = compared_losses(left, right)
    statistics = loss_statistics(curves, left, right)
    folder = Path(os.fspath(output_dir))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProfkitError(f"{folder} cannot be made: {error.strerror}", "give another output_dir") from error
    contents = {
        "loss_compare.png": loss_lines(curves, (left.label, right.label), title, "png"),
        "error.png": loss_error_line(curves, "png"),
        "statistic.csv": render(statistics, "csv"),
    }
    for log, name in zip((left, right), _names_of_logs(left, right), strict=True):
        contents[name] = render(pd.DataFrame({"loss": log.losses}), "csv")
    for name, content in contents.items():
        write_bytes_in_one_step(folder / name, content)
    _tell(left, right, statistics, folder)
    return curves


def _names_of_logs(left: LossLog, right: LossLog) -> tuple[str, str]:
    if left.path.name != right.path.name:
        return f"{left.path.name}.csv", f"{right.path.name}.csv"
    return f"left_{left.path.name}.csv", f"right_{right.path.name}.csv"


def _tell(left: LossLog, right: LossLog, statistics: pd.DataFrame, folder: Path) -> None:
    from profkit.migrator.printed_tables import print_table  # noqa: PLC0415 - the table alone needs it

    print_table(statistics, f"{left.label} against {right.label}")
    lengths = len(left.losses), len(right.losses)
    if lengths[0] != lengths[1]:
        sys.stdout.write(f"{lengths[0]:,} losses against {lengths[1]:,}: the rest of the longer log is not compared\n")
    for log in (left, right):
        if log.unread:
            sys.stderr.write(f"{printable(log.path)}: {log.unread:,} lines have the tag and no number behind it\n")
    sys.stdout.write(f"written to {printable(folder)}\n")
