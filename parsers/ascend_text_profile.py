"""Text output of an Ascend profiling run of MindSpore (`*_ascend_ms`) or torch_npu (`*_ascend_pt`).

Read are kernel_details.csv (device kernels), trace_view.json (host operators, steps, launches), step_trace_time.csv and
communication.json, each on its own: a run that lost one of them gives the rest, and an issue. A directory is known by
what it holds; its name decides nothing but the framework, and only where the files do not tell it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.frame_spec import concatenate
from profkit.parsers.ascend_communication import read_communication
from profkit.parsers.ascend_kernels import Kernels, read_kernels
from profkit.parsers.ascend_run_info import RunInfo, info_file, read_run_info
from profkit.parsers.ascend_steps import join_steps, read_step_times
from profkit.parsers.ascend_tables import columns_of_header, header_of
from profkit.parsers.ascend_trace import HostTrace, connections_of, read_trace
from profkit.parsers.base import Descriptor, Framework, Parsed, Recognition
from profkit.progress import Progress
from profkit.schema import COMM, OPS, SPANS, STEPS

_OUTPUT = "ASCEND_PROFILER_OUTPUT"
_KERNELS, _TRACE = "kernel_details.csv", "trace_view.json"
_STEP_TIMES, _COMMUNICATION = "step_trace_time.csv", "communication.json"
_READ = (_KERNELS, _TRACE, _STEP_TIMES, _COMMUNICATION)
_Frame = TypeVar("_Frame")


@dataclass(frozen=True)
class _Layout:
    """Where the files of one run are: the directory of the run, and the files to read by their names."""

    run: Path
    files: dict[str, Path]


@dataclass
class _Found:
    """What the files gave; None where a file is absent or unreadable."""

    kernels: Kernels | None = None
    trace: HostTrace | None = None
    step_times: pd.DataFrame | None = None
    communication: pd.DataFrame | None = None
    issues: list[ImportIssue] = field(default_factory=list)


class AscendTextProfile:
    """Parser of the text files that MindSpore Profiler (2.3 and later) and torch_npu write for Ascend devices."""

    descriptor = Descriptor(
        name="ascend-text-profile",
        title="Ascend profiling run of MindSpore or torch_npu (kernel_details.csv, trace_view.json)",
        framework="unknown",
        clock="unix epoch",
        unit="us with 3 decimals",
        frames=("ops", "spans", "steps", "comm"),
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a run's directory, its ASCEND_PROFILER_OUTPUT, or a single kernel_details.csv by its header."""
        if path.is_file():
            return _sniff_table(path)
        layout = _layout(path)
        if layout.files:
            info = info_file(layout.run)
            files = [*layout.files.values(), *([info] if info is not None else [])]
            return Recognition(
                f"it holds {', '.join(sorted(layout.files))} of an Ascend profiler", tuple(sorted(files))
            )
        if _why_nothing(path) is not None:
            return Recognition("it is the directory of an Ascend profiling run", ())
        return None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read a run.

        Raises:
            UnreadableInputError: The run was never analysed, was exported as databases only, or no file gave anything.
        """
        layout = _Layout(path.parent, {_KERNELS: path}) if path.is_file() else _layout(path)
        if not layout.files:
            message, hint = _why_nothing(path) or ("nothing was recorded", "run the profiler again")
            raise UnreadableInputError(f"{path}: {message}", hint)
        found = _read_files(layout, progress)
        info = RunInfo() if path.is_file() else read_run_info(layout.run)
        framework = info.framework if info.framework != "unknown" else _framework_of(layout, found)
        frames = _frames(layout, found, info.rank)
        if not any(len(frame) for frame in frames.values()):
            reasons = "; ".join(issue.text for issue in found.issues) or "the files are empty"
            raise UnreadableInputError(f"{path}: no row could be read: {reasons}", "analyse the run again")
        return Parsed(
            frames=frames,
            issues=(*info.issues, *found.issues),
            framework=framework,
            rank=info.rank,
            writer_version=info.version,
            facts=info.facts,
        )


def _sniff_table(path: Path) -> Recognition | None:
    if path.suffix.lower() != ".csv":
        return None
    position = columns_of_header(header_of(path), "kernel_details")
    if position is None:
        return None
    return Recognition("its header is that of a kernel_details.csv", (path,))


def _layout(directory: Path) -> _Layout:
    output = directory / _OUTPUT
    if not output.is_dir():
        bare = {name: directory / name for name in _READ if (directory / name).is_file()}
        inside = directory.name == _OUTPUT
        return _Layout(directory.parent if inside else directory, bare if inside or _KERNELS in bare else {})
    return _Layout(directory, {name: output / name for name in _READ if (output / name).is_file()})


def _why_nothing(directory: Path) -> tuple[str, str] | None:
    """Say why a run's directory has no text output, and what to do; None if it is no run's directory."""
    output = directory / _OUTPUT
    if any(output.glob("*.db")):
        return (
            "the run was exported as databases only",
            "export it as text: export_type=[ExportType.Text] (torch_npu: experimental_config)",
        )
    if any(directory.glob("PROF_*")) and (info_file(directory) is not None or (directory / "FRAMEWORK").is_dir()):
        return (
            "the raw records were never analysed (PROF_* without ASCEND_PROFILER_OUTPUT)",
            "run analyse(profiler_path=...) of mindspore.profiler.profiler or torch_npu.profiler.profiler on it",
        )
    if output.is_dir() and info_file(directory) is not None:
        return "the profiler wrote no result", "look into logs/ of the run for the reason"
    return None


def _read_files(layout: _Layout, progress: Progress) -> _Found:
    found = _Found()
    found.kernels = _attempt(layout, _KERNELS, found, lambda path: read_kernels(path, progress))
    found.trace = _attempt(layout, _TRACE, found, lambda path: read_trace(path, progress))
    step_times = _attempt(layout, _STEP_TIMES, found, lambda path: read_step_times(path, progress))
    communication = _attempt(layout, _COMMUNICATION, found, read_communication)
    if found.kernels is not None:
        found.issues += found.kernels.issues
    if found.trace is not None:
        found.issues += found.trace.issues
    if step_times is not None:
        found.step_times = step_times[0]
        found.issues += step_times[1]
    if communication is not None:
        found.communication = communication[0]
        found.issues += communication[1]
    return found


def _attempt(layout: _Layout, name: str, found: _Found, read: Callable[[Path], _Frame]) -> _Frame | None:
    path = layout.files.get(name)
    if path is None:
        if name == _KERNELS:
            where = layout.run / _OUTPUT
            text = "kernel_details.csv is absent (level None, or no device activity): no device rows"
            found.issues.append(ImportIssue(Severity.DATA_LOSS, str(where), "", text))
        return None
    try:
        return read(path)
    except UnreadableInputError as error:
        found.issues.append(ImportIssue(Severity.ERROR, str(path), "", error.message.removeprefix(f"{path}: ")))
        return None


def _framework_of(layout: _Layout, found: _Found) -> Framework:
    """Tell the framework from what it writes: the spelling of the step column, or names before kernel names."""
    if found.kernels is None:
        return "unknown"
    header = header_of(layout.files[_KERNELS])
    if "Step Id" in header:
        return "pytorch"
    names = found.kernels.columns["name"].cat.categories
    if "Step ID" in header or any("::" in str(name) and "/" in str(name) for name in names):
        return "mindspore"
    return "unknown"


def _frames(layout: _Layout, found: _Found, rank: int) -> dict[str, pd.DataFrame]:
    marked = pd.DataFrame({"step": [], "start_ns": [], "dur_ns": []}, dtype="int64")
    spans = SPANS.empty()
    rows = []
    if found.trace is not None:
        marked = found.trace.steps
        spans = SPANS.build(found.trace.spans.assign(rank=rank, source=str(layout.files[_TRACE])))
        rows.append(_host_rows(found.trace, str(layout.files[_TRACE])))
    if found.kernels is not None:
        rows.append(_device_rows(found.kernels, found.trace, str(layout.files[_KERNELS])))
    frames = {"ops": _ops(rows, rank), "spans": spans}
    frames["steps"] = _step_frame(found.step_times, marked, rank, layout)
    if found.communication is not None:
        frames["comm"] = COMM.build(found.communication.assign(rank=rank, source=str(layout.files[_COMMUNICATION])))
    return frames


def _ops(parts: list[pd.DataFrame], rank: int) -> pd.DataFrame:
    references = {"rank": rank, "parent": -1, "launcher": -1, "forward_op": -1, "carry_over": False}
    return concatenate(OPS, [OPS.build(part.assign(**references)) for part in parts])


def _host_rows(trace: HostTrace, source: str) -> pd.DataFrame:
    operators = trace.operators
    return operators.assign(
        level="host",
        step=_step_at(operators["start_ns"].to_numpy(), trace.steps),
        self_ns=operators["dur_ns"],
        source=source,
    )


def _device_rows(kernels: Kernels, trace: HostTrace | None, source: str) -> pd.DataFrame:
    columns: dict[str, Any] = {**kernels.columns, "level": "device", "source": source}
    if trace is not None:
        columns["correlation"] = connections_of(kernels.kernel_names, kernels.columns["start_ns"], trace)
    return pd.DataFrame(columns)


def _step_at(times: np.ndarray[Any, np.dtype[np.int64]], steps: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Give the step whose marked range holds each time, -1 outside all of them."""
    if steps.empty:
        return np.full(len(times), -1, dtype=np.int32)
    begins = steps["start_ns"].to_numpy()
    ends = begins + steps["dur_ns"].to_numpy()
    place = np.searchsorted(begins, times, side="right") - 1
    inside = (place >= 0) & (times < ends[place])
    return np.where(inside, steps["step"].to_numpy()[place], -1).astype(np.int32)


def _step_frame(times: pd.DataFrame | None, marked: pd.DataFrame, rank: int, layout: _Layout) -> pd.DataFrame:
    if times is None:
        if marked.empty:
            return STEPS.empty()
        times = pd.DataFrame({"step": pd.Series(dtype="int64")})
    source = str(layout.files[_STEP_TIMES if _STEP_TIMES in layout.files else _TRACE])
    return STEPS.build(join_steps(times, marked).assign(rank=rank, how="recorded", source=source))
