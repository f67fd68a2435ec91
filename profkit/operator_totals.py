"""Operators of a run summed over the executions that no view by itself tells apart; kept in the cache.

Every `profkit ops` that asks for no single step is answered from these few rows, so that re-opening a run needs neither
its frames nor the search for their identity.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cache as computed_once
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from profkit.cache import Cache
from profkit.discovery import Discovery, Found, discover
from profkit.errors import ImportIssue
from profkit.parsers.base import Parsed
from profkit.parsers.registry import claim
from profkit.progress import Progress, silent
from profkit.run import Run, load
from profkit.schema import TOTALS

if TYPE_CHECKING:
    from importlib.abc import Traversable

_KEYS = [
    "level",
    "phase",
    "module",
    "name",
    "op_type",
    "op_class",
    "class_source",
    "input_shapes",
    "core",
    "carry_over",
]
# The code and facts of profkit that decide what the totals of given frames are.
_DECIDING = ("correlate", "vocabulary", "operator_totals.py")


@dataclass(frozen=True)
class OperatorTotals:
    """The totals of one run.

    Attributes:
        totals: Frame of schema.TOTALS; empty if the run has no operators.
        issues: The import issues of the run, with those of its identity.
        key: Stands for all that they depend on; None if they may not be kept, or the input was written meanwhile.
    """

    totals: pd.DataFrame
    issues: tuple[ImportIssue, ...]
    key: str | None


@dataclass(frozen=True)
class TotalsRequest:
    """The wish for the totals of the run at a path, with what it takes to know whether they are kept.

    Attributes:
        path: The run.
        cache: Where they may be kept.
        rank: Process number to read; None for all.
        progress: Told how far the work is.
        discovery: What lies at the path.
        key: Stands for all that the totals depend on; None if they may not be kept or a file cannot be read.
    """

    path: Path
    cache: Cache | None
    rank: int | None
    progress: Progress
    discovery: Discovery
    key: str | None

    def load(self) -> OperatorTotals:
        """Read the run and sum its operators; from the cache where it holds the same bytes.

        The errors are those of profkit.run.load.
        """
        notes: list[ImportIssue | None] = []
        if self.cache is not None and self.key is not None:
            kept, note = self.cache.get(self.key)
            notes.append(note)
            if kept is not None:
                return OperatorTotals(kept.frames["totals"], tuple(kept.issues), self.key)
        run = load_identified(
            self.path, cache=self.cache, rank=self.rank, progress=self.progress, discovery=self.discovery
        )
        totals = operator_totals(run.ops)
        key = self._key_if_unchanged()
        if self.cache is not None and key is not None:
            lasting = tuple(issue for issue in run.issues if not self.cache.is_source_of(issue))
            parsed = Parsed(frames={"totals": totals}, issues=lasting, framework=run.framework, rank=-1)
            notes.append(self.cache.put(key, parsed, self.path))
        return OperatorTotals(totals, (*run.issues, *(note for note in notes if note is not None)), key)

    def _key_if_unchanged(self) -> str | None:
        """Give the key if the input is still what it stands for: it may be written while it is read."""
        if self.cache is None or self.key is None:
            return None
        claims = {found.path: claim(found.path) for found in self.discovery.found}
        still = tuple(Found(path, claimed) for path, claimed in claims.items() if claimed is not None)
        now = _key(replace(self.discovery, found=still), self.cache, self.rank, self.progress)
        return now if now == self.key else None


def request_totals(path: Path, cache: Cache | None, rank: int | None, progress: Progress) -> TotalsRequest:
    """Look at what lies at a path, without reading it, as far as totals need it.

    Raises:
        ProfkitError: As of profkit.discovery.discover.
    """
    discovery = discover(path)
    key = None if cache is None else _key(discovery, cache, rank, progress)
    return TotalsRequest(path, cache, rank, progress, discovery, key)


def load_totals(
    path: Path, *, cache: Cache | None = None, rank: int | None = None, progress: Progress = silent
) -> OperatorTotals:
    """Read the run at a path and sum its operators; from the cache where it holds the same bytes.

    The arguments and errors are those of profkit.run.load.
    """
    return request_totals(path, cache, rank, progress).load()


def load_identified(
    path: Path,
    *,
    cache: Cache | None = None,
    rank: int | None = None,
    progress: Progress = silent,
    discovery: Discovery | None = None,
) -> Run:
    """Read the run at a path and work out the identity of its operators; as profkit.run.load otherwise."""
    loaded = load(path, cache=cache, rank=rank, progress=progress, discovery=discovery)
    progress("summing", path.name, None)
    # Imported here, because who finds the totals kept needs none of it: a sixth of the time of re-opening a run.
    identified: Run = import_module("profkit.correlate.identity").identify(loaded)
    return identified


def operator_totals(ops: pd.DataFrame) -> pd.DataFrame:
    """Sum the rows of frame `ops` whose identity is worked out; a frame of schema.TOTALS in order of first rows."""
    if ops.empty:
        return TOTALS.empty()
    groups, first = _groups(ops)
    durations, own = ops["dur_ns"].groupby(groups), ops["self_ns"].groupby(groups)
    summed = ops[_KEYS].iloc[first].reset_index(drop=True)
    # Groups are numbered in the order of their first rows, and so are the results.
    return TOTALS.build(
        summed.assign(
            count=np.bincount(groups),
            total_ns=durations.sum().to_numpy(),
            self_ns=own.sum().to_numpy(),
            min_ns=durations.min().to_numpy(),
            max_ns=durations.max().to_numpy(),
        )
    )


def _groups(ops: pd.DataFrame) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Number the groups of rows that agree in all keys: of each row its group, of each group its first row.

    Key by key into one column of numbers: a group-by over all keys holds a wide copy of every one.
    """
    groups = np.zeros(len(ops), dtype=np.intp)
    count = 1
    for name in _KEYS:
        key = ops[name]
        codes = key.cat.codes.to_numpy() if isinstance(key.dtype, pd.CategoricalDtype) else key.to_numpy(np.int8)
        if codes.min() == codes.max():
            continue
        groups *= int(codes.max()) + 2
        groups += codes
        groups += 1
        groups, distinct = pd.factorize(groups)
        count = len(distinct)
    first = np.full(count, len(ops), dtype=np.intp)
    np.minimum.at(first, groups, np.arange(len(ops)))
    return groups, first


def _key(discovery: Discovery, cache: Cache, rank: int | None, progress: Progress) -> str | None:
    """Hash what the totals depend on; None if a recording may not be cached or cannot be read."""
    keys = []
    for found in discovery.found:
        descriptor = found.claim.parser.descriptor
        if not descriptor.cacheable:
            return None
        try:
            keys.append(cache.key(descriptor, found.path, found.claim.recognition.files, progress))
        except OSError:
            return None
    parts = ["operator totals", hash_of_code(_DECIDING), rank, len(discovery.too_deep), keys]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@computed_once
def hash_of_code(names: tuple[str, ...]) -> str:
    """Hash files and directories of profkit: what they decided is stale once they change."""
    digest = hashlib.sha256()
    for name in names:
        _add_content(digest, files("profkit").joinpath(name))
    return digest.hexdigest()


def _add_content(digest: hashlib._Hash, place: Traversable) -> None:
    if place.is_dir():
        for child in sorted(place.iterdir(), key=lambda child: child.name):
            if child.name != "__pycache__":
                _add_content(digest, child)
    else:
        digest.update(place.name.encode() + b"\0" + place.read_bytes())
