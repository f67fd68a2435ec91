"""Opening one tensor of a checkpoint: the format is told by the content, as suffixes are shared between frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from profkit.errors import UnreadableInputError
from profkit.parsers.checkpoint.mindspore_file import open_mindspore_words
from profkit.parsers.checkpoint.number_formats import StoredWords, numbers
from profkit.parsers.checkpoint.safetensors_file import begins_as_safetensors, open_safetensor_words
from profkit.parsers.checkpoint.torch_file import ZIP_MAGIC, open_torch_words
from profkit.parsers.dump.array_file import AnyArray

_PICKLE_BEGINS = b"\x80"


def open_member(path: Path, member: str) -> AnyArray:
    """Open a tensor of a .pt, .pth, .ckpt or .safetensors file as numbers.

    Args:
        path: The file.
        member: Its name in the file; "" where the file is one tensor.

    Raises:
        UnreadableInputError: The file cannot be read, or has no such tensor.
    """
    return numbers(*open_words(path, member))


def open_words(path: Path, member: str) -> StoredWords:
    """Open a tensor of a .pt, .pth, .ckpt or .safetensors file, bit for bit as it is stored.

    Args:
        path: The file.
        member: Its name in the file; "" where the file is one tensor.

    Raises:
        UnreadableInputError: The file cannot be read, or has no such tensor.
    """
    content = checkpoint_format(path)
    if content == "torch":
        return open_torch_words(path, member)
    if content == "safetensors":
        return open_safetensor_words(path, member)
    return open_mindspore_words(path, member)


def checkpoint_format(path: Path) -> Literal["torch", "safetensors", "mindspore"]:
    """Tell by its first bytes which format a checkpoint has; what is neither of the others passes for MindSpore's.

    Raises:
        UnreadableInputError: The file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(16)
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be opened: {error.strerror}", "check the path") from error
    # First, as the length that such a file begins with may have the first byte of a pickle.
    if begins_as_safetensors(begin, size):
        return "safetensors"
    return "torch" if begin.startswith((ZIP_MAGIC, _PICKLE_BEGINS)) else "mindspore"
