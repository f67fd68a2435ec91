"""What a parser is: it says what it reads, recognises it with a reason, and gives frames and issues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import pandas as pd

from profkit.errors import ImportIssue
from profkit.progress import Progress

Framework = Literal["pytorch", "mindspore", "unknown"]


@dataclass(frozen=True)
class Descriptor:
    """What a parser reads.

    Attributes:
        name: Short name of the format, shown to users (kineto-trace).
        title: One line for `profkit inspect`.
        framework: Who writes the format; "unknown" where both do or the file tells.
        clock: What its times count from ("unix epoch", "start of trace", "none").
        unit: Unit of time in the file ("us with 3 decimals", "ns", "none").
        frames: Names of the frames it can give (keys of schema.RECORDED_FRAMES).
        version: Raised whenever the same bytes would give other frames; part of the cache key.
        cacheable: False where reading costs less than hashing (a directory listing of tensors).
    """

    name: str
    title: str
    framework: Framework
    clock: str
    unit: str
    frames: tuple[str, ...]
    version: int = 1
    cacheable: bool = True


@dataclass(frozen=True)
class Recognition:
    """A parser's claim on a path.

    Attributes:
        reason: What in the content made it so, one sentence shown to users.
        files: The files the result depends on (hashed for the cache); sorted.
    """

    reason: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Parsed:
    """What a parser gives.

    Attributes:
        frames: Valid frames by name; absent means "this format has none", an empty frame "none were recorded".
        issues: What was repaired, lost or refused; never an exception for one bad row.
        framework: Who wrote the file.
        rank: Process number; -1 unknown.
        writer_version: Version of the writer as far as the file tells it.
        facts: Further facts for `inspect` (device, level, schedule); never secrets, never raw metadata.
    """

    frames: Mapping[str, pd.DataFrame]
    issues: Sequence[ImportIssue] = ()
    framework: Framework = "unknown"
    rank: int = -1
    writer_version: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


class Parser(Protocol):
    """One format. Stateless; built without arguments."""

    descriptor: Descriptor

    def sniff(self, path: Path) -> Recognition | None:
        """Say whether this file or directory is of the format, from its content and in bounded time.

        Reads at most the first 64 KiB of a file and at most one level of a directory's names. Never raises for odd
        content; an OSError may pass.
        """

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read a path that `sniff` recognised.

        Raises:
            UnreadableInputError: Nothing could be saved from it.
        """


@runtime_checkable
class CountsKernels(Protocol):
    """A parser of recordings that hold hardware counters of kernels: too many values to be read unasked."""

    def read_counters(self, path: Path, progress: Progress) -> tuple[pd.DataFrame, list[ImportIssue]]:
        """Give frame `counters`, and what was lost.

        Raises:
            UnreadableInputError: The table of kernels cannot be read.
        """
