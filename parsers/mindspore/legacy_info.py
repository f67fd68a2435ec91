"""What profiler_info_{id}.json of MindSpore 2.0 to 2.4 tells: rank, version, mode. Earlier versions write none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from profkit.errors import ImportIssue, Severity
from profkit.parsers.mindspore.legacy_files import LegacyFiles

_LARGEST = 1 << 24
_LONGEST_FACT = 64
_SHOWN = ("context_mode", "parallel_mode", "rank_size")


@dataclass(frozen=True)
class LegacyInfo:
    """Facts of one rank's recording; the rank is the number in the file names where no file tells another."""

    rank: int
    version: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


def read_legacy_info(files: LegacyFiles, issues: list[ImportIssue]) -> LegacyInfo:
    """Read the profiler_info file of a recording, if it has one."""
    path = files.kinds.get("profiler_info")
    if path is None:
        return LegacyInfo(files.number)
    try:
        with path.open("rb") as file:
            content: Any = json.loads(file.read(_LARGEST))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        text = "no JSON object: version and mode unknown, the rank is the number in the file names"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
        return LegacyInfo(files.number)
    rank = str(content.get("rank_id"))
    version = content.get("ms_version")
    facts = {key: str(content[key])[:_LONGEST_FACT] for key in _SHOWN if isinstance(content.get(key), str | int)}
    return LegacyInfo(
        int(rank) if rank.isdecimal() and len(rank) <= 6 else files.number,
        version[:_LONGEST_FACT] if isinstance(version, str) and version else None,
        facts,
    )
