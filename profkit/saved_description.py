"""Reading what profkit wrote of a network as JSON: bounded, and refused in one line where it is none."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from profkit.errors import UnreadableInputError

_LARGEST_BYTES = 256 << 20
_Written = TypeVar("_Written")


def read_description(path: Path, kind: type[_Written], *, is_none: str, hint: str) -> _Written:
    """Read a file into a struct.

    Args:
        path: The file.
        kind: The struct.
        is_none: What to say of a file that is no such description, behind its path.
        hint: What to name instead.

    Raises:
        UnreadableInputError: It cannot be read, is too large, or is none.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise UnreadableInputError(f"{path} is larger than any description of a network", hint)
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableInputError(f"{path} {is_none}: {str(error)[:120]}", hint) from error
