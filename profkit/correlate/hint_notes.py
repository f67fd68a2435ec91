"""Which hints of the user were about nothing: told, so that a misspelt name is not taken for an obeyed one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import pandas as pd

from profkit.correlate.hint_labels import HintedRows
from profkit.correlate.placement import HINTED_PAIR, NOT_PAIRED
from profkit.correlate.timing import side_words
from profkit.parsers.alignment_hints import AlignmentHints
from profkit.parsers.module_renames import module_pattern
from profkit.run import Run


def hint_notes(
    hints: AlignmentHints,
    ref: Run,
    run: Run,
    alignment: pd.DataFrame,
    others: tuple[Collection[str], Collection[str]] = ((), ()),
) -> list[str]:
    """Say which hints matched nothing, and which pairs could not be made.

    Args:
        hints: The hints that the alignment was made with.
        ref: The reference run, identified.
        run: The run to be judged, identified.
        alignment: Frame of schema.ALIGNMENT.
        others: Paths that hints were about beside those of the operators: names of saved tensors of either run.

    Returns:
        One sentence a hint that was not obeyed.
    """
    return [
        *_modules(hints, ref, run, alignment, others),
        *_classes(hints, ref, run),
        *_pairs(hints, ref, run, alignment),
    ]


def module_notes(modules: Mapping[str, str], known: tuple[Collection[str], Collection[str]]) -> Iterator[str]:
    """Say which renamed modules are none of a side.

    Args:
        modules: Path in the run by path in the reference.
        known: Paths that the reference and the run have.
    """
    for old, new in modules.items():
        for which, path, paths in (("the reference", old, known[0]), ("the run", new, known[1])):
            if not any(module_pattern(path).fullmatch(name) for name in paths):
                yield f"hint [modules] {old!r} = {new!r} matches nothing: {which} shows no module {path!r}"


def _modules(
    hints: AlignmentHints,
    ref: Run,
    run: Run,
    alignment: pd.DataFrame,
    others: tuple[Collection[str], Collection[str]],
) -> Iterator[str]:
    words = side_words(alignment, ref)
    shown = [alignment.loc[alignment["side"] == word, "module"] for word in words]
    known = [
        {*map(str, one.ops["module"].dropna().unique()), *map(str, names.dropna().unique()), *more}
        for one, names, more in zip((ref, run), shown, others, strict=True)
    ]
    yield from module_notes(hints.modules, (known[0], known[1]))


def _classes(hints: AlignmentHints, ref: Run, run: Run) -> Iterator[str]:
    names = {
        str(name) for one in (ref, run) for column in ("op_type", "name") for name in one.ops[column].dropna().unique()
    }
    for pattern, word in hints.classes.items():
        if not any(fnmatchcase(name, pattern) for name in names):
            yield f"hint [classes] {pattern!r} = {word!r} matches nothing: neither run has such an operator"


def _pairs(hints: AlignmentHints, ref: Run, run: Run, alignment: pd.DataFrame) -> Iterator[str]:
    if not hints.pairs:
        return
    paired = alignment[alignment["reason"].astype(object) != NOT_PAIRED]
    words = side_words(alignment, ref)
    sides = [paired[paired["side"] == word] for word in words]
    labels = [_labels(hints, one, rows, at) for at, (one, rows) in enumerate(zip((ref, run), sides, strict=True))]
    for number, pair in enumerate(hints.pairs):
        about = [rows[its == number] for rows, its in zip(sides, labels, strict=True)]
        name = f"hint [[pairs]] {pair.ref!r} with {pair.run!r}"
        lacking = [which for which, rows in zip(("the reference", "the run"), about, strict=True) if rows.empty]
        if lacking:
            yield f"{name} matches nothing: no such execution, outside other operators, in {' and '.join(lacking)}"
            continue
        left_out = [int((rows["reason"].astype(object) != HINTED_PAIR).sum()) for rows in about]
        if any(left_out):
            counts = " and ".join(f"{one:,} of {len(rows):,}" for one, rows in zip(left_out, about, strict=True))
            yield f"{name} left out {counts} executions: in a step neither number is a multiple of the other"


def _labels(hints: AlignmentHints, one: Run, rows: pd.DataFrame, side: int) -> npt.NDArray[np.int64]:
    """Give the number of the pair hint of each row of one side of an alignment; -1 none."""
    at = rows["row"].to_numpy()
    own = one.ops["module"].astype(object).to_numpy()[at]
    named = pd.DataFrame({"own": own, "shown": rows["module"].astype(object).to_numpy()}).dropna().drop_duplicates()
    names = dict(zip(named["own"], named["shown"], strict=True))
    shown = np.full(len(one.ops), None, dtype=object)
    shown[at] = rows["module"].astype(object).where(rows["module"].notna(), None)
    told = HintedRows(hints, (one.ops, one.ops), left_is_ref=True, names=names, shown=(shown, shown))
    return told.pairs[side][at]
