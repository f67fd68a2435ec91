"""Parity of the weights of two networks: their map, and every pair measured by the shared compare core."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from profkit.compare.comparison import Comparison, Settled, Tensor
from profkit.compare.measuring import PairToMeasure
from profkit.compare.parity import compare_pairs, judged, tolerance_of
from profkit.errors import ImportIssue, ProfkitError, Severity, UnreadableInputError
from profkit.parsers.checkpoint.number_formats import numbers
from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint, read_checkpoint, verify_checksums
from profkit.parsers.dump.tensor_dtypes import shape_text
from profkit.progress import Progress, silent
from profkit.schema import PARITY
from profkit.weights.conversion import MappedWords, fitted_to, mapped_words
from profkit.weights.description import describe_checkpoint
from profkit.weights.matching import make_map
from profkit.weights.neutral_values import with_values_looked_at
from profkit.weights.operations import shape_after
from profkit.weights.rules import Rules
from profkit.weights.shape_fit import text
from profkit.weights.weight_map import NOT_NEEDED, TIED, MapRow, WeightMap

# Pairs of parameters are small: handing them to a second process costs more than it saves below this (benchmarks/).
_WORTH_A_PROCESS_BYTES = 8 << 30
NOT_NEEDED_BY_RULE = "not needed"
"""In `paired_by`: nothing on the other side belongs to it, and nothing is missed."""


@dataclass(frozen=True)
class WeightsComparison:
    """The outcome of a comparison of weights.

    Attributes:
        parity: A parity frame in the order of the network of A.
        weight_map: From A to B.
        issues: What of either side could not be read.
        cut: Which side ends early, and where; "" if both are whole.
    """

    parity: pd.DataFrame
    weight_map: WeightMap
    issues: Sequence[ImportIssue] = field(default=())
    cut: str = ""

    @property
    def agrees(self) -> bool:
        """Whether both are whole, and every parameter that has to have a partner has one and matches it."""
        settled = (self.parity["status"] == "match") | (self.parity["paired_by"] == NOT_NEEDED_BY_RULE)
        return bool(settled.all()) and not self.cut


def compare_weights(
    a: Checkpoint | Path | str,
    b: Checkpoint | Path | str,
    *,
    weight_map: WeightMap | None = None,
    rules: Rules | None = None,
    shapes_only: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    symmetric: bool = True,
    equal_nan: bool = False,
    workers: int | None = 1,
    progress: Progress = silent,
) -> WeightsComparison:
    """Compare the weights of two networks, of one framework or of both, parameter by parameter.

    Values of A are brought into the layout of B by the operations of the map before they are compared.

    >>> compare_weights("net.pth", "net.ckpt").parity            # doctest: +SKIP

    Args:
        a: The reference: a checkpoint or its path.
        b: The other side.
        weight_map: In either direction; None makes one from the names and shapes of both.
        rules: For the map that is made; None for profkit's own.
        shapes_only: Compare names, shapes and dtypes, and no values.
        rtol: Relative tolerance asked of every element; without rtol and atol the rule by dtype decides.
        atol: Absolute tolerance asked of every element.
        symmetric: Hold rtol against the larger of |a| and |b|; else against |a|.
        equal_nan: Take NaN and Inf at the same places for agreement; only with a tolerance.
        workers: Processes that measure; None takes two where there is much to read.
        progress: Listens, and may cancel.

    Raises:
        ProfkitError: A path cannot be read or holds no tensors, the map does not fit, or a tolerance is none.
        CancelledError: The listener stopped the work.
    """
    tolerance = tolerance_of(rtol, atol, symmetric, equal_nan)
    sides = [side if isinstance(side, Checkpoint) else read_checkpoint(side) for side in (a, b)]
    left, right = sides
    for side in sides:
        verify_checksums(side)
    made = make_map(describe_checkpoint(left), describe_checkpoint(right), rules) if weight_map is None else weight_map
    made = with_values_looked_at(_with_the_rest_of(fitted_to(made, left), right), left, right)
    paired_by = [_paired_by(row, weight_map) for row in made.rows]
    if shapes_only:
        parity = judged([_by_shape(row, left, right) for row in made.rows], paired_by)
    else:
        pairs = [_to_measure(row, left, right) for row in made.rows]
        pairs = [PairToMeasure(p.a, p.b, p.sure, note=p.note, tolerance=tolerance) for p in pairs]
        if workers is None:
            size = sum(tensor.size_bytes for side in sides for tensor in side.tensors.values())
            workers = 2 if size > _WORTH_A_PROCESS_BYTES else 1
        parity = compare_pairs(pairs, paired_by, tolerance, workers=workers, progress=progress)
    parity = _with_layouts(parity, made.rows)
    cut = next((f"{side.source} is cut or damaged: {side.cut}" for side in sides if side.cut), "")
    return WeightsComparison(parity, made, [issue for side in sides for issue in _issues(side)], cut)


def mapped_pairs(a: Path, b: Path, weight_map: WeightMap) -> Iterator[tuple[Tensor | None, Tensor | None]]:
    """Give the tensors of two checkpoints that belong together by a map, those of A in the layout of B.

    Args:
        a: The reference.
        b: The other side.
        weight_map: From A to B; rows that need no partner, or of which neither holds anything, are left out.

    Returns:
        Both sides of each row, opened when asked; None for a side that does not hold it.

    Raises:
        ProfkitError: A file cannot be read, or an operation does not fit its tensor.
    """
    left, right = read_checkpoint(a), read_checkpoint(b)
    for row in fitted_to(weight_map, left).rows:
        if row.status != NOT_NEEDED and (row.sources or row.target in right.tensors):
            one, other, _ = _sides(row, left, right)
            yield one, other


def _with_layouts(parity: pd.DataFrame, rows: Sequence[MapRow]) -> pd.DataFrame:
    """Give shapes of A as its file has them, and the operations that brought them into the layout of B."""
    layouts = [
        " ".join(map(str, row.operations)) if row.operations else layout
        for row, layout in zip(rows, parity["layout"].astype(object), strict=True)
    ]
    shapes = [
        shape if not row.operations or row.source_shape is None else shape_text(row.source_shape)
        for row, shape in zip(rows, parity["shape_a"].astype(object), strict=True)
    ]
    return PARITY.build(parity.assign(layout=layouts, shape_a=shapes))


def _with_the_rest_of(made: WeightMap, right: Checkpoint) -> WeightMap:
    """Add the tensors of B that a map does not name, and leave out names of the target that B lacks.

    Raises:
        ProfkitError: No name of the map's target is in B.
    """
    named = {row.target for row in made.rows if row.target is not None}
    if made.rows and not named & right.tensors.keys():
        raise ProfkitError(f"no parameter of {right.source} is in the map", "make the map against these two networks")
    rest = [
        MapRow((), name, "target_only", "the map does not name it", target_shape=one.shape, target_dtype=one.dtype)
        for name, one in right.tensors.items()
        if name not in named
    ]
    rows = [row for row in made.rows if row.sources or row.target in right.tensors]
    return WeightMap((*rows, *rest), made.source, made.target, made.source_framework, made.target_framework, made.rules)


def _paired_by(row: MapRow, given: WeightMap | None) -> str | None:
    if row.status == NOT_NEEDED:
        return NOT_NEEDED_BY_RULE
    if not row.sources or row.target is None:
        return None
    return "weight map" if given is not None else "names and shapes"


@dataclass(frozen=True)
class _Numbers:
    """Opens a tensor as numbers: formats that numpy lacks are widened."""

    opener: MappedWords

    def __call__(self) -> NDArray[Any]:
        words, dtype = self.opener()
        if dtype == "complex32":
            words = words.view("<u2").reshape(*words.shape, 2)
        return numbers(words, dtype)


def _sides(row: MapRow, left: Checkpoint, right: Checkpoint) -> tuple[Tensor | None, Tensor | None, str]:
    """Give both tensors of a row, and why one has no partner.

    Raises:
        ProfkitError: The operations do not fit the tensors.
    """
    one, other = None, None
    if row.sources:
        first = left.tensors[row.sources[0]]
        opener = mapped_words(row, left)
        shape = (
            shape_after(row.operations, [tensor.shape for tensor in opener.tensors]) if row.operations else first.shape
        )
        path = None if first.path is None else str(first.path)
        name = " + ".join(row.sources)
        one = Tensor(name, "parameter", first.dtype, shape, path, _Numbers(opener), member=first.member)
    there = right.tensors.get(row.target) if row.target is not None else None
    if there is not None:
        path = None if there.path is None else str(there.path)
        opener = MappedWords((there,), ())
        other = Tensor(there.name, "parameter", there.dtype, there.shape, path, _Numbers(opener), member=there.member)
    note = row.reason if there is not None or row.target is None else f"B holds no {row.target}"
    return one, other, note.rstrip(".")


def _to_measure(row: MapRow, left: Checkpoint, right: Checkpoint) -> PairToMeasure:
    try:
        one, other, note = _sides(row, left, right)
    except UnreadableInputError:
        raise
    except ProfkitError as error:
        raise ProfkitError(f"{' + '.join(row.sources)[:80]}: {error.message}", error.hint) from error
    return PairToMeasure(one, other, sure=row.status in {"mapped", TIED, "shape"}, note=note)


def _by_shape(row: MapRow, left: Checkpoint, right: Checkpoint) -> Comparison:
    pair = _to_measure(row, left, right)
    one, other = pair.a, pair.b
    if one is None or other is None:
        status, tensor, side = ("missing_b", one, "B") if other is None else ("missing_a", other, "A")
        reason = f"{pair.note}." if pair.note else f"Nothing on side {side} belongs to {tensor and tensor.label}."
        return Comparison(one, other, settled=Settled(status, reason))
    if one.shape != other.shape:
        reason = f"Shape {text(one.shape)} against {text(other.shape)}; values were not looked at."
        return Comparison(one, other, settled=Settled("shape", reason, diverges=True))
    if not pair.sure:
        return Comparison(one, other, settled=Settled("undecidable", f"{row.reason}; values were not looked at."))
    if one.dtype != other.dtype:
        reason = f"{one.dtype} against {other.dtype}; values were not looked at."
        return Comparison(one, other, settled=Settled("dtype", reason))
    return Comparison(one, other, settled=Settled("match", "Shapes and dtypes agree; values were not looked at."))


def _issues(side: Checkpoint) -> list[ImportIssue]:
    issues = [
        ImportIssue(Severity.DATA_LOSS, side.source, "", f"{name[:80]} was not read: {why}")
        for name, why in side.unread.items()
    ]
    if side.cut:
        issues.append(ImportIssue(Severity.DATA_LOSS, side.source, "", f"the file is cut or damaged: {side.cut}"))
    if side.outside:
        beside = f"{len(side.outside):,} tensors beside the network (an optimizer's state) are not compared"
        issues.append(ImportIssue(Severity.INFO, side.source, "", beside))
    return issues
