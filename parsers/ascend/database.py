"""Databases of Ascend profilers (sqlite), as the only record of a run.

`ascend_pytorch_profiler_{rank}.db`, `ascend_mindspore_profiler[_{rank}].db` and `msprof_*.db` share their tables; the
first alone has host operators, steps and allocator memory. `analysis.db` or `communication_analyzer.db` beside it has
the split of steps and the analysis of communication. A database is known by its tables, whatever its name ends with.
Viewers add tables and columns to the databases they open: only named columns of named tables are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.frame_spec import concatenate
from profkit.parsers.ascend.database_file import Database, is_sqlite, open_database
from profkit.parsers.ascend.database_operators import HostSide, read_device_rows, read_host_side
from profkit.parsers.ascend.database_records import (
    read_device_samples,
    read_host_calls,
    read_marks,
    read_operator_allocations,
    sample_tables,
)
from profkit.parsers.ascend.database_samples import (
    merge_communication,
    read_arguments,
    read_memory,
    read_operations,
    read_split,
    read_steps,
)
from profkit.parsers.ascend.database_side_tables import read_allocations, read_api_calls, read_counters, read_links
from profkit.parsers.ascend.layout import OUTPUT
from profkit.parsers.ascend.run_info import RunInfo, info_files, read_run_info
from profkit.parsers.ascend.steps import join_steps, step_at
from profkit.parsers.base import Descriptor, Framework, Parsed, Recognition
from profkit.progress import Progress, silent
from profkit.schema import (
    ALLOCATIONS,
    API,
    COMM,
    COUNTERS,
    DEVICE_SAMPLES,
    HOST_CALLS,
    LINKS,
    MEMORY,
    OPS,
    SPANS,
    STEPS,
)

_SUFFIXES = (".db", ".dat", ".sqlite", ".sqlite3")
_RECORD_NAME = re.compile(r"(?:ascend_(pytorch|mindspore)_profiler(?:_(\d{1,6}))?|msprof_\d+)")
_ANALYSIS_NAMES = ("analysis", "communication_analyzer")
# One of these makes a database a record, or an analysis.
_RECORD_TABLES = frozenset({"TASK", "PYTORCH_API", "CANN_API", "COMMUNICATION_OP", "MEMORY_RECORD", "STEP_TIME"})
_ANALYSIS_TABLES = frozenset({"StepTraceTime", "CommAnalyzerTime"})
_READ_TABLES = _RECORD_TABLES | _ANALYSIS_TABLES | {"COMPUTE_TASK_INFO", "STRING_IDS", "CONNECTION_IDS"}
_READ_TABLES |= {"NPU_MEM", "NPU_MODULE_MEM", "RANK_DEVICE_MAP", "CommAnalyzerBandwidth", "CommAnalyzerMatrix"}
_READ_TABLES |= {"OP_MEMORY", "TASK_PMU_INFO", "NPU_OP_MEM", "MSTX_EVENTS", "PYTORCH_CALLCHAINS"} | sample_tables()
# Number tables, versions, and what viewers add for themselves.
_NO_RECORDING = re.compile(
    r"ENUM_.*|META_DATA|(SESSION_TIME|NPU|HOST)_INFO|sqlite_.*|status_info|connectionCats|OVERLAP_ANALYSIS|_.*"
)
_FEW = 1 << 16


@dataclass(frozen=True)
class _Files:
    """The databases of one run; a run of two records is refused."""

    directory: Path
    record: Path | None
    analysis: Path | None


class AscendDatabase:
    """Parser of the sqlite databases that torch_npu, MindSpore and msprof write for Ascend devices."""

    descriptor = Descriptor(
        name="ascend-database",
        title="Ascend profiling run as databases (ascend_*_profiler*.db, msprof_*.db, analysis.db)",
        framework="unknown",
        clock="unix epoch",
        unit="ns",
        frames=(
            *("ops", "spans", "steps", "memory", "allocations", "comm", "links", "api"),
            *("host_calls", "device_samples"),
        ),
        version=6,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a database by its tables, and a directory that holds one record of them."""
        if path.is_file():
            kind = _kind(path)
            return Recognition(f"it is the {kind} database of an Ascend profiler", _with_logs(path)) if kind else None
        files = databases_of(path)
        if files is None:
            return None
        found = [file for file in (files.record, files.analysis) if file is not None]
        kept = [file for database in found for file in _with_logs(database)] + info_files(files.directory)
        names = " and ".join(file.name for file in found)
        return Recognition(f"it holds {names} of an Ascend profiler", tuple(sorted(kept)))

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read a run; every row has the rank of its device where the database maps devices to ranks.

        Raises:
            UnreadableInputError: No database of it can be opened, or none has a row.
        """
        files = _single(path) if path.is_file() else databases_of(path)
        if files is None:
            raise UnreadableInputError(f"{path} holds no database of an Ascend profiler", "name another directory")
        info = read_run_info(files.directory)
        issues: list[ImportIssue] = []
        with ExitStack() as stack:
            record = _opened(files.record, stack, issues, progress)
            analysis = _opened(files.analysis, stack, issues, progress)
            reader = _Reader(record, analysis, info, files)
            frames = reader.frames()
            facts = {**info.facts, **reader.facts()}
            issues += [issue for database in (record, analysis) if database is not None for issue in database.issues]
        if not any(len(frame) for frame in frames.values()):
            reasons = "; ".join(issue.text for issue in issues) or "its tables are empty or those of something else"
            raise UnreadableInputError(f"{path}: no row could be read: {reasons}", "export the run as text, or again")
        return Parsed(frames, (*info.issues, *issues), reader.framework, reader.rank, info.version, facts)

    def read_counters(self, path: Path, progress: Progress) -> tuple[pd.DataFrame, list[ImportIssue]]:
        """Read the hardware counters of the kernels of a run: frame `counters`, and what was lost."""
        files = _single(path) if path.is_file() else databases_of(path)
        issues: list[ImportIssue] = []
        with ExitStack() as stack:
            record = _opened(files.record if files is not None else None, stack, issues, progress)
            if record is None:
                return COUNTERS.empty(), issues
            counters = read_counters(record).assign(rank=-1, source=str(record.path))
            return COUNTERS.build(counters), [*issues, *record.issues]


def tables_read() -> frozenset[str]:
    """Name the tables that are read; others that hold rows are named in the facts."""
    return _READ_TABLES


def databases_of(directory: Path) -> _Files | None:
    """Find the databases of a run in its directory; None if there are none, or the records of several runs.

    Args:
        directory: That of a run, its ASCEND_PROFILER_OUTPUT, or any that holds a record.
    """
    output = directory / OUTPUT if (directory / OUTPUT).is_dir() else directory
    run = output.parent if output.name == OUTPUT else output
    files = sorted(entry for entry in output.iterdir() if entry.suffix in _SUFFIXES and entry.is_file())
    kinds = {file: _kind(file) for file in files}
    records = [file for file, kind in kinds.items() if kind == "record"]
    analyses = [file for file, kind in kinds.items() if kind == "analysis"]
    if len(records) > 1 or not (records or (analyses and output.name == OUTPUT)):
        return None
    return _Files(run, next(iter(records), None), next(iter(analyses), None))


def _kind(path: Path) -> str | None:
    """Say whether a file is a "record" or an "analysis", by its tables; one without known tables by its name."""
    by_name = "record" if _RECORD_NAME.fullmatch(path.stem) else "analysis" if path.stem in _ANALYSIS_NAMES else None
    named = by_name if path.suffix in _SUFFIXES else None
    if not is_sqlite(path):
        return named if path.suffix == ".db" else None
    try:
        with open_database(path, silent) as database:
            tables = database.tables.keys()
    except UnreadableInputError:
        return named
    if tables & _RECORD_TABLES and "STRING_IDS" in tables:
        return "record"
    return "analysis" if tables & _ANALYSIS_TABLES else named


def _with_logs(database: Path) -> tuple[Path, ...]:
    logs = (database.with_name(database.name + suffix) for suffix in ("-journal", "-wal"))
    return (database, *(log for log in logs if log.is_file()))


def _single(path: Path) -> _Files:
    is_output = path.parent.name == OUTPUT
    directory = path.parent.parent if is_output else path.parent
    return _Files(directory, None, path) if _kind(path) == "analysis" else _Files(directory, path, None)


def _opened(path: Path | None, stack: ExitStack, issues: list[ImportIssue], progress: Progress) -> Database | None:
    if path is None:
        return None
    try:
        return stack.enter_context(open_database(path, progress))
    except UnreadableInputError as error:
        issues.append(ImportIssue(Severity.ERROR, str(path), "", error.message.removeprefix(f"{path}: ")))
        return None


class _Reader:
    """Reads the frames of one run; knows which rank a row belongs to."""

    def __init__(self, record: Database | None, analysis: Database | None, info: RunInfo, files: _Files) -> None:
        self._record, self._analysis = record, analysis
        self._source = {"record": str(files.record), "analysis": str(files.analysis)}
        match = _RECORD_NAME.fullmatch(files.record.stem) if files.record is not None else None
        self._ranks = _device_ranks(record)
        told = [info.rank, int(match.group(2)) if match is not None and match.group(2) else -1]
        mapped = sorted(set(self._ranks.values()))
        self.rank = next((rank for rank in told if rank >= 0), mapped[0] if len(mapped) == 1 else -1)
        self.framework = _framework(info, match.group(1) if match is not None else None, record)
        self._other_tasks = 0

    def frames(self) -> dict[str, pd.DataFrame]:
        """Read all frames; a frame for which there is no table is absent."""
        frames: dict[str, pd.DataFrame] = {}
        steps = pd.DataFrame({"step": [], "start_ns": [], "dur_ns": []}, dtype="int64")
        exact = pd.DataFrame(columns=["name"])
        if self._record is not None:
            if not self._record.tables.keys() & _RECORD_TABLES:
                self._record.note(Severity.ERROR, "", "it has none of the tables of a profiler")
            steps = read_steps(self._record)
            device = read_device_rows(self._record)
            device = device.assign(step=step_at(device["start_ns"].to_numpy(), steps), rank=self._rank_of(device))
            self._note_devices(self._record, "TASK", device["device"])
            host = read_host_side(self._record, device)
            frames["ops"] = self._ops(device.drop(columns="device"), host, steps)
            spans = SPANS.build(host.spans.assign(rank=self.rank, source=self._source["record"]))
            marks = SPANS.build(read_marks(self._record).assign(rank=self.rank, source=self._source["record"]))
            frames["spans"] = concatenate(SPANS, [spans, marks])
            samples = read_memory(self._record)
            samples = samples.assign(rank=self._rank_of(samples), source=self._source["record"])
            frames["memory"] = MEMORY.build(samples.drop(columns="device"))
            frames.update(self._side_tables(self._record))
            kept = ["rank", "step", "name", "start_ns", "dur_ns", "row"]
            exact = device.loc[device["core"] == "COMMUNICATION", kept]
            exact = exact.join(read_arguments(self._record), on="row").drop(columns="row")
        if self._analysis is not None and "CommAnalyzerMatrix" in self._analysis.tables:
            links = read_links(self._analysis)
            frames["links"] = LINKS.build(links.assign(rank=self.rank, source=self._source["analysis"]))
        frames["steps"] = self._steps(steps)
        frames["comm"] = self._communication(exact)
        return frames

    def _side_tables(self, record: Database) -> dict[str, pd.DataFrame]:
        source = self._source["record"]
        frames: dict[str, pd.DataFrame] = {}
        if record.tables.keys() & {"OP_MEMORY", "NPU_OP_MEM"}:
            by_framework = "OP_MEMORY" in record.tables
            allocator = "PTA" if self.framework == "pytorch" else "MindSpore"
            rows = read_allocations(record, allocator) if by_framework else read_operator_allocations(record)
            rows = rows.assign(rank=self._rank_of(rows), source=source)
            frames["allocations"] = ALLOCATIONS.build(rows.drop(columns="device"))
        if "CANN_API" in record.tables:
            frames["api"] = API.build(read_api_calls(record).assign(rank=self.rank, source=source))
        if "PYTORCH_CALLCHAINS" in record.tables:
            frames["host_calls"] = HOST_CALLS.build(read_host_calls(record).assign(rank=self.rank, source=source))
        if record.tables.keys() & sample_tables():
            samples = read_device_samples(record)
            samples = samples.assign(rank=self._rank_of(samples), source=source)
            frames["device_samples"] = DEVICE_SAMPLES.build(samples)
        return frames

    def _ops(self, device: pd.DataFrame, host: HostSide, steps: pd.DataFrame) -> pd.DataFrame:
        operators = host.operators.assign(
            rank=self.rank,
            step=step_at(host.operators["start_ns"].to_numpy(), steps),
            self_ns=host.operators["dur_ns"],
        )
        references = {"parent": -1, "launcher": -1, "forward_op": -1, "carry_over": False}
        parts = [operators.assign(level="host"), device.assign(level="device")]
        source = self._source["record"]
        return concatenate(OPS, [OPS.build(part.assign(source=source, **references)) for part in parts])

    def _steps(self, marked: pd.DataFrame) -> pd.DataFrame:
        if self._analysis is None:
            joined, source = marked, self._source["record"]
        else:
            split = read_split(self._analysis)
            self._note_devices(self._analysis, "StepTraceTime", split["device"])
            joined = join_steps(split.assign(rank=self._rank_of(split)).drop(columns="device"), marked)
            joined["rank"] = joined["rank"].fillna(self.rank).astype("int32")
            source = self._source["analysis"]
        return STEPS.build(joined.assign(how="recorded", source=source, rank=joined.get("rank", self.rank)))

    def _communication(self, exact: pd.DataFrame) -> pd.DataFrame:
        source = self._source["record" if len(exact) else "analysis"]
        analysed = pd.DataFrame(columns=["name", "wait_ns", "size_bytes"])
        if self._analysis is not None:
            analysed = read_operations(self._analysis).assign(rank=self.rank)
        merged = merge_communication(exact, analysed)
        return COMM.build(merged.assign(source=source)) if len(merged) else COMM.empty()

    def _rank_of(self, rows: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Give the rank of each row by its device; that of the run where devices are not mapped."""
        if len(self._ranks) < 2:
            return np.full(len(rows), self.rank, dtype=np.int32)
        return rows["device"].astype(object).map(self._ranks).fillna(-1).to_numpy(np.int32)

    def _note_devices(self, database: Database, table: str, devices: pd.Series[Any]) -> None:
        several = sorted(int(device) for device in devices.dropna().unique())
        if len(several) > 1 and len(self._ranks) < 2:
            named = ", ".join(map(str, several[:8]))
            text = f"rows of devices {named} and no table of their ranks: all are given rank {self.rank}"
            database.note(Severity.DATA_LOSS, table, text)

    def facts(self) -> dict[str, str]:
        """Tell what the databases say of the device and host, and which recorded tables no frame holds."""
        facts: dict[str, str] = {}
        if self._record is not None:
            for key, table, column in (("npu", "NPU_INFO", "name"), ("host", "HOST_INFO", "hostName")):
                texts = self._record.read(table, (column,)).cells(column)[:_FEW]
                named = sorted({text[:64] for text in texts if isinstance(text, str)})
                if named:
                    facts[key] = ", ".join(named[:4])
        unread = sorted(name for database in (self._record, self._analysis) for name in _unread_tables(database))
        if unread:
            facts["not_read"] = ", ".join(name[:64] for name in unread[:40])
        return facts


def _unread_tables(database: Database | None) -> Iterator[str]:
    if database is None:
        return
    for table in database.tables:
        if table not in _READ_TABLES and not _NO_RECORDING.fullmatch(table) and database.has_rows(table):
            yield table


def _device_ranks(record: Database | None) -> dict[int, int]:
    if record is None:
        return {}
    rows = record.read("RANK_DEVICE_MAP", ("rankId", "deviceId"))
    ranks, devices = rows.whole("rankId"), rows.whole("deviceId")
    known = ranks.between(0, 10**6).fillna(value=False) & devices.notna()
    return dict(zip(devices[known].astype(int), ranks[known].astype(int), strict=True))


def _framework(info: RunInfo, by_name: str | None, record: Database | None) -> Framework:
    if info.framework != "unknown":
        return info.framework
    if by_name is not None:
        return "pytorch" if by_name == "pytorch" else "mindspore"
    return "pytorch" if record is not None and "PYTORCH_API" in record.tables else "unknown"
