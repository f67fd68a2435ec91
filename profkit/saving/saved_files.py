"""Writing what `save` is given."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.errors import ProfkitError
from profkit.safe_text import printable
from profkit.saving.saved_names import leaves, next_number, place_of, with_suffix
from profkit.saving.tensor_values import array_of

_MODES = ("npy", "print")
PRINTED_NAME = "_TS_SAVE_NAME:"


def save_tensors(file: Any, data: Any, suffix: str | None, output_mode: str) -> None:
    """Write each tensor of the data to its own file, or print it; as `profkit.saving.save`."""
    check_mode(output_mode)
    folder, name = place_of(file)
    for leaf, value in leaves(name, data):
        full_name = with_suffix(leaf, suffix)
        array = array_of(value, full_name)
        if output_mode == "print":
            sys.stdout.write(f"{PRINTED_NAME}{printable(full_name)} {array!r}\n")
        else:
            _write(folder / f"{next_number(folder)}_{full_name}.npy", array)


def check_mode(output_mode: str) -> None:
    """Refuse an output mode that there is not.

    Raises:
        ProfkitError: It is none of the modes.
    """
    if output_mode not in _MODES:
        raise ProfkitError(f"output_mode {output_mode!r} is unknown", f"use one of {', '.join(_MODES)}")


def _write(path: Path, array: NDArray[Any]) -> None:
    """Write a file in one step: one that is seen is whole."""
    # Gradients of one step are computed, and saved, by several threads.
    unfinished = path.with_name(f".{os.getpid()}-{get_ident()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise ProfkitError(
            f"{path} cannot be written: {error.strerror}", "check the path and the space left"
        ) from error
