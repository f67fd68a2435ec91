"""What an Ascend device was sampled for beside its kernels: bandwidth of memory and links, frequency, cache rates.

Text runs have it as counter events of trace_view.json and as CSV files (hbm.csv, nic.csv, ...), which sum up a
recording or follow time; what each holds stands in device_samples.toml. Names and values are given as recorded, with
their units.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from profkit.errors import ImportIssue, Severity, UnreadableInputError
from profkit.parsers.ascend.tables import CsvTable, read_columns
from profkit.parsers.chrome.events import Argument
from profkit.parsers.csv_records import header_of
from profkit.parsers.exact_time import MICROSECONDS
from profkit.progress import Progress

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COLUMNS = ("time_ns", "device", "resource", "counter", "measure", "unit", "value")
_WITH_UNIT = re.compile(r"(.*?)\s*\(([^()]{1,16})\)")
_NUMBER = r"^-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$"
_NAMED = 8


@cache
def sampling_facts() -> dict[str, Any]:
    """Read device_samples.toml, once."""
    return tomllib.loads(files("profkit.parsers.ascend").joinpath("device_samples.toml").read_text(encoding="utf-8"))


def _of_trace() -> dict[str, Any]:
    facts: dict[str, Any] = sampling_facts()["trace"]
    return facts


def counter_arguments() -> list[Argument]:
    """Give the values of counter events as arguments of their events."""
    return [Argument(key, "text") for key in (*_of_trace()["keys"], *_of_trace()["ids"])]


class CounterEvents:
    """Collects the counter events of a trace window by window."""

    def __init__(self) -> None:
        self._windows: list[pa.Table] = []
        self._unknown: dict[str, int] = {}

    def take(self, counters: pa.Table) -> None:
        """Take those of a window, with counter_arguments."""
        keys, ids = _of_trace()["keys"], _of_trace()["ids"]
        has_time = pc.is_valid(counters["ts_ns"])
        told = pa.array(np.zeros(counters.num_rows, bool))
        part = pa.nulls(counters.num_rows, pa.string())
        for key in ids:
            part = pc.coalesce(part, counters[key].cast(pa.string()))
        for key in keys:
            if counters[key].null_count == counters.num_rows:
                continue
            values = counters[key].cast(pa.string())
            here = pc.and_(pc.is_valid(values), has_time)
            told = pc.or_(told, here)
            if pc.any(here).as_py():
                columns = {name: counters[name].cast(pa.string()) for name in ("pid", "name")}
                columns |= {"ts_ns": counters["ts_ns"], "text": values, "part": part}
                self._windows.append(
                    pa.table(columns).filter(here).append_column("key", pa.array([key] * pc.sum(here).as_py()))
                )
        for name in counters["name"].filter(pc.invert(told)).cast(pa.string()).to_pylist():
            self._unknown[str(name)] = self._unknown.get(str(name), 0) + 1

    def samples(self, lanes: dict[str, str]) -> pd.DataFrame:
        """Give COLUMNS of the samples in time.

        Args:
            lanes: Name of each pid's lane.
        """
        if not self._windows:
            return pd.DataFrame(columns=list(COLUMNS))
        events = pa.concat_tables(self._windows).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        part = events["part"].map(lambda text: f" {text}", na_action="ignore").fillna("")
        values = pd.to_numeric(events["text"], errors="coerce").to_numpy(np.float64)
        hundredths = events["key"].isin(_of_trace()["hundredths"]).to_numpy()
        named = {key: split_unit(key) for key in events["key"].unique()}
        # Memory and frequency have nothing but a unit for a key.
        bare = {"MHz": ("frequency", "MHz"), "KB": ("size", "KB"), "B": ("size", "B")}
        named = {key: bare.get(key, pair) for key, pair in named.items()}
        samples = pd.DataFrame(
            {
                "time_ns": events["ts_ns"],
                "device": pd.array([None] * len(events), dtype="Int64"),
                "resource": events["pid"].map(lanes).fillna("unnamed lane"),
                "counter": events["name"].fillna("") + part,
                "measure": events["key"].map({key: measure for key, (measure, _) in named.items()}),
                "unit": events["key"].map({key: unit for key, (_, unit) in named.items()}),
                "value": np.where(hundredths, values * 100, values),
            }
        )
        self._unknown |= {
            f"{name} (no number)": count for name, count in samples["counter"][np.isnan(values)].value_counts().items()
        }
        return samples[~np.isnan(values)].sort_values("time_ns", kind="stable", ignore_index=True)

    def issues(self, path: Path) -> list[ImportIssue]:
        """Tell of counter events whose values stand under no known key."""
        if not self._unknown:
            return []
        names = ", ".join(sorted(self._unknown)[:_NAMED])
        count = sum(self._unknown.values())
        text = f"counter events without a value under a known name were not read ({count:,}): {names}"
        return [ImportIssue(Severity.DATA_LOSS, str(path), "", text)]


def split_unit(name: str) -> tuple[str, str | None]:
    """Split `Read(MB/s)` into the name and the unit; None without one."""
    match = _WITH_UNIT.fullmatch(name.strip())
    return (match.group(1), match.group(2)) if match else (name.strip(), None)


def read_sample_file(path: Path, progress: Progress) -> tuple[pd.DataFrame, CsvTable]:
    """Read a CSV file of samples, one row a number: COLUMNS, and the table with its issues.

    Each column that holds numbers alone is a measure; the others tell the rows apart. A file without times sums up the
    whole recording: its time is unknown.

    Raises:
        UnreadableInputError: The file has no header.
    """
    facts = sampling_facts()["csv"]
    header = [cell.strip() for cell in header_of(path)]
    if not any(header):
        raise UnreadableInputError(f"{path}: it has no header", "give the file that the profiler wrote")
    # Of two columns with one name read_columns tells that the first one counts.
    position = {name: place for place, name in reversed(list(enumerate(header))) if name}
    table = read_columns(path, header, position, progress)
    rows = len(table.lines)
    time = next((name for name in facts["time"] if name in position), None)
    device = next((name for name in facts["device"] if name in position), None)
    others = [name for name in position if name not in (time, device)]
    measures = [name for name in others if name not in facts["ids"] and _holds_numbers(table.texts(name))]
    words = [table.texts(name) for name in others if name not in measures]
    words = [texts for texts in words if texts.null_count < len(texts)]
    counter = pc.binary_join_element_wise(*(pc.fill_null(texts, "") for texts in words), " ") if words else None
    times = table.times(time, MICROSECONDS) if time is not None else None
    numbers = table.small_numbers(device) if device is not None else np.full(rows, -1)
    common = {
        "time_ns": pd.array([None] * rows, dtype="Int64")
        if times is None
        else pd.arrays.IntegerArray(times.ns, ~times.known),
        "device": pd.arrays.IntegerArray(numbers.astype(np.int64), numbers < 0),
        "resource": path.stem,
        "counter": "" if counter is None else counter.to_pandas().astype(object),
    }
    parts = []
    for name in sorted(measures, key=lambda one: position[one]):
        measure, unit = split_unit(name)
        values = table.texts(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
        part = pd.DataFrame({**common, "measure": measure, "unit": unit, "value": values}, index=range(rows))
        parts.append(part[~np.isnan(values)])
    samples = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    return samples, table


def _holds_numbers(texts: pa.Array) -> bool:
    plain = pc.match_substring_regex(texts, _NUMBER)
    return bool(pc.any(pc.is_valid(texts)).as_py()) and pc.all(plain).as_py() is not False
