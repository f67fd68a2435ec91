"""Hardware counters of kernels: the aic columns of kernel_details.csv and the rates of l2_cache.csv.

Which columns there are follows from aic_metrics, chip and version (columns.toml): every counter is given by the name
that the header has, with its unit. A kernel's core that did not run is written as 0.0 and given as no row. l2_cache.csv
names its kernels by stream and task number, of which the latter wraps; without them (Level0) by their order among
kernels of one name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity
from profkit.parsers.ascend.layout import KERNELS, L2_CACHE, Layout
from profkit.parsers.ascend.tables import CsvTable, columns_of_header, read_columns, read_table, table_facts
from profkit.parsers.csv_records import header_of
from profkit.progress import Progress
from profkit.schema import COUNTERS

_NUMBER = r"^-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$"
_RATES = ("l2_hit_rate", "l2_victim_rate")
_KEYS = ["name", "stream", "task"]


def counter_columns(header: list[str]) -> dict[str, int]:
    """Give the place of each counter among the columns of kernel_details.csv, by its name as written."""
    pattern = re.compile(table_facts("kernel_counters")["pattern"])
    return {cell.strip(): place for place, cell in reversed(list(enumerate(header))) if pattern.fullmatch(cell.strip())}


def is_summed(counter: str) -> bool:
    """Say whether a counter is added up over kernels (times, cycles, bytes) and not averaged (ratios, bandwidths)."""
    return re.fullmatch(table_facts("kernel_counters")["summed"], counter) is not None


def read_counters(layout: Layout, rank: int, progress: Progress) -> tuple[pd.DataFrame, list[ImportIssue]]:
    """Read the counters of a text run.

    Returns:
        Frame `counters`, and what was lost.

    Raises:
        UnreadableInputError: A header lacks the columns that tell the kernel.
    """
    kernels = layout.files.get(KERNELS)
    if kernels is None:
        return COUNTERS.empty(), []
    header = header_of(kernels)
    position = counter_columns(header)
    known = columns_of_header(header, "kernel_details") or {}
    table = read_columns(
        kernels, header, {**position, **{f"kernel {key}": known[key] for key in _KEYS if key in known}}, progress
    )
    parts = [_of_column(table, counter) for counter in position]
    issues = list(table.issues)
    if L2_CACHE in layout.files:
        parts += _cache_rates(layout.files[L2_CACHE], table, issues, progress)
    if not parts:
        return COUNTERS.empty(), issues
    values = pd.concat(parts, ignore_index=True)
    return COUNTERS.build(values.assign(rank=rank, source=str(kernels))), issues


def _of_column(table: CsvTable, counter: str) -> pd.DataFrame:
    values, known = _numbers(table, counter)
    rows = np.flatnonzero(known & (values != 0))
    return pd.DataFrame({"counter": _constant(counter, len(rows)), "value": values[rows], "row": rows})


def _constant(text: str, length: int) -> pd.Categorical[Any]:
    return pd.Categorical.from_codes(np.zeros(length, np.int8), categories=pd.Index([text]))


def _numbers(table: CsvTable, column: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    texts = table.texts(column)
    plain = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), fill_value=False)
    odd = pc.and_(pc.is_valid(texts), pc.invert(plain)).to_numpy(zero_copy_only=False)
    if odd.any():
        table.note(Severity.DATA_LOSS, odd, f"column {column} is no number: unknown")
    values = pc.fill_null(pc.if_else(plain, texts, None).cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    finite = np.isfinite(values)
    return np.where(finite, values, 0.0), plain.to_numpy(zero_copy_only=False) & finite


def _cache_rates(path: Path, kernels: CsvTable, issues: list[ImportIssue], progress: Progress) -> list[pd.DataFrame]:
    rates = read_table(path, "l2_cache", progress)
    has_tasks = all(f"kernel {key}" in kernels.columns for key in _KEYS) and {"stream", "task"} <= rates.columns.keys()
    keys = _KEYS if has_tasks else _KEYS[:1]
    wanted = _occurrences(pd.DataFrame({key: rates.texts(key).to_pandas() for key in keys}), keys)
    names = {key: kernels.texts(f"kernel {key}").to_pandas() for key in keys}
    names["name"] = names["name"].str.rsplit("/", n=1).str[-1]
    present = _occurrences(pd.DataFrame(names), keys)
    present["row"] = np.arange(len(present))
    rows = wanted.merge(present, on=[*keys, "occurrence"], how="left")["row"]
    without = rows.isna().to_numpy()
    if without.any():
        rates.note(Severity.DATA_LOSS, without, "cache rates of kernels that are not in kernel_details.csv: left out")
    issues += rates.issues
    parts = []
    for counter in _RATES:
        values, known = _numbers(rates, counter)
        chosen = known & ~without
        found = {"counter": _constant(counter, int(chosen.sum())), "value": values[chosen]}
        parts.append(pd.DataFrame({**found, "row": rows[chosen].astype("int64").to_numpy()}))
    return parts


def _occurrences(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    rows = rows.astype(object).fillna("")
    return rows.assign(occurrence=rows.groupby(keys, sort=False).cumcount())
