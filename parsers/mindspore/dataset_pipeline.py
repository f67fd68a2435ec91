"""The dataset pipeline of a MindSpore run (minddata): its operators with their queues, and the times of batches.

    pipeline_profiling_{id}.json           operators: workers, samples of the output queue     since 1.0
    minddata_cpu_utilization_{id}.json     use of the host's processors, by operator           since 1.3
    minddata_pipeline_raw_{id}.csv         the same operators, with their queues averaged
    minddata_pipeline_summary_{id}.json    the same, analysed
    device_queue_profiling_{id}.txt        lines `type extra batch value [time]`               to the device
    dataset_iterator_profiling_{id}.txt    the same                                            without a device
    minddata_aicpu_{id}.txt                lines `operator start end queue`, us                on Ascend
    minddata_getnext_profiling_{id}.txt    the same, ns                                        on GPU

The operators are read from the first of these that there is. In the lines, type 0 is a time in ms, of which extra says
what it is of: 0 getting a batch from the pipeline, 1 pushing it to the device, 2 both; type 1 is the number of items in
a queue of extra places. Sources: mindinsight's minddata_analyser.py and mindspore's dataset/engine/perf/profiling.h.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.mindspore.legacy_tables import read_table
from profkit.parsers.text_lines import finished_lines
from profkit.schema import DATA_PIPELINE

_MS_NS, _US_NS = 1_000_000, 1_000
_LARGEST = 1 << 26
_INT64 = 2**63
_BATCH_TIMES = {"0": "get a batch", "1": "push a batch", "2": "get and push a batch"}
_QUEUE = "queue of batches"
_NUMBER = r"\d{1,15}(?:\.\d{1,9})?"
_BATCH_LINE = re.compile(rf"([01]) (\d{{1,9}}) (\d{{1,12}}) ({_NUMBER})(?: {_NUMBER})?")
_GET_NEXT_LINE = re.compile(rf"(\S+) ({_NUMBER}) ({_NUMBER}) (\d{{1,9}})")
_GET_NEXT_HEADER = "node_name start_time end_time queue_size"

Row = dict[str, Any]
Issues = list[ImportIssue]


def pipeline_files(directories: Iterable[Path], number: int | None = None) -> dict[str, Path]:
    """Give the files of the dataset pipeline by kind; of each kind the first, in the order of the directories.

    Args:
        directories: Where to look; those that do not exist are passed over.
        number: Number in the names (rank or device); None takes any.
    """
    found: dict[str, Path] = {}
    for directory in directories:
        entries = sorted(directory.iterdir()) if directory.is_dir() else []
        for kind, (pattern, _) in _KINDS.items():
            matches = ((entry, re.fullmatch(pattern, entry.name)) for entry in entries)
            mine = [entry for entry, match in matches if match and number in (None, int(match.group(1)))]
            if mine and mine[0].is_file():
                found.setdefault(kind, mine[0])
    return found


def file_number(path: Path) -> int | None:
    """Give the number in the name of a file of the pipeline; None for any other file."""
    matches = (re.fullmatch(pattern, path.name) for pattern, _ in _KINDS.values())
    return next((int(match.group(1)) for match in matches if match), None)


def files_read(found: Mapping[str, Path]) -> dict[str, Path]:
    """Give those that are read: of several that describe the operators, one."""
    operators = [kind for kind in _OPERATORS if kind in found]
    return {kind: path for kind, path in found.items() if kind not in operators[1:]}


def read_pipeline(found: Mapping[str, Path], issues: Issues) -> pd.DataFrame:
    """Read files of the pipeline.

    Args:
        found: As of pipeline_files.
        issues: Told what was lost.

    Returns:
        Frame `data_pipeline`, rank -1.
    """
    rows: list[Row] = []
    for kind, path in files_read(found).items():
        if kind == _CPU:
            continue
        try:
            read: list[Row] = list(_KINDS[kind][1](path, issues))
        except UnreadableInputError as error:
            issues.append(ImportIssue(Severity.ERROR, str(path), "", error.message.removeprefix(f"{path}: ")))
            continue
        rows += [{"rank": -1, "source": str(path), **row} for row in read]
    if _CPU in found:
        use = _processor_use(found[_CPU], issues)
        for row in rows:
            row.setdefault("cpu_percent", use.pop(row.get("number"), None))
        if use:
            _lost(issues, found[_CPU], "", f"{len(use):,} operators are of no known pipeline: their use was left out")
    return DATA_PIPELINE.from_rows(rows)


def _lost(issues: Issues, path: Path, where: str, text: str) -> None:
    issues.append(ImportIssue(Severity.DATA_LOSS, str(path), where, text))


def _json(path: Path, issues: Issues) -> Any:
    try:
        with path.open("rb") as file:
            return json.loads(file.read(_LARGEST))
    except (ValueError, RecursionError) as error:
        _lost(issues, path, "", f"no JSON, not read: {error}")
        return None


def _count(value: object) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _INT64
    return value if fits and isinstance(value, int) else None


def _real(value: object) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _INT64
    return float(value) if fits and isinstance(value, int | float) else None


def _operator_name(kind: object) -> str:
    """Give an operator's name: BatchOp since 2.0, Batch before."""
    return kind.removesuffix("Op") if isinstance(kind, str) and kind else "unknown"


def _queue(sizes: Sequence[Any], length: int | None) -> Row:
    known = [size for size in (_real(one) for one in sizes) if size is not None]
    if not known:
        return {"queue_length": length}
    mean = sum(known) / len(known)
    return {
        "queue_length": length,
        "queue_mean": mean,
        "queue_usage": mean / length if length else None,
        "queue_empty": known.count(0.0) / len(known),
        "count": len(known),
    }


def _profiled(path: Path, issues: Issues) -> Iterator[Row]:
    content = _json(path, issues)
    operators = content.get("op_info") if isinstance(content, dict) else None
    if not isinstance(operators, list):
        if content is not None:
            _lost(issues, path, "", "it has no list op_info: not read")
        return
    plain = [one for one in operators if isinstance(one, dict)]
    if len(plain) < len(operators):
        _lost(issues, path, "", f"{len(operators) - len(plain):,} operators are of no known form: left out")
    parents = {child: _count(one.get("op_id")) for one in plain for child in _listed(one.get("children"))}
    for one in plain:
        metrics = one.get("metrics")
        queue = metrics.get("output_queue") if isinstance(metrics, dict) else None
        queue = queue if isinstance(queue, dict) else {}
        number = _count(one.get("op_id"))
        yield {
            "number": number,
            "name": _operator_name(one.get("op_type")),
            "parent": parents.get(number),
            "workers": _count(one.get("num_workers")),
            **_queue(_listed(queue.get("size")), _count(queue.get("length"))),
        }


def _listed(value: object) -> list[Any]:
    return [one for one in value if isinstance(one, int | float)] if isinstance(value, list) else []


def _raw_table(path: Path, issues: Issues) -> Iterator[Row]:
    table = read_table(path, "dataset_pipeline", issues)
    columns = {name: table.texts(name) for name in ("number", "type", "workers", "sizes", "length", "parent")}
    for values in zip(*columns.values(), strict=True):
        cell = dict(zip(columns, values, strict=True))
        sizes = _literal(cell["sizes"])
        yield {
            "number": _count(_literal(cell["number"])),
            "name": _operator_name(cell["type"]),
            "parent": _count(_literal(cell["parent"])),
            "workers": _count(_literal(cell["workers"])),
            **_queue(sizes if isinstance(sizes, list) else [], _count(_literal(cell["length"]))),
        }


def _literal(text: str | None) -> Any:
    """Give a number or a list of numbers as Python prints them."""
    if text is None or not re.fullmatch(r"[\d\s.,eE+\-\[\]]{1,1000000}", text):
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _summary(path: Path, issues: Issues) -> Iterator[Row]:
    content = _json(path, issues)
    numbers = content.get("op_ids") if isinstance(content, dict) else None
    if not isinstance(numbers, list):
        if content is not None:
            _lost(issues, path, "", "it has no list op_ids: not read")
        return

    def cell(key: str, place: int) -> Any:
        values = content.get(key)
        return values[place] if isinstance(values, list) and place < len(values) else None

    for place, number in enumerate(numbers):
        usage, empty = (_real(cell(key, place)) for key in ("queue_utilization_pct", "queue_empty_freq_pct"))
        yield {
            "number": _count(number),
            "name": _operator_name(cell("op_names", place)),
            "parent": _count(cell("parent_id", place)),
            "workers": _count(cell("num_workers", place)),
            "queue_mean": _real(cell("queue_average_size", place)),
            "queue_usage": None if usage is None else usage / 100,
            "queue_empty": None if empty is None else empty / 100,
            "cpu_percent": _real(cell("avg_cpu_pct", place)),
        }


def _processor_use(path: Path, issues: Issues) -> dict[Any, float | None]:
    """Give the mean of user and system time of each operator, percent of all processors."""
    content = _json(path, issues)
    operators = content.get("op_info") if isinstance(content, dict) else None
    use: dict[Any, float | None] = {}
    for one in operators if isinstance(operators, list) else []:
        metrics = one.get("metrics") if isinstance(one, dict) else None
        if isinstance(metrics, dict):
            parts = [_listed(metrics.get(key)) for key in ("user_utilization", "sys_utilization")]
            known = [sum(part) / len(part) for part in parts if part]
            use[_count(one.get("op_id"))] = sum(known) if known else None
    return use


def _batches(path: Path, issues: Issues) -> Iterator[Row]:
    times: dict[str, list[float]] = {}
    queues: dict[int, list[int]] = {}
    for match in _matches(path, _BATCH_LINE, issues):
        kind, extra, _, value = match.group(1, 2, 3, 4)
        if kind == "0":
            times.setdefault(_BATCH_TIMES.get(extra, f"time {extra}"), []).append(float(value))
        else:
            queues.setdefault(int(extra), []).append(int(float(value)))
    for name, known in times.items():
        yield {"name": name, "count": len(known), "mean_ns": round(sum(known) / len(known) * _MS_NS)}
    for length, sizes in queues.items():
        yield {"name": _QUEUE, **_queue(sizes, length)}


def _get_next(path: Path, issues: Issues) -> Iterator[Row]:
    unit = 1 if "getnext" in path.name else _US_NS
    calls: dict[str, tuple[list[float], list[int]]] = {}
    for match in _matches(path, _GET_NEXT_LINE, issues, header=_GET_NEXT_HEADER):
        times, sizes = calls.setdefault(match.group(1), ([], []))
        times.append(max(float(match.group(3)) - float(match.group(2)), 0.0))
        sizes.append(int(match.group(4)))
    for name, (times, sizes) in calls.items():
        yield {"name": name, **_queue(sizes, None), "mean_ns": round(sum(times) / len(times) * unit)}


def _matches(path: Path, pattern: re.Pattern[str], issues: Issues, header: str = "") -> Iterator[re.Match[str]]:
    odd: list[int] = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(finished_lines(file, path, issues), start=1):
            match = pattern.fullmatch(line.strip())
            if match is not None:
                yield match
            elif line.strip() and line.strip() != header:
                odd.append(number)
    if odd:
        _lost(issues, path, f"line {odd[0]}", f"{len(odd):,} lines are of no known form and were skipped")


_CPU = "processors"
_OPERATORS = ("profiled", "raw", "summary")
_KINDS: dict[str, tuple[str, Callable[[Path, Issues], Iterator[Row]]]] = {
    "profiled": (r"pipeline_profiling_(\d{1,6})\.json", _profiled),
    "raw": (r"minddata_pipeline_raw_(\d{1,6})\.csv", _raw_table),
    "summary": (r"minddata_pipeline_summary_(\d{1,6})\.json", _summary),
    _CPU: (r"minddata_cpu_utilization_(\d{1,6})\.json", lambda *_: iter(())),
    "queue": (r"device_queue_profiling_(\d{1,6})\.txt", _batches),
    "iterator": (r"dataset_iterator_profiling_(\d{1,6})\.txt", _batches),
    "get_next": (r"minddata_aicpu_(\d{1,6})\.txt", _get_next),
    "get_next_gpu": (r"minddata_getnext_profiling_(\d{1,6})\.txt", _get_next),
}
