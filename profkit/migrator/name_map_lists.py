"""Which file of one directory belongs to which of another, as lists that `compare_npy_dir` takes."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import pandas as pd

from profkit.compare.pairing import pair
from profkit.errors import ProfkitError
from profkit.migrator.saved_directory import file_names, saved_directory

NameMapList = list[tuple["str | None", "str | None"]]
"""Pairs of file names; None where the other file has no partner."""

_BY_NAME = ("name", "translated name", "name and neighbours")


def get_name_map_list_by_name(orig_dir: Any, target_dir: Any) -> NameMapList:
    """Pair the files of one name, whatever number or dtype the saving tool added to it, the k-th with the k-th.

    Raises:
        ProfkitError: A directory cannot be read.
    """
    a, b = (saved_directory(folder)[0] for folder in (orig_dir, target_dir))
    names_a, names_b = file_names(a), file_names(b)
    rows = pair(a, b, strategies=_BY_NAME)
    return [
        (names_a[row_a] if row_a >= 0 else None, names_b[row_b] if row_b >= 0 else None)
        for row_a, row_b in zip(rows["row_a"].tolist(), rows["row_b"].tolist(), strict=True)
    ]


def get_name_map_list_by_number(orig_dir: Any, target_dir: Any) -> NameMapList:
    """Pair the files in the order of their numbers; what the longer directory has more is left over.

    A missing file shifts all that follow: use it only where both directories have the same files.

    Raises:
        ProfkitError: A directory cannot be read.
    """
    names = [file_names(saved_directory(folder)[0]) for folder in (orig_dir, target_dir)]
    return list(zip_longest(names[0], names[1]))


def get_name_map_list_by_shape_edit_distance(
    orig_dir: Any, target_dir: Any, *, del_cost: int = 1, ins_cost: int = 1, rep_cost: int = 5
) -> NameMapList:
    """Pair the files in the order of their numbers, so that the cheapest changes turn one's shapes into the other's.

    Only headers are read. Where equal shapes stand beside a missing file the costs cannot tell which one is missing:
    `compare_grads_dir`, which looks at names and values, can.

    Args:
        orig_dir: Directory of .npy files.
        target_dir: The other one.
        del_cost: Cost of a file that only orig_dir has.
        ins_cost: Cost of a file that only target_dir has.
        rep_cost: Cost of a pair of two shapes.

    Raises:
        ProfkitError: A directory cannot be read, or a cost is negative.
    """
    if min(del_cost, ins_cost, rep_cost) < 0:
        raise ProfkitError("a cost is negative", "give costs of 0 or more")
    a, b = (saved_directory(folder)[0] for folder in (orig_dir, target_dir))
    names_a, names_b = file_names(a), file_names(b)
    shapes_a, shapes_b = _shapes(a), _shapes(b)
    pairs: NameMapList = []
    for row_a, row_b in _cheapest_edits(shapes_a, shapes_b, (del_cost, ins_cost, rep_cost)):
        pairs.append((None if row_a is None else names_a[row_a], None if row_b is None else names_b[row_b]))
    return pairs


def _shapes(tensors: pd.DataFrame) -> list[str | None]:
    return [None if pd.isna(shape) else str(shape) for shape in tensors["shape"]]


def _cheapest_edits(
    a: list[str | None], b: list[str | None], costs: tuple[int, int, int]
) -> list[tuple[int | None, int | None]]:
    """Wagner and Fischer: cheapest way from a to b by deletions, insertions and replacements."""
    delete, insert, replace = costs
    table = [[column * insert for column in range(len(b) + 1)]]
    for row, shape in enumerate(a, start=1):
        line = [row * delete]
        for column, other in enumerate(b, start=1):
            pairing = table[row - 1][column - 1] + (0 if shape == other else replace)
            line.append(min(pairing, table[row - 1][column] + delete, line[column - 1] + insert))
        table.append(line)
    edits: list[tuple[int | None, int | None]] = []
    i, j = len(a), len(b)
    while i or j:
        if i and j and table[i][j] == table[i - 1][j - 1] + (0 if a[i - 1] == b[j - 1] else replace):
            i, j = i - 1, j - 1
            edits.append((i, j))
        elif i and table[i][j] == table[i - 1][j] + delete:
            i -= 1
            edits.append((i, None))
        else:
            j -= 1
            edits.append((None, j))
    return edits[::-1]
