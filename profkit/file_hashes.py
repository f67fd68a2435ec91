"""SHA-256 of files, remembered so that an unchanged file of several gigabytes is not read again to know it.

What is remembered is advice, never trusted beyond doubt: it counts only for a file of the same place, device, inode,
size, time of modification and time of change, and only if both times lay well before the hash was taken. A file that
was touched since, or so shortly before that a further write could carry the same time, is hashed anew.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec

from profkit.errors import ProfkitError
from profkit.file_state import FileState, is_settled, state_of
from profkit.progress import Progress
from profkit.store import file_in_one_step

_BLOCK_BYTES = 1 << 20
# Below it hashing costs less than it is worth to remember (a millisecond at 1 GB/s).
_SMALLEST_REMEMBERED_BYTES = 1 << 20
_FILES_REMEMBERED = 1000
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_DECODER = msgspec.json.Decoder(dict[str, tuple[FileState, _Digest]])


class FileHashes:
    """Hashes of files, with a memory in one file.

    Args:
        memory: The file; absent, damaged or not writable is no failure, it only costs time.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known = _read(memory)
        self._changed = False

    def digests(self, files: Sequence[Path], progress: Progress) -> list[str]:
        """Give the SHA-256 of each file as hexadecimal text.

        Raises:
            OSError: A file cannot be read.
        """
        total = max(sum(file.stat().st_size for file in files), 1)
        done = 0
        found = []
        for file in files:
            progress("checking", file.name, done / total)
            found.append(self._digest(file, done, total, progress))
            done += file.stat().st_size
        if self._changed:
            self._save()
        return found

    def _digest(self, file: Path, done: int, total: int, progress: Progress) -> str:
        place = str(file.resolve())
        with file.open("rb") as stream:
            before = state_of(os.fstat(stream.fileno()))
            remembered = self._known.get(place)
            if remembered is not None and remembered[0] == before:
                return remembered[1]
            began_ns = time.time_ns()
            digest = hashlib.sha256()
            # A file that grows as fast as it is read would never end.
            while stream.tell() < before[2] and (block := stream.read(_BLOCK_BYTES)):
                digest.update(block)
                progress("checking", file.name, min((done + stream.tell()) / total, 1.0))
            unchanged = is_settled(before, began_ns) and state_of(os.fstat(stream.fileno())) == before
            if unchanged and before[2] >= _SMALLEST_REMEMBERED_BYTES:
                self._known.pop(place, None)
                self._known[place] = (before, digest.hexdigest())
                self._changed = True
            return digest.hexdigest()

    def _save(self) -> None:
        kept = dict(list(self._known.items())[-_FILES_REMEMBERED:])
        with suppress(ProfkitError), file_in_one_step(self._memory) as file:
            file.write(msgspec.json.encode(kept))


def _read(memory: Path) -> dict[str, tuple[FileState, str]]:
    try:
        return _DECODER.decode(memory.read_bytes())
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
