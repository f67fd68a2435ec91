"""Names of the files that `save` writes, and their numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from profkit.errors import ProfkitError

# A key of a dict becomes part of a file name: it must neither leave the directory nor break a terminal.
_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f-\x9f\ud800-\udfff]')

_counts: dict[str, int] = {}
_lock = Lock()


def place_of(file: Any) -> tuple[Path, str]:
    """Split what the user gave into directory and name.

    Raises:
        ProfkitError: It names no file.
    """
    text = os.fspath(file) if isinstance(file, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise ProfkitError(f"save needs a file name, not a {type(file).__name__}", 'give one such as "out/pred"')
    folder, name = os.path.split(text)
    if not name or name in {".", "..", ".npy"} or "\0" in text:
        raise ProfkitError(f"{text!r} names no file to save to", 'give a name such as "out/pred"')
    return Path(folder or "."), name.removesuffix(".npy")


def next_number(folder: Path) -> int:
    """Give the number of the next tensor saved into a directory by this process, from 0."""
    with _lock:
        key = os.path.realpath(folder)
        number = _counts.get(key, 0)
        _counts[key] = number + 1
        return number


def leaves(name: str, data: Any) -> Iterator[tuple[str, Any]]:
    """Give name and value of each tensor of nested lists, tuples and dicts, in their order; None is left out."""
    if data is None:
        return
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from leaves(f"{name}.{_UNSAFE.sub('_', str(key))}", value)
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from leaves(f"{name}.{index}", value)
    else:
        yield name, data


def with_suffix(name: str, suffix: str | None) -> str:
    """Add the user's suffix to a name."""
    return f"{name}_{_UNSAFE.sub('_', suffix)}" if suffix else name
