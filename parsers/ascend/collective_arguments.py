"""What Ascend profilers record of a collective beside its times: type and number of elements, algorithm.

The trace has them as arguments of the operations of its communication lane, databases as columns of COMMUNICATION_OP;
communication.json does not have them, its operations are found in the trace by name and start.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ARGUMENTS = ("dtype", "elements", "algorithm", "message_bytes")
# communication.json gives a start with one decimal of a microsecond, after it went through a float64.
_TOLERANCE_NS = 1_000
_LARGEST_COUNT = 2**58


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(files("profkit").joinpath("collectives.toml").read_text(encoding="utf-8"))


def collective_arguments(
    names: pd.Series[Any], dtypes: pd.Series[Any], counts: pd.Series[Any], algorithms: pd.Series[Any]
) -> pd.DataFrame:
    """Give dtype, elements, algorithm and message_bytes of schema.COMM, one row an operation.

    Args:
        names: Names of the operations (hcom_allReduce__586_0_1).
        dtypes: Words of the recorder for the type of the elements; a word that is not known stays as it is.
        counts: Int64, elements as HCCL counts them.
        algorithms: As recorded.
    """
    facts = _facts()
    absent = facts["hccl_count"]["none_words"]
    words = dtypes.astype(object)
    words = words.where(words.notna() & ~words.isin(absent), None)
    known = {word: facts["hccl_dtypes"].get(word, (word, None)) for word in words.dropna().unique()}
    item_bytes = words.map({word: size for word, (_, size) in known.items()}).astype("Int64")
    elements = counts.astype("Int64").where(counts.between(0, _LARGEST_COUNT).fillna(value=False))
    whole = names.astype(object).map({name: _counts_whole_message(str(name)) for name in names.unique()}).astype(bool)
    algorithm = algorithms.astype(object)
    return pd.DataFrame(
        {
            "dtype": words.map({word: name for word, (name, _) in known.items()}).astype(object),
            "elements": elements,
            "algorithm": algorithm.where(algorithm.notna() & ~algorithm.isin(absent), None),
            "message_bytes": (elements * item_bytes).where(whole),
        }
    )


def _counts_whole_message(name: str) -> bool:
    operation = name.removeprefix("hcom_").split("_", 1)[0].lower()
    return operation in _facts()["hccl_count"]["whole_message"]


def with_arguments(rows: pd.DataFrame, transfers: pd.DataFrame) -> pd.DataFrame:
    """Give operations what the trace tells of them.

    Args:
        rows: name and start_ns (Int64) among its columns.
        transfers: name, start_ns (int64) and ARGUMENTS of the operations of the trace.

    Returns:
        The rows with ARGUMENTS, NA where the trace has no operation of that name within 1 us of the start.
    """
    wanted = pd.DataFrame({"name": rows["name"].astype(object), "place": range(len(rows))})
    wanted["start_ns"] = rows["start_ns"].astype("Int64").to_numpy(dtype="int64", na_value=-(2**62))
    found = pd.merge_asof(
        wanted.sort_values("start_ns", kind="stable"),
        transfers[["name", "start_ns", *ARGUMENTS]].sort_values("start_ns", kind="stable"),
        on="start_ns",
        by="name",
        tolerance=_TOLERANCE_NS,
        direction="nearest",
    ).sort_values("place", ignore_index=True)
    told = {column: found[column].set_axis(rows.index) for column in ARGUMENTS}
    return rows.assign(**told)
