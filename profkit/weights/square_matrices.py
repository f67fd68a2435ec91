"""Square matrices of a map: their shapes do not show whether they are transposed, as others like them are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from profkit.weights.description import ParameterDescription
from profkit.weights.operations import Operation
from profkit.weights.weight_map import AMBIGUOUS, MAPPED, MapRow


def without_doubtful_squares(rows: Iterator[MapRow], sources: Mapping[str, ParameterDescription]) -> list[MapRow]:
    """Leave square matrices open where all others like them are transposed: their shapes do not show it."""
    listed = list(rows)
    transposed: Counter[bool] = Counter()
    plain: Counter[bool] = Counter()

    def has_bias(row: MapRow) -> bool:
        return f"{row.sources[0].rpartition('.')[0]}.bias" in sources

    def is_matrix(row: MapRow) -> bool:
        shape = row.source_shape
        return row.status == MAPPED and shape is not None and len(shape) == 2 and len(row.sources) == 1

    for row in filter(is_matrix, listed):
        if row.source_shape is not None and row.source_shape[0] != row.source_shape[1]:
            (transposed if _is_transposed(row) else plain)[has_bias(row)] += 1
    return [
        _doubtful(row)
        if is_matrix(row)
        and not row.operations
        and row.source_shape is not None
        and row.source_shape[0] == row.source_shape[1]
        and transposed[has_bias(row)] > plain[has_bias(row)]
        and sources[row.sources[0]].layer is None
        else row
        for row in listed
    ]


def _is_transposed(row: MapRow) -> bool:
    return row.operations == (Operation("transpose", (1, 0)),)


def _doubtful(row: MapRow) -> MapRow:
    reason = f"{row.reason}; it is square, and most matrices like it are transposed: say so in the rules' [operations]"
    return replace(row, status=AMBIGUOUS, reason=reason, operations=())
