"""What the directories above a saved tensor tell of it: outputs or gradients, iteration, rank."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

_IO_FOLDERS = {
    **dict.fromkeys(("output", "outputs", "activation", "activations", "forward"), "output"),
    **dict.fromkeys(("grad", "grads", "gradient", "gradients", "backward"), "gradient"),
    **dict.fromkeys(("input", "inputs"), "input"),
    **dict.fromkeys(("param", "params", "parameter", "parameters", "weight", "weights"), "parameter"),
}
_ITERATION_FOLDER = re.compile(r"(?:step|iter|iteration)[_-]?(\d{1,9})", re.IGNORECASE)
_RANK_FOLDER = re.compile(r"rank[_-]?(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True)
class SavedPlace:
    """What the directories above a file tell of it.

    Attributes:
        io: input, output, gradient or parameter; None if no name tells.
        iteration: -1 unknown.
        rank: -1 unknown.
        prefix: Names of the directories that tell nothing else, part of the tensors' names.
    """

    io: str | None = None
    iteration: int = -1
    rank: int = -1
    prefix: str = ""

    def below(self, folder: str) -> SavedPlace:
        """Give what is known below a directory of this name."""
        io = _IO_FOLDERS.get(folder.lower())
        if io is not None:
            return replace(self, io=io)
        if match := _ITERATION_FOLDER.fullmatch(folder):
            return replace(self, iteration=int(match[1]))
        if match := _RANK_FOLDER.fullmatch(folder):
            return replace(self, rank=int(match[1]))
        return replace(self, prefix=f"{self.prefix}{folder}/")


def place_above(path: Path) -> SavedPlace:
    """Give what the three directories above a file tell; their names are no part of the tensors' names."""
    place = SavedPlace()
    for folder in reversed(path.resolve().parents[:3]):
        place = place.below(folder.name)
    return replace(place, prefix="")
