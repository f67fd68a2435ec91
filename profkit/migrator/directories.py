"""`compare_npy_dir` and its like: two directories of saved tensors, compared, printed and returned."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.compare.pairing import VALUE, pair
from profkit.compare.parity import compare_tensors
from profkit.errors import ImportIssue, ProfkitError
from profkit.migrator.printed_tables import print_issues, print_parity, write_result
from profkit.migrator.saved_directory import file_names, saved_directory
from profkit.schema import TENSORS

_BY_NAME = ("name", "translated name", "name and neighbours")
_LIST_INDEX = re.compile(r"\.(\d{1,9})$")
# What get_pt_grads adds to a parameter's name.
_PARAMETER_INDEX = re.compile(r"_\d{1,9}$")
_TITLE = "The list of comparison results"


def compare_npy_dir(
    orig_dir: Any,
    target_dir: Any,
    rtol: float | None = 1e-4,
    atol: float | None = 1e-4,
    equal_nan: bool = False,
    *,
    name_map_list: Sequence[tuple[str | None, str | None]] | None = None,
    compare_shape: bool = False,
    output_file: Any = None,
    num_processes: int | None = None,
    title: str = _TITLE,
    field_names: Sequence[str] | None = None,
    frame_names: Sequence[str] = ("orig", "target"),
    symmetric: bool = True,
) -> pd.DataFrame:
    """Compare the .npy files of two directories.

    Files are paired by the name that `ts.save` was given, in either framework's way of numbering, then by value and by
    order and shape; a file without a partner is `missing` and never a match.

    Args:
        orig_dir: The reference.
        target_dir: The other side.
        rtol: Relative part, with atol: |a-b| <= atol + rtol * max(|a|, |b|) is asked of every element. Give None for
            both to judge by dtype and depth instead, which tells rounding from faults that a tolerance lets pass.
        atol: Absolute part.
        equal_nan: Take NaN and Inf at the same places for agreement; else they prove nothing ("undecidable").
        name_map_list: Pairs of file names to compare, and no others; None in a pair for a missing file.
        compare_shape: Print the shapes too.
        output_file: Write the result there as well; the suffix chooses the format (.csv .json .parquet .md .html).
        num_processes: Processes that measure. With more than one, the script must guard its entry point with
            `if __name__ == "__main__"`. None measures in this one.
        title: What to print above the table.
        field_names: Headings of the printed columns, from the first on, instead of the usual ones.
        frame_names: What to call the two sides in print.
        symmetric: Hold rtol against the larger of |a| and |b|, so that the order of the directories does not matter;
            False holds it against |a|.

    Returns:
        A parity frame in forward order (profkit.schema.PARITY).

    Raises:
        ProfkitError: A directory cannot be read, a file named in name_map_list is not there, or a tolerance is none.
    """
    sides = [saved_directory(folder) for folder in (orig_dir, target_dir)]
    tensors = [side[0] for side in sides]
    given: Mapping[int, int] | None = None
    if name_map_list is not None:
        tensors, given = _as_listed(tensors, (orig_dir, target_dir), name_map_list)
    parity = compare_tensors(
        *tensors,
        rtol=rtol,
        atol=atol,
        symmetric=symmetric,
        equal_nan=equal_nan,
        given=given,
        pair_by=() if given is not None else None,
        workers=num_processes or 1,
    )
    return _shown(parity, sides, (orig_dir, target_dir), title, frame_names, field_names, compare_shape, output_file)


def compare_dict_dir(
    orig_dir: Any,
    target_dir: Any,
    rtol: float | None = 1e-4,
    atol: float | None = 1e-4,
    equal_nan: bool = False,
    compare_shape: bool = False,
    output_file: Any = None,
    num_processes: int | None = None,
    symmetric: bool = True,
) -> pd.DataFrame:
    """Compare two saved dicts: as `compare_npy_dir`, paired by name alone."""
    sides = [saved_directory(folder) for folder in (orig_dir, target_dir)]
    parity = compare_tensors(
        sides[0][0],
        sides[1][0],
        rtol=rtol,
        atol=atol,
        symmetric=symmetric,
        equal_nan=equal_nan,
        pair_by=_BY_NAME,
        workers=num_processes or 1,
    )
    return _shown(parity, sides, (orig_dir, target_dir), _TITLE, compare_shape=compare_shape, output_file=output_file)


def compare_list_dir(
    orig_dir: Any,
    target_dir: Any,
    rtol: float | None = 1e-4,
    atol: float | None = 1e-4,
    equal_nan: bool = False,
    compare_shape: bool = False,
    output_file: Any = None,
    num_processes: int | None = None,
    symmetric: bool = True,
) -> pd.DataFrame:
    """Compare two saved lists: as `compare_npy_dir`, paired by the place in the list.

    A missing file is missing and shifts no other.
    """
    sides = [saved_directory(folder) for folder in (orig_dir, target_dir)]
    parity = compare_tensors(
        sides[0][0],
        sides[1][0],
        rtol=rtol,
        atol=atol,
        symmetric=symmetric,
        equal_nan=equal_nan,
        given=_by_list_index(sides[0][0], sides[1][0]),
        workers=num_processes or 1,
    )
    return _shown(parity, sides, (orig_dir, target_dir), _TITLE, compare_shape=compare_shape, output_file=output_file)


def compare_grads_dir(
    orig_dir: Any,
    target_dir: Any,
    rtol: float | None = 1e-4,
    atol: float | None = 1e-4,
    equal_nan: bool = False,
    compare_shape: bool = True,
    output_file: Any = None,
    num_processes: int | None = None,
    *,
    name_map_list: Sequence[tuple[str | None, str | None]] | None = None,
    symmetric: bool = True,
) -> pd.DataFrame:
    """Compare saved gradients: as `compare_npy_dir`, with the gradients of one parameter order on either side.

    PyTorch's (`ts.widget.get_pt_grads`) carry the names of the parameters, MindSpore's only their place. Where both
    sides have the same sequence of shapes they are paired by place; else by name, by value, and by order and shape as
    far as these leave no choice.
    """
    sides = [saved_directory(folder) for folder in (orig_dir, target_dir)]
    tensors = [_as_gradients(side[0]) for side in sides]

    def compared(given: Mapping[int, int] | None, pair_by: Sequence[str] | None = None) -> pd.DataFrame:
        return compare_tensors(
            *tensors,
            rtol=rtol,
            atol=atol,
            symmetric=symmetric,
            equal_nan=equal_nan,
            given=given,
            pair_by=pair_by,
            workers=num_processes or 1,
        )

    if name_map_list is not None:
        tensors, listed = _as_listed(tensors, (orig_dir, target_dir), name_map_list)
        parity = compared(listed, ())
    else:
        by_place = _by_place(tensors[0], tensors[1])
        parity = compared(by_place)
        exchanged = _exchanged(tensors[0], tensors[1], parity) if by_place else {}
        if by_place and exchanged:
            parity = compared({**by_place, **exchanged})
    return _shown(parity, sides, (orig_dir, target_dir), _TITLE, compare_shape=compare_shape, output_file=output_file)


def _as_listed(
    tensors: Sequence[pd.DataFrame], folders: Sequence[Any], listed: Sequence[tuple[str | None, str | None]]
) -> tuple[list[pd.DataFrame], dict[int, int]]:
    """Give the rows of the listed files, and which belong together."""
    chosen: tuple[list[int], list[int]] = ([], [])
    given: dict[int, int] = {}
    rows = [{name: row for row, name in enumerate(file_names(frame))} for frame in tensors]
    for names in listed:
        for side, name in enumerate(names):
            if name is None:
                continue
            if Path(name).name not in rows[side]:
                raise ProfkitError(f"{name} of name_map_list is no .npy file in {folders[side]}", "mend the list")
            chosen[side].append(rows[side][Path(name).name])
        if None not in names:
            given[len(chosen[0]) - 1] = len(chosen[1]) - 1
    for side in (0, 1):
        if len(set(chosen[side])) < len(chosen[side]):
            raise ProfkitError("name_map_list names a file twice", "pair each file once")
    return [frame.iloc[own].reset_index(drop=True) for frame, own in zip(tensors, chosen, strict=True)], given


def _by_list_index(a: pd.DataFrame, b: pd.DataFrame) -> dict[int, int]:
    """Pair what stands at one place of a list, where each side has one such tensor."""
    places: list[dict[str, int]] = []
    for frame in (a, b):
        found: dict[str, list[int]] = {}
        for row, name in enumerate(_names(frame)):
            if match := _LIST_INDEX.search(name):
                found.setdefault(match[1], []).append(row)
        places.append({index: rows[0] for index, rows in found.items() if len(rows) == 1})
    return {row: places[1][index] for index, row in places[0].items() if index in places[1]}


def _by_place(a: pd.DataFrame, b: pd.DataFrame) -> dict[int, int] | None:
    shapes = [frame["shape"].astype(object).tolist() for frame in (a, b)]
    named = [any(not _LIST_INDEX.search(name) for name in _names(frame)) for frame in (a, b)]
    # Two sides with names are better paired by these: one may hold the parameters in another order.
    if all(named) or shapes[0] != shapes[1] or any(pd.isna(shape) for shape in shapes[0]):
        return None
    return {row: row for row in range(len(a))}


def _exchanged(a: pd.DataFrame, b: pd.DataFrame, parity: pd.DataFrame) -> dict[int, int]:
    """Find among the rows that differ at their place those that only stand in another order, by their values.

    The directions of a bidirectional LSTM, for one, come in another order in MindSpore.
    """
    wrong = parity[parity["status"] == "mismatch"]
    rows_a = [row for row, path in enumerate(a["path"].tolist()) if path in set(wrong["path_a"])]
    rows_b = [row for row, path in enumerate(b["path"].tolist()) if path in set(wrong["path_b"])]
    if len(rows_a) < 2:
        return {}
    found = pair(a.iloc[rows_a].reset_index(drop=True), b.iloc[rows_b].reset_index(drop=True), strategies=(VALUE,))
    found = found[(found["row_a"] >= 0) & (found["row_b"] >= 0)]
    pairs = {rows_a[i]: rows_b[j] for i, j in zip(found["row_a"], found["row_b"], strict=True)}
    # What changes places has to leave room: only whole cycles are taken.
    return pairs if set(pairs) == set(pairs.values()) else {}


def _as_gradients(tensors: pd.DataFrame) -> pd.DataFrame:
    """Call every tensor a gradient, by the name of its parameter."""
    names = _names(tensors)
    if all(_PARAMETER_INDEX.search(name) for name in names):
        names = [_PARAMETER_INDEX.sub("", name) for name in names]
    columns = {name: tensors[name].tolist() for name in tensors.columns}
    return TENSORS.build({**columns, "op": names, "io": ["gradient"] * len(names)})


def _names(tensors: pd.DataFrame) -> list[str]:
    return [str(name) for name in tensors["op"].tolist()]


def _shown(
    parity: pd.DataFrame,
    sides: Sequence[tuple[pd.DataFrame, Sequence[ImportIssue]]],
    folders: Sequence[Any],
    title: str,
    frame_names: Sequence[str] = ("orig", "target"),
    field_names: Sequence[str] | None = None,
    compare_shape: bool = False,
    output_file: Any = None,
) -> pd.DataFrame:
    heading = [f"The {word} dir: {folder}" for word, folder in zip(frame_names, folders, strict=False)]
    print_issues([issue for side in sides for issue in side[1]])
    print_parity(parity, title, heading=heading, shapes=compare_shape, sides=frame_names, headers=field_names)
    if output_file is not None:
        write_result(parity, output_file)
    return parity
