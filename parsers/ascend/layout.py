"""Where the text files of an Ascend run are, which of them are read, and why a run may have none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from profkit.parsers.ascend.device_samples import sampling_facts
from profkit.parsers.ascend.run_info import info_file
from profkit.parsers.mindspore.dataset_pipeline import files_read, pipeline_files

OUTPUT = "ASCEND_PROFILER_OUTPUT"
KERNELS, TRACE = "kernel_details.csv", "trace_view.json"
STEP_TIMES, COMMUNICATION = "step_trace_time.csv", "communication.json"
MEMORY_RECORD, MODULE_MEMORY, OPERATOR_MEMORY = "memory_record.csv", "npu_module_mem.csv", "operator_memory.csv"
OP_STATISTIC, API_STATISTIC, L2_CACHE = "op_statistic.csv", "api_statistic.csv", "l2_cache.csv"
STATIC_MEMORY, MATRIX, DATASET = "static_op_mem.csv", "communication_matrix.json", "dataset.csv"
OPERATOR_DETAILS = "operator_details.csv"

_READ = (
    KERNELS,
    TRACE,
    STEP_TIMES,
    COMMUNICATION,
    MEMORY_RECORD,
    MODULE_MEMORY,
    OPERATOR_MEMORY,
    OP_STATISTIC,
    API_STATISTIC,
    L2_CACHE,
    STATIC_MEMORY,
    MATRIX,
    DATASET,
    OPERATOR_DETAILS,
    *sampling_facts()["csv"]["files"],
)
_RECORD_DATABASES = ("ascend_pytorch_profiler*.db", "ascend_mindspore_profiler*.db")
_NAMES_TOLD = 40


@dataclass(frozen=True)
class Layout:
    """Where the files of one run are.

    Attributes:
        run: Directory of the run, which holds profiler_info_*.json.
        output: Directory of the files.
        files: The files to read, by their names.
        alone: Whether a single file was named: what lies beside it is none of it.
    """

    run: Path
    output: Path
    files: dict[str, Path]
    alone: bool = False


def files_known() -> tuple[str, ...]:
    """Name the files that are looked for in the output of a run."""
    return _READ


def layout_of(directory: Path) -> Layout:
    """Find the text files of a run in its directory, or in its ASCEND_PROFILER_OUTPUT."""
    output = directory / OUTPUT
    if output.is_dir():
        return Layout(directory, output, _present(output))
    inside = directory.name == OUTPUT
    bare = _present(directory)
    return Layout(directory.parent if inside else directory, directory, bare if inside or KERNELS in bare else {})


def _present(directory: Path) -> dict[str, Path]:
    return {name: directory / name for name in _READ if (directory / name).is_file()}


def is_better_read_as_database(layout: Layout) -> bool:
    """Tell whether a database has the operators of the run, and the text files have none."""
    has_operators = KERNELS in layout.files or TRACE in layout.files
    return not has_operators and any(any(layout.output.glob(name)) for name in _RECORD_DATABASES)


def files_in_use(layout: Layout) -> dict[str, Path]:
    """Give the files that are read: op_statistic.csv and l2_cache.csv say nothing without kernels."""
    useless = {OP_STATISTIC, L2_CACHE} if KERNELS not in layout.files else set()
    return {name: path for name, path in layout.files.items() if name not in useless}


def pipeline_of(layout: Layout) -> dict[str, Path]:
    """Give the files of the dataset pipeline by kind; its raw records lie beside the output."""
    return {} if layout.alone else pipeline_files([layout.output, layout.run / "FRAMEWORK"])


def unread_files(layout: Layout) -> str:
    """Name the files that are not read, because no frame has a place for them; empty if there are none."""
    used = {*files_in_use(layout).values(), *files_read(pipeline_of(layout)).values()}
    names = sorted(entry.name for entry in layout.output.iterdir() if entry.is_file() and entry not in used)
    more = f" and {len(names) - _NAMES_TOLD:,} more" if len(names) > _NAMES_TOLD else ""
    return ", ".join(names[:_NAMES_TOLD]) + more


def raw_records(run: Path) -> str:
    """Name the directories of raw records, from which the profiler made its tables; empty if there are none."""
    names = sorted(entry.name for pattern in ("FRAMEWORK", "PROF_*") for entry in run.glob(pattern) if entry.is_dir())
    return ", ".join(names[:_NAMES_TOLD])


def why_nothing(directory: Path) -> tuple[str, str] | None:
    """Say why a run's directory has no text output, and what to do; None if it is no run's directory."""
    output = directory / OUTPUT
    if any(directory.glob("PROF_*")) and (info_file(directory) is not None or (directory / "FRAMEWORK").is_dir()):
        return (
            "the raw records were never analysed (PROF_* without ASCEND_PROFILER_OUTPUT)",
            "run analyse(profiler_path=...) of mindspore.profiler.profiler or torch_npu.profiler.profiler on it",
        )
    if output.is_dir() and info_file(directory) is not None:
        return "the profiler wrote no result", "look into logs/ of the run for the reason"
    return None
