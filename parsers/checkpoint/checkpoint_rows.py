"""The tensors of one file as rows of the tensors frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from profkit.errors import ImportIssue, Severity
from profkit.parsers.dump.saved_place import SavedPlace
from profkit.parsers.dump.tensor_dtypes import shape_text, size_bytes
from profkit.parsers.dump.tensor_names import is_encodable
from profkit.safe_text import printable
from profkit.schema import TENSORS

_NAMED = 3


class NamedTensor(NamedTuple):
    """A tensor of a file.

    Attributes:
        name: What it is called in the frame.
        member: What the file calls it: with path, what `open_tensor` needs.
        dtype: numpy's name, or torch's for what numpy lacks.
        shape: Lengths of the dimensions.
    """

    name: str
    member: str
    dtype: str
    shape: Sequence[int]


def tensor_rows(path: Path, place: SavedPlace, io: str, tensors: Iterable[NamedTensor]) -> pd.DataFrame:
    """Give the tensors frame of a file, in the order of its tensors.

    Args:
        path: The file.
        place: What the directories above it tell.
        io: What the tensors are, where no directory tells.
        tensors: Its tensors.
    """
    rows: list[dict[str, Any]] = [
        {
            "rank": place.rank,
            "iteration": place.iteration,
            "graph": -1,
            "op": _encodable(tensor.name),
            "io": place.io or io,
            "slot": 0,
            "order": order,
            "dtype": tensor.dtype,
            "shape": shape_text(tensor.shape),
            "size_bytes": size_bytes(tensor.shape, tensor.dtype),
            "path": str(path),
            "member": _encodable(tensor.member),
            "source": str(path),
        }
        for order, tensor in enumerate(tensors)
    ]
    return TENSORS.from_rows(rows)


def unread_issues(path: Path, unread: Mapping[str, str]) -> list[ImportIssue]:
    """Give one issue for each reason why entries of a file were not read.

    Args:
        path: The file.
        unread: Reason by name of the entry.
    """
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in unread.items():
        names_by_reason.setdefault(reason, []).append(name)
    issues = []
    for reason, names in names_by_reason.items():
        some = printable(", ".join(name[:80] for name in names[:_NAMED])) + (", ..." if len(names) > _NAMED else "")
        text = f"{len(names):,} entries were not read: {printable(reason)} ({some})"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", text))
    return issues


def _encodable(text: str) -> str:
    return text if is_encodable(text) else printable(text)
