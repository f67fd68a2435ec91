"""What of a file changes whenever its content does, so that what was learned of it once need not be learned again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

# The coarsest clock of a file system in use (FAT) counts in steps of 2 s.
_CLOCK_STEP_NS = 2 * 10**9

FileState = tuple[int, int, int, int, int]
"""Device, inode, size in bytes, and times of modification and of change (which nobody can set back), ns."""


def state_of(status: os.stat_result) -> FileState:
    """Give the state of a file whose status was asked for."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_states(files: Sequence[Path]) -> list[FileState]:
    """Give the states of files: two equal answers mean that nothing was written in between.

    Raises:
        OSError: A file cannot be read.
    """
    return [state_of(file.stat()) for file in files]


def is_settled(state: FileState, at_ns: int) -> bool:
    """Say whether a file in this state at this time (ns since the epoch) cannot be written again and keep its state."""
    return max(state[-2:]) + _CLOCK_STEP_NS < at_ns
