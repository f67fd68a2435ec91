"""A Run: one recorded run of one framework, as frames; and how a path becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from profkit.errors import ImportIssue
from profkit.parsers.base import Framework
from profkit.schema import COMM, MEMORY, OPS, SPANS, STEPS, TENSORS


@dataclass(frozen=True)
class Source:
    """One file or directory that a run was read from.

    Attributes:
        path: The file or directory.
        format: Name of the parser.
        framework: Who wrote it.
        rank: Process number; -1 unknown.
        writer_version: Version of the writer as far as the file tells it.
        rows: Rows it gave, by frame.
        reason: Why it was taken for this format.
        issues: What was repaired, lost or refused while reading it.
        facts: Further facts of the recording.
    """

    path: Path
    format: str
    framework: Framework
    rank: int
    writer_version: str | None
    rows: Mapping[str, int]
    reason: str
    issues: tuple[ImportIssue, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One recorded run of one framework.

    Attributes:
        path: What the user named.
        framework: Who ran; "unknown" if no source tells it.
        ops, spans, steps, memory, comm, tensors: Frames of profkit.schema; empty if nothing of the sort was recorded.
        sources: Where each part came from.
    """

    path: Path
    framework: Framework
    ops: pd.DataFrame = field(default_factory=OPS.empty)
    spans: pd.DataFrame = field(default_factory=SPANS.empty)
    steps: pd.DataFrame = field(default_factory=STEPS.empty)
    memory: pd.DataFrame = field(default_factory=MEMORY.empty)
    comm: pd.DataFrame = field(default_factory=COMM.empty)
    tensors: pd.DataFrame = field(default_factory=TENSORS.empty)
    sources: tuple[Source, ...] = ()

    @property
    def issues(self) -> tuple[ImportIssue, ...]:
        """The import issues of all sources."""
        return tuple(issue for source in self.sources for issue in source.issues)
