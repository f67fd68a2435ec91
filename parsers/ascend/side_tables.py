"""The small tables beside the kernels of an Ascend text run, each as its frame: those that are there are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pyarrow.compute as pc

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.frame_spec import FrameSpec, concatenate
from profkit.parsers.ascend.allocations import read_allocations, read_static_memory
from profkit.parsers.ascend.api_calls import read_api_calls
from profkit.parsers.ascend.communication_matrix import read_matrix
from profkit.parsers.ascend.device_samples import read_sample_file, sampling_facts
from profkit.parsers.ascend.host_calls import read_host_calls
from profkit.parsers.ascend.layout import (
    API_STATISTIC,
    DATASET,
    MATRIX,
    OPERATOR_DETAILS,
    OPERATOR_MEMORY,
    STATIC_MEMORY,
    Layout,
    pipeline_of,
)
from profkit.parsers.ascend.tables import CsvTable, read_table
from profkit.parsers.base import Framework
from profkit.parsers.exact_time import MICROSECONDS, NANOSECONDS
from profkit.parsers.mindspore.dataset_pipeline import read_pipeline
from profkit.progress import Progress
from profkit.redaction import redact_text
from profkit.schema import ALLOCATIONS, API, DATA_PIPELINE, DEVICE_SAMPLES, HOST_CALLS, LINKS

_Table: TypeAlias = "tuple[pd.DataFrame, list[ImportIssue]]"


def read_side_tables(
    layout: Layout, framework: Framework, rank: int, issues: list[ImportIssue], progress: Progress
) -> dict[str, pd.DataFrame]:
    """Give allocations, links, api, host_calls, device_samples and data_pipeline; a frame without a file is absent.

    Args:
        layout: Where the files are.
        framework: Who wrote them.
        rank: Given to all rows.
        issues: Told what was lost, and which file could not be read.
        progress: Told what is read.
    """
    readers: dict[str, tuple[FrameSpec, Callable[[Path], _Table]]] = {
        OPERATOR_MEMORY: (ALLOCATIONS, lambda path: _with_issues(read_allocations(path, framework, progress))),
        STATIC_MEMORY: (ALLOCATIONS, lambda path: _with_issues(read_static_memory(path, progress))),
        MATRIX: (LINKS, read_matrix),
        API_STATISTIC: (API, lambda path: _with_issues(read_api_calls(path, progress))),
        DATASET: (DATA_PIPELINE, lambda path: _with_issues(_read_stages(path, progress))),
        OPERATOR_DETAILS: (HOST_CALLS, lambda path: _with_issues(read_host_calls(path, progress))),
    }
    for name in sampling_facts()["csv"]["files"]:
        readers[name] = (DEVICE_SAMPLES, lambda path: _with_issues(read_sample_file(path, progress)))
    parts: dict[str, list[pd.DataFrame]] = {}
    for name, (spec, read) in readers.items():
        path = layout.files.get(name)
        if path is None:
            continue
        try:
            rows, noted = read(path)
        except UnreadableInputError as error:
            issues.append(ImportIssue(Severity.ERROR, str(path), "", error.message.removeprefix(f"{path}: ")))
            continue
        issues += [issue for issue in noted if issue not in issues]
        parts.setdefault(spec.name, []).append(spec.build(rows.assign(rank=rank, source=str(path))))
    pipeline = pipeline_of(layout)
    if pipeline:
        operators = DATA_PIPELINE.build(read_pipeline(pipeline, issues).assign(rank=rank))
        parts.setdefault(DATA_PIPELINE.name, []).append(operators)
    specs: Mapping[str, FrameSpec] = {spec.name: spec for spec, _ in readers.values()}
    return {name: concatenate(specs[name], frames) for name, frames in parts.items()}


def _with_issues(read: tuple[pd.DataFrame, CsvTable]) -> _Table:
    return read[0], read[1].issues


def _read_stages(path: Path, progress: Progress) -> tuple[pd.DataFrame, CsvTable]:
    """Read dataset.csv: how often a stage of the dataset pipeline ran, and how long on average."""
    table = read_table(path, "dataset", progress)
    name = pc.binary_join_element_wise(
        pc.fill_null(table.texts("operation"), ""), pc.fill_null(table.texts("stage"), ""), " "
    )
    count, mean = table.times("count", NANOSECONDS), table.times("mean", MICROSECONDS)
    columns: dict[str, Any] = {
        "name": name.to_pandas().astype("category"),
        "count": pd.arrays.IntegerArray(count.ns, ~count.known),
        "mean_ns": pd.arrays.IntegerArray(mean.ns, ~mean.known),
        "note": table.texts("note").to_pandas().map(redact_text, na_action="ignore").astype(pd.StringDtype("pyarrow")),
    }
    return pd.DataFrame(columns), table
