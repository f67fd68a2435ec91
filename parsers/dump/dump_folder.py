"""The files of one directory of a MindSpore dump as rows: tensors of every form, statistics and overflow records."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.dump.array_file import read_header
from profkit.parsers.dump.async_dump import AsyncDump, DumpedPart, read_async_dump
from profkit.parsers.dump.dump_names import (
    DumpName,
    OperatorName,
    dump_name,
    is_buffer_name,
    operator_name,
    raw_name,
)
from profkit.parsers.dump.dump_statistics import (
    STATISTICS,
    STATISTICS_FILE,
    is_statistics_file,
    operator_of_statistics,
    read_statistics,
)
from profkit.parsers.dump.overflow_debug import OverflowFileName, UnitRecord, overflow_file_name, read_overflow_file
from profkit.parsers.dump.raw_tensor import describe_raw_tensor
from profkit.parsers.dump.tensor_dtypes import shape_text
from profkit.parsers.dump.tensor_names import is_encodable
from profkit.progress import Progress
from profkit.safe_text import printable

MAPPING_FILE = "mapping.csv"

_LOOKED_AT = 64
_LONGEST_MAPPING = 1 << 28
_REPORT_EVERY = 512
# So many tensors fit into one file of an asynchronous dump; those of an operator with more follow in the next.
_TENSORS_A_FILE = 10
# What msprobe and MindSpore write beside tensors, no tensors themselves.
_KERNEL_ARGUMENTS = re.compile(r"[^.]+\.[^.]+\.json")
_BESIDE = frozenset({MAPPING_FILE, STATISTICS_FILE})

Row = dict[str, Any]


@dataclass(frozen=True)
class FoundRecord:
    """One unit's overflow and the file it stands in."""

    path: Path
    name: OverflowFileName
    record: UnitRecord


@dataclass
class FolderContent:
    """What one directory holds.

    Attributes:
        tensors: Rows of the tensors frame, without rank, graph, iteration and source.
        records: Overflow records.
        operators: Operator of each row of `tensors` that has device numbers, by row.
        kernel_arguments: Number of files with the arguments of kernels.
    """

    tensors: list[Row] = field(default_factory=list)
    records: list[FoundRecord] = field(default_factory=list)
    operators: dict[int, OperatorName] = field(default_factory=dict)
    kernel_arguments: int = 0


@dataclass
class _Entries:
    """The files of a directory by what their names say."""

    arrays: list[tuple[str, DumpName]] = field(default_factory=list)
    operators: list[tuple[str, OperatorName]] = field(default_factory=list)
    bare: list[tuple[str, DumpName]] = field(default_factory=list)
    records: list[tuple[str, OverflowFileName]] = field(default_factory=list)
    refused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    strangers: list[str] = field(default_factory=list)
    statistics: list[Path] = field(default_factory=list)
    kernel_arguments: int = 0


class _Refusals:
    """Tensors that cannot be read, counted by why: one issue a reason and not one a tensor."""

    def __init__(self) -> None:
        self._seen: dict[str, list[str]] = defaultdict(list)

    def add(self, why: str, where: str) -> None:
        self._seen[why].append(where)

    def issues(self) -> Iterable[ImportIssue]:
        for why, places in self._seen.items():
            text = why if len(places) == 1 else f"{len(places):,} tensors alike, this the first: {why}"
            yield ImportIssue(Severity.ERROR, places[0], "", text)


def holds_dump_files(path: Path) -> bool:
    """Tell by the first names in it whether a directory is one of dumped files."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in islice(entries, _LOOKED_AT)]
    except OSError:
        return False
    if any(is_dump_file_name(name) for name in names):
        return True
    return _is_mapping_file(path / MAPPING_FILE) or is_statistics_file(path / STATISTICS_FILE)


def is_dump_file_name(name: str) -> bool:
    """Tell whether a file is named as MindSpore or the device runtime name dumped tensors or overflow records."""
    readers = (dump_name, operator_name, raw_name, overflow_file_name, operator_of_statistics)
    return any(reader(name) is not None for reader in readers)


def read_folder(path: Path, progress: Progress, issues: list[ImportIssue]) -> FolderContent:
    """Read the names and headers of a directory's files; what cannot be read becomes an issue."""
    entries = _entries(path, _original_names(path, issues))
    _note_refused(path, entries, issues)
    return _content(path, entries, progress, issues)


def read_file(path: Path, progress: Progress, issues: list[ImportIssue]) -> FolderContent:
    """Read one dumped file by itself: an operator's tensors, a bare tensor, statistics or an overflow record."""
    entries = _Entries()
    if is_statistics_file(path):
        return FolderContent(tensors=list(read_statistics(path, issues)))
    _sort(str(path), path.name, entries)
    return _content(path.parent, entries, progress, issues)


def _content(path: Path, entries: _Entries, progress: Progress, issues: list[ImportIssue]) -> FolderContent:
    content = FolderContent(kernel_arguments=entries.kernel_arguments)
    refusals = _Refusals()
    count = max(len(entries.arrays) + len(entries.operators) + len(entries.bare), 1)
    for number, (file, name) in enumerate((*entries.arrays, *entries.bare)):
        if number % _REPORT_EVERY == 0:
            progress("reading", str(path), number / count)
        described = _array(file, name, refusals) if file.lower().endswith(".npy") else _bare(file, name, refusals)
        content.operators[len(content.tensors)] = name.operator
        content.tensors.append(described)
    _add_async(entries.operators, content, refusals, issues)
    for statistics in (path / STATISTICS_FILE, *entries.statistics):
        _add_statistics(statistics, content, issues)
    _add_records(entries.records, content, issues)
    issues += refusals.issues()
    return content


def _entries(path: Path, originals: Mapping[str, str]) -> _Entries:
    found = _Entries()
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            original = originals.get(entry.name, entry.name)
            if entry.is_dir(follow_symlinks=False) or entry.name.startswith("."):
                continue
            if not is_encodable(entry.name) or _leaves(entry, path) or not entry.is_file():
                if is_dump_file_name(original):
                    found.refused["a link that leaves the directory, no file, or a name that is no valid text"].append(
                        entry.name
                    )
            else:
                _sort(entry.path, original, found)
    return found


def _sort(path: str, name: str, found: _Entries) -> None:
    """Put a file where its name says it belongs."""
    if (record := overflow_file_name(name)) is not None:
        found.records.append((path, record))
    elif (array := dump_name(name)) is not None:
        found.arrays.append((path, array))
    elif (operator := operator_name(name)) is not None:
        found.operators.append((path, operator))
    elif (bare := raw_name(name)) is not None:
        found.bare.append((path, bare))
    elif name.lower().endswith(".npy") and not is_buffer_name(name):
        found.refused[f"not named like a tensor, and {MAPPING_FILE} has no other name"].append(name)
    elif is_buffer_name(name):
        found.refused["scratch buffers of the device, no tensors"].append(name)
    elif operator_of_statistics(name) is not None:
        found.statistics.append(Path(path))
    elif _KERNEL_ARGUMENTS.fullmatch(name):
        found.kernel_arguments += 1
    elif name not in _BESIDE:
        found.strangers.append(name)


def _leaves(entry: os.DirEntry[str], folder: Path) -> bool:
    return entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(folder.resolve())


def _note_refused(path: Path, entries: _Entries, issues: list[ImportIssue]) -> None:
    for why, names in entries.refused.items():
        text = f"{len(names):,} files were not read: {why} ({_first(names)})"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    if entries.strangers:
        text = f"{len(entries.strangers):,} files are not of a dump and were not read ({_first(entries.strangers)})"
        issues.append(ImportIssue(Severity.INFO, str(path), "", text))


def _first(names: list[str]) -> str:
    return f"{printable(min(names))[:80]}{', ...' if len(names) > 1 else ''}"


def _row(operator: OperatorName, io: str, slot: int, path: str) -> Row:
    return {
        "op": operator.op,
        "op_type": operator.op_type,
        "io": io,
        "slot": slot,
        "time_ns": None if operator.time_us is None else operator.time_us * 1_000,
        "path": path,
        "task": operator.task,
        "device_stream": operator.stream,
    }


def _array(path: str, name: DumpName, refusals: _Refusals) -> Row:
    """Describe a .npy file. Where the device's bfloat16 was widened to float32, the name alone still tells it."""
    row = {**_row(name.operator, name.io, name.slot, path), "layout": name.layout}
    try:
        header = read_header(path)
    except UnreadableInputError as error:
        refusals.add(error.message, path)
        return row
    widened = header.dtype == "float32" and name.dtype == "bfloat16"
    dtype = "bfloat16" if widened else header.dtype
    return {**row, "dtype": dtype, "shape": shape_text(header.shape), "size_bytes": header.size_bytes}


def _bare(path: str, name: DumpName, refusals: _Refusals) -> Row:
    row = {**_row(name.operator, name.io, name.slot, path), "layout": name.layout}
    try:
        described = describe_raw_tensor(path, name)
    except UnreadableInputError as error:
        refusals.add(error.message, path)
        return row
    shape = shape_text(described.shape)
    return {**row, "dtype": described.dtype, "shape": shape, "size_bytes": described.size_bytes}


def _add_async(
    files: list[tuple[str, OperatorName]], content: FolderContent, refusals: _Refusals, issues: list[ImportIssue]
) -> None:
    """Add the tensors of asynchronous dumps, those of an operator's further files behind those of its first."""
    of_operator: dict[tuple[object, ...], list[tuple[str, OperatorName]]] = defaultdict(list)
    for path, operator in files:
        of_operator[operator.op_type, operator.op, operator.task, operator.stream].append((path, operator))
    for same in of_operator.values():
        same.sort(key=lambda one: one[1].time_us or 0)
        before: AsyncDump | None = None
        slots = {"input": 0, "output": 0}
        for path, operator in same:
            try:
                dump = read_async_dump(path)
            except UnreadableInputError as error:
                issues.append(ImportIssue(Severity.ERROR, path, "", error.message))
                before = None
                continue
            if before is None or not _continues(before, dump):
                slots = {"input": 0, "output": 0}
            for part in dump.parts:
                content.operators[len(content.tensors)] = operator
                content.tensors.append(_part(path, operator, part, slots[part.io] + part.slot, refusals))
            for part in dump.parts:
                slots[part.io] += 1
            before = dump


def _continues(before: AsyncDump, after: AsyncDump) -> bool:
    """Tell whether a file holds further tensors of the run that the file before it began.

    The file before is full, and what follows stands behind what it holds in the order inputs, outputs: with outputs in
    the first there are no inputs in the second, with inputs alone in the first there are outputs still to come.
    """
    if len(before.parts) != _TENSORS_A_FILE:
        return False
    begun = any(part.io == "output" for part in before.parts)
    first_is_output = bool(after.parts) and after.parts[0].io == "output"
    return first_is_output if begun else any(part.io == "output" for part in after.parts)


def _part(path: str, operator: OperatorName, part: DumpedPart, slot: int, refusals: _Refusals) -> Row:
    member = f"{part.io}.{part.slot}"
    row = {**_row(operator, part.io, slot, path), "member": member, "layout": part.layout}
    if part.refusal:
        refusals.add(f"{member} cannot be read: {part.refusal}", path)
        return row
    return {**row, "dtype": part.dtype, "shape": shape_text(part.shape), "size_bytes": part.size_bytes}


def _add_statistics(path: Path, content: FolderContent, issues: list[ImportIssue]) -> None:
    """Give tensors their recorded statistics, and those of which nothing else was kept rows of their own."""
    if not is_statistics_file(path):
        if path.exists():
            text = "the first line is not that of dump statistics: not read"
            issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "line 1", text))
        return
    kept: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in reversed(content.tensors):
        kept[row["op"], row["io"], row["slot"]].append(row)
    alone: list[Row] = []
    for recorded in read_statistics(path, issues):
        of_tensor = kept.get((recorded["op"], recorded["io"], recorded["slot"]))
        if of_tensor:
            # In a loop a tensor is dumped and recorded several times, in the same order.
            row = of_tensor.pop()
            row |= {name: recorded[name] for name in STATISTICS}
        else:
            content.operators[len(content.tensors) + len(alone)] = OperatorName(
                recorded["op_type"] or "", recorded["op"], recorded["task"], recorded["device_stream"]
            )
            alone.append(recorded)
    content.tensors += alone


def _add_records(files: list[tuple[str, OverflowFileName]], content: FolderContent, issues: list[ImportIssue]) -> None:
    """Add overflow records; of a record kept in several forms the device's own is read, and JSON last."""
    of_stem: dict[str, list[tuple[str, OverflowFileName]]] = defaultdict(list)
    for path, name in files:
        of_stem[name.stem].append((path, name))
    for same in of_stem.values():
        same.sort(key=lambda one: (one[0].lower().endswith(".json"), len(one[0])))
        found = False
        for path, name in same:
            try:
                records = read_overflow_file(Path(path))
            except UnreadableInputError as error:
                issues.append(ImportIssue(Severity.ERROR, path, "", error.message))
                continue
            if not found:
                found = True
                content.records += [FoundRecord(Path(path), name, record) for record in records]
                if not records:
                    text = "the record tells of no overflow: every status in it is 0"
                    issues.append(ImportIssue(Severity.INFO, path, "", text))


def _original_names(path: Path, issues: list[ImportIssue]) -> Mapping[str, str]:
    """Read mapping.csv: the file's name and the name it was too long for, one pair a line, without header or quotes."""
    mapping = path / MAPPING_FILE
    if not mapping.is_file():
        return {}
    with mapping.open(encoding="utf-8", errors="replace") as file:
        text = file.read(_LONGEST_MAPPING)
        if file.read(1):
            issue = f"only the first {_LONGEST_MAPPING:,} characters were read"
            issues.append(ImportIssue(Severity.DATA_LOSS, str(mapping), "", issue))
    pairs = (line.partition(",") for line in text.splitlines())
    return {number: original.strip() for number, comma, original in pairs if comma}


def _is_mapping_file(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open(encoding="utf-8", errors="replace") as file:
            _, _, original = file.readline(4096).strip().partition(",")
    except OSError:
        return False
    return is_dump_file_name(original)
