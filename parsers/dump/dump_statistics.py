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

import numpy as np

from profkit.errors import ImportIssue, Severity
from profkit.parsers.text_lines import finished_lines

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STATISTICS_FILE = "statistic.csv"

_REQUIRED = frozenset({"op_type", "op", "io", "slot"})
_COUNTS = ("nan", "neg_inf", "pos_inf")
_EXTREMES = ("max", "min", "mean", "norm")
_DIM = re.compile(r"\d+")


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
            header = file.readline(4096)
    except OSError:
        return False
    return _REQUIRED.issubset(_words_of(header.rstrip("\r\n").split(",")))


def read_statistics(path: Path, issues: list[ImportIssue]) -> Iterator[dict[str, Any]]:
    """Give the rows of a statistic.csv by column of the tensors frame, without those that cannot be read.

    Rows end with a comma that the header does not have (MindSpore 2.4 and later): values are taken by position from
    the left, what is left over is empty.
    """
    unreadable: list[int] = []
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            reader = csv.reader(finished_lines(file, path, issues))
            words = _words_of(next(reader, []))
            for cells in reader:
                row = _row(dict(zip(words, cells, strict=False))) if len(cells) >= len(words) else None
                if row is not None:
                    yield row
                elif cells:
                    unreadable.append(reader.line_num)
    except (OSError, csv.Error) as error:
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), "", f"reading stopped: {error}"))
    if unreadable:
        text = f"{len(unreadable):,} rows lack cells, or name no operator, input or output, or slot, and were left out"
        issues.append(ImportIssue(Severity.DATA_LOSS, str(path), f"line {unreadable[0]}", text))


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
    size, time = cells.get("size", "").strip(), cells.get("time", "").strip()
    dtype = _dtype(cells.get("dtype", ""))
    return {
        "op": op,
        "op_type": op_type or None,
        "io": "parameter" if op_type == "Parameter" else io,
        "slot": int(slot),
        "time_ns": int(time) * 1_000 if time.isascii() and time.isdigit() and len(time) < 17 else None,
        "dtype": dtype,
        "shape": ",".join(_DIM.findall(cells["shape"])) if "shape" in cells else None,
        "layout": cells.get("layout", "").strip() or None,
        "size_bytes": int(size) if _is_count(size, digits=18) else None,
        "nonfinite": _nonfinite(cells, statistics, dtype),
        # An infinite or undefined statistic stands in `nonfinite`: NaN in these columns means not known.
        **{name: value if math.isfinite(value) else math.nan for name, value in statistics.items()},
    }


def _is_count(text: str, digits: int = 9) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= digits


def _number(text: str) -> float:
    """Give a statistic; NaN if it is not known. A recorded NaN is told apart by `_nonfinite`."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _dtype(text: str) -> str | None:
    word = text.strip().lower()
    try:
        return "bfloat16" if word in ("bfloat16", "bf16") else np.dtype(word).name if word else None
    except TypeError:
        return None


def _nonfinite(cells: Mapping[str, str], statistics: Mapping[str, float], dtype: str | None) -> bool | None:
    """Tell whether the tensor holds NaN or Inf, None if the statistics do not tell.

    Up to MindSpore 2.3 the extremes leave NaN and Inf out and counts are always there; since 2.4 extremes take them in.
    A norm of Inf tells nothing: on a device it may be summed in the tensor's own dtype.
    """
    counts = [cells[name].strip() for name in _COUNTS if name in cells]
    if any(_is_count(count, digits=18) and int(count) > 0 for count in counts):
        return True
    texts = {name: cells[name].strip().lower().lstrip("-+") for name in _EXTREMES if name in cells}
    if any(text == "nan" or (text == "inf" and name != "norm") for name, text in texts.items()):
        return True
    if len(counts) == len(_COUNTS) and all(_is_count(count, digits=18) for count in counts):
        return False
    known_finite = [math.isfinite(statistics[name]) for name in texts if texts[name] not in ("", "null")]
    if counts or not known_finite or not all(known_finite):
        return False if dtype is not None and not _may_be_nonfinite(dtype) else None
    return False


def _may_be_nonfinite(dtype: str) -> bool:
    return dtype == "bfloat16" or np.dtype(dtype).kind in "fc"
