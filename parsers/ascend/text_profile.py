"""Text output of an Ascend profiling run of MindSpore (`*_ascend_ms`) or torch_npu (`*_ascend_pt`).

Read are kernel_details.csv (device kernels), trace_view.json (host operators, steps, launches), step_trace_time.csv,
communication.json with its matrix, api_statistic.csv, the memory tables and those of the dataset pipeline, each on its
own: a run that lost one of them gives the rest, and an issue. op_statistic.csv serves to check the kernels, counters of
kernels are read on request; the files that no frame has a place for are named in the facts. A
directory is known by what it holds; its name decides nothing but the framework, and only where the files do not tell
it. Databases beside text files repeat them and are not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.frame_spec import concatenate
from profkit.parsers.ascend.collective_arguments import with_arguments
from profkit.parsers.ascend.communication import communication_kind, read_communication
from profkit.parsers.ascend.completeness import check_kernels, check_steps
from profkit.parsers.ascend.kernel_counters import counter_columns, read_counters
from profkit.parsers.ascend.kernels import Kernels, is_communication, read_kernels, type_of_kernel
from profkit.parsers.ascend.layout import (
    API_STATISTIC,
    COMMUNICATION,
    KERNELS,
    MEMORY_RECORD,
    MODULE_MEMORY,
    OP_STATISTIC,
    OPERATOR_DETAILS,
    OPERATOR_MEMORY,
    STATIC_MEMORY,
    STEP_TIMES,
    TRACE,
    Layout,
    is_better_read_as_database,
    layout_of,
    pipeline_of,
    raw_records,
    unread_files,
    why_nothing,
)
from profkit.parsers.ascend.memory import read_memory_record, read_module_memory, read_operator_memory
from profkit.parsers.ascend.run_info import RunInfo, info_files, read_run_info
from profkit.parsers.ascend.side_tables import read_side_tables
from profkit.parsers.ascend.statistics_check import check_counts
from profkit.parsers.ascend.steps import join_steps, read_step_times, step_at
from profkit.parsers.ascend.tables import CsvTable, columns_of_header
from profkit.parsers.ascend.trace import HostTrace, connections_of, is_ascend_trace, read_trace
from profkit.parsers.ascend.wait_time import wait_times
from profkit.parsers.base import Descriptor, Framework, Parsed, Recognition
from profkit.parsers.csv_records import header_of
from profkit.progress import Progress
from profkit.schema import COMM, DEVICE_SAMPLES, MEMORY, OPS, SPANS, STEPS

_LONGEST_NAME, _MOST_COLUMNS = 64, 80
# Tables that tell something by themselves; msprof adds the number of a slice and the time of the export to their names.
_LONE_TABLES = frozenset(
    {STEP_TIMES, MEMORY_RECORD, MODULE_MEMORY, OPERATOR_MEMORY, STATIC_MEMORY, API_STATISTIC, OPERATOR_DETAILS}
)
_EXPORTED = re.compile(r"([a-z_]+?)(?:_slice_\d+)?(?:_\d+)?\.csv")
_Frame = TypeVar("_Frame")


@dataclass
class _Found:
    """What the files gave; None where a file is absent or unreadable."""

    kernels: Kernels | None = None
    trace: HostTrace | None = None
    step_times: pd.DataFrame | None = None
    communication: pd.DataFrame | None = None
    memory: list[pd.DataFrame] = field(default_factory=list)
    issues: list[ImportIssue] = field(default_factory=list)


class AscendTextProfile:
    """Parser of the text files that MindSpore Profiler (2.3 and later) and torch_npu write for Ascend devices."""

    descriptor = Descriptor(
        name="ascend-text-profile",
        title="Ascend profiling run of MindSpore or torch_npu (kernel_details.csv, trace_view.json)",
        framework="unknown",
        clock="unix epoch",
        unit="us with 3 decimals",
        frames=(
            *("ops", "spans", "steps", "memory", "allocations", "comm", "links", "api"),
            *("host_calls", "device_samples", "data_pipeline"),
        ),
        version=7,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a run's directory, its ASCEND_PROFILER_OUTPUT, a lone table or a lone trace."""
        if path.is_file():
            return _sniff_table(path) or _sniff_trace(path)
        layout = layout_of(path)
        if not layout.files and why_nothing(path) is None:
            return None
        if is_better_read_as_database(layout):
            return None
        if not layout.files:
            return Recognition("it is the directory of an Ascend profiling run", ())
        files = [*layout.files.values(), *pipeline_of(layout).values(), *info_files(layout.run)]
        return Recognition(f"it holds {', '.join(sorted(layout.files))} of an Ascend profiler", tuple(sorted(files)))

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read a run.

        Raises:
            UnreadableInputError: The run was never analysed, or no file gave anything.
        """
        layout = _lone(path) if path.is_file() else layout_of(path)
        if not layout.files:
            message, hint = why_nothing(path) or ("nothing was recorded", "run the profiler again")
            raise UnreadableInputError(f"{path}: {message}", hint)
        info = RunInfo() if path.is_file() else read_run_info(layout.run)
        found = _read_files(layout, progress)
        framework = info.framework if info.framework != "unknown" else _framework_of(layout, found)
        _read_memory(layout, framework, found, progress)
        facts = {**info.facts, **({} if layout.alone else _unread(layout))}
        frames = _frames(layout, found, info.rank)
        frames.update(read_side_tables(layout, framework, info.rank, found.issues, progress))
        if found.trace is not None and len(found.trace.samples):
            of_trace = DEVICE_SAMPLES.build(found.trace.samples.assign(rank=info.rank, source=str(layout.files[TRACE])))
            others = [frames[DEVICE_SAMPLES.name]] if DEVICE_SAMPLES.name in frames else []
            frames[DEVICE_SAMPLES.name] = concatenate(DEVICE_SAMPLES, [of_trace, *others])
        if not any(len(frame) for frame in frames.values()):
            reasons = "; ".join(issue.text for issue in found.issues) or "the files are empty"
            raise UnreadableInputError(f"{path}: no row could be read: {reasons}", "analyse the run again")
        return Parsed(
            frames=frames,
            issues=(*info.issues, *found.issues),
            framework=framework,
            rank=info.rank,
            writer_version=info.version,
            facts=facts,
        )

    def read_counters(self, path: Path, progress: Progress) -> tuple[pd.DataFrame, list[ImportIssue]]:
        """Read the hardware counters of the kernels of a run: frame `counters`, and what was lost.

        Raises:
            UnreadableInputError: A header lacks the columns that tell the kernel.
        """
        layout = _lone(path) if path.is_file() else layout_of(path)
        rank = -1 if path.is_file() else read_run_info(layout.run).rank
        return read_counters(layout, rank, progress)


def _unread(layout: Layout) -> dict[str, str]:
    """Name the files and the columns of kernel_details.csv that no frame has a place for, and the counters."""
    unread = {"not_read": unread_files(layout), "raw_records": raw_records(layout.run)}
    if KERNELS in layout.files:
        header = header_of(layout.files[KERNELS])
        known = columns_of_header(header, "kernel_details") or {}
        counters = counter_columns(header)
        taken = {*known.values(), *counters.values()}
        others = (cell.strip()[:_LONGEST_NAME] for place, cell in enumerate(header) if place not in taken)
        unread["columns_not_read"] = ", ".join(list(others)[:_MOST_COLUMNS])
        named = (counter[:_LONGEST_NAME] for counter in sorted(counters, key=lambda one: counters[one]))
        unread["counters"] = ", ".join(list(named)[:_MOST_COLUMNS])
    return {key: text for key, text in unread.items() if text}


def _sniff_table(path: Path) -> Recognition | None:
    if path.suffix.lower() != ".csv":
        return None
    name = _table_of(path)
    return Recognition(f"its header is that of a {name}", (path,)) if name is not None else None


def _table_of(path: Path) -> str | None:
    """Name the table a CSV file is: kernels by the header alone, small tables by their file's name as well."""
    header = header_of(path)
    if columns_of_header(header, "kernel_details") is not None:
        return KERNELS
    match = _EXPORTED.fullmatch(path.name)
    table = match.group(1) if match is not None else ""
    known = f"{table}.csv" in _LONE_TABLES and columns_of_header(header, table) is not None
    return f"{table}.csv" if known else None


def _sniff_trace(path: Path) -> Recognition | None:
    if not is_ascend_trace(path):
        return None
    return Recognition("its events have absolute times as text, as only Ascend profilers write them", (path,))


def _lone(path: Path) -> Layout:
    name = _table_of(path) if path.suffix.lower() == ".csv" else None
    return Layout(path.parent, path.parent, {name or TRACE: path}, alone=True)


def _read_files(layout: Layout, progress: Progress) -> _Found:
    found = _Found()
    found.kernels = _attempt(layout, KERNELS, found, lambda path: read_kernels(path, progress))
    found.trace = _attempt(layout, TRACE, found, lambda path: read_trace(path, progress))
    step_times = _attempt(layout, STEP_TIMES, found, lambda path: read_step_times(path, progress))
    communication = _attempt(layout, COMMUNICATION, found, read_communication)
    if found.kernels is not None:
        found.issues += found.kernels.issues
        columns = found.kernels.columns
        found.issues += _attempt(layout, OP_STATISTIC, found, lambda path: check_counts(path, columns, progress)) or []
    else:
        _tell_absent_kernels(layout, found)
    if found.trace is not None:
        found.issues += found.trace.issues
    if step_times is not None:
        found.step_times = step_times[0]
        found.issues += step_times[1]
    if communication is not None:
        found.communication = communication[0]
        found.issues += communication[1]
    _check_completeness(layout, found)
    return found


def _check_completeness(layout: Layout, found: _Found) -> None:
    if found.trace is None:
        return
    if found.kernels is not None:
        found.issues += check_kernels(layout.files[KERNELS], found.kernels, found.trace)
    if found.step_times is not None:
        found.issues += check_steps(layout.files[STEP_TIMES], found.step_times, found.trace)


def _read_memory(layout: Layout, framework: Framework, found: _Found, progress: Progress) -> None:
    readers: dict[str, Callable[[Path], tuple[pd.DataFrame, CsvTable]]] = {
        MEMORY_RECORD: lambda path: read_memory_record(path, framework, progress),
        MODULE_MEMORY: lambda path: read_module_memory(path, progress),
        OPERATOR_MEMORY: lambda path: read_operator_memory(path, framework, progress),
    }
    # operator_memory.csv tells the totals of memory_record.csv once more.
    useless = OPERATOR_MEMORY if MEMORY_RECORD in layout.files else None
    for name, read in readers.items():
        samples = _attempt(layout, name, found, read) if name != useless else None
        if samples is not None:
            found.memory.append(samples[0].assign(source=str(layout.files[name])))
            found.issues += samples[1].issues


def _tell_absent_kernels(layout: Layout, found: _Found) -> None:
    if KERNELS in layout.files or (layout.alone and TRACE not in layout.files):
        return
    kernels = 0 if found.trace is None else int(found.trace.device["is_kernel"].sum())
    if kernels:
        text = f"no kernel_details.csv: {kernels:,} kernels were taken from the trace, without types, shapes and cores"
    else:
        text = "no kernel_details.csv (level None, or no device activity): no device rows"
    found.issues.append(ImportIssue(Severity.DATA_LOSS, str(layout.output), "", text))


def _attempt(layout: Layout, name: str, found: _Found, read: Callable[[Path], _Frame]) -> _Frame | None:
    path = layout.files.get(name)
    if path is None:
        return None
    try:
        return read(path)
    except UnreadableInputError as error:
        found.issues.append(ImportIssue(Severity.ERROR, str(path), "", error.message.removeprefix(f"{path}: ")))
        return None


def _framework_of(layout: Layout, found: _Found) -> Framework:
    """Tell the framework from what it writes: its lane, the spelling of the step column, names before kernel names."""
    if found.trace is not None and found.trace.framework != "unknown":
        return found.trace.framework
    if found.kernels is None:
        return "unknown"
    header = header_of(layout.files[KERNELS])
    if "Step Id" in header:
        return "pytorch"
    names = found.kernels.columns["name"].cat.categories
    if "Step ID" in header or any("::" in str(name) and "/" in str(name) for name in names):
        return "mindspore"
    return "unknown"


def _frames(layout: Layout, found: _Found, rank: int) -> dict[str, pd.DataFrame]:
    marked = pd.DataFrame({"step": [], "start_ns": [], "dur_ns": []}, dtype="int64")
    spans = SPANS.empty()
    rows = []
    if found.trace is not None:
        marked = found.trace.steps
        spans = SPANS.build(found.trace.spans.assign(rank=rank, source=str(layout.files[TRACE])))
        rows.append(_host_rows(found.trace, str(layout.files[TRACE])))
    if found.kernels is not None:
        rows.append(_device_rows(found.kernels, found.trace, str(layout.files[KERNELS])))
    elif found.trace is not None:
        rows.append(_traced_kernels(found.trace, str(layout.files[TRACE])))
    frames = {"ops": _ops(rows, rank), "spans": spans}
    frames["steps"] = _step_frame(found.step_times, marked, rank, layout)
    if found.memory:
        frames["memory"] = concatenate(MEMORY, [MEMORY.build(samples.assign(rank=rank)) for samples in found.memory])
    communication = _communication(layout, found)
    if communication is not None:
        frames["comm"] = COMM.build(communication.assign(rank=rank))
    return frames


def _communication(layout: Layout, found: _Found) -> pd.DataFrame | None:
    """Give communication.json with the arguments of the trace; without it, the arguments beside their kernels."""
    transfers = found.trace.transfers if found.trace is not None else None
    if found.communication is not None:
        rows = found.communication.assign(source=str(layout.files[COMMUNICATION]))
        return rows if transfers is None else with_arguments(rows, transfers)
    if transfers is None or transfers.empty:
        return None
    if found.kernels is None:
        rows = transfers.assign(source=str(layout.files[TRACE]))
    else:
        columns = {name: found.kernels.columns[name] for name in ("start_ns", "dur_ns", "row")}
        kernels = pd.DataFrame({"name": found.kernels.kernel_names, **columns})
        kernels = kernels[is_communication(found.kernels.columns)].reset_index(drop=True)
        rows = with_arguments(kernels, transfers).assign(source=str(layout.files[KERNELS]))
    kinds = rows["name"].map({name: communication_kind(str(name)) for name in rows["name"].unique()})
    return rows.assign(step=-1, kind=kinds, level="device")


def _ops(parts: list[pd.DataFrame], rank: int) -> pd.DataFrame:
    references = {"rank": rank, "parent": -1, "launcher": -1, "forward_op": -1, "carry_over": False}
    return concatenate(OPS, [OPS.build(part.assign(**references)) for part in parts])


def _host_rows(trace: HostTrace, source: str) -> pd.DataFrame:
    operators = trace.operators
    return operators.assign(
        level="host",
        step=step_at(operators["start_ns"].to_numpy(), trace.steps),
        self_ns=operators["dur_ns"],
        source=source,
    )


def _device_rows(kernels: Kernels, trace: HostTrace | None, source: str) -> pd.DataFrame:
    columns: dict[str, Any] = {**kernels.columns, "level": "device", "source": source}
    if trace is not None:
        columns["correlation"] = connections_of(kernels.kernel_names, kernels.columns["start_ns"], trace)
    return pd.DataFrame(columns)


def _traced_kernels(trace: HostTrace, source: str) -> pd.DataFrame:
    """Give the kernels of the trace; its task types do not tell cores (AI_CORE stands for vector cores too)."""
    kernels = trace.device[trace.device["is_kernel"]].drop(columns="is_kernel").reset_index(drop=True)
    types = {name: type_of_kernel(name) for name in kernels["name"].unique()}
    device = pd.Series(0, index=kernels.index)
    return kernels.rename(columns={"connection": "correlation"}).assign(
        level="device",
        step=step_at(kernels["start_ns"].to_numpy(), trace.steps),
        self_ns=kernels["dur_ns"],
        wait_ns=wait_times(kernels["start_ns"], kernels["dur_ns"], device),
        op_type=kernels["name"].map(types),
        source=source,
    )


def _step_frame(times: pd.DataFrame | None, marked: pd.DataFrame, rank: int, layout: Layout) -> pd.DataFrame:
    if times is None:
        if marked.empty:
            return STEPS.empty()
        times = pd.DataFrame({"step": pd.Series(dtype="int64")})
    source = str(layout.files[STEP_TIMES if STEP_TIMES in layout.files else TRACE])
    return STEPS.build(join_steps(times, marked).assign(rank=rank, how="recorded", source=source))
