"""A MindSpore dump, 1.0 to 2.10, of any kind: synchronous (e2e, kernel by kernel), asynchronous, statistics, overflow.

Any level of its directories may be named (dump_tree.py). Only names and headers are read, no tensor. A directory that
mixes kinds is one recording. Execution order comes from the time in the file names: the recorded execution order
numbers operators differently.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.frame_spec import FrameSpec
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.dump.dump_configuration import METADATA_FOLDER, configuration_facts
from profkit.parsers.dump.dump_folder import FolderContent, holds_dump_files, is_dump_file_name, read_file, read_folder
from profkit.parsers.dump.dump_graphs import DumpGraphs
from profkit.parsers.dump.dump_statistics import is_statistics_file
from profkit.parsers.dump.dump_tree import (
    RANK_FOLDER,
    DumpFolder,
    children,
    dump_folders,
    folder_by_parents,
    linked_folders,
    number_of,
    rank_folder_of,
)
from profkit.parsers.dump.overflow_join import DumpedOperator, OverflowJoin
from profkit.parsers.dump.tensor_names import is_encodable
from profkit.progress import Progress
from profkit.safe_text import printable
from profkit.schema import GRAPH_EDGES, GRAPH_NODES, OVERFLOW_RECORDS, TENSORS

_DIGITS = re.compile(r"(\d+)")
_LEVELS_ABOVE = 5

Row = dict[str, Any]


class MindSporeDump:
    """Reads a MindSpore dump at any level of its directories, or one file of it that holds more than a plain array."""

    descriptor = Descriptor(
        name="mindspore-dump",
        title="MindSpore dump of operator inputs and outputs (MINDSPORE_DUMP_CONFIG)",
        framework="mindspore",
        clock="unix epoch",
        unit="us",
        frames=("tensors", "overflow_records", "graph_nodes", "graph_edges"),
        cacheable=False,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a directory by the first names of dumped files found on the way down a known layout's levels.

        A directory of several ranks, or of a rank and other things, is left to be looked into: each rank is a
        recording of its own.
        """
        if not path.is_dir():
            return _sniff_file(path)
        if holds_dump_files(path):
            return Recognition("it holds files named as dumped tensors, {op_type}.{operator}...", ())
        folders = dump_folders(path)
        if _holds_more_than_one_rank(path) or len({folder.rank for folder in folders}) > 1:
            return None
        holding = next((folder for folder in folders if holds_dump_files(folder.path)), None)
        if holding is not None:
            below = holding.path.relative_to(path)
            return Recognition(f"{below} holds files named as dumped tensors, {{op_type}}.{{operator}}...", ())
        if any((rank / METADATA_FOLDER).is_dir() for rank in (path, *children(path, RANK_FOLDER))):
            return Recognition(f"it holds {METADATA_FOLDER}, but no tensor", ())
        return None

    def read(self, path: Path, progress: Progress) -> Parsed:
        """List the dumped tensors, by rank, iteration and time, with the graphs and overflow records beside them.

        Raises:
            UnreadableInputError: The path is no text that can stand in a frame.
        """
        if not is_encodable(str(path)):
            raise UnreadableInputError(f"the name of {printable(path)} is no valid text", "rename it")
        issues: list[ImportIssue] = []
        folders = _folders(path)
        contents = list(_contents(path, folders, progress, issues))
        tensors = _tensor_rows(contents, str(path))
        records = _record_rows(contents, str(path))
        if not tensors and not records:
            text = "no tensor was dumped: nothing ran, or the dump's configuration selected nothing"
            issues.append(ImportIssue(Severity.ERROR, str(path), "", text))
        facts = configuration_facts(_metadata_places(path))
        _note_configuration(path, facts, issues)
        graphs = _graphs(path, folders, progress, issues)
        arguments = sum(content.kernel_arguments for _, content in contents)
        facts |= graphs.facts | ({"kernel_argument_files": str(arguments)} if arguments else {})
        ranks = {folder.rank for folder in folders} or {graphs.rank}
        return Parsed(
            {
                "tensors": _frame(TENSORS, tensors),
                "overflow_records": _frame(OVERFLOW_RECORDS, records),
                "graph_nodes": _frame(GRAPH_NODES, graphs.nodes),
                "graph_edges": _frame(GRAPH_EDGES, graphs.edges),
            },
            issues,
            framework="mindspore",
            rank=ranks.pop() if len(ranks) == 1 else -1,
            writer_version=facts.pop("ms_version", None),
            facts=facts,
        )


def _sniff_file(path: Path) -> Recognition | None:
    if not path.is_file():
        return None
    if path.suffix.lower() == ".csv":
        recognised = is_statistics_file(path)
        return Recognition("its first line names the columns of dump statistics", (path,)) if recognised else None
    if path.suffix.lower() != ".npy" and is_dump_file_name(path.name):
        return Recognition("it is named as a dumped file, {op_type}.{operator}...", (path,))
    return None


def _folders(path: Path) -> list[DumpFolder]:
    if path.is_file():
        return [folder_by_parents(path.parent)]
    return [folder_by_parents(path)] if holds_dump_files(path) else dump_folders(path)


def _contents(
    path: Path, folders: Sequence[DumpFolder], progress: Progress, issues: list[ImportIssue]
) -> Iterator[tuple[DumpFolder, FolderContent]]:
    if path.is_file():
        yield folders[0], read_file(path, progress, issues)
        return
    for folder in folders:
        yield folder, read_folder(folder.path, progress, issues)
    for link in linked_folders(folders, path):
        text = "a link to a directory: not followed"
        issues.append(ImportIssue(Severity.DATA_LOSS, printable(link), "", text))


def _tensor_rows(contents: Sequence[tuple[DumpFolder, FolderContent]], source: str) -> list[Row]:
    rows: list[Row] = []
    for folder, content in contents:
        place = {"rank": folder.rank, "graph": folder.graph, "iteration": folder.iteration, "source": source}
        rows += [row | place for row in content.tensors]
    rows.sort(key=lambda row: (row["rank"], row["iteration"], row["time_ns"] or 0, _natural(row["op"])))
    return rows


def _natural(name: str) -> list[object]:
    """Order the digits in names as numbers: where no time is told, operators stand in the order of their numbers."""
    parts = _DIGITS.split(name)
    return [(part, 0) if place % 2 == 0 else ("", int(part)) for place, part in enumerate(parts)]


def _record_rows(contents: Sequence[tuple[DumpFolder, FolderContent]], source: str) -> list[Row]:
    if not any(content.records for _, content in contents):
        return []
    operators = [
        DumpedOperator(folder, operator) for folder, content in contents for operator in content.operators.values()
    ]
    join = OverflowJoin(operators)
    rows = [join.row(found, folder, source) for folder, content in contents for found in content.records]
    return sorted(rows, key=lambda row: (row["rank"], row["iteration"], row["time_ns"]))


def _frame(spec: FrameSpec, rows: Sequence[Row]) -> pd.DataFrame:
    return spec.from_rows(rows)


def _note_configuration(path: Path, facts: dict[str, str], issues: list[ImportIssue]) -> None:
    if "sample_num" in facts:
        text = (
            f"the dump's configuration asks for the first {facts['sample_num']} elements of each tensor only: what"
            " lies behind them was not dumped"
        )
        issues.append(ImportIssue(Severity.INFO, str(path), "", text))


def _metadata_places(path: Path) -> list[Path]:
    """Give the directories that may hold a dump's metadata: of its first rank, its own, and those above."""
    named = path.resolve()
    own = [named] if named.is_dir() else []
    return [*children(path, RANK_FOLDER)[:1], *own, *list(named.parents)[:_LEVELS_ABOVE]]


def _graphs(path: Path, folders: Sequence[DumpFolder], progress: Progress, issues: list[ImportIssue]) -> DumpGraphs:
    """Read the graphs of the rank; where one graph's directory or an iteration of it was named, of that graph alone."""
    ranks = children(path, RANK_FOLDER)[:1]
    rank_folder = ranks[0] if ranks else rank_folder_of(path)
    numbers = {folder.graph for folder in folders}
    depth = 0 if rank_folder is None else len(path.resolve().parts) - len(rank_folder.resolve().parts)
    single = numbers.pop() if depth > 1 and len(numbers) == 1 else -1
    rank = -1 if rank_folder is None else number_of(rank_folder.resolve(), RANK_FOLDER)
    graphs = DumpGraphs(rank_folder or path, rank, single if single >= 0 else None)
    if rank_folder is not None:
        graphs.read(progress, issues)
    return graphs


def _holds_more_than_one_rank(path: Path) -> bool:
    if not children(path, RANK_FOLDER):
        return False
    with os.scandir(path) as entries:
        return sum(not entry.name.startswith(".") for entry in entries) > 1
