"""Collectives and point-to-point transfers from communication.json of an Ascend run.

Whether an operation is point-to-point is read from its name: MindSpore up to 2.10 files `hcom_send_` under
`collective`. `Total Op Info` beside the operations is their sum. The bytes of SDMA are those of HCCS, PCIE and SIO
together (in every recorded operation), so they are not added to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from profkit.errors import ImportIssue, Severity

_POINT_TO_POINT = re.compile(r"send|recv|receive", re.IGNORECASE)
_STEP = re.compile(r"step(\d{0,9})")
TOTAL = "Total Op Info"
LINKS = ("RDMA", "HCCS", "PCIE", "SIO")
_US_NS, _MS_NS, _MB_BYTES = 1_000, 1_000_000, 1_000_000
_LARGEST_NUMBER = Decimal(2**62)
_COLUMNS = ("step", "name", "group", "kind", "start_ns", "dur_ns", "wait_ns", "size_bytes")


def read_communication(path: Path) -> tuple[pd.DataFrame, list[ImportIssue]]:
    """Read communication.json.

    Returns:
        Columns of schema.COMM without rank and source, in file order, and what was lost. Starts carry the file's one
        decimal of a microsecond: they do not join with kernel starts.
    """
    entries, issues = recorded_entries(path, "communication")
    strange: list[str] = []
    rows = list(_operations(entries, strange))
    issues += [
        ImportIssue(Severity.DATA_LOSS, str(path), where[:80], "not an operation with times: skipped")
        for where in strange
    ]
    return pd.DataFrame(rows, columns=_COLUMNS), issues


class Entry(NamedTuple):
    """What a communication file says of one operation: its step (-1: none), where it stands, its name and its body."""

    step: int
    step_key: str
    name: str
    body: object


def recorded_entries(path: Path, what: str) -> tuple[list[Entry], list[ImportIssue]]:
    """Give the operations of communication.json or communication_matrix.json without totals, and what was lost.

    Args:
        path: The file.
        what: What it holds, for issues.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8", errors="replace"), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        text = f"no JSON, so no {what} was read: {error}"
        return [], [ImportIssue(Severity.DATA_LOSS, str(path), "", text)]
    entries: list[Entry] = []
    strange: list[str] = []
    if not isinstance(content, dict):
        content, strange = {}, ["top level"]
    for step_key, kinds in content.items():
        match = _STEP.fullmatch(step_key)
        if match is None or not isinstance(kinds, dict):
            strange.append(step_key)
            continue
        step = int(match.group(1) or -1)
        for kind, operations in kinds.items():
            if not isinstance(operations, dict):
                strange.append(f"{step_key} {kind}")
                continue
            entries += [Entry(step, step_key, name, body) for name, body in operations.items() if name != TOTAL]
    text = "not operations by step and kind: skipped"
    return entries, [ImportIssue(Severity.DATA_LOSS, str(path), where[:80], text) for where in strange]


def _operations(entries: Iterable[Entry], strange: list[str]) -> Iterator[tuple[Any, ...]]:
    for step, step_key, name, body in entries:
        times = body.get("Communication Time Info") if isinstance(body, dict) else None
        if isinstance(body, dict) and isinstance(times, dict):
            yield _operation(step, name, times, body.get("Communication Bandwidth Info"))
        else:
            strange.append(f"{step_key} {name}")


def _operation(step: int, key: str, times: dict[str, Any], links: object) -> tuple[Any, ...]:
    name, _, group = key.partition("@")
    start = scaled(times.get("Start Timestamp(us)"), _US_NS)
    elapsed = scaled(times.get("Elapse Time(ms)"), _MS_NS)
    wait = scaled(times.get("Wait Time(ms)"), _MS_NS)
    return step, name, group or None, communication_kind(name), start, elapsed, wait, _bytes_moved(links)


def communication_kind(name: str) -> str:
    """Tell from its name whether an operation is point-to-point ("p2p") or a "collective"."""
    return "p2p" if _POINT_TO_POINT.search(name) else "collective"


def _bytes_moved(links: object) -> int | None:
    if not isinstance(links, dict):
        return None
    sizes = [scaled(links[link].get("Transit Size(MB)"), _MB_BYTES) for link in LINKS if _is_object(links.get(link))]
    return sum(size for size in sizes if size is not None) if sizes else None


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def scaled(value: object, factor: int) -> int | None:
    """Give a number times a factor as a whole number, ties to even; None if it is no usable number.

    A float (from a database) counts as its shortest decimal text.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value) * factor
        if not number.is_finite() or abs(number) > _LARGEST_NUMBER:
            return None
        return int(number.to_integral_value())
    except InvalidOperation:
        return None
