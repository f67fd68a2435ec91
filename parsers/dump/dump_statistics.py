"""statistic.csv of a MindSpore dump: one row of statistics a tensor, where the tensors themselves were not kept."""

from __future__ import annotations

import csv
import math
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from profkit.errors import ImportIssue, Severity
from profkit.parsers.csv_records import csv_records
from profkit.parsers.dump.dump_names import OperatorName, operator_name
from profkit.parsers.dump.tensor_dtypes import dtype_name, may_be_nonfinite
from profkit.parsers.text_lines import finished_lines

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STATISTICS_FILE = "statistic.csv"
STATISTICS = (
    "max", "min", "mean", "norm", "nonfinite", "nan_count", "pos_inf_count", "neg_inf_count", "zero_count", "digest",
)  # fmt: skip
"""Columns of the tensors frame that hold recorded statistics."""

_REQUIRED = frozenset({"op_type", "op", "io", "slot"})
# The device runtime writes a file an operator, whose name tells the operator.
_REQUIRED_OF_DEVICE = frozenset({"io", "slot", "size", "dtype"})
_COUNTS = ("nan", "neg_inf", "pos_inf")
_DIGESTS = ("md5", "sha1", "hash")
_EXTREMES = ("max", "min", "mean", "norm")
# Beyond it nanoseconds no longer fit into 64 bits.
_LATEST_US = 9 * 10**15
_DIM = re.compile(r"\d+")
_HEX_DIGITS = re.compile(r"[0-9a-fA-F]{8,128}")


@cache
def _column_words() -> Mapping[str, str]:
    text = files("profkit.parsers.dump").joinpath("dump_statistics.toml").read_text(encoding="utf-8")
    columns: Mapping[str, str] = tomllib.loads(text)["columns"]
    return columns


def is_statistics_file(path: Path) -> bool:
    """Tell by its first line whether a file holds dump statistics."""
    try:
        if not path.is_file():
            return False
        with path.open(encoding="utf-8", errors="replace") as file:
            words = _words_of(file.readline(4096).rstrip("\r\n").split(","))
    except OSError:
        return False
    of_device = _REQUIRED_OF_DEVICE.issubset(words) and operator_of_statistics(path.name) is not None
    return _REQUIRED.issubset(words) or of_device


def operator_of_statistics(file_name: str) -> OperatorName | None:
    """Give the operator in the name of a file of statistics that the device runtime wrote; None if it has none."""
    return operator_name(file_name.removesuffix(".csv")) if file_name.endswith(".csv") else None


def read_statistics(path: Path, issues: list[ImportIssue]) -> Iterator[dict[str, Any]]:
    """Give the rows of a file of dump statistics by column of the tensors frame, without those that cannot be read.

    Rows end with a comma that the header does not have (MindSpore 2.4 and later): values are taken by position from
    the left, what is left over is empty.
    """
    of_file = _of_file(operator_of_statistics(path.name))
    unreadable: list[int] = []
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            reader = csv_records(finished_lines(file, path, issues))
            words = _words_of(next(reader, []))
            for cells in reader:
                row = _row({**of_file, **dict(zip(words, cells, strict=False))}) if len(cells) >= len(words) else None
                if row is not None:
                    yield row
                elif cells:
                    unreadable.append(reader.line_num)
    except (OSError, csv.Error) as error:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", f"reading stopped: {error}"))
    if unreadable:
        text = f"{len(unreadable):,} rows lack cells, or name no operator, input or output, or slot, and were left out"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"line {unreadable[0]}", text))


def _of_file(operator: OperatorName | None) -> dict[str, str]:
    """Give what the name of the file tells as cells, for rows that do not tell it."""
    if operator is None:
        return {}
    numbers = {"task": operator.task, "device_stream": operator.stream, "time": operator.time_us}
    cells = {name: str(number) for name, number in numbers.items() if number is not None}
    return {"op": operator.op, "op_type": operator.op_type, **cells}


def _words_of(header: list[str]) -> list[str]:
    known = _column_words()
    return [known.get(name.strip().lstrip("\ufeff").lower(), "") for name in header]


def _row(cells: Mapping[str, str]) -> dict[str, Any] | None:
    io, slot = cells.get("io", "").strip().lower(), cells.get("slot", "").strip()
    op = cells.get("op", "").strip()
    if io not in ("input", "output") or not _is_count(slot) or not op:
        return None
    op_type = cells.get("op_type", "").strip()
    statistics = {name: _number(cells.get(name, "")) for name in _EXTREMES}
    dtype = dtype_name(cells.get("dtype", ""))
    time = _count(cells, "time")
    return {
        "op": op,
        "op_type": op_type or None,
        "io": "parameter" if op_type == "Parameter" else io,
        "slot": int(slot),
        "time_ns": time * 1_000 if time is not None and time < _LATEST_US else None,
        "dtype": dtype,
        "shape": ",".join(_DIM.findall(cells["shape"])) if "shape" in cells else None,
        "layout": cells.get("layout", "").strip() or None,
        "size_bytes": _count(cells, "size"),
        "nonfinite": _nonfinite(cells, statistics, dtype),
        "nan_count": _count(cells, "nan"),
        "pos_inf_count": _count(cells, "pos_inf"),
        "neg_inf_count": _count(cells, "neg_inf"),
        "zero_count": _count(cells, "zero"),
        "digest": _digest(cells),
        "task": _count(cells, "task"),
        "device_stream": _count(cells, "device_stream"),
        # An undefined statistic stands in `nonfinite`: NaN in these columns means not known. Extremes of Inf tell Inf
        # from NaN; a mean or norm of Inf may be a sum that left its dtype.
        **{
            name: math.nan if math.isinf(value) and name not in ("max", "min") else value
            for name, value in statistics.items()
        },
    }


def _is_count(text: str, digits: int = 9) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits


def _count(cells: Mapping[str, str], name: str) -> int | None:
    text = cells.get(name, "").strip()
    return int(text) if _is_count(text, digits=18) else None


def _digest(cells: Mapping[str, str]) -> str | None:
    for name in _DIGESTS:
        text = cells.get(name, "").strip()
        if _HEX_DIGITS.fullmatch(text):
            return f"{name}:{text.lower()}"
    return None


def _number(text: str) -> float:
    """Give a statistic; NaN if it is not known. A recorded NaN is told apart by `_nonfinite`."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _nonfinite(cells: Mapping[str, str], statistics: Mapping[str, float], dtype: str | None) -> bool | None:
    """Tell whether the tensor holds NaN or Inf, None if the statistics do not tell.

    Up to MindSpore 2.3 the extremes leave NaN and Inf out and counts are always there; since 2.4 extremes take them in.
    A norm of Inf tells nothing: on a device it may be summed in the tensor's own dtype.
    """
    counts = [cells[name].strip() for name in _COUNTS if name in cells]
    if any(_is_count(count, digits=18) and int(count) > 0 for count in counts):
        return True
    # "-nan(ind)" is how Windows spells it.
    texts = {name: cells[name].strip().lower().lstrip("-+").partition("(")[0] for name in _EXTREMES if name in cells}
    if any(text == "nan" or (text == "inf" and name != "norm") for name, text in texts.items()):
        return True
    if len(counts) == len(_COUNTS) and all(_is_count(count, digits=18) for count in counts):
        return False
    known_finite = [math.isfinite(statistics[name]) for name in texts if texts[name] not in ("", "null")]
    if counts or not known_finite or not all(known_finite):
        return False if dtype is not None and not may_be_nonfinite(dtype) else None
    return False
