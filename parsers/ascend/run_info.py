"""What profiler_info_{rank}.json and profiler_metadata.json tell about an Ascend run.

Rank, framework, versions, level, and the groups of ranks it communicated in. The metadata also holds environment
variables and whatever the user added: none of that is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from profkit.errors import ImportIssue, Severity
from profkit.parsers.base import Framework

_NAME = re.compile(r"profiler_info(?:_(\d{1,6}))?\.json")
_METADATA = "profiler_metadata.json"
_LARGEST = 1 << 24
_GROUPS_NAMED = 16


@dataclass(frozen=True)
class RunInfo:
    """Facts of one run; unknown where the file is absent or does not tell.

    Attributes:
        framework: Who ran.
        rank: Process number; -1 unknown.
        version: Version of MindSpore or torch_npu.
        facts: Level, CANN version, metrics: what `profkit inspect` shows.
        issues: Why the file could not be read.
    """

    framework: Framework = "unknown"
    rank: int = -1
    version: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    issues: tuple[ImportIssue, ...] = ()


def info_file(directory: Path) -> Path | None:
    """Give the profiler_info file of a run's directory."""
    return next((entry for entry in sorted(directory.glob("profiler_info*.json")) if _NAME.fullmatch(entry.name)), None)


def info_files(directory: Path) -> list[Path]:
    """Give the files that read_run_info reads in a run's directory."""
    metadata = directory / _METADATA
    return [file for file in (info_file(directory), metadata) if file is not None and file.is_file()]


def read_run_info(directory: Path) -> RunInfo:
    """Read the profiler_info file of a run's directory; if it is absent, the directory's name tells the framework."""
    path = info_file(directory)
    by_name = _framework_of_name(directory.name)
    if path is None:
        return RunInfo(by_name)
    match = _NAME.fullmatch(path.name)
    rank = int(match.group(1)) if match is not None and match.group(1) else -1
    content, issue = _content(path)
    if issue is not None:
        return RunInfo(by_name, rank, issues=(issue,))
    if "profiler_parameters" in content or "ms_version" in content:
        return _with_groups(_mindspore(content, rank), directory)
    if "config" in content:
        return _with_groups(_torch_npu(content, rank), directory)
    return RunInfo(by_name, rank if rank >= 0 else _number(content.get("rank_id")))


def _framework_of_name(name: str) -> Framework:
    if name.endswith("_ascend_ms"):
        return "mindspore"
    return "pytorch" if name.endswith("_ascend_pt") else "unknown"


def _content(path: Path) -> tuple[dict[str, Any], ImportIssue | None]:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_LARGEST))
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return content, None
    text = "no JSON object: rank by file name, versions and level unknown"
    return {}, ImportIssue(Severity.DATA_LOSS, str(path), "", text)


def _mindspore(content: dict[str, Any], rank: int) -> RunInfo:
    parameters = _object(content, "profiler_parameters")
    device = _object(content, "ms_profiler_info")
    rank = rank if rank >= 0 else _number(device.get("rank_id", content.get("rank_id")))
    facts = {
        "level": parameters.get("profiler_level"),
        "metrics": parameters.get("aic_metrics"),
        "device": device.get("device_id"),
        "cann": content.get("cann_version"),
        "jit_level": content.get("jit_level"),
    }
    return RunInfo("mindspore", rank, _text(content.get("ms_version")), _told(facts))


def _torch_npu(content: dict[str, Any], rank: int) -> RunInfo:
    experimental = _object(_object(content, "config"), "experimental_config")
    rank = rank if rank >= 0 else _number(content.get("rank_id"))
    facts = {
        "level": experimental.get("_profiler_level"),
        "metrics": experimental.get("_aic_metrics"),
        "cann": content.get("cann_version"),
    }
    return RunInfo("pytorch", rank, _text(content.get("torch_npu_version")), _told(facts))


def _with_groups(info: RunInfo, directory: Path) -> RunInfo:
    """Add the groups of ranks that profiler_metadata.json names, with their numbers of ranks."""
    path = directory / _METADATA
    if not path.is_file():
        return info
    content, issue = _content(path)
    if issue is not None:
        return replace(info, issues=(*info.issues, replace(issue, text="no JSON object: groups of ranks unknown")))
    groups = [group for group in _object(content, "parallel_group_info").values() if isinstance(group, dict)]
    named = {
        f"{str(group.get('group_name', '?'))[:32]} ({len(ranks)})"
        for group in groups
        if isinstance(ranks := group.get("global_ranks"), list)
    }
    return replace(info, facts={**info.facts, "groups": ", ".join(sorted(named)[:_GROUPS_NAMED])}) if named else info


def _object(content: dict[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) <= 6 else -1


def _text(value: object) -> str | None:
    return value[:64] if isinstance(value, str) and value else None


def _told(facts: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value)[:64] for key, value in facts.items() if isinstance(value, str | int) and str(value)}
