"""Which rows of two runs a hint of the user is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.intervals import nearest_ancestor
from profkit.correlate.unit_facts import short_names
from profkit.parsers.alignment_hints import AlignmentHints, PairHint
from profkit.parsers.module_renames import module_pattern, renamed

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True)
class HintedRows:
    """The hints as they are about two ops frames; index 0 is the side that an aligner calls left, 1 the right one.

    Attributes:
        hints: What the user says.
        ops: Identified ops frames.
        left_is_ref: Whether the left side is the reference.
        names: Attribute path by class path, where it is known: a hint may use either.
        shown: Module that an alignment without hints shows of each row, object (n,), None where none: a kernel that has
            no module of its own is shown in that of its counterparts.
    """

    hints: AlignmentHints
    ops: tuple[pd.DataFrame, pd.DataFrame]
    left_is_ref: bool
    names: Mapping[str, str]
    shown: tuple[Objects, Objects]

    @cached_property
    def pairs(self) -> tuple[Ints, Ints]:
        """Number of the pair hint of each row of either side; -1 none."""
        return self._pairs_of(0), self._pairs_of(1)

    @cached_property
    def modules(self) -> tuple[Ints, Ints]:
        """Number of the renamed module of each row of either side, the same on both; -1 none, or on one side only."""
        numbers: dict[tuple[str, tuple[str, ...]], int] = {}
        left, right = self._modules_of(0, numbers), self._modules_of(1, numbers)
        both = np.intersect1d(left, right)
        return np.where(np.isin(left, both), left, -1), np.where(np.isin(right, both), right, -1)

    def in_words_of_ref(self, modules: pd.Series[str], side: int) -> pd.Series[str]:
        """Give module paths of a side in the reference's words; those that no hint is about stay as they are."""
        if self._is_ref(side):
            return modules
        renames = [(module_pattern(new), old) for old, new in self._most_particular_first(1)]
        known = self.ops[side]["module"].astype(object)[self.modules[side] >= 0].unique()
        other = {path: self._renamed(path, renames) if path in known else path for path in modules.dropna().unique()}
        return modules.map(other, na_action="ignore").astype(object)

    def _renamed(self, path: str, renames: Sequence[tuple[re.Pattern[str], str]]) -> str:
        for name in self._names_of(path):
            other = renamed(name, renames)
            if other != name:
                return other
        return path

    def _most_particular_first(self, side: int) -> list[tuple[str, str]]:
        """Give [modules], the longest path first: 0 of the reference, 1 of the run."""
        return sorted(self.hints.modules.items(), key=lambda names: -len(names[side]))

    def _is_ref(self, side: int) -> bool:
        return (side == 0) == self.left_is_ref

    def _names_of(self, path: str) -> Iterator[str]:
        yield path
        if path in self.names:
            yield self.names[path]

    def _pairs_of(self, side: int) -> Ints:
        ops = self.ops[side]
        labels = np.full(len(ops), -1, dtype=np.int64)
        for number, pair in reversed(list(enumerate(self.hints.pairs))):
            labels[self._chosen(side, pair)] = number
        launched = (labels < 0) & (ops["level"] == "device").to_numpy() & (ops["launcher"] >= 0).to_numpy()
        if launched.any():
            above = nearest_ancestor(ops["parent"].to_numpy(), labels >= 0)[ops["launcher"].to_numpy()[launched]]
            labels[launched] = np.where(above >= 0, labels[above], -1)
        return labels

    def _chosen(self, side: int, pair: PairHint) -> Bools:
        ops = self.ops[side]
        pattern, module = (pair.ref, pair.ref_module) if self._is_ref(side) else (pair.run, pair.run_module)
        chosen = _fits(ops["name"], pattern) | _fits(ops["op_type"], pattern)
        chosen |= _fits(short_names(ops["name"]).astype("category"), pattern)
        if module is not None:
            shape = module_pattern(module)
            paths = [str(path) for path in ops["module"].dropna().unique()]
            below = [path for path in paths if any(map(shape.fullmatch, self._names_of(path)))]
            chosen &= ops["module"].isin(below).to_numpy() | self._shown_in(side, shape)
        if pair.phase is not None:
            chosen &= (ops["phase"] == pair.phase).to_numpy()
        return chosen

    def _shown_in(self, side: int, shape: re.Pattern[str]) -> Bools:
        shown = self.shown[side]
        known = [path for path in dict.fromkeys(shown) if path is not None]
        fitting = [path for path in known if any(map(shape.fullmatch, self._names_of(path)))]
        return np.isin(shown.astype(str), fitting) & self.ops[side]["module"].isna().to_numpy()

    def _modules_of(self, side: int, numbers: dict[tuple[str, tuple[str, ...]], int]) -> Ints:
        at_side = 0 if self._is_ref(side) else 1
        shapes = [(names[0], module_pattern(names[at_side])) for names in self._most_particular_first(at_side)]
        paths = self.ops[side]["module"].cat
        of_path = np.full(len(paths.categories) + 1, -1, dtype=np.int64)
        for at, path in enumerate(map(str, paths.categories)):
            fits = (
                (entry, fit.groups()[:-1])
                for entry, shape in shapes
                for name in self._names_of(path)
                if (fit := shape.fullmatch(name)) is not None
            )
            found = next(fits, None)
            if found is not None:
                of_path[at] = numbers.setdefault(found, len(numbers))
        return of_path[paths.codes.to_numpy()]


def shown_modules(alignment: pd.DataFrame, side: str, count: int) -> Objects:
    """Give the module that an alignment shows of each row of a side's ops frame; None where it shows none.

    Args:
        alignment: Frame of schema.ALIGNMENT.
        side: The side's word.
        count: Number of rows of the ops frame.
    """
    shown = np.full(count, None, dtype=object)
    rows = alignment[(alignment["side"] == side) & alignment["module"].notna()]
    shown[rows["row"].to_numpy(np.int64)] = rows["module"].astype(object).to_numpy()
    return shown


def _fits(column: pd.Series[Any], pattern: str) -> Bools:
    fitting = [name for name in column.cat.categories if fnmatchcase(str(name), pattern)]
    return column.isin(fitting).to_numpy() & column.notna().to_numpy()
