"""Collectives and point-to-point transfers from communication.json of an Ascend run.

Whether an operation is point-to-point is read from its name: MindSpore up to 2.10 files `hcom_send_` under
`collective`. `Total Op Info` beside the operations is their sum. The bytes of SDMA are those of HCCS, PCIE and SIO
together (in every recorded operation), so they are not added to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

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
    try:
        content = json.loads(path.read_text(encoding="utf-8", errors="replace"), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        lost = ImportIssue(Severity.DATA_LOSS, str(path), "", f"no JSON, so no communication was read: {error}")
        return pd.DataFrame(columns=_COLUMNS), [lost]
    strange: list[str] = []
    rows = list(_operations(content, strange))
    issues = [
        ImportIssue(Severity.DATA_LOSS, str(path), where[:80], "not an operation with times: skipped")
        for where in strange
    ]
    return pd.DataFrame(rows, columns=_COLUMNS), issues


def _operations(content: object, strange: list[str]) -> Iterator[tuple[Any, ...]]:
    if not isinstance(content, dict):
        strange.append("top level")
        return
    for step_key, kinds in content.items():
        match = _STEP.fullmatch(step_key)
        if match is None or not isinstance(kinds, dict):
            strange.append(step_key)
            continue
        step = int(match.group(1) or -1)
        for operations in kinds.values():
            for name, body in operations.items() if isinstance(operations, dict) else ():
                if name == TOTAL:
                    continue
                times = body.get("Communication Time Info") if isinstance(body, dict) else None
                if not isinstance(times, dict):
                    strange.append(f"{step_key} {name}")
                    continue
                yield _operation(step, name, times, body.get("Communication Bandwidth Info"))


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
