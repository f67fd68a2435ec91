"""What lies at two paths, compared: arrays, directories, dumps, gradients, checkpoints, statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from profkit.cache import Cache
from profkit.compare.comparison import opener_of
from profkit.compare.difference_histogram import difference_histogram
from profkit.compare.parity import compare_tensors
from profkit.errors import ImportIssue, NothingRecordedError, UnreadableInputError
from profkit.parsers.dump.weight_map import read_weight_map
from profkit.progress import Progress, silent
from profkit.run import load


@dataclass(frozen=True)
class PathsComparison:
    """The outcome of a comparison of two paths.

    Attributes:
        parity: A parity frame in forward order.
        issues: What could not be read, or was repaired, of either side.
    """

    parity: pd.DataFrame
    issues: Sequence[ImportIssue] = field(default=())


def compare_paths(
    a: Path | str,
    b: Path | str,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    symmetric: bool = True,
    weight_map: Path | str | None = None,
    pair_by: Sequence[str] | None = None,
    workers: int | None = 1,
    cache: Cache | None = None,
    rank: int | None = None,
    progress: Progress = silent,
) -> PathsComparison:
    """Compare the tensors at two paths: two arrays, two trees of them, dumps, lists of gradients, checkpoints.

    >>> compare_paths("torch/outputs", "mindspore/outputs").parity          # doctest: +SKIP
    >>> compare_paths("net.pth", "net.ckpt", weight_map="map.json").parity  # doctest: +SKIP

    Args:
        a: The reference.
        b: The other side.
        rtol: Relative tolerance asked of every element; without rtol and atol the rule by dtype and depth decides.
        atol: Absolute tolerance asked of every element.
        symmetric: Hold rtol against the larger of |a| and |b|; else against |a|, the reference.
        weight_map: File of names, where the two sides call a parameter differently (profkit.parsers.dump.weight_map).
        pair_by: Strategies of profkit.compare.pairing.STRATEGIES; None for all, from names to order and shape.
        workers: Processes that measure. With more than one, a script must guard its entry point with
            `if __name__ == "__main__"`. None takes two where there is much to read.
        cache: Where parsed inputs are kept; None keeps nothing.
        rank: Process to read; None takes all.
        progress: Listens, and may cancel.

    Raises:
        ProfkitError: A path cannot be read or holds no tensors, or a tolerance is none.
        CancelledError: The listener stopped the work.
    """
    names = read_weight_map(Path(weight_map)) if weight_map is not None else None
    sides = []
    for path in (a, b):
        loaded = load(path, cache=cache, rank=rank, progress=progress)
        if loaded.tensors.empty:
            raise NothingRecordedError(path, "no tensors", loaded.issues)
        sides.append(loaded)
    parity = compare_tensors(
        sides[0].tensors,
        sides[1].tensors,
        rtol=rtol,
        atol=atol,
        symmetric=symmetric,
        names=names,
        pair_by=pair_by,
        workers=_sensible_workers([side.tensors for side in sides]) if workers is None else workers,
        progress=progress,
    )
    return PathsComparison(parity, [*sides[0].issues, *sides[1].issues])


# A second process takes a quarter of a second to start, in which this much is measured.
_WORTH_A_PROCESS_BYTES = 256 << 20


def _sensible_workers(tensors: Sequence[pd.DataFrame]) -> int:
    size = sum(int(frame["size_bytes"].sum()) for frame in tensors)
    return 2 if size > _WORTH_A_PROCESS_BYTES else 1


def differences_to_look_at_first(parity: pd.DataFrame) -> tuple[str, pd.DataFrame] | None:
    """Give the name and difference_histogram of the first divergence, else of the pair farthest apart.

    None where no pair was measured element by element in one layout.
    """
    measured = parity[parity["max_abs"].notna() & parity["path_a"].notna() & parity["path_b"].notna()]
    measured = measured[measured["layout"].isna() & (measured["max_abs"] > 0)]
    if measured.empty:
        return None
    first = measured[measured["first_divergence"]]
    row = (first if len(first) else measured.nlargest(1, "rel_l2")).iloc[0]
    sides = [opener_of(row[f"path_{side}"], row[f"member_{side}"]) for side in "ab"]
    try:
        a, b = (opener() for opener in sides if opener is not None)
        return str(row["name_a"]), difference_histogram(a, b.reshape(a.shape))
    except (UnreadableInputError, ValueError):
        return None
