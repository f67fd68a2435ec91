"""Steps and collectives of MindSpore 1.0 to 2.4 on Ascend.

step_trace_raw_{id}_detail_time.csv has a line a step, in ticks of 10 ns on the clock of the device, with three columns
for each collective (start, end and length, in an order that differs by version). Its last line holds averages.
hccl_raw_{id}.csv has, a line a step, what each collective spent on moving data and on waiting, in ms.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from profkit.errors import ImportIssue, Severity
from profkit.parsers.exact_time import MILLISECONDS, exact_nanoseconds
from profkit.parsers.mindspore.legacy_tables import LegacyTable, read_table
from profkit.parsers.mindspore.legacy_timeline import exact_ticks

_START, _END = "_start_point", "_end_point"
_STREAM = re.compile(r"^stream_(?P<stream>\d+)_")
_POINT_TO_POINT = re.compile(r"(Send|Receive)-op\d+")
_TYPE = re.compile(r"^stream_\d+_\d+_(?P<type>[A-Za-z]+)-op\d+")
_STEP_LIMIT = 2**31


def no_collectives() -> pd.DataFrame:
    """Give collectives (step, name, start_ns, dur_ns, row) of a run that recorded none."""
    return pd.DataFrame({"step": [], "name": [], "start_ns": [], "dur_ns": [], "row": []})


def no_costs() -> pd.DataFrame:
    """Give costs of collectives (step, name, dur_ns, wait_ns) of a run that recorded none."""
    return pd.DataFrame({"step": [], "name": [], "dur_ns": [], "wait_ns": []})


def read_steps(path: Path, issues: list[ImportIssue]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a step trace.

    Returns:
        Steps (step, start_ns, dur_ns), and collectives (step, name, start_ns, dur_ns, row) ordered by start.

    Raises:
        UnreadableInputError: The header lacks the step or its ends.
    """
    table = read_table(path, "step_trace", issues)
    numbers = [_step_number(text) for text in table.texts("step")]
    is_step = np.array([number > 0 for number in numbers], dtype=bool)
    odd = np.array([number < 0 for number in numbers], dtype=bool)
    table.note(issues, Severity.DATA_LOSS, odd, "step_num is no step number: refused")
    if 0 not in numbers:
        text = "the line of averages at the end is absent: the file was cut"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    start, start_known = exact_ticks(table.texts("start"))
    end, end_known = exact_ticks(table.texts("end"))
    known = is_step & start_known & end_known & (end >= start)
    table.note(issues, Severity.DATA_LOSS, is_step & ~known, "steps without a start and an end after it were refused")
    steps = pd.DataFrame({"step": np.array(numbers, dtype=np.int64), "start_ns": start, "dur_ns": end - start})
    steps = steps[known]
    repeated = steps["step"].duplicated().to_numpy()
    if repeated.any():
        text = f"{int(repeated.sum()):,} steps of a number that stands before were ignored"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    return steps[~repeated].reset_index(drop=True), _collectives(table, numbers, is_step, issues)


def _step_number(text: str | None) -> int:
    """Give the step, 0 for the line of averages (`-`, or 0 where all is 0), -1 for anything else."""
    if text in ("-", "0"):
        return 0
    return int(text) if text is not None and text.isdecimal() and int(text[:12]) < _STEP_LIMIT else -1


def _collectives(table: LegacyTable, numbers: list[int], is_step: Any, issues: list[ImportIssue]) -> pd.DataFrame:
    place = {name: index for index, name in enumerate(table.header)}
    named = [name.removesuffix(_START) for name in table.header if name.endswith(_START) and name != "start_point"]
    parts, odd = [], 0
    rows = np.flatnonzero(is_step)
    for name in named:
        if name + _END not in place:
            continue
        starts, ends = (
            exact_ticks([table.records[row][place[name + suffix]] or None for row in rows]) for suffix in (_START, _END)
        )
        known = starts[1] & ends[1] & (ends[0] >= starts[0]) & (starts[0] > 0)
        odd += int((~known & (starts[0] > 0)).sum())
        parts.append(
            pd.DataFrame(
                {
                    "step": np.array(numbers, dtype=np.int64)[rows][known],
                    "name": name,
                    "start_ns": starts[0][known],
                    "dur_ns": (ends[0] - starts[0])[known],
                    "row": rows[known],
                }
            )
        )
    if odd:
        text = f"{odd:,} collectives have no end after their start: refused"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(table.path), "", text))
    if not parts:
        return no_collectives()
    return pd.concat(parts).sort_values("start_ns", kind="stable", ignore_index=True)


def collective_columns(names: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
    """Give stream, op_type and kind of collectives named `stream_48_0_Receive-op663` or `stream_520_parallel_0`."""
    plain = names.astype(object)
    distinct = {name: str(name) for name in plain.unique()}
    streams = {name: _group(_STREAM.match(text), "stream") for name, text in distinct.items()}
    types = {name: _group(_TYPE.match(text), "type") for name, text in distinct.items()}
    kinds = {name: "p2p" if _POINT_TO_POINT.search(text) else "collective" for name, text in distinct.items()}
    return {"stream": plain.map(streams), "op_type": plain.map(types), "kind": plain.map(kinds)}


def _group(match: re.Match[str] | None, name: str) -> str | None:
    return match[name] if match else None


def read_communication(path: Path, issues: list[ImportIssue]) -> pd.DataFrame:
    """Read hccl_raw: step, name, dur_ns (moving data and waiting), wait_ns; the line of averages is left out.

    Raises:
        UnreadableInputError: The header lacks the step or the operators.
    """
    table = read_table(path, "hccl_raw", issues)
    found: list[tuple[int, str, str, str]] = []
    odd = np.zeros(len(table.records), dtype=bool)
    for row, (step, text) in enumerate(zip(table.texts("step"), table.texts("operators"), strict=True)):
        number = _step_number(step)
        if number == 0:
            continue
        operators = _operators(text)
        odd[row] = number < 0 or operators is None
        if not odd[row]:
            found += [(number, *operator) for operator in operators or ()]
    table.note(issues, Severity.DATA_LOSS, odd, "no step number, or operators that are no JSON: refused")
    moved = exact_nanoseconds(pa.array([cost for _, _, cost, _ in found], pa.string()), MILLISECONDS)
    waited = exact_nanoseconds(pa.array([wait for _, _, _, wait in found], pa.string()), MILLISECONDS)
    total = pd.array(moved.ns + waited.ns, dtype="Int64")
    total[~(moved.known & waited.known)] = pd.NA
    wait = pd.array(waited.ns, dtype="Int64")
    wait[~waited.known] = pd.NA
    return pd.DataFrame(
        {
            "step": [step for step, *_ in found],
            "name": [name for _, name, *_ in found],
            "dur_ns": total,
            "wait_ns": wait,
        }
    )


def _operators(text: str | None) -> list[tuple[str, str, str]] | None:
    """Give name, communication cost and wait cost (ms) of {name: [step, cost, wait, links]}."""
    try:
        value = json.loads(text or "{}", parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return list(_costs(value))


def _costs(operators: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, values in operators.items():
        if isinstance(values, list) and len(values) >= 3:
            yield name, str(values[1]), str(values[2])


def join_collectives(traced: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Put the times of the step trace and the costs of hccl_raw into one row a collective.

    Returns:
        step, name, start_ns, dur_ns, wait_ns; the elapsed time is the step trace's where it has the collective.
    """
    keys = ["step", "name"]
    times = traced[[*keys, "start_ns", "dur_ns"]].astype({"start_ns": "Int64", "dur_ns": "Int64"})
    costs = costs.rename(columns={"dur_ns": "cost_ns"}).astype({"cost_ns": "Int64", "wait_ns": "Int64"})
    plain = {"step": "int64", "name": "object"}
    both = times.astype(plain).merge(costs.astype(plain).drop_duplicates(keys), on=keys, how="outer")
    both["dur_ns"] = both["dur_ns"].fillna(both["cost_ns"])
    return both.drop(columns="cost_ns").sort_values(["step", "start_ns"], kind="stable", ignore_index=True)
