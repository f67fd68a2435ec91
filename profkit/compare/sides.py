"""The two sides of a pairing: tensors as the strategies look at them, in words that both sides have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.compare.canonical_names import canonical_name, is_graph_scope
from profkit.compare.comparison import opener_of
from profkit.compare.forward_order import forward_rows
from profkit.parsers.mindspore.scope import module_of_scope
from profkit.parsers.module_renames import ModuleRenames

Group = tuple[int, int, str]
"""Rank, iteration and io: tensors are only paired within one."""

# Behind a path that side B has and that is called otherwise in side A: no path of A ends so.
_OF_B = "(side B)"


@dataclass(frozen=True)
class Side:
    """The tensors of one side, as the strategies look at them; every list is by row of the tensors frame.

    Attributes:
        group: Where a partner may be looked for.
        name: Name as recorded.
        canonical: Name in the words common to both frameworks.
        slot: Number among the inputs or outputs.
        number: The file's own number; None if it has none.
        shape: Dims as text; None if not known.
        module: Path of the module whose graph operator it is; None where the name is no scope of a graph.
        dtype: numpy's name; "" if not known.
        open: Gives the values; None where they were not kept.
        rows: The rows in forward order.
        place: The place of each row in that order.
        renamed: Whether the caller says that its module has another name on the other side; `canonical` and `module`
            are in the words of side A then, and the name as recorded does not count.
    """

    group: Sequence[Group]
    name: Sequence[str]
    canonical: Sequence[str]
    slot: Sequence[int]
    number: Sequence[int | None]
    shape: Sequence[str | None]
    module: Sequence[str | None]
    dtype: Sequence[str]
    open: Sequence[Callable[[], NDArray[Any]] | None]
    rows: Sequence[int]
    place: NDArray[np.int64]
    renamed: Sequence[bool]


def sides_of(a: pd.DataFrame, b: pd.DataFrame, renames: ModuleRenames | None) -> tuple[Side, Side]:
    """Give two tensors frames as sides.

    Args:
        a: A tensors frame, the reference.
        b: A tensors frame.
        renames: Modules that have another name on side B; None if nothing is known of any.
    """
    rank = _common_numbers(a["rank"], b["rank"])
    iteration = _common_numbers(a["iteration"], b["iteration"])
    io = _common_kinds(a["io"], b["io"])
    sides = _side(a, rank[0], iteration[0], io[0]), _side(b, rank[1], iteration[1], io[1])
    return _with_renames(*sides, renames) if renames else sides


def _common_numbers(a: pd.Series[int], b: pd.Series[int]) -> tuple[list[int], list[int]]:
    """Give the numbers of both sides, or zeros if each side has only one: then it says nothing (rank 0 against -1)."""
    if a.nunique() <= 1 and b.nunique() <= 1:
        return [0] * len(a), [0] * len(b)
    return a.tolist(), b.tolist()


def _common_kinds(a: pd.Series[str], b: pd.Series[str]) -> tuple[list[str], list[str]]:
    """Give what the tensors of both sides are; where each side has only one kind, that of A for both.

    Whether a file of named tensors holds outputs, gradients or parameters is often told by one side alone.
    """
    kinds = a.astype(str).tolist(), b.astype(str).tolist()
    if len(set(kinds[0])) == 1 and len(set(kinds[1])) == 1:
        return kinds[0], kinds[0][:1] * len(b)
    return kinds


def _side(tensors: pd.DataFrame, rank: list[int], iteration: list[int], io: list[str]) -> Side:
    rows = forward_rows(tensors)
    place = np.empty(len(rows), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    names = tensors["op"].astype(str).tolist()
    return Side(
        group=list(zip(rank, iteration, io, strict=True)),
        name=names,
        canonical=[canonical_name(name) for name in names],
        slot=tensors["slot"].tolist(),
        number=[None if pd.isna(number) else int(number) for number in tensors["order"]],
        shape=[None if pd.isna(shape) else str(shape) for shape in tensors["shape"]],
        module=[module_of_scope(name) if is_graph_scope(name) else None for name in names],
        dtype=["" if pd.isna(dtype) else str(dtype) for dtype in tensors["dtype"]],
        open=[opener_of(path, member) for path, member in zip(tensors["path"], tensors["member"], strict=True)],
        rows=rows.tolist(),
        place=place,
        renamed=[False] * len(names),
    )


def _with_renames(a: Side, b: Side, renames: ModuleRenames) -> tuple[Side, Side]:
    """Give both sides in the words of A; what B has of the same name as a renamed module of A is another one."""

    def in_words_of_a(path: str) -> str:
        return renames.in_words_of_ref(path) or (f"{path} {_OF_B}" if renames.are_of_ref(path) else path)

    theirs = replace(
        b,
        canonical=[in_words_of_a(path) for path in b.canonical],
        module=[path and in_words_of_a(path) for path in b.module],
        renamed=[
            in_words_of_a(path or name) != (path or name) for name, path in zip(b.canonical, b.module, strict=True)
        ],
    )
    ours = replace(
        a,
        renamed=[renames.are_of_ref(path or name) for name, path in zip(a.canonical, a.module, strict=True)],
    )
    return ours, theirs
