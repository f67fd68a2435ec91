"""Executed operators of MindSpore 1.0 to 2.4 on Ascend, from the best file that was left.

    output_timeline_data_{id}.txt        each execution with exact decimals, on the clock of the device
    aicpu_intermediate_{id}.csv          the AI CPU's, on the same clock
    (ascend_)timeline_display_{id}.json  the same for a viewer: until 2.1 floats from the first operator, cut at 20 MB
    aicore_intermediate_{id}_detail.csv  averages and counts, no times

The display is read for times only where the first is absent, the averages only where both are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity
from profkit.parsers.chrome.events import Argument, read_events
from profkit.parsers.exact_time import MICROSECONDS, MILLISECONDS, NANOSECONDS, exact_nanoseconds
from profkit.parsers.mindspore.legacy_files import legacy_facts
from profkit.parsers.mindspore.legacy_operators import OperatorFacts, tensor_texts
from profkit.parsers.mindspore.legacy_tables import LegacyTable, read_table
from profkit.progress import Progress

AI_CPU, COMMUNICATION = "AI_CPU", "HCCL"
_UNITS = {"s": 9, "ms": MILLISECONDS, "us": MICROSECONDS, "ns": NANOSECONDS}
# The tensors of an event that are looked at; where there are more, their shapes stay unknown.
_INPUTS, _OUTPUTS = 16, 4
# Processes below this number are devices; mindspore_legacy_files.toml tells the others.
_FIRST_OTHER = 9000
_MOST_CALLS = 5_000_000
_SUMMARY_LARGEST = 1 << 20
_NUMBERED_LANE = re.compile(r"\s*Rank\s*\d*$")


def read_timeline_data(path: Path, issues: list[ImportIssue]) -> pd.DataFrame:
    """Read output_timeline_data: name, stream, start_ns, dur_ns, row; ordered by start.

    Raises:
        UnreadableInputError: The header lacks a required column.
    """
    table = read_table(path, "timeline_data", issues)
    start = table.times("start", _UNITS.get(table.units.get("start", "ms"), MILLISECONDS), issues)
    duration = table.times("duration", _UNITS.get(table.units.get("duration", "ms"), MILLISECONDS), issues)
    known = start.known & duration.known
    table.note(issues, Severity.DATA_LOSS, ~known, "operators without a start or a duration were refused")
    columns = {"name": table.texts("name"), "stream": table.texts("stream")}
    return _ordered(columns, start.ns, duration.ns, known, table.path, issues)


def read_aicpu(path: Path, issues: list[ImportIssue]) -> pd.DataFrame:
    """Read aicpu_intermediate: name, start_ns, dur_ns, row, core; ordered by start.

    The run times are microseconds until 2.1 and milliseconds from 2.2 on, which the header does not tell: an
    operator's run lies within its total time, and is no thousandth of it.

    Raises:
        UnreadableInputError: The header lacks a required column.
    """
    table = read_table(path, "aicpu", issues)
    unit = _unit_of_runs(table)
    start, end = table.times("start", unit, issues), table.times("end", unit, issues)
    known = start.known & end.known & (end.ns >= start.ns)
    table.note(issues, Severity.DATA_LOSS, ~known, "AI CPU operators without a start or an end were refused")
    columns: dict[str, Any] = {"name": table.texts("name")}
    return _ordered(columns, start.ns, end.ns - start.ns, known, table.path, issues).assign(core=AI_CPU)


def _unit_of_runs(table: LegacyTable) -> int:
    if "start" in table.units:
        return _UNITS.get(table.units["start"], MICROSECONDS)
    unnoted: list[ImportIssue] = []
    total = table.times("total", MILLISECONDS, unnoted)
    start, end = (table.times(column, MICROSECONDS, unnoted) for column in ("start", "end"))
    usable = total.known & start.known & end.known & (total.ns > 0)
    if not usable.any():
        return MICROSECONDS
    share = np.median((end.ns[usable] - start.ns[usable]) / total.ns[usable])
    return MICROSECONDS if share > 0.01 else MILLISECONDS


def read_averages(path: Path, issues: list[ImportIssue]) -> pd.DataFrame:
    """Read aicore_intermediate detail: one row a call, all calls of an operator with their average, laid end to end.

    Raises:
        UnreadableInputError: The header lacks a required column.
    """
    table = read_table(path, "aicore_detail", issues)
    duration = table.times("duration", MILLISECONDS, issues)
    calls = table.times("calls", NANOSECONDS, issues)
    count = np.where(calls.known & (calls.ns > 0), calls.ns, 1)
    table.note(issues, Severity.DATA_LOSS, ~duration.known, "operators without a duration were refused")
    if int(np.minimum(count, _MOST_CALLS).sum()) > _MOST_CALLS:
        text = f"more than {_MOST_CALLS:,} calls are counted: each operator is given once"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
        count = np.ones_like(count)
    text = (
        "only averages were recorded, without start times: each call has its operator's average, and they stand one "
        "after the other from 0 in the file's order"
    )
    issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    place = np.repeat(np.flatnonzero(duration.known), count[duration.known])
    lengths = duration.ns[place]
    names, cores = np.array(table.texts("name"), dtype=object), np.array(table.texts("core"), dtype=object)
    return pd.DataFrame(
        {
            "name": pd.Categorical(_named(names[place])),
            "core": pd.Categorical(cores[place]),
            "start_ns": np.cumsum(lengths) - lengths,
            "dur_ns": lengths,
            "row": place.astype(np.int64),
        }
    )


def _named(names: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.array(["" if name is None else name for name in names], dtype=object)


def _ordered(
    columns: Mapping[str, Sequence[Any]],
    start: NDArray[np.int64],
    duration: NDArray[np.int64],
    known: NDArray[np.bool_],
    path: Path,
    issues: list[ImportIssue],
) -> pd.DataFrame:
    negative = known & (duration < 0)
    if negative.any():
        text = f"{int(negative.sum()):,} durations are negative: taken as zero"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    order = np.flatnonzero(known)
    order = order[np.argsort(start[order], kind="stable")]
    texts = {name: np.array(values, dtype=object)[order] for name, values in columns.items()}
    frame = pd.DataFrame({"start_ns": start[order], "dur_ns": np.maximum(duration[order], 0), "row": order})
    for name, values in texts.items():
        frame[name] = pd.Categorical(_named(values) if name == "name" else values)
    return frame


def read_display(path: Path, issues: list[ImportIssue], progress: Progress) -> pd.DataFrame:
    """Read a timeline of either form.

    Args:
        path: The file.
        issues: Told what was lost.
        progress: Told the fraction of the file that was read.

    Returns:
        name (the full one where the event tells it), role (device, aicpu, communication, host), start_ns, dur_ns,
        stream, op_type, input_shapes, input_dtypes, output_shapes, row; ordered by start.

    Raises:
        UnreadableInputError: The file gives no event.
    """
    arguments = [Argument("type", "text", "type"), Argument("full_name", "text", "fullname", "op_full_name")]
    arguments += [Argument("process_name", "text", "name"), Argument("thread_name", "text", "name")]
    tensors = [f"input_{slot}" for slot in range(_INPUTS + 1)] + [f"output_{slot}" for slot in range(_OUTPUTS + 1)]
    arguments += [Argument(name, "json", name, name.capitalize()) for name in tensors]
    file = read_events(path, arguments, phases="XM", progress=progress)
    issues += file.issues
    events = file.events
    roles = _roles(events)
    kept = (roles != "").to_numpy() & events["ts_ns"].notna().to_numpy() & events["dur_ns"].notna().to_numpy()
    lost = (events["ph"] == "X").to_numpy() & (roles != "").to_numpy() & ~kept
    if lost.any():
        text = f"{int(lost.sum()):,} events have no start or no duration: left out"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"event {events['row'][lost].iloc[0]}", text))
    rows = events[kept].sort_values("ts_ns", kind="stable")
    names = rows["full_name"].astype(object).where(rows["full_name"].notna(), rows["name"].astype(object)).fillna("")
    texts = _tensor_columns(rows, tensors)
    return pd.DataFrame(
        {
            "name": names.astype("category"),
            "role": roles[rows.index],
            "start_ns": rows["ts_ns"].to_numpy(np.int64),
            "dur_ns": np.maximum(rows["dur_ns"].to_numpy(np.int64), 0),
            "stream": rows["tid"].astype("category"),
            "op_type": rows["type"],
            "row": rows["row"].to_numpy(np.int64),
            **texts,
        }
    ).reset_index(drop=True)


def _roles(events: pd.DataFrame) -> pd.Series[Any]:
    """Give device, aicpu, communication or host for each X event of an operator, "" for all others."""
    facts = legacy_facts()
    meta = (events["ph"] == "M").to_numpy()
    processes = events[meta & (events["name"] == "process_name").to_numpy()]
    if len(processes):
        lane = {
            pid: facts["lanes"].get(_NUMBERED_LANE.sub("", str(name)), "")
            for pid, name in zip(processes["pid"], processes["process_name"], strict=True)
        }
        roles = events["pid"].astype(object).map(lane)
    else:
        devices = {pid: "device" for pid in events["pid"].cat.categories if pid.isdecimal() and int(pid) < _FIRST_OTHER}
        roles = events["pid"].astype(object).map({**devices, **facts["processes"]})
    threads = events[meta & (events["name"] == "thread_name").to_numpy()]
    marks = [
        (pid, tid)
        for pid, tid, name in zip(threads["pid"], threads["tid"], threads["thread_name"], strict=True)
        if str(name) in facts["derived_threads"]["names"] or str(name).startswith("Step Trace")
    ]
    pairs = pd.Series(list(zip(events["pid"], events["tid"], strict=True)), index=events.index, dtype=object)
    derived = pairs.isin(marks) | events["tid"].isin(facts["derived_threads"]["names"])
    operator = (events["ph"] == "X") & ~derived & (roles != "derived")
    return roles.fillna("").where(operator, "").astype(object)


def _tensor_columns(rows: pd.DataFrame, tensors: list[str]) -> dict[str, pd.Series[Any]]:
    """Give shapes and dtypes, worked out once for each set of tensors."""
    codes = pd.DataFrame({name: rows[name].cat.codes for name in tensors}, index=rows.index)
    sets = list(codes.itertuples(index=False, name=None))
    texts: dict[tuple[int, ...], tuple[str | None, str | None, str | None]] = {}
    for one in set(sets):
        present = {name: code for name, code in zip(tensors, one, strict=True) if code >= 0}
        inputs, dtypes, outputs = tensor_texts(
            {name: _decoded(rows[name].cat.categories[code]) for name, code in present.items()}
        )
        if f"input_{_INPUTS}" in present:
            inputs = dtypes = None
        texts[one] = (inputs, dtypes, None if f"output_{_OUTPUTS}" in present else outputs)
    columns = zip(*(texts[one] for one in sets), strict=True) if sets else ([], [], [])
    names = ("input_shapes", "input_dtypes", "output_shapes")
    return {
        name: pd.Series(pd.Categorical(np.array(list(values), dtype=object)), index=rows.index)
        for name, values in zip(names, columns, strict=True)
    }


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def facts_of_display(display: pd.DataFrame) -> dict[str, OperatorFacts]:
    """Give the facts of each operator that its first event tells."""
    first = display[display["role"] == "device"].drop_duplicates("name")
    columns = [first[name].astype(object).where(first[name].notna(), None) for name in OperatorFacts._fields[2:]]
    types = first["op_type"].astype(object).where(first["op_type"].notna(), None)
    rows = zip(first["name"].astype(object), types, *columns, strict=True)
    return {name: OperatorFacts(op_type, None, *texts) for name, op_type, *texts in rows}


def expected_executions(path: Path) -> int | None:
    """Give the number of executions that timeline_summary counts, None if it tells none."""
    try:
        with path.open("rb") as file:
            count = json.loads(file.read(_SUMMARY_LARGEST)).get("op_exe_times")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def read_cycle_counter(path: Path, issues: list[ImportIssue]) -> int | None:
    """Give the time on the device's clock, ns, at which a timeline of 1.x begins; None if it cannot be read."""
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(64).strip()
    start, known = exact_ticks([text])
    if not known[0]:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", "no counter: times begin at the first operator"))
        return None
    return int(start[0])


def exact_ticks(texts: list[str | None]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give nanoseconds of ticks of 10 ns, and which are known."""
    ticks = exact_nanoseconds(pa.array(texts, pa.string()), NANOSECONDS)
    known = ticks.known & (np.abs(ticks.ns) < np.iinfo(np.int64).max // 10)
    return np.where(known, ticks.ns, 0) * 10, known
