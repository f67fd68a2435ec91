"""Writes the rows a view shows to a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.errors import ProfkitError
from profkit.report.formats import render

_ROWS_AT_ONCE = 50_000
_MOST_FILES = 1_000


_SUFFIXES = {"csv": ".csv", "json": ".json", "markdown": ".md"}


def export(frame: pd.DataFrame, order: npt.NDArray[np.intp], directory: Path, view: str, form: str = "csv") -> Path:
    """Write rows with all columns of their frame, as `--format` does; no file is overwritten.

    Args:
        frame: The rows.
        order: Which of them, in which order.
        directory: Where the file goes.
        view: Word in the file's name: profkit-<view>.csv, or profkit-<view>-2.csv and so on.
        form: csv, json or markdown.

    Returns:
        The file.

    Raises:
        ProfkitError: It cannot be written; nothing is left behind.
    """
    path = _new_file(directory, view, _SUFFIXES[form])
    try:
        with path.open("wb") as file:
            if form != "csv":
                file.write(render(frame.iloc[order], form))
                return path
            for start in range(0, max(len(order), 1), _ROWS_AT_ONCE):
                lines = render(frame.iloc[order[start : start + _ROWS_AT_ONCE]], "csv")
                file.write(lines if start == 0 else lines.partition(b"\n")[2])
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ProfkitError(f"{path} cannot be written: {error.strerror}", "free some space and export again") from error
    return path


def _new_file(directory: Path, view: str, suffix: str) -> Path:
    for number in range(1, _MOST_FILES):
        path = directory / (f"profkit-{view}{suffix}" if number == 1 else f"profkit-{view}-{number}{suffix}")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            continue
        except OSError as error:
            raise ProfkitError(
                f"{path} cannot be written: {error.strerror}", "start profkit in a directory you may write to"
            ) from error
        return path
    raise ProfkitError(f"{directory} holds {_MOST_FILES - 1} exports of {view}", "move some of them away")
