"""Tensors that `profkit.capture` wrote: tensors.jsonl, a line a tensor, beside the .npy files with their values.

The first line says what wrote it; each further one is an object with the columns of profkit.schema.TENSORS that are
known. A list that breaks off in the middle of a line gives the lines before it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.base import Descriptor, Framework, Parsed, Recognition
from profkit.parsers.dump.tensor_dtypes import dtype_name, may_be_nonfinite, shape_text, size_bytes
from profkit.parsers.dump.tensor_names import is_encodable
from profkit.progress import Progress
from profkit.safe_text import printable
from profkit.schema import TENSOR_IO, TENSORS

TENSOR_LIST = "tensors.jsonl"
ABOUT = "capture.json"
"""Beside the directory of the tensors: versions, seeds, and what was not captured."""
FORMAT_VERSION = 1

_HEAD_BYTES = 4096
_LONGEST_LINE = 1 << 16
_MOST_REPORTED = 5
_REPORT_EVERY = 4096


class _Head(msgspec.Struct):
    """The first line."""

    profkit_capture: int
    framework: Framework = "unknown"
    values: str = "full"


class _Line(msgspec.Struct):
    """A tensor."""

    step: int
    order: int
    op: str
    io: str
    dtype: str
    shape: list[int]
    stored: str
    op_type: str = ""
    slot: int = 0
    argument: str = ""
    file: str | None = None
    max: float | None = None
    min: float | None = None
    mean: float | None = None
    norm: float | None = None
    nan_count: int | None = None
    pos_inf_count: int | None = None
    neg_inf_count: int | None = None
    zero_count: int | None = None


class CapturedTensors:
    """Reads the tensors of `profkit.capture`."""

    descriptor = Descriptor(
        name="profkit-capture",
        title="tensors that profkit.capture kept (tensors.jsonl)",
        framework="unknown",
        clock="none",
        unit="none",
        frames=("tensors",),
        cacheable=False,
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise a directory with a tensors.jsonl, or that file, by its first line."""
        file = path / TENSOR_LIST if path.is_dir() else path
        if file.name != TENSOR_LIST or not file.is_file():
            return None
        if _head(file) is None:
            return None
        about = file.parent.parent / ABOUT
        files = (file, about) if about.is_file() else (file,)
        return Recognition(f"{TENSOR_LIST} begins as profkit.capture writes it", files)

    def read(self, path: Path, progress: Progress) -> Parsed:
        """List the tensors.

        Raises:
            UnreadableInputError: The list is of a later profkit.
        """
        file = path / TENSOR_LIST if path.is_dir() else path
        head = _head(file)
        if head is None or head.profkit_capture > FORMAT_VERSION:
            raise UnreadableInputError(f"{file} was written by a later profkit", "read it with that one")
        rows: list[dict[str, object]] = []
        bad: list[tuple[int, str]] = []
        decoder = msgspec.json.Decoder(_Line)
        sampled = 0
        with file.open("rb") as stream:
            stream.readline(_LONGEST_LINE)
            for number, text in enumerate(iter(lambda: stream.readline(_LONGEST_LINE), b""), 2):
                if number % _REPORT_EVERY == 0:
                    progress("reading", str(path), None)
                try:
                    line = decoder.decode(text)
                    rows.append(_row(line, file))
                except (msgspec.DecodeError, UnicodeError, ValueError) as error:
                    bad.append((number, printable(str(error))))
                else:
                    sampled += line.stored == "sample"
        return Parsed({"tensors": TENSORS.from_rows(rows)}, _issues(file, bad, sampled), framework=head.framework)


def _head(file: Path) -> _Head | None:
    with file.open("rb") as stream:
        text = stream.readline(_HEAD_BYTES)
    try:
        return msgspec.json.decode(text, type=_Head)
    except (msgspec.DecodeError, UnicodeError):
        return None


def _row(line: _Line, file: Path) -> dict[str, object]:
    """Give the row of a tensor.

    Raises:
        ValueError: Something it says cannot be.
    """
    dtype = dtype_name(line.dtype)
    numbers = (line.order, line.step, line.slot)
    if line.io not in TENSOR_IO or dtype is None or not all(-1 <= number < 1 << 31 for number in numbers):
        raise ValueError(f"io {line.io!r}, dtype {line.dtype!r} or a number of it is unknown")
    if len(line.shape) > 64 or not all(0 <= length < 1 << 48 for length in line.shape):
        raise ValueError("it has an impossible shape")
    if not all(is_encodable(text) for text in (line.op, line.op_type, line.argument)):
        raise ValueError("a name is no valid text")
    place = None
    if line.file is not None:
        if Path(line.file).name != line.file or not line.file.endswith(".npy"):
            raise ValueError("its file lies elsewhere")
        place = file.parent / line.file
    counts = (line.nan_count, line.pos_inf_count, line.neg_inf_count)
    known = None if None in counts or not may_be_nonfinite(dtype) else any(counts)
    # A sample stands for itself: how many elements it has, its file tells.
    shape = None if line.stored == "sample" and place is not None else shape_text(line.shape)
    return {
        "rank": -1,
        "iteration": line.step,
        "graph": -1,
        "op": line.op,
        "op_type": line.op_type or None,
        "io": line.io,
        "slot": line.slot,
        "order": line.order,
        "dtype": dtype,
        "shape": shape,
        "size_bytes": size_bytes(line.shape, dtype),
        "path": None if place is None else str(place),
        "max": line.max,
        "min": line.min,
        "mean": line.mean,
        "norm": line.norm,
        "nonfinite": known,
        "nan_count": line.nan_count,
        "pos_inf_count": line.pos_inf_count,
        "neg_inf_count": line.neg_inf_count,
        "zero_count": line.zero_count,
        "argument": line.argument or None,
        "source": str(file.parent),
    }


def _issues(file: Path, bad: list[tuple[int, str]], sampled: int) -> list[ImportIssue]:
    issues = [
        ImportIssue(Severity.DATA_LOSS, str(file), f"line {number}", f"tensor not read: {reason}")
        for number, reason in bad[:_MOST_REPORTED]
    ]
    if len(bad) > _MOST_REPORTED:
        text = f"{len(bad) - _MOST_REPORTED:,} further lines were not read"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(file), "", text))
    if sampled:
        text = f"{sampled:,} tensors hold a sample of their values: elements between them were not compared"
        issues.append(ImportIssue(Severity.INFO, str(file), "", text))
    return issues
