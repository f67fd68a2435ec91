"""Every recorded third-party profile: read as the committed table says, or refused with a reason.

The table (expected_recordings.csv) is made by make_expected_recordings.py and was read by a person; the counts of
events that the samples' own index gives hold it from outside.
"""

from __future__ import annotations

import csv
import re
import runpy
from pathlib import Path

import pytest

Row = dict[str, str]

_MAKER = runpy.run_path(str(Path(__file__).with_name("make_expected_recordings.py")))
TABLE = _MAKER["RECORDINGS"]
DEVICE_CATEGORIES = (
    "kernel", "gpu_memcpy", "gpu_memset", "Kernel", "Memcpy", "Memset", "mtia_ccp_events",
)  # fmt: skip
LAUNCH_CATEGORIES = ("Runtime", "cuda_runtime", "cuda_driver", "mtia_runtime")
# The index names at most so many categories of a trace, the most frequent ones.
CATEGORIES_LISTED = 7


def expected() -> dict[str, Row]:
    with TABLE.file.open(newline="", encoding="utf-8") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def found(shared: Path) -> dict[str, Row]:
    rows: list[Row] = _MAKER["rows_of"](shared, TABLE)
    by_path = {row["path"]: row for row in rows}
    assert len(by_path) == len(rows)
    return by_path


def test_every_recording_is_what_the_table_says(found: dict[str, Row]) -> None:
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
            assert not row["ops"], path
        else:
            counts = [
                int(row[name] or 0) for name in ("ops", "steps", "memory", "comm", "links", "data_pipeline", "nodes")
            ]
            assert any(counts) or int(row["data_loss"]) + int(row["error"]), f"{path} is empty without an issue"


def test_every_file_belongs_to_a_row(shared: Path) -> None:
    """No file vanishes: it is a recording, lies in one, belongs to one by its number, or is refused."""
    rows = expected()
    numbered = re.compile(r"_(\d{1,6})(?:_(?:detail|type|detail_time))?\.\w+$")
    recordings = [shared / path for path, row in rows.items() if not row["refusal"]]
    directories = {path for path in recordings if path.is_dir()}
    groups = {
        (path.parent, match.group(1))
        for path in recordings
        if rows[str(path.relative_to(shared))]["framework"] == "mindspore" and (match := numbered.search(path.name))
    }
    for tree in TABLE.trees:
        for path in (shared / tree).rglob("*"):
            if path.is_dir() or str(path.relative_to(shared)) in rows or directories & set(path.parents):
                continue
            match = numbered.search(path.name)
            assert match, path
            assert (path.parent, match.group(1)) in groups, path


def index_of_torch(shared: Path) -> dict[str, dict[str, int]]:
    """Read the X events by category of each readable trace from the samples' index."""
    counts: dict[str, dict[str, int]] = {}
    for line in (shared / "samples/torch/INDEX.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 6 and re.fullmatch(r"\w+:\d+(, \w+:\d+)*", cells[5]):
            pairs = (pair.split(":") for pair in cells[5].split(", "))
            counts[f"samples/torch/{cells[0]}"] = {category: int(count) for category, count in pairs}
    return counts


def test_traces_have_the_operators_and_tasks_that_the_index_counts(shared: Path) -> None:
    """Until torch 1.10 annotations are written as operators: there, operators and spans together are counted."""
    rows = expected()
    index = index_of_torch(shared)
    assert len(index) >= 60
    for path, categories in index.items():
        device = sum(categories.get(category, 0) for category in DEVICE_CATEGORIES)
        row = rows[path]
        kept = int(row["ops"])
        if "Operator" in categories or "Runtime" in categories:
            launches = sum(categories.get(category, 0) for category in LAUNCH_CATEGORIES)
            assert kept + int(row["spans"]) == categories.get("Operator", 0) + device + launches, path
        elif len(categories) < CATEGORIES_LISTED:
            assert kept == categories.get("cpu_op", 0) + device, path
        else:
            unlisted = kept - categories.get("cpu_op", 0) - device
            assert 0 <= unlisted <= 3 * min(categories.values()), path


def test_the_index_says_unreadable_and_most_of_them_are_read(shared: Path) -> None:
    """What json refuses is salvaged: of the damaged traces only the empty one is refused."""
    damaged = {path: row for path, row in expected().items() if path.startswith("samples/torch/malformed/")}
    assert {path.rsplit("/", 1)[-1] for path, row in damaged.items() if row["refusal"]} == {"empty.json.gz"}
    unreadable = re.findall(
        r"^\| (malformed/\S+) .*unreadable by json", (shared / "samples/torch/INDEX.md").read_text(), re.MULTILINE
    )
    assert len(unreadable) >= 9
    for name in unreadable:
        row = damaged[f"samples/torch/{name}"]
        assert row["refusal"] or int(row["info"]) + int(row["data_loss"]) > 0, name
