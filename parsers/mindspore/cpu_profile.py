"""Profile of a MindSpore run on CPU: the text records below FRAMEWORK of an `*_ascend_ms` directory.

    cpu_op_execute_timestamp_{id}.txt   full_op_name;HostCpuOps;start_ns,dur_ms,thread start_ns,dur_ms,thread ...
    cpu_op_detail_info_{id}.csv         type of each full_op_name
    cpu_framework_{id}.txt              type;name;graph_id;input_1:[8, 32];input_2:NoShape;   one line an execution
    cpu_ms_memory_record_{id}.txt       Timestamp(ns),Total Allocated(Byte),Total Reserved(Byte),Total Active(Byte)

The times are read from there and not from trace_view.json, where they went through a float. Durations are printed with
six significant digits of a millisecond: those above 1 ms are only known to 10 ns and coarser; digits below a nanosecond
are rounded, ties to even. There are no steps, no host operators above the kernels and no rank in these files.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.csv_records import csv_records
from profkit.parsers.exact_time import MILLISECONDS, NANOSECONDS, exact_nanoseconds
from profkit.parsers.mindspore.cpu_shapes import read_input_shapes
from profkit.parsers.mindspore.dataset_pipeline import pipeline_files, read_pipeline
from profkit.parsers.text_lines import finished_lines, issue_at, note_cut
from profkit.progress import Progress
from profkit.schema import MEMORY, OPS

_FRAMEWORK, _OUTPUT = "FRAMEWORK", "ASCEND_PROFILER_OUTPUT"
_TIMES = "cpu_op_execute_timestamp_*.txt"
_DETAILS = "cpu_op_detail_info_*.csv"
_SHAPES = "cpu_framework_*.txt"
_MEMORY = "cpu_ms_memory_record_*.txt"
_EXECUTION = r"^(?P<start>[0-9]+),(?P<duration>[0-9.eE+-]+),(?P<thread>[^,]*)$"
_NUMBER = re.compile(r"-op\d+$")
_FILE_ID = re.compile(r"_(\d{1,6})\.txt$")


class MindSporeCpuProfile:
    """Parser of MindSpore CPU runs (2.5 and later write this layout; recorded with 2.10)."""

    descriptor = Descriptor(
        name="mindspore-cpu-profile",
        title="MindSpore profiling run on CPU (FRAMEWORK/cpu_op_execute_timestamp)",
        framework="mindspore",
        clock="unix epoch",
        unit="ns; durations in ms",
        frames=("ops", "memory", "data_pipeline"),
        version=3,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a run's directory, or the ASCEND_PROFILER_OUTPUT or FRAMEWORK inside it.

        Runs that also hold device kernels, or raw device records, belong to the parser of Ascend runs.
        """
        run = path.parent if path.name in (_FRAMEWORK, _OUTPUT) else path
        if not run.is_dir() or (run / _OUTPUT / "kernel_details.csv").exists() or any(run.glob("PROF_*")):
            return None
        if _only(run, _TIMES) is not None:
            files = [_only(run, pattern) for pattern in (_TIMES, _DETAILS, _SHAPES, _MEMORY)]
            files += pipeline_files([run / _OUTPUT, run / _FRAMEWORK]).values()
            return Recognition(
                "FRAMEWORK holds the execution times of CPU operators",
                tuple(sorted(file for file in files if file is not None)),
            )
        if run == path and _wrote_nothing(run):
            return Recognition("it holds logs of the MindSpore profiler and nothing else", ())
        return None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read a run.

        Raises:
            UnreadableInputError: The profiler wrote no operator times, or none of them can be read.
        """
        run = path.parent if path.name in (_FRAMEWORK, _OUTPUT) else path
        times = _only(run, _TIMES)
        if times is None:
            raise UnreadableInputError(
                f"{path}: the profiler wrote nothing but logs: it was stopped before it could analyse the run",
                "let the script reach profiler.stop() (or the end of the `with` block), then profile again",
            )
        progress("reading", times.name, None)
        issues: list[ImportIssue] = []
        executions = _executions(times, issues)
        names = executions["name"].astype(object)
        types = _types(run, executions["name"], issues)
        shapes = _shapes(run, names, issues)
        ops = OPS.build(
            executions.assign(
                op_type=types.astype("category"),
                input_shapes=shapes.astype("category"),
                **_constant_columns(str(times)),
            )
        )
        pipeline = read_pipeline(pipeline_files([run / _OUTPUT, run / _FRAMEWORK]), issues)
        frames = {"ops": ops, "memory": _memory(run, issues), "data_pipeline": pipeline}
        return Parsed(frames=frames, issues=issues, framework="mindspore", facts={"device": "CPU"})


def _constant_columns(source: str) -> dict[str, Any]:
    references = {"parent": -1, "launcher": -1, "forward_op": -1, "carry_over": False}
    return {"rank": -1, "step": -1, "level": "host", "source": source, **references}


def _only(run: Path, pattern: str) -> Path | None:
    return next((path for path in sorted((run / _FRAMEWORK).glob(pattern)) if path.is_file()), None)


def _wrote_nothing(run: Path) -> bool:
    """Tell whether the profiler began and left nothing: its logs stand alone, or beside empty directories."""
    if not any((run / "logs").glob("profiler_*.log")):
        return False
    others = [entry for entry in run.iterdir() if entry.name != "logs"]
    return all(entry.name in (_FRAMEWORK, _OUTPUT) and not any(entry.iterdir()) for entry in others)


def _executions(path: Path, issues: list[ImportIssue]) -> pd.DataFrame:
    """Read the execution times: name, thread, start_ns, dur_ns, self_ns and row (number in the file), by start."""
    names: list[str] = []
    records: list[str] = []
    counts: list[int] = []
    odd: list[int] = []
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            parts = line.rstrip("\r\n").rsplit(";", 2)
            executed = parts[-1].split()
            if len(parts) != 3 or not executed:
                odd += [number] if line.strip() else []
                continue
            if not line.endswith("\n"):
                note_cut(path, number, issues, "its last execution was left out")
                executed = executed if line.endswith(" ") else executed[:-1]
            names.append(parts[0])
            counts.append(len(executed))
            records += executed
    if odd:
        issues.append(issue_at(path, Severity.DATA_LOSS, odd, "lines are no `name;kind;times` and were skipped"))
    fields = pc.extract_regex(pa.array(records, pa.string()), pattern=_EXECUTION)
    start = exact_nanoseconds(pc.struct_field(fields, "start"), NANOSECONDS)
    duration = exact_nanoseconds(pc.struct_field(fields, "duration"), MILLISECONDS)
    known = start.known & duration.known
    if not known.any():
        raise UnreadableInputError(f"{path}: no operator time can be read", "profile again; the file is cut or edited")
    _note_records(issues, path, records, ~known)
    order = np.flatnonzero(known)
    order = order[np.argsort(start.ns[order], kind="stable")]
    thread = pc.struct_field(fields, "thread").dictionary_encode()
    return pd.DataFrame(
        {
            "name": pd.Categorical(np.repeat(np.array(names, dtype=object), counts)[order]),
            "thread": pd.Series(thread.to_pandas()).iloc[order].reset_index(drop=True),
            "start_ns": start.ns[order],
            "dur_ns": duration.ns[order],
            "self_ns": duration.ns[order],
            "row": order.astype(np.int64),
        }
    )


def _note_records(issues: list[ImportIssue], path: Path, records: list[str], unknown: NDArray[np.bool_]) -> None:
    if unknown.any():
        first = int(np.argmax(unknown))
        text = f"{int(unknown.sum()):,} executions are no `start,duration,thread` and were skipped"
        where = f"execution {first + 1}: {records[first][:60]!r}"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), where, text))


def _types(run: Path, names: pd.Series[Any], issues: list[ImportIssue]) -> pd.Series[Any]:
    """Give the type of each operator, from the details of its full name; where they have none, from the name."""
    recorded: dict[str, str] = {}
    path = _only(run, _DETAILS)
    if path is not None:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            try:
                records = csv_records(finished_lines(file, path, issues))
                header = next(records, [])
                for cells in records:
                    row = dict(zip(header, cells, strict=False))
                    recorded[row.get("full_op_name", "")] = row.get("op_type", "")
            except csv.Error as error:
                issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", f"not read to its end: {error}"))
    types = {name: recorded.get(name) or _NUMBER.sub("", name.rsplit("/", 1)[-1]) for name in names.cat.categories}
    without = sum(not recorded.get(name) for name in names.cat.categories)
    if without:
        source = path if path is not None else run / _FRAMEWORK
        text = f"no type is recorded for {without:,} operators: read from their names"
        issues.append(ImportIssue(Severity.INFO, str(source), "", text))
    return names.astype(object).map(types)


def _shapes(run: Path, names: pd.Series[Any], issues: list[ImportIssue]) -> pd.Series[Any]:
    path = _only(run, _SHAPES)
    if path is None:
        text = "cpu_framework file is absent: input shapes are unknown"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(run / _FRAMEWORK), "", text))
        return pd.Series([None] * len(names), dtype=object)
    return read_input_shapes(path, names, issues)


def _memory(run: Path, issues: list[ImportIssue]) -> pd.DataFrame:
    path = _only(run, _MEMORY)
    if path is None:
        return MEMORY.empty()
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = [line.rstrip("\n") for line in finished_lines(file, path, issues)][1:]
    pattern = r"^(?P<time>[0-9]+),(?P<allocated>[0-9]+),(?P<reserved>[0-9]+)"
    fields = pc.extract_regex(pa.array(lines, pa.string()), pattern=pattern)
    columns = {
        name: exact_nanoseconds(pc.struct_field(fields, name), NANOSECONDS)
        for name in ("time", "allocated", "reserved")
    }
    known = np.logical_and.reduce([column.known for column in columns.values()])
    if not known.all():
        lines_lost = (np.flatnonzero(~known) + 2).tolist()
        issues.append(issue_at(path, Severity.DATA_LOSS, lines_lost, "memory samples are unreadable and were skipped"))
    return MEMORY.build(
        {
            "rank": np.full(int(known.sum()), -1, dtype=np.int32),
            "time_ns": columns["time"].ns[known],
            "component": "CPU",
            "allocated_bytes": columns["allocated"].ns[known],
            "reserved_bytes": columns["reserved"].ns[known],
            "source": str(path),
        }
    )
