"""Transfers by link from communication_matrix.json of an Ascend run.

    {"step50": {"collective": {"allreduce-total@<group>": {"0-1": {"Transport Type", "Transit Size(MB)", ...}}}}}

Until 2023 an entry is one operation (`hcom_allReduce__483_2@<group>`) and `Total Op Info` the sum of all; since then an
entry is a sort of operations and what was picked of it by bandwidth: total, top1, middle, bottom1 .. bottom3. MindSpore
repeats the group in names of operations it does not know (`hcom_send__586_9_1@<group>-top1@<group>`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.errors import ImportIssue, Severity
from profkit.parsers.ascend.communication import Entry, communication_kind, recorded_entries, scaled

COLUMNS = (
    "step", "operation", "selection", "name", "kind", "group", "src", "dst", "transport", "size_bytes", "dur_ns",
    "bandwidth_gb_s",
)  # fmt: skip
_LINK = re.compile(r"(\d{1,9})-(\d{1,9})")
_SELECTION = re.compile(r"(?P<operation>.+)-(?P<selection>total|top\d+|middle|bottom\d+)")
_MS_NS, _MB_BYTES = 1_000_000, 1_000_000
_LARGEST_BANDWIDTH = 10**9


def read_matrix(path: Path) -> tuple[pd.DataFrame, list[ImportIssue]]:
    """Read communication_matrix.json.

    Returns:
        Columns of schema.LINKS without rank and source, in file order, and what was lost.
    """
    entries, issues = recorded_entries(path, "links")
    strange: list[str] = []
    rows = list(_rows(entries, strange))
    issues += [
        ImportIssue(Severity.DATA_LOSS, str(path), where[:80], "not a link with its transfers: skipped")
        for where in strange
    ]
    return pd.DataFrame(rows, columns=COLUMNS), issues


def named_selection(key: str) -> tuple[str, str]:
    """Give the operation and the selection that the name of an entry tells, without its group."""
    match = _SELECTION.fullmatch(key)
    if match is None:
        return key, "operation"
    return match["operation"].split("@", 1)[0], match["selection"]


def _rows(entries: Iterable[Entry], strange: list[str]) -> Iterator[tuple[Any, ...]]:
    for step, step_key, key, links in entries:
        if not isinstance(links, dict):
            strange.append(f"{step_key} {key}")
            continue
        for link, body in links.items():
            row = _link(step, key, link, body)
            if row is None:
                strange.append(f"{step_key} {key} {link}")
            else:
                yield row


def _link(step: int, key: str, link: str, body: object) -> tuple[Any, ...] | None:
    ends = _LINK.fullmatch(link)
    if ends is None or not isinstance(body, dict):
        return None
    whole, _, group = key.rpartition("@")
    operation, selection = named_selection(whole or key)
    name = body.get("op_name", body.get("Op Name"))
    transport = body.get("Transport Type")
    return (
        step,
        operation,
        selection,
        name if isinstance(name, str) else operation if selection == "operation" else None,
        communication_kind(operation),
        group if whole else None,
        int(ends.group(1)),
        int(ends.group(2)),
        transport if isinstance(transport, str) else None,
        scaled(body.get("Transit Size(MB)"), _MB_BYTES),
        scaled(body.get("Transit Time(ms)"), _MS_NS),
        bandwidth(body.get("Bandwidth(GB/s)")),
    )


def bandwidth(value: object) -> float | None:
    """Give a recorded bandwidth, None if it is no number between 0 and 10^9 GB/s."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return float(value) if 0 <= value <= _LARGEST_BANDWIDTH else None
