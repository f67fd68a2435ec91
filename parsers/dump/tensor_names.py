"""What the file names of saved tensors say: TensorDump, TroubleShooter, numbered files."""

from __future__ import annotations

import re
from typing import NamedTuple

# {name}_{dtype}_{number}.npy of TensorDump (MindSpore 2.6 and later) and of the TroubleShooter's later versions.
_NUMBER_LAST = re.compile(
    r"(?P<name>.+)_(?:bool|u?int(?:8|16|32|64)|b?float16|float(?:32|64)|complex(?:64|128))_(?P<order>\d{1,18})",
    re.DOTALL,
)
# {number}_{name}.npy: the TroubleShooter in PyTorch, TensorDump before 2.6, and the usual way of numbering by hand.
_NUMBER_FIRST = re.compile(r"(?P<order>\d{1,18})_(?P<name>.+)", re.DOTALL)
_GRADIENT_SUFFIX = re.compile(r"_(?:backward|grad)$")


class SavedName(NamedTuple):
    """What the name of a saved .npy file says.

    Attributes:
        name: The name given by whoever saved it, without number, dtype and gradient suffix.
        order: The number of the save; None if the name has none.
        gradient: The suffix says that it is a gradient.
    """

    name: str
    order: int | None
    gradient: bool


def saved_name(file_name: str) -> SavedName:
    """Read the name of a .npy file that a person or a saving tool wrote; any name is a plain one at the least."""
    stem = file_name[: -len(".npy")] if file_name.lower().endswith(".npy") else file_name
    match = _NUMBER_LAST.fullmatch(stem) or _NUMBER_FIRST.fullmatch(stem)
    name = match["name"] if match else stem
    bare = _GRADIENT_SUFFIX.sub("", name)
    return SavedName(bare or name, int(match["order"]) if match else None, bool(bare) and bare != name)


def is_encodable(file_name: str) -> bool:
    """Tell whether a name is valid text; one of raw bytes that are no UTF-8 cannot stand in a frame."""
    try:
        file_name.encode()
    except UnicodeEncodeError:
        return False
    return True
