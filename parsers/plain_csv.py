"""CSV files without surprises read as columns at once; for any other the caller reads record by record.

A file is plain if every line is ended and is one record with as many cells as the header: then the line of a record
follows from its number. It is four times faster than a loop over records, and gives the same cells.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from profkit.progress import Progress

_BLOCK_BYTES = 1 << 20


def plain_columns(
    path: Path, width: int, wanted: Sequence[int], progress: Progress, repeating: Collection[int] = ()
) -> list[pa.ChunkedArray] | None:
    """Read some columns of a plain file.

    Args:
        path: The file; its first line is the header.
        width: Cells of the header.
        wanted: Places of the columns.
        progress: Told the fraction that was read.
        repeating: Those of the columns whose cells repeat: they come dictionary-encoded.

    Returns:
        String columns in the order of `wanted`; None if the file is not plain.
    """
    lines = _lines(path)
    if lines is None:
        return None
    names = [str(place) for place in range(width)]
    asked = {
        names[place]: pa.dictionary(pa.int32(), pa.string()) if place in repeating else pa.string() for place in wanted
    }
    try:
        reader = pa_csv.open_csv(
            path,
            pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, skip_rows=1, column_names=names),
            pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=True),
            pa_csv.ConvertOptions(column_types=asked, include_columns=list(asked)),
        )
        batches = []
        size = max(path.stat().st_size, 1)
        for number, batch in enumerate(reader):
            batches.append(batch)
            progress("reading", path.name, min(number * _BLOCK_BYTES / size, 1.0))
    except pa.ArrowInvalid:
        return None
    table = pa.Table.from_batches(batches, schema=reader.schema).unify_dictionaries()
    return [table[names[place]] for place in wanted] if table.num_rows == lines - 1 else None


def _lines(path: Path) -> int | None:
    """Count the lines of a file; None if it holds a NUL, a carriage return that ends no line, or a line without end."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            if b"\0" in block or (last == b"\r" and not block.startswith(b"\n")):
                return None
            if b"\r" in block and block.count(b"\r") - block.endswith(b"\r") != block.count(b"\r\n"):
                return None
            count += block.count(b"\n")
            last = block[-1:]
    return count if last == b"\n" else None
