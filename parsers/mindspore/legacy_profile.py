"""Profiles of MindSpore 1.0 to 2.4 on Ascend: the files of one rank in a `profiler/` directory.

All ranks of a host write into one directory, with their number in the file names. So a recording is claimed by its
files, not as a directory: each rank is a recording of its own, found, listed and chosen like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.frame_spec import concatenate
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.byte_stream import first_bytes
from profkit.parsers.csv_records import header_of
from profkit.parsers.mindspore.dataset_pipeline import files_read, pipeline_files, read_pipeline
from profkit.parsers.mindspore.legacy_files import LegacyFiles, recording_of
from profkit.parsers.mindspore.legacy_info import read_legacy_info
from profkit.parsers.mindspore.legacy_operators import OperatorFacts, fact_columns, read_operator_facts
from profkit.parsers.mindspore.legacy_steps import (
    collective_columns,
    join_collectives,
    no_collectives,
    no_costs,
    read_communication,
    read_steps,
)
from profkit.parsers.mindspore.legacy_tables import columns_of, read_table
from profkit.parsers.mindspore.legacy_timeline import (
    AI_CPU,
    COMMUNICATION,
    expected_executions,
    facts_of_display,
    read_aicpu,
    read_averages,
    read_cycle_counter,
    read_display,
    read_timeline_data,
)
from profkit.progress import Progress
from profkit.schema import COMM, DATA_PIPELINE, OPS, STEPS

_DISPLAY, _DATA, _AVERAGES, _AI_CPU = "timeline_display", "timeline_data", "aicore_detail", "aicpu"
_STEPS, _COMMUNICATION = "step_trace", "hccl_raw"
_OPERATOR_COLUMNS = ("op_type", "core", "input_shapes", "input_dtypes", "output_shapes")
_NAMED = 6
# The year 2000: an older start counts from a zero of its own.
_EARLIEST_EPOCH_NS = 946_684_800 * 10**9


@dataclass
class _Found:
    """What the files gave so far."""

    files: LegacyFiles
    progress: Progress
    ops: list[pd.DataFrame] = field(default_factory=list)
    steps: pd.DataFrame | None = None
    collectives: pd.DataFrame | None = None
    comm: pd.DataFrame | None = None
    clock: str = "none"
    issues: list[ImportIssue] = field(default_factory=list)

    def read(self, kind: str, read: Any) -> Any:
        """Give what a reader makes of the file of this kind; None if it is absent or unreadable, with an issue."""
        path = self.files.kinds.get(kind)
        if path is None:
            return None
        self.progress("reading", path.name, None)
        try:
            return read(path, self.issues)
        except UnreadableInputError as error:
            text = error.message.removeprefix(f"{path}: ")
            self.issues.append(ImportIssue(Severity.ERROR, str(path), "", text))
            return None


class MindSporeLegacyProfile:
    """Parser of one rank's files in a `profiler/` directory, named by any file that holds operators, steps or costs."""

    descriptor = Descriptor(
        name="mindspore-legacy-profile",
        title="MindSpore 1.0 to 2.4 profiler directory on Ascend (timeline, step_trace_raw, aicore_intermediate)",
        framework="mindspore",
        clock="start of the device, or the first operator",
        unit="ms, us and ticks of 10 ns",
        frames=("ops", "steps", "comm", "data_pipeline"),
        version=3,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a file by name and header; its recording are all files of its number."""
        if not path.is_file():
            return None
        recording = recording_of(path, "ascend")
        if recording is None or not _is_content(path, recording[0]):
            return None
        files = recording[1]
        return Recognition(f"files of MindSpore's profiler until 2.4, numbered {files.number}", files.all)

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read all files of the recording that a file belongs to.

        Raises:
            UnreadableInputError: No operator, step or collective could be read from them.
        """
        recording = recording_of(path, "ascend")
        if recording is None:
            raise UnreadableInputError(f"{path} is no file of MindSpore's profiler", "name a file of profiler/")
        found = _Found(recording[1], progress)
        info = read_legacy_info(found.files, found.issues)
        _read_operators(found)
        _read_steps(found)
        frames = _frames(found, info.rank)
        if not any(len(frame) for frame in frames.values()):
            reasons = "; ".join(issue.text for issue in found.issues) or "the files are empty"
            raise UnreadableInputError(f"{path}: nothing could be read: {reasons}", "give the directory as written")
        return Parsed(
            frames=frames,
            issues=tuple(found.issues),
            framework="mindspore",
            rank=info.rank,
            writer_version=info.version or _era(found.files),
            facts=_facts(found, info.facts),
        )


def _is_content(path: Path, kind: str) -> bool:
    if path.suffix == ".json":
        text = first_bytes(path).lstrip(b"\xef\xbb\xbf \t\r\n")
        return text.startswith(b"[") and b'"ph"' in text
    return columns_of(header_of(path, blanks_follow_commas=True), kind) is not None


def _read_operators(found: _Found) -> None:
    """Read the executions from the best file there is."""
    facts: dict[str, OperatorFacts] = found.read("framework_raw", read_operator_facts) or {}
    of_display: list[ImportIssue] = []
    display = found.read(_DISPLAY, lambda path, _: read_display(path, of_display, found.progress))
    timeline = found.read(_DATA, read_timeline_data)
    if timeline is not None:
        if display is not None:
            facts = {**facts_of_display(display), **facts}
        # The display is read for types and shapes alone: what its times lost is no loss.
        found.issues += [issue for issue in of_display if issue.severity is not Severity.INFO]
        found.clock = "device"
        found.ops.append(_device_rows(timeline, facts, found.files.kinds[_DATA]))
    elif display is not None:
        found.issues += of_display
        found.ops.append(_display_rows(_on_device_clock(display, found), facts, found.files.kinds[_DISPLAY]))
    if timeline is not None or display is None or not (display["role"] == "aicpu").any():
        _read_ai_cpu(found)
    if timeline is None and display is None:
        averages = found.read(_AVERAGES, read_averages)
        if averages is not None:
            found.clock = "no start times" if not found.ops else found.clock
            found.ops.append(_device_rows(averages, facts, found.files.kinds[_AVERAGES]))
    else:
        _compare_with_averages(found)
        _compare_with_summary(found)


def _on_device_clock(display: pd.DataFrame, found: _Found) -> pd.DataFrame:
    """Move a timeline that begins at its first operator to the clock of the device, where a file tells how."""
    if len(display) and display["start_ns"].min() >= _EARLIEST_EPOCH_NS:
        found.clock = "unix epoch"
        return display
    begin = found.read("cycle_counter", read_cycle_counter)
    found.clock = "first operator" if begin is None else "device"
    largest = np.iinfo(np.int64).max - (display["start_ns"].max() if len(display) else 0)
    return display if begin is None or begin > largest else display.assign(start_ns=display["start_ns"] + begin)


def _read_ai_cpu(found: _Found) -> None:
    rows = found.read(_AI_CPU, read_aicpu)
    if rows is None:
        return
    if found.clock in ("none", "device"):
        found.clock = "device"
        found.ops.append(_device_rows(rows, {}, found.files.kinds[_AI_CPU]))
    else:
        text = f"{len(rows):,} AI CPU operators are on another clock than the timeline: left out"
        found.issues.append(ImportIssue(Severity.DATA_LOSS, str(found.files.kinds[_AI_CPU]), "", text))


def _device_rows(rows: pd.DataFrame, facts: dict[str, OperatorFacts], path: Path) -> pd.DataFrame:
    columns = fact_columns(rows["name"], facts)
    if "core" in rows:
        columns["core"] = rows["core"].where(rows["core"].notna(), columns["core"].astype(object)).astype("category")
    return rows.assign(level="device", source=str(path), **columns)


def _display_rows(display: pd.DataFrame, facts: dict[str, OperatorFacts], path: Path) -> pd.DataFrame:
    columns = fact_columns(display["name"], facts)
    for name in _OPERATOR_COLUMNS:
        if name in display:
            told = display[name].astype(object)
            columns[name] = told.where(told.notna(), columns[name].astype(object)).astype("category")
    role = display["role"]
    core = columns["core"].astype(object).mask(role == "aicpu", AI_CPU).mask(role == "communication", COMMUNICATION)
    columns["core"] = core.astype("category")
    stray = (role == "communication") & display["op_type"].isna()
    columns["op_type"] = columns["op_type"].astype(object).mask(stray, None).astype("category")
    host = (role == "host").to_numpy()
    return display.drop(columns="role").assign(
        level=pd.Categorical(np.where(host, "host", "device")),
        thread=display["stream"].astype(object).where(host, None).astype("category"),
        stream=display["stream"].astype(object).where(~host, None).astype("category"),
        source=str(path),
        **columns,
    )


def _compare_with_averages(found: _Found) -> None:
    """Say so if the averages are of operators that the timeline does not have."""
    path = found.files.kinds.get(_AVERAGES)
    unnoted: list[ImportIssue] = []
    table = None
    if path is not None and found.ops:
        try:
            table = read_table(path, _AVERAGES, unnoted)
        except UnreadableInputError:
            return
    if table is None:
        return
    executed = {str(name) for ops in found.ops for name in ops["name"].cat.categories}
    missing = [name for name in table.texts("name") if name is not None and name not in executed]
    if missing:
        text = f"{len(missing):,} of its {len(table.records):,} operators are not in the timeline: not read"
        found.issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))


def _compare_with_summary(found: _Found) -> None:
    """Say so if the summary counts more executions than the timeline has: the writer cuts a display at 20 MB."""
    path = found.files.kinds.get("timeline_summary")
    expected = expected_executions(path) if path is not None else None
    present = sum(int((ops["core"].astype(object) != COMMUNICATION).sum()) for ops in found.ops)
    if expected is not None and expected > present:
        text = f"{expected:,} executions were counted, the timeline has {present:,}"
        found.issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))


def _read_steps(found: _Found) -> None:
    traced = found.read(_STEPS, read_steps)
    if traced is not None:
        found.steps, found.collectives = traced
        if len(found.steps) and found.clock in ("first operator", "unix epoch"):
            text = f"steps count from the start of the device, operators from the {found.clock}: none has a step"
            found.issues.append(ImportIssue(Severity.DATA_LOSS, str(found.files.kinds[_STEPS]), "", text))
    costs = found.read(_COMMUNICATION, read_communication)
    if found.collectives is not None and len(found.collectives) and found.clock in ("none", "device"):
        found.ops.append(_collective_rows(found.collectives, found.files.kinds[_STEPS]))
    if found.collectives is not None or costs is not None:
        found.comm = join_collectives(
            no_collectives() if found.collectives is None else found.collectives, no_costs() if costs is None else costs
        )


def _collective_rows(collectives: pd.DataFrame, path: Path) -> pd.DataFrame:
    columns = collective_columns(collectives["name"])
    return collectives.assign(
        level="device", source=str(path), core=COMMUNICATION, stream=columns["stream"], op_type=columns["op_type"]
    )


def _frames(found: _Found, rank: int) -> dict[str, pd.DataFrame]:
    frames = {"ops": _ops(found, rank), "steps": STEPS.empty(), "comm": COMM.empty()}
    pipeline = pipeline_files([found.files.directory], found.files.number)
    frames["data_pipeline"] = DATA_PIPELINE.build(read_pipeline(pipeline, found.issues).assign(rank=rank))
    if found.steps is not None:
        source = str(found.files.kinds[_STEPS])
        frames["steps"] = STEPS.build(found.steps.assign(rank=rank, how="recorded", source=source))
    if found.comm is not None and len(found.comm):
        path = found.files.kinds.get(_STEPS) or found.files.kinds[_COMMUNICATION]
        kind = collective_columns(found.comm["name"])["kind"]
        frames["comm"] = COMM.build(found.comm.assign(rank=rank, kind=kind, source=str(path)))
    return frames


def _ops(found: _Found, rank: int) -> pd.DataFrame:
    parts = []
    for part in found.ops:
        columns: dict[str, Any] = {"rank": rank, "parent": -1, "launcher": -1, "forward_op": -1, "carry_over": False}
        if "step" not in part:
            columns["step"] = _step_at(part["start_ns"].to_numpy(np.int64), found)
        parts.append(OPS.build(part.assign(self_ns=part["dur_ns"], **columns)))
    ops = concatenate(OPS, parts)
    return OPS.build(ops.sort_values("start_ns", kind="stable", ignore_index=True))


def _step_at(times: NDArray[np.int64], found: _Found) -> NDArray[np.int32]:
    """Give the step that holds each time; -1 outside of all, or where the steps are on another clock."""
    steps = found.steps
    if steps is None or steps.empty or found.clock != "device":
        return np.full(len(times), -1, dtype=np.int32)
    steps = steps.sort_values("start_ns")
    begins = steps["start_ns"].to_numpy(np.int64)
    place = np.searchsorted(begins, times, side="right") - 1
    inside = (place >= 0) & (times < (begins + steps["dur_ns"].to_numpy(np.int64))[place])
    return np.where(inside, steps["step"].to_numpy(np.int64)[place], -1).astype(np.int32)


def _era(files: LegacyFiles) -> str:
    for kind in (_AVERAGES, "framework_raw", _DATA):
        path = files.kinds.get(kind)
        header = header_of(path, blanks_follow_commas=True) if path is not None else []
        if "task_duration" in header or "task_type" in header or "start_time(us)" in header:
            return "mindspore 2.2 to 2.4, by its files"
        if "full_op_name" in header:
            return "mindspore 1.0, by its files"
    return "mindspore 1.0 to 2.1, by its files"


def _facts(found: _Found, of_run: Mapping[str, str]) -> dict[str, str]:
    facts = {**of_run, "clock": found.clock.replace("none", "device")}
    read = set(files_read(pipeline_files([found.files.directory], found.files.number)).values())
    names = [path.name for path in found.files.derived if path not in read]
    if names:
        facts["sums, not read"] = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return facts
