"""Arrays by name on their way from one side to the judge: what a run or a step did to a network's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profkit.frameworks import import_mindspore, import_torch

Arrays = dict[str, NDArray[Any]]
SUFFIXES = {"pytorch": ".pth", "mindspore": ".ckpt"}
BUFFERS, GRADIENTS, STEPS = "buffers", "gradients", ("step1", "step2")
LATER_GRADIENTS = 3.0
"""The second step is made with this many times the gradients of the first: with the same, Adam's betas cancel."""


def changes(before: Mapping[str, NDArray[Any]], after: Mapping[str, NDArray[Any]]) -> Arrays:
    """Give what was added to each element.

    Args:
        before: Arrays by name.
        after: The same, later.
    """
    return {name: (array.astype(np.float64) - before[name]).astype(np.float32) for name, array in after.items()}


def save_arrays(arrays: Mapping[str, NDArray[Any]], folder: Path, name: str, framework: str) -> None:
    """Write arrays as a checkpoint of a framework; none where there are none."""
    if not arrays:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}{SUFFIXES[framework]}"
    if framework == "pytorch":
        torch = import_torch("saving arrays")
        torch.save({key: torch.from_numpy(np.array(one)) for key, one in arrays.items()}, path)
    else:
        mindspore = import_mindspore("saving arrays")
        content = [{"name": key, "data": mindspore.Tensor(one)} for key, one in arrays.items()]
        mindspore.save_checkpoint(content, str(path))
