"""The largest magnitude of each tensor of a dump, remembered so that a second look need not read gigabytes again.

What is remembered is advice, as the hashes of files are: it counts only for a file of the same place, device, inode,
size, time of modification and time of change, and only if both times lay well before the tensor was read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from profkit.errors import ProfkitError
from profkit.file_state import FileState, is_settled, state_of
from profkit.store import file_in_one_step

_TENSORS_REMEMBERED = 200_000
_LARGEST_MEMORY_BYTES = 1 << 28

Peak = tuple[bool, bool, bool, float]
"""Whether there is a NaN, an Inf and no NaN, the largest value of the dtype; and the largest magnitude."""
_DECODER = msgspec.msgpack.Decoder(dict[str, tuple[FileState, Peak]])


class TensorPeaks:
    """Peaks of tensors, with a memory in one file.

    Args:
        memory: The file; absent, damaged or not writable is no failure, it only costs time.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known = _read(memory)
        self._changed = False

    def get(self, path: str, member: str, dtype: str) -> Peak | None:
        """Give what is remembered of a tensor; None if nothing is, or its file has changed since."""
        known = self._known.get(_key(path, member, dtype))
        return known[1] if known is not None and known[0] == _state(path) else None

    @contextmanager
    def looking_at(self, path: str, member: str, dtype: str) -> Iterator[Callable[[Peak], None]]:
        """Give a function that takes the peak of a tensor; it is kept if the file did not change meanwhile."""
        before, began_ns, taken = _state(path), time.time_ns(), list[Peak]()
        yield taken.append
        settled = before is not None and is_settled(before, began_ns)
        if before is not None and settled and taken and _state(path) == before:
            nan, inf, saturated, magnitude = taken[0]
            self._known.pop(_key(path, member, dtype), None)
            self._known[_key(path, member, dtype)] = (before, (nan, inf, saturated, magnitude))
            self._changed = True

    def save(self) -> None:
        """Write what was learned, at once and whole."""
        if not self._changed:
            return
        kept = dict(list(self._known.items())[-_TENSORS_REMEMBERED:])
        with suppress(OSError):
            self._memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(ProfkitError), file_in_one_step(self._memory) as file:
            file.write(msgspec.msgpack.encode(kept))


def _key(path: str, member: str, dtype: str) -> str:
    return "\0".join((os.path.abspath(path), member, dtype))  # noqa: PTH100 - Path.absolute is ten times as slow


def _state(path: str) -> FileState | None:
    try:
        return state_of(os.stat(path))  # noqa: PTH116 - called for ten thousand files
    except OSError:
        return None


def _read(memory: Path) -> dict[str, tuple[FileState, Peak]]:
    try:
        if memory.stat().st_size > _LARGEST_MEMORY_BYTES:
            return {}
        return _DECODER.decode(memory.read_bytes())
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
