"""Losses out of the logs of two training runs, side by side."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from profkit.errors import ProfkitError
from profkit.safe_text import printable

_NUMBER = re.compile(
    r"[\s:=]*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?)\b)", re.IGNORECASE
)
# A log line beyond this is no log line; it bounds what a file without line ends costs.
_LONGEST_LINE = 1 << 20
_KEYS = ("path", "loss_tag", "label")


@dataclass(frozen=True)
class LossLog:
    """The losses of one log.

    Attributes:
        path: The file.
        label: What to call it.
        losses: In the order of the lines, NaN and Inf included.
        unread: Lines that have the tag and no number behind it.
    """

    path: Path
    label: str
    losses: np.ndarray[Any, np.dtype[np.float64]]
    unread: int


def read_loss_log(described: Mapping[str, Any]) -> LossLog:
    """Read the number behind the first tag of each line that has one.

    Args:
        described: path, loss_tag (the text before the number) and label, as `ts.widget.loss_compare` takes them.

    Raises:
        ProfkitError: A key is missing, the file cannot be read, or no line holds a loss.
    """
    missing = [key for key in _KEYS[:2] if not described.get(key)]
    if missing:
        raise ProfkitError(f"the description of a loss log has no {missing[0]!r}", f"give {', '.join(_KEYS)}")
    path, tag = Path(os.fspath(described["path"])), str(described["loss_tag"])
    losses: list[float] = []
    unread = 0
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            while line := lines.readline(_LONGEST_LINE):
                _, found, rest = line.partition(tag)
                if not found:
                    continue
                match = _NUMBER.match(rest)
                if match is None:
                    unread += 1
                else:
                    losses.append(float(match[1]))
    except OSError as error:
        raise ProfkitError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    if not losses:
        what = f"{unread:,} lines have it without a number" if unread else "no line has it"
        raise ProfkitError(f"{path} holds no loss behind {printable(tag)!r}: {what}", "check loss_tag against the log")
    return LossLog(path, str(described.get("label") or path.name), np.asarray(losses), unread)


def compared_losses(left: LossLog, right: LossLog) -> pd.DataFrame:
    """Give the losses side by side.

    Returns:
        One row a step: step (int64, from 0), left and right (float64, NaN where a log has ended), abs_error and
        rel_error (|left-right| and that over |left|; NaN where either is missing or not finite, or left is 0).
    """
    steps = max(len(left.losses), len(right.losses))
    sides = [np.concatenate([log.losses, np.full(steps - len(log.losses), math.nan)]) for log in (left, right)]
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(sides[0] - sides[1])
        error = np.where(np.isfinite(sides[0]) & np.isfinite(sides[1]), error, math.nan)
        relative = np.where(sides[0] != 0, error / np.abs(sides[0]), math.nan)
    return pd.DataFrame(
        {"step": np.arange(steps), "left": sides[0], "right": sides[1], "abs_error": error, "rel_error": relative}
    )


def loss_statistics(curves: pd.DataFrame, left: LossLog, right: LossLog) -> pd.DataFrame:
    """Give largest, smallest and mean finite loss of each side, and the largest errors, in one row."""
    row: dict[str, float] = {}
    for name, log in (("LEFT", left), ("RIGHT", right)):
        finite = log.losses[np.isfinite(log.losses)]
        for word, figure in (("MAX", np.max), ("MIN", np.min), ("MEAN", np.mean)):
            row[f"{name}_{word}"] = float(figure(finite)) if len(finite) else math.nan
    for name in ("abs_error", "rel_error"):
        row[f"MAX_{name.upper()}"] = float(curves[name].max())
    for name, log in (("LEFT", left), ("RIGHT", right)):
        row[f"{name}_COUNT"] = len(log.losses)
        row[f"{name}_NOT_FINITE"] = int((~np.isfinite(log.losses)).sum())
    return pd.DataFrame([row])
