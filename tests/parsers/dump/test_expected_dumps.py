"""Every third-party dump: read as the committed table says, or refused with a reason.

The table (expected_dumps.csv) is made by ../make_expected_recordings.py and was read by a person; the files on disk and
the samples' own index hold it from outside.
"""

from __future__ import annotations

import csv
import runpy
from pathlib import Path

import pytest

Row = dict[str, str]

_MAKER = runpy.run_path(str(Path(__file__).parents[1] / "make_expected_recordings.py"))
TABLE = _MAKER["DUMPS"]


def expected() -> dict[str, Row]:
    with TABLE.file.open(newline="", encoding="utf-8") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def found(shared: Path) -> dict[str, Row]:
    rows: list[Row] = _MAKER["rows_of"](shared, TABLE)
    by_path = {row["path"]: row for row in rows}
    assert len(by_path) == len(rows)
    return by_path


def test_every_dump_is_what_the_table_says(found: dict[str, Row]) -> None:
    wanted = expected()
    assert sorted(found) == sorted(wanted)
    different = {path: (wanted[path], row) for path, row in found.items() if row != wanted[path]}
    assert not different, (
        f"{len(different)} rows differ; make_expected_recordings.py writes the table anew: {different}"
    )


def test_a_row_has_rows_or_says_why_not() -> None:
    for path, row in expected().items():
        if row["refusal"]:
            assert row["refusal"].startswith("it"), path
            assert not row["tensors"], path
        else:
            counts = [int(row[name] or 0) for name in TABLE.frames]
            assert any(counts) or int(row["data_loss"]) + int(row["error"]), f"{path} is empty without an issue"


def test_every_file_belongs_to_a_row(shared: Path) -> None:
    """No file vanishes: it is a recording, lies in one, or is refused."""
    rows = expected()
    directories = {shared / path for path, row in rows.items() if (shared / path).is_dir()}
    for path in (shared / TABLE.trees[0]).rglob("*"):
        if path.is_file() and str(path.relative_to(shared)) not in rows:
            assert directories & set(path.parents), path


def test_every_file_of_a_tensor_is_a_row_of_it(shared: Path) -> None:
    """Counted on disk: one .npy or .bin is one tensor in dumps of these kinds."""
    counted = 0
    for path, row in expected().items():
        if row["format"] == "mindspore-dump" and ("ms2.10-cpu" in path or "/r1.3/" in path):
            files = [file for file in (shared / path).rglob("*") if file.suffix in (".npy", ".bin")]
            assert int(row["tensors"]) == len(files), path
            counted += len(files)
    assert counted > 2_000
