"""Opening a tensor wherever it is stored: a file of its own, or a part of an archive, a checkpoint or a raw dump.

A row of the tensors frame names the bytes by `path` and `member`. The kind of file is told by its suffix; each kind has
one opener, imported when it is first needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

from profkit.parsers.dump.array_file import AnyArray

Opener = Callable[[Path, str], AnyArray]

_CHECKPOINT = "profkit.parsers.checkpoint.checkpoint_tensor:open_member"
# suffix -> "module:function" of (path, member); the member is "" where the file is one tensor.
_OPENERS: dict[str, str] = {
    ".npy": "profkit.parsers.dump.array_file:open_member",
    ".npz": "profkit.parsers.dump.npz_file:open_npz_member",
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".safetensors", ".tar", ".pkl"), _CHECKPOINT),
}
# Dumps of the device runtime have no suffix: what follows the last dot is a time or another number.
_WITHOUT_SUFFIX = "profkit.parsers.dump.async_dump:open_part"
_NAMED_PART = re.compile(r"(?:input|output)\.\d{1,9}")
# Tensors of a dtype that .npy has no word for: the dtype stands behind the last dot.
_BARE = "profkit.parsers.dump.raw_tensor:open_member"


def open_tensor(path: Path | str, member: str | None = None) -> AnyArray:
    """Open a tensor as it is stored; a large one is mapped where its file allows it.

    Args:
        path: The file that holds the bytes.
        member: Which part of the file; None where the file is one tensor.

    Returns:
        The array; bfloat16 and other formats that numpy lacks are widened to float32, which changes no value.

    Raises:
        UnreadableInputError: The file or the part is missing, damaged or of no kind that is read.
    """
    path = Path(path)
    target = _OPENERS.get(path.suffix.lower())
    if target is None:
        target = _WITHOUT_SUFFIX if member and _NAMED_PART.fullmatch(member) else _BARE
        # .bin is a bare dump or a checkpoint, which alone has named parts.
        target = _CHECKPOINT if path.suffix.lower() == ".bin" and member else target
    return _opener(target)(path, member or "")


@cache
def _opener(target: str) -> Opener:
    module, _, name = target.partition(":")
    opener: Opener = getattr(import_module(module), name)
    return opener
