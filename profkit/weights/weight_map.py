"""A map of weights: which parameter of one network becomes which of another, by which operations, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from profkit.parsers.dump.tensor_dtypes import shape_text
from profkit.schema import WEIGHT_MAP
from profkit.weights.operations import Operation, inverse

Shape = tuple[int, ...]

MAPPED, ASSUMED, TIED, NOT_NEEDED = "mapped", "assumed", "tied", "not_needed"
AMBIGUOUS, SHAPE, SOURCE_ONLY, TARGET_ONLY = "ambiguous", "shape", "source_only", "target_only"
UNSETTLED = frozenset({ASSUMED, AMBIGUOUS, SHAPE, SOURCE_ONLY, TARGET_ONLY})
"""Statuses of what a person must look at before a conversion is whole."""


@dataclass(frozen=True)
class MapRow:
    """One parameter of the target, or one of the source that has no place there.

    Attributes:
        sources: Names in the source; several where they are put together, none where only the target has it.
        target: Name in the target; None where only the source has it.
        status: mapped, assumed (by order and shape, or a reshape: to be confirmed), tied (the same elements as another
            that is mapped), not_needed (no partner, and none is missed), ambiguous, shape (names agree, shapes cannot),
            source_only, target_only.
        reason: One sentence.
        operations: What is done to the values.
        source_shape, target_shape: Of the first source, and of the target; None if not known.
        source_dtype, target_dtype: As the shapes.
        tied_to: For tied: the source whose elements it shares.
        as_long_as: For not_needed: what every element must be, or it is missed after all; None where any will do.
    """

    sources: tuple[str, ...]
    target: str | None
    status: str
    reason: str
    operations: tuple[Operation, ...] = ()
    source_shape: Shape | None = None
    target_shape: Shape | None = None
    source_dtype: str | None = None
    target_dtype: str | None = None
    tied_to: str | None = None
    as_long_as: float | None = None


@dataclass(frozen=True)
class WeightMap:
    """A map of weights.

    Attributes:
        rows: In the order of the source; what only the target has follows its predecessor there.
        source, target: What the two networks are called.
        source_framework, target_framework: "pytorch", "mindspore" or "unknown".
        rules: Version of the rules it was made with; "" if it was read from a file without one.
    """

    rows: tuple[MapRow, ...]
    source: str = ""
    target: str = ""
    source_framework: str = "unknown"
    target_framework: str = "unknown"
    rules: str = field(default="", compare=False)

    @property
    def unsettled(self) -> tuple[MapRow, ...]:
        """Rows that a person must look at."""
        return tuple(row for row in self.rows if row.status in UNSETTLED)

    def written(self, *, assumed: bool = False) -> tuple[MapRow, ...]:
        """Give the rows that give the target a value.

        Args:
            assumed: Take those that are only assumed, too.
        """
        taken = {MAPPED, ASSUMED} if assumed else {MAPPED}
        return tuple(row for row in self.rows if row.status in taken and row.target is not None)

    def frame(self) -> pd.DataFrame:
        """Give the rows as a weight_map frame."""
        columns: dict[str, list[str | None]] = {
            "source": [" + ".join(row.sources) or None for row in self.rows],
            "target": [row.target for row in self.rows],
            "status": [row.status for row in self.rows],
            "operations": [" ".join(map(str, row.operations)) or None for row in self.rows],
            "source_shape": [_text(row.source_shape) for row in self.rows],
            "target_shape": [_text(row.target_shape) for row in self.rows],
            "source_dtype": [row.source_dtype for row in self.rows],
            "target_dtype": [row.target_dtype for row in self.rows],
            "reason": [row.reason for row in self.rows],
        }
        return WEIGHT_MAP.build(columns)

    def reversed(self) -> WeightMap:
        """Give the map from the target to the source: operations undone, parts put together and taken apart."""
        parts = _rows_by_whole(self.rows)
        rows: list[MapRow] = []
        done: set[str] = set()
        for row in self.rows:
            whole = row.sources[0] if row.operations and row.operations[0].name == "split" else None
            if whole is None:
                rows += _reversed(row)
            elif whole not in done:
                done.add(whole)
                rows.append(_put_together(whole, parts[whole]))
        return WeightMap(
            tuple(rows), self.target, self.source, self.target_framework, self.source_framework, self.rules
        )


def _text(shape: Shape | None) -> str | None:
    return None if shape is None else shape_text(shape)


def _rows_by_whole(rows: Iterable[MapRow]) -> dict[str, list[MapRow]]:
    parts: dict[str, list[MapRow]] = {}
    for row in rows:
        if row.operations and row.operations[0].name == "split":
            parts.setdefault(row.sources[0], []).append(row)
    return parts


def _put_together(whole: str, parts: Sequence[MapRow]) -> MapRow:
    axis, _, count = parts[0].operations[0].numbers
    ordered = sorted(parts, key=lambda row: row.operations[0].numbers[1])
    numbers = [row.operations[0].numbers for row in ordered]
    complete = numbers == [(axis, number, count) for number in range(count)]
    plain = all(len(row.operations) == 1 and row.target is not None for row in ordered)
    row = MapRow(
        tuple(str(row.target) for row in ordered),
        whole,
        MAPPED if complete and plain else AMBIGUOUS,
        f"the {count} parts of {whole}" if complete and plain else f"not all {count} parts of {whole} are mapped",
        (Operation("concatenate", (axis,)),),
        ordered[0].target_shape,
        ordered[0].source_shape,
        ordered[0].target_dtype,
        ordered[0].source_dtype,
    )
    return row if row.status == MAPPED else replace(row, operations=())


def _reversed(row: MapRow) -> list[MapRow]:
    turned = MapRow(
        () if row.target is None else (row.target,),
        row.sources[0] if row.sources else None,
        {SOURCE_ONLY: TARGET_ONLY, TARGET_ONLY: SOURCE_ONLY}.get(row.status, row.status),
        row.reason,
        (),
        row.target_shape,
        row.source_shape,
        row.target_dtype,
        row.source_dtype,
        as_long_as=row.as_long_as,
    )
    if row.status == TIED:
        # The target keeps it once: under the other name it holds the same.
        return [replace(turned, sources=(row.target,), status=MAPPED)] if row.target is not None else []
    if len(row.sources) > 1:
        return _taken_apart(row)
    operations: list[Operation] = []
    shape = row.source_shape
    for operation in row.operations:
        undone = None if operation.name == "reshape" and shape is None else inverse(operation, shape or ())
        if undone is None or (operation.name == "reshape" and len(row.operations) > 1):
            return [replace(turned, status=AMBIGUOUS, reason=f"{operation} cannot be undone")]
        operations.insert(0, undone)
    return [replace(turned, operations=tuple(operations))]


def _taken_apart(row: MapRow) -> list[MapRow]:
    count = len(row.sources)
    if [operation.name for operation in row.operations] != ["concatenate"]:
        reason = f"{' + '.join(row.sources)} cannot be told from their sum"
        return [MapRow((str(row.target),), None, AMBIGUOUS, reason, source_shape=row.target_shape)]
    axis = row.operations[0].numbers[0]
    return [
        MapRow(
            (str(row.target),),
            part,
            MAPPED,
            f"part {number + 1} of {count} of {row.target}",
            (Operation("split", (axis, number, count)),),
            row.target_shape,
            row.source_shape,
            row.target_dtype,
            row.source_dtype,
        )
        for number, part in enumerate(row.sources)
    ]
