"""Where a result comes from, as frames: the inputs with their formats, and the import issues."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from profkit.errors import ImportIssue
from profkit.run import Run, Source
from profkit.schema import ISSUES, SOURCES


def source_table(sources: Iterable[tuple[str, Source]]) -> pd.DataFrame:
    """Give the `sources` frame of (side, source) pairs; a side is ref, run, a, b or input."""
    rows = [
        {
            "side": side,
            "path": str(source.path),
            "format": source.format,
            "version": source.writer_version,
            "framework": source.framework,
            "rank": source.rank,
            "steps": source.rows.get("steps", 0),
            "rows": sum(source.rows.values()),
            "issues": len(source.issues),
            "reason": source.reason,
        }
        for side, source in sources
    ]
    return SOURCES.from_rows(rows)


def issue_table(issues: Iterable[ImportIssue]) -> pd.DataFrame:
    """Give the `issues` frame."""
    rows = [
        {"severity": issue.severity.value, "source": issue.source, "where": issue.where, "text": issue.text}
        for issue in issues
    ]
    return ISSUES.from_rows(rows)


def sides(**runs: Run | None) -> list[tuple[str, Source]]:
    """Give the (side, source) pairs of runs named by their side."""
    return [(side, source) for side, run in runs.items() if run is not None for source in run.sources]
