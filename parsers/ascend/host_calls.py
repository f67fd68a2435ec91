"""Calls of operators on the host with the line of code they come from: operator_details.csv of an Ascend run.

torch_npu writes one row a call, with call stack and times; MindSpore (2.7 and later) name and input shapes alone.
Neither writes when the call was. A call stack is text of the user's machine: what looks like a secret is taken out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from profkit.parsers.ascend.tables import CsvTable, read_table
from profkit.parsers.exact_time import MICROSECONDS
from profkit.progress import Progress
from profkit.redaction import redact_text

_TIMES = {
    "host_self": "host_self_ns",
    "host_total": "host_total_ns",
    "device_self": "device_self_ns",
    "device_total": "device_total_ns",
    "aicore_self": "device_self_aicore_ns",
    "aicore_total": "device_total_aicore_ns",
}


def read_host_calls(path: Path, progress: Progress) -> tuple[pd.DataFrame, CsvTable]:
    """Read operator_details.csv.

    Returns:
        Columns of schema.HOST_CALLS without rank and source, in file order; and the table with its issues.

    Raises:
        UnreadableInputError: The header lacks the name or the input shapes.
    """
    table = read_table(path, "operator_details", progress)
    columns: dict[str, Any] = {
        "name": pc.fill_null(table.texts("name"), "unknown").dictionary_encode().to_pandas(),
        "input_shapes": _rewritten(table.texts("shapes"), _shapes),
        "call_stack": _rewritten(table.texts("stack"), call_stack),
        "row": np.arange(len(table.lines), dtype=np.int64),
    }
    for recorded, column in _TIMES.items():
        time = table.times(recorded, MICROSECONDS)
        columns[column] = pd.arrays.IntegerArray(time.ns, ~time.known)
    return pd.DataFrame(columns), table


def call_stack(text: str) -> str:
    """Give a call stack on one line, its frames split by `; `, with what looks like a secret replaced."""
    frames = (frame.strip() for frame in redact_text(text).split(";"))
    return "; ".join(frame for frame in frames if frame)


def _rewritten(texts: pa.Array, rewrite: Callable[[str], str]) -> pd.Series[Any]:
    encoded = texts.dictionary_encode()
    words = pa.array([rewrite(text) for text in encoded.dictionary.to_pylist()], pa.string()).dictionary_encode()
    return pd.Series(
        pa.DictionaryArray.from_arrays(pc.take(words.indices, encoded.indices), words.dictionary).to_pandas()
    )


def _shapes(cell: str) -> str:
    return "".join(cell.replace('"', "").split())
