"""Device kernels from kernel_details.csv (one row a kernel), of MindSpore and torch_npu.

MindSpore writes the host operator before the kernel: `Kernel::KernelLaunch::Default/net-Net/MatMul-op0/MatMulV2`.
torch_npu writes the kernel's name alone. At Level0 the file has no types and no shapes; a type is then read from the
name, which agrees with the recorded type for 96 of 100 kernels (a ReduceSumD may be called ReduceSum147).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from profkit.errors import ImportIssue, Severity
from profkit.parsers.ascend.tables import CsvTable, read_table
from profkit.parsers.exact_time import MICROSECONDS
from profkit.parsers.growing_columns import categorical, codes_of
from profkit.progress import Progress

COMMUNICATION_CORES = ("HCCL", "COMMUNICATION")

_COLLECTIVE = re.compile(r"^(hcom_[A-Za-z]+_)")
_NUMBERED = re.compile(r"(_\d+)+$")
_TRAILING_NUMBER = re.compile(r"(?<![V\d])\d+$")
_NAMED_OTHERWISE = {"memset": "MemSet", "DSASTATELESSGENBITMASK": "DSAStatelessGenBitMask"}
_YEAR_2000_NS = 946_684_800 * 10**9
_REPEATING = ("stream", "name", "type", "input_shapes", "input_dtypes", "output_shapes", "core")
# Written for "none" by CANN 6.
_NO_TYPE = "0"


@dataclass(frozen=True)
class Kernels:
    """The device rows of one file.

    Attributes:
        columns: Columns of schema.OPS by name, without rank, launcher and correlation; ordered by start.
        kernel_names: Name on the device (the part after the last `/` of the name), in that order.
        typed: Whether the file tells types (Level1 and above).
        issues: What was refused, lost or derived.
    """

    columns: dict[str, Any]
    kernel_names: NDArray[np.object_]
    typed: bool
    issues: list[ImportIssue]


def read_kernels(path: Path, progress: Progress) -> Kernels:
    """Read kernel_details.csv.

    Raises:
        UnreadableInputError: The header lacks the name, the start or the duration.
    """
    table = read_table(path, "kernel_details", progress, _REPEATING)
    starts = table.times("start", MICROSECONDS)
    durations = table.times("duration", MICROSECONDS)
    waits = table.times("wait", MICROSECONDS)
    steps = table.small_numbers("step")
    _note_spreadsheet(table)
    known = starts.known & durations.known
    if not known.all():
        table.note(Severity.DATA_LOSS, ~known, "kernels without a start or a duration were refused")
    shifted = known & _is_far_before(starts.ns, known)
    if shifted.any():
        table.note(Severity.DATA_LOSS, shifted, "the start is years before the others, as of shifted cells: refused")
        known &= ~shifted
    order = np.flatnonzero(known)
    order = order[np.argsort(starts.ns[order], kind="stable")]
    names = _texts(table, "name", order, missing="")
    types, typed = _types(table, order, names)
    columns: dict[str, Any] = {
        "step": steps[order].astype(np.int32),
        "start_ns": starts.ns[order],
        "dur_ns": durations.ns[order],
        "self_ns": durations.ns[order],
        "wait_ns": pd.array(waits.ns[order], dtype="Int64"),
        "stream": _texts(table, "stream", order),
        "name": names,
        "op_type": types,
        "input_shapes": _shapes(_texts(table, "input_shapes", order)),
        "input_dtypes": _texts(table, "input_dtypes", order),
        "output_shapes": _shapes(_texts(table, "output_shapes", order)),
        "core": _texts(table, "core", order),
        "row": order.astype(np.int64),
    }
    columns["wait_ns"][~waits.known[order]] = pd.NA
    return Kernels(columns, _kernel_names(names), typed, table.issues)


def _is_far_before(starts: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark starts that are no times of a run whose middle one is on the epoch: shifted cells put durations there."""
    if not known.any() or np.median(starts[known]) < _YEAR_2000_NS:
        return np.zeros(len(starts), dtype=bool)
    return starts < _YEAR_2000_NS


def is_communication(columns: dict[str, Any]) -> NDArray[np.bool_]:
    """Mark the kernels that are collectives or point-to-point transfers.

    Args:
        columns: As of Kernels.
    """
    by_core = columns["core"].isin(COMMUNICATION_CORES)
    by_type = columns["op_type"].astype("string").str.startswith("hcom_").fillna(value=False)
    return (by_core.to_numpy() | by_type.to_numpy()).astype(bool)


def _texts(table: CsvTable, column: str, order: NDArray[np.int64], missing: str | None = None) -> pd.Series[Any]:
    texts = table.texts(column)
    encoded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    words: list[str | None] = [*encoded.dictionary.to_pylist(), missing]
    codes = codes_of(encoded)[order]
    return pd.Series(categorical(np.where(codes < 0, len(words) - 1, codes), words))


def _kernel_names(names: pd.Series[Any]) -> NDArray[np.object_]:
    last = np.array([str(name).rsplit("/", 1)[-1] for name in names.cat.categories], dtype=object)
    return last[names.cat.codes.to_numpy()] if len(last) else np.zeros(0, dtype=object)


def _note_spreadsheet(table: CsvTable) -> None:
    starts = table.texts("start")
    written = starts.buffers()[2]
    if written is None or not any(letter in bytes(written) for letter in (b"e", b"E")):
        return
    mangled = pc.or_(pc.match_substring(starts, "e"), pc.match_substring(starts, "E"))
    marked = pc.fill_null(mangled, fill_value=False).to_numpy(zero_copy_only=False)
    if marked.any():
        table.note(Severity.DATA_LOSS, marked, "start times were rounded by a spreadsheet (1.69512E+15)")


def _shapes(shapes: pd.Series[Any]) -> pd.Series[Any]:
    """Take the literal quotes off: the decoded cell is still `"32,3,224,224"`, and `""` is one scalar."""
    return shapes.map({text: text.replace('"', "") for text in shapes.cat.categories}).astype("category")


def _types(table: CsvTable, order: NDArray[np.int64], names: pd.Series[Any]) -> tuple[pd.Series[Any], bool]:
    recorded = _texts(table, "type", order).astype(object)
    unknown = recorded.isna() | (recorded == _NO_TYPE)
    if not unknown.any():
        return recorded.astype("category"), True
    derived = {name: type_of_kernel(str(name)) for name in names.cat.categories}
    types = recorded.where(~unknown, names.astype(object).map(derived))
    marked = np.zeros(len(table.lines), dtype=bool)
    marked[order] = unknown.to_numpy()
    table.note(Severity.INFO, marked, "no operator type was recorded: read from the kernel's name")
    communication = recorded.astype("string").str.startswith("hcom_").fillna(value=False)
    return types.astype("category"), bool((~unknown & ~communication).any())


def type_of_kernel(name: str) -> str | None:
    """Read the operator type from a kernel's name: `aclnnMatmul_MatMulCommon_MatMulV2` is MatMulV2, `Cast16` is Cast.

    Args:
        name: Kernel name, with or without the host operator before it.

    Returns:
        None if the name holds no word that can be a type.
    """
    kernel = name.rsplit("/", 1)[-1]
    collective = _COLLECTIVE.match(kernel)
    if collective:
        return collective.group(1)
    word = _NUMBERED.sub("", kernel)
    word = word if "-" not in word else word.rsplit("-", 1)[0]
    word = word.rsplit("_", 1)[-1]
    word = _TRAILING_NUMBER.sub("", word)
    return _NAMED_OTHERWISE.get(word, word) or None
