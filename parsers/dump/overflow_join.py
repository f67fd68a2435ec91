"""Overflow records joined to the operators of a dump by the numbers of the task and stream they ran as.

The numbers inside a record are those of the operator (vendor's documentation); MindSpore's own debugger joined by those
in the record's file name. So the former are tried first, then the latter, and which matched is told. Of several files
with the numbers the earliest is taken, as the vendor's tool does, and that there are others is told too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from profkit.parsers.dump.dump_folder import FoundRecord
from profkit.parsers.dump.dump_names import OperatorName
from profkit.parsers.dump.dump_tree import DumpFolder

# A context or thread number that stands for "none".
_NO_THREAD = 65_535
_NAMED = 3

Row = dict[str, Any]


class DumpedOperator(NamedTuple):
    """An operator of the dump and the directory its tensors lie in."""

    folder: DumpFolder
    operator: OperatorName


class OverflowJoin:
    """The operators of a dump by their numbers on the device."""

    def __init__(self, operators: Sequence[DumpedOperator]) -> None:
        self._by_numbers: Mapping[tuple[int, int], list[DumpedOperator]] = defaultdict(list)
        tasks = {one.operator.task for one in operators}
        # Kernel-by-kernel dumps write task 0 for every operator: such numbers tell nothing.
        self._told = bool(tasks - {0, None})
        for one in sorted(operators, key=lambda one: one.operator.time_us or 0):
            if self._told and one.operator.task is not None and one.operator.stream is not None:
                self._by_numbers[one.operator.task, one.operator.stream].append(one)

    def row(self, found: FoundRecord, folder: DumpFolder, source: str) -> Row:
        """Give a record as a row of the overflow_records frame."""
        record = found.record
        joined_by, matches = self._join(found, folder)
        match = matches[0] if matches else None
        numbers = {name: record.number(f"{name}_id") for name in ("model", "core", "block", "context", "thread")}
        for part in ("context", "thread"):
            numbers[part] = None if numbers[part] == _NO_THREAD else numbers[part]
        pc_start = record.numbers.get("pc_start")
        return {
            "rank": folder.rank,
            "iteration": match.folder.iteration if match and folder.iteration < 0 else folder.iteration,
            "graph": match.folder.graph if match and folder.graph < 0 else folder.graph,
            "time_ns": found.name.time_us * 1_000,
            "core": record.core,
            "status": ";".join(f"{word:#x}" for word in record.status),
            "meaning": record.meaning,
            "op": match.operator.op if match else None,
            "op_type": match.operator.op_type if match else None,
            "joined_by": joined_by,
            "reason": self._reason(found, joined_by, matches),
            "model_id": numbers["model"],
            "task": record.number("task_id"),
            "device_stream": record.number("stream_id"),
            "context": numbers["context"],
            "thread": numbers["thread"],
            "core_id": numbers["core"],
            "block_id": numbers["block"],
            "pc_start": None if pc_start is None else f"{pc_start:#x}",
            "path": str(found.path),
            "source": source,
        }

    def _join(self, found: FoundRecord, folder: DumpFolder) -> tuple[str | None, list[DumpedOperator]]:
        record, name = found.record, found.name
        matches = self._having(record.number("task_id"), record.number("stream_id"), record, folder)
        if matches:
            return "record", matches
        matches = self._having(name.task, name.stream, record, folder)
        return ("file_name", matches) if matches else (None, [])

    def _having(self, task: int | None, stream: int | None, record: Any, folder: DumpFolder) -> list[DumpedOperator]:
        """Give the operators of the record's rank and iteration that have these numbers, the earliest first."""
        if task is None or stream is None:
            return []
        matches = [one for one in self._by_numbers.get((task, stream), []) if _is_near(one.folder, folder)]
        for part in ("context", "thread"):
            wanted = record.number(f"{part}_id")
            if wanted not in (None, _NO_THREAD):
                exact = [one for one in matches if getattr(one.operator, part) in (wanted, None)]
                matches = exact or matches
        here = [one for one in matches if one.folder.path == folder.path]
        return here or matches

    def _reason(self, found: FoundRecord, joined_by: str | None, matches: Sequence[DumpedOperator]) -> str:
        record = found.record
        numbers = f"task {record.number('task_id')}, stream {record.number('stream_id')}"
        if joined_by is None:
            if not self._told:
                return f"no dumped operator has device numbers to find {numbers} by"
            return f"no dumped operator has {numbers} of the record, nor the numbers in its file name"
        if joined_by == "file_name":
            numbers = f"task {found.name.task}, stream {found.name.stream} of the file name; none has {numbers}"
        text = f"its dump has {numbers}"
        others = list(dict.fromkeys(one.operator.op for one in matches if one.operator.op != matches[0].operator.op))
        if others:
            more = ", ..." if len(others) > _NAMED else ""
            text += f"; it is the earliest of several, the others: {', '.join(others[:_NAMED])}{more}"
        return text


def _is_near(operator: DumpFolder, record: DumpFolder) -> bool:
    same_rank = -1 in (operator.rank, record.rank) or operator.rank == record.rank
    return same_rank and (record.iteration < 0 or operator.iteration == record.iteration)
