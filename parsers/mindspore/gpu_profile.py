"""Profiles of MindSpore 1.0 to 2.5 on GPU: the files of one rank in a `profiler/` directory.

    gpu_op_execute_timestamp_{id}.txt   op_full_name;GpuOps;start_ns,dur_us start_ns,dur_us ...       host operators
    activity_execute_timestamp_{id}.txt kernel;stream;start_ns;dur_us                                 device kernels
    gpu_op_detail_info_{id}.csv         type of each operator
    gpu_activity_data_{id}.csv          operator of each kernel
    step_trace_profiling_{id}.txt       operator,ns of the start, the forward's begin, the backward's end and the end
    gpu_timeline_display_{id}.json      operators and kernels for a viewer: floats of us, cut at 20 MB

The display is read only where the first two are absent. Known from the writers and from one short recorded display.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.frame_spec import concatenate
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.byte_stream import first_bytes
from profkit.parsers.chrome.events import Argument, read_events
from profkit.parsers.exact_time import MICROSECONDS, NANOSECONDS, exact_nanoseconds
from profkit.parsers.mindspore.dataset_pipeline import files_read, pipeline_files, read_pipeline
from profkit.parsers.mindspore.legacy_files import LegacyFiles, legacy_facts, recording_of
from profkit.parsers.mindspore.legacy_info import read_legacy_info
from profkit.parsers.mindspore.legacy_operators import type_of_name
from profkit.parsers.mindspore.legacy_tables import read_table
from profkit.parsers.text_lines import finished_lines
from profkit.progress import Progress
from profkit.schema import DATA_PIPELINE, OPS, STEPS

_OPERATORS, _KERNELS, _DISPLAY, _STEPS = "gpu_operators", "gpu_kernels", "gpu_timeline_display", "gpu_steps"
_OPERATOR_LINE = re.compile(rb"^[^;\n]+;[A-Za-z]+;[0-9.]+,[0-9.eE+-]+")
_KERNEL_LINE = re.compile(rb"^[^\n]+;[0-9]+;[0-9.]+;[0-9.eE+-]+\s")
_EXECUTION = r"^(?P<start>[0-9.]+),(?P<duration>[0-9.eE+-]+)$"
_POINT = re.compile(r"^(?P<operator>[^,]+),(?P<time>\d{1,19})$")
_STEP_POINTS = 4
_HOST_THREADS = frozenset({"Ops", "GpuOps", "HostCpuOps", "0", "100002", "100003"})
_HOST_CPU, _DERIVED = "host", "derived"
_STREAM_PREFIX = "Stream #"


class MindSporeGpuProfile:
    """Parser of one rank's files of a GPU run, named by any file that holds operators or kernels."""

    descriptor = Descriptor(
        name="mindspore-gpu-profile",
        title="MindSpore profiler directory of a GPU run (gpu_op_execute_timestamp, gpu_timeline_display)",
        framework="mindspore",
        clock="unix epoch",
        unit="ns; durations in us",
        frames=("ops", "steps", "data_pipeline"),
        version=3,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a file by name and first line; its recording are all files of its number."""
        if not path.is_file():
            return None
        recording = recording_of(path, "gpu")
        if recording is None or not _is_content(path, recording[0]):
            return None
        files = recording[1]
        return Recognition(f"files of MindSpore's profiler on GPU, numbered {files.number}", files.all)

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read all files of the recording that a file belongs to.

        Raises:
            UnreadableInputError: No operator or kernel could be read from them.
        """
        recording = recording_of(path, "gpu")
        if recording is None:
            raise UnreadableInputError(f"{path} is no file of MindSpore's profiler", "name a file of profiler/")
        files, issues = recording[1], list[ImportIssue]()
        info = read_legacy_info(files, issues)
        parts = _raw_parts(files, issues) or _display_parts(files, issues, progress)
        if not any(len(part) for part in parts):
            reasons = "; ".join(issue.text for issue in issues) or "the files are empty"
            raise UnreadableInputError(f"{path}: nothing could be read: {reasons}", "give the directory as written")
        steps = _steps(files, issues)
        ops = _ops(parts, steps, files, info.rank, issues)
        pipeline = pipeline_files([files.directory], files.number)
        names = [file.name for file in files.derived if file not in files_read(pipeline).values()]
        return Parsed(
            {
                "ops": ops,
                "steps": STEPS.build(steps.assign(rank=info.rank, how="recorded")),
                "data_pipeline": DATA_PIPELINE.build(read_pipeline(pipeline, issues).assign(rank=info.rank)),
            },
            tuple(issues),
            framework="mindspore",
            rank=info.rank,
            writer_version=info.version,
            facts={**info.facts, "device": "GPU", **({"sums, not read": ", ".join(names)} if names else {})},
        )


def _is_content(path: Path, kind: str) -> bool:
    text = first_bytes(path)
    if kind == _DISPLAY:
        return text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") and b'"ph"' in text
    return (_OPERATOR_LINE if kind == _OPERATORS else _KERNEL_LINE).match(text) is not None


def _raw_parts(files: LegacyFiles, issues: list[ImportIssue]) -> list[pd.DataFrame]:
    """Give operators and kernels of the raw records, with a column `operator` on kernels; none if there are none."""
    parts = []
    if _OPERATORS in files.kinds:
        parts.append(_operators(files.kinds[_OPERATORS], issues))
    if _KERNELS in files.kinds:
        kernels = _kernels(files.kinds[_KERNELS], issues)
        parts.append(kernels.assign(operator=kernels["name"].map(_operators_of_kernels(files, issues))))
    return parts


def _operators(path: Path, issues: list[ImportIssue]) -> pd.DataFrame:
    names, records, odd = [], [], []
    for number, line in enumerate(_lines(path, issues), start=1):
        parts = line.rsplit(";", 2)
        if len(parts) != 3:
            odd += [number] if line.strip() else []
            continue
        executed = parts[2].split()
        names += [parts[0]] * len(executed)
        records += executed
    _note_lines(issues, path, odd)
    fields = pc.extract_regex(pa.array(records, pa.string()), pattern=_EXECUTION)
    columns = {"name": np.array(names, dtype=object)}
    return _timed(columns, pc.struct_field(fields, "start"), pc.struct_field(fields, "duration"), path, issues).assign(
        level="host", source=str(path)
    )


def _kernels(path: Path, issues: list[ImportIssue]) -> pd.DataFrame:
    records, odd = [], []
    for number, line in enumerate(_lines(path, issues), start=1):
        parts = line.rsplit(";", 3)
        if len(parts) == 4:
            records.append(parts)
        elif line.strip():
            odd.append(number)
    _note_lines(issues, path, odd)
    names, streams, starts, durations = (np.array([r[i] for r in records], dtype=object) for i in range(4))
    columns = {"name": names, "stream": streams}
    return _timed(columns, pa.array(starts, pa.string()), pa.array(durations, pa.string()), path, issues).assign(
        level="device", source=str(path)
    )


def _lines(path: Path, issues: list[ImportIssue]) -> list[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\r\n") for line in finished_lines(file, path, issues)]


def _note_lines(issues: list[ImportIssue], path: Path, lines: list[int]) -> None:
    if lines:
        text = f"{len(lines):,} lines are of no known form and were skipped"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"line {lines[0]}", text))


def _timed(
    columns: dict[str, NDArray[np.object_]],
    starts: pa.Array,
    durations: pa.Array,
    path: Path,
    issues: list[ImportIssue],
) -> pd.DataFrame:
    """Give the columns of the records that have a start (ns) and a duration (us), in their order."""
    start, duration = exact_nanoseconds(starts, NANOSECONDS), exact_nanoseconds(durations, MICROSECONDS)
    known = start.known & duration.known & (duration.ns >= 0)
    if not known.all():
        text = f"{int((~known).sum()):,} executions have no start or no duration and were skipped"
        where = f"execution {int(np.argmin(known)) + 1}"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), where, text))
    frame = pd.DataFrame({"start_ns": start.ns[known], "dur_ns": duration.ns[known], "row": np.flatnonzero(known)})
    return frame.assign(**{name: pd.Categorical(values[known]) for name, values in columns.items()})


def _operators_of_kernels(files: LegacyFiles, issues: list[ImportIssue]) -> dict[str, str]:
    """Give the operator of each kernel that belongs to a single one."""
    path = files.kinds.get("gpu_kernel_data")
    if path is None:
        return {}
    try:
        table = read_table(path, "gpu_kernel_data", issues)
    except UnreadableInputError as error:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", error.message.removeprefix(f"{path}: ")))
        return {}
    found: dict[str, set[str]] = {}
    for kernel, operator in zip(table.texts("name"), table.texts("operator"), strict=True):
        if kernel is not None and operator is not None:
            found.setdefault(kernel, set()).add(operator)
    return {kernel: operators.pop() for kernel, operators in found.items() if len(operators) == 1}


def _display_parts(files: LegacyFiles, issues: list[ImportIssue], progress: Progress) -> list[pd.DataFrame]:
    path = files.kinds.get(_DISPLAY)
    if path is None:
        return []
    file = read_events(path, [Argument("operator", "text", "op_full_name")], phases="X", progress=progress)
    issues += file.issues
    events = file.events
    role = events["pid"].astype(object).map(legacy_facts()["processes"]).fillna("")
    thread = events["tid"].astype(object).fillna("")
    marks = thread.isin(legacy_facts()["derived_threads"]["names"]) | (role == _DERIVED)
    timed = events["ts_ns"].notna() & events["dur_ns"].notna() & (events["dur_ns"] >= 0).fillna(value=False)
    lost = events[(~timed & ~marks).to_numpy()]
    if len(lost):
        text = f"{len(lost):,} events have no start or no duration: left out"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"event {lost['row'].iloc[0]}", text))
    kept = (timed & ~marks).to_numpy()
    host = ((role == _HOST_CPU) | (thread.isin(_HOST_THREADS) & events["operator"].isna())).to_numpy()[kept]
    rows = events[kept]
    stream = rows["tid"].astype(object).str.removeprefix(_STREAM_PREFIX).where(~host, None)
    frame = pd.DataFrame(
        {
            "name": rows["name"].astype(object).fillna("").astype("category"),
            "start_ns": rows["ts_ns"].astype("int64"),
            "dur_ns": rows["dur_ns"].astype("int64"),
            "stream": stream.astype("category"),
            "level": np.where(host, "host", "device"),
            "operator": rows["operator"].astype(object).where(~host, None),
            "row": rows["row"],
            "source": str(path),
        }
    )
    return [frame.reset_index(drop=True)]


def _steps(files: LegacyFiles, issues: list[ImportIssue]) -> pd.DataFrame:
    """Give step (from 1), start_ns, dur_ns and source."""
    path = files.kinds.get(_STEPS)
    rows, odd = [], []
    for number, line in enumerate(_lines(path, issues) if path is not None else [], start=1):
        points = [_POINT.match(word) for word in line.split()[:_STEP_POINTS]]
        times = [int(point["time"]) for point in points if point is not None]
        if len(times) == _STEP_POINTS and times[0] <= times[-1] < 2**63:
            rows.append((number, times[0], times[-1] - times[0]))
        elif line.strip():
            odd.append(number)
    if path is not None and odd:
        text = f"{len(odd):,} lines are no four points `operator,ns` (the form of kernels launched in order): no step"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"line {odd[0]}", text))
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    names = ("step", "start_ns", "dur_ns")
    return pd.DataFrame(
        {name: np.array(values, dtype=np.int64) for name, values in zip(names, columns, strict=True)}
    ).assign(source=str(path))


def _ops(
    parts: list[pd.DataFrame], steps: pd.DataFrame, files: LegacyFiles, rank: int, issues: list[ImportIssue]
) -> pd.DataFrame:
    types = _types(files, issues)
    absent: dict[str, Any] = dict.fromkeys(("parent", "launcher", "forward_op"), -1)
    built, operators = [], []
    for part in parts:
        host = (part["level"] == "host").to_numpy()
        by_name = {name: types.get(name) or type_of_name(str(name)) for name in part["name"].cat.categories}
        op_type = part["name"].astype(object).map(by_name).where(host, None).astype("category")
        operators.append(part["operator"].astype(object) if "operator" in part else pd.Series([None] * len(part)))
        columns = {"op_type": op_type, "self_ns": part["dur_ns"], "rank": rank, "carry_over": False, **absent}
        step = _step_at(part["start_ns"].to_numpy(np.int64), steps)
        built.append(OPS.build(part.drop(columns="operator", errors="ignore").assign(step=step, **columns)))
    ops = concatenate(OPS, built)
    order = np.argsort(ops["start_ns"].to_numpy(), kind="stable")
    ops = OPS.build(ops.iloc[order])
    operator = pd.concat(operators, ignore_index=True).iloc[order].reset_index(drop=True)
    return OPS.build(ops.assign(launcher=_launchers(ops, operator)))


def _types(files: LegacyFiles, issues: list[ImportIssue]) -> dict[str, str]:
    path = files.kinds.get("gpu_details")
    if path is None:
        return {}
    try:
        table = read_table(path, "gpu_details", issues)
    except UnreadableInputError as error:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", error.message.removeprefix(f"{path}: ")))
        return {}
    pairs = zip(table.texts("name"), table.texts("type"), strict=True)
    return {name: op_type for name, op_type in pairs if name is not None and op_type is not None}


def _launchers(ops: pd.DataFrame, operator: pd.Series[Any]) -> NDArray[np.int64]:
    """Give the last execution of each kernel's operator that began before the kernel, -1 where there is none."""
    launcher = np.full(len(ops), -1, dtype=np.int64)
    host = (ops["level"] == "host").to_numpy()
    starts = ops["start_ns"].to_numpy(np.int64)
    names = ops["name"].astype(object).to_numpy()
    executions = {name: rows.to_numpy() for name, rows in pd.Series(np.flatnonzero(host)).groupby(names[host])}
    for name, kernels in pd.Series(np.flatnonzero(~host)).groupby(operator.to_numpy()[~host]):
        calls = executions.get(name)
        if calls is not None:
            place = np.searchsorted(starts[calls], starts[kernels.to_numpy()], side="right") - 1
            launcher[kernels.to_numpy()] = np.where(place >= 0, calls[place], -1)
    return launcher


def _step_at(times: NDArray[np.int64], steps: pd.DataFrame) -> NDArray[np.int32]:
    if steps.empty:
        return np.full(len(times), -1, dtype=np.int32)
    ordered = steps.sort_values("start_ns")
    begins = ordered["start_ns"].to_numpy(np.int64)
    place = np.searchsorted(begins, times, side="right") - 1
    inside = (place >= 0) & (times < (begins + ordered["dur_ns"].to_numpy(np.int64))[place])
    return np.where(inside, ordered["step"].to_numpy(np.int64)[place], -1).astype(np.int32)
