"""Opening one tensor of a checkpoint: the format is told by the content, as suffixes are shared between frameworks."""

from __future__ import annotations

from pathlib import Path

from profkit.errors import UnreadableInputError
from profkit.parsers.checkpoint.mindspore_file import open_mindspore_parameter
from profkit.parsers.checkpoint.safetensors_file import begins_as_safetensors, open_safetensor
from profkit.parsers.checkpoint.torch_file import ZIP_MAGIC, open_torch_tensor
from profkit.parsers.dump.array_file import AnyArray

_PICKLE_BEGINS = b"\x80"


def open_member(path: Path, member: str) -> AnyArray:
    """Open a tensor of a .pt, .pth, .ckpt or .safetensors file.

    Args:
        path: The file.
        member: Its name in the file; "" where the file is one tensor.

    Raises:
        UnreadableInputError: The file cannot be read, or has no such tensor.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(16)
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be opened: {error.strerror}", "check the path") from error
    if begin.startswith((ZIP_MAGIC, _PICKLE_BEGINS)):
        return open_torch_tensor(path, member)
    if begins_as_safetensors(begin, size):
        return open_safetensor(path, member)
    return open_mindspore_parameter(path, member)
