"""docs/formats.md says of every file and table what the code does with it, and names no frame that nobody gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from profkit.parsers.ascend import database, layout
from profkit.parsers.mindspore.dataset_pipeline import file_number
from profkit.parsers.mindspore.legacy_files import legacy_facts
from profkit.parsers.registry import parser_named, parser_names
from profkit.schema import RECORDED_FRAMES

DOCUMENT = Path(__file__).parents[2] / "docs/formats.md"
NOT_READ = "not read"
NOTHING = "-"


class Entry(NamedTuple):
    """A row of the tables."""

    parser: str
    name: str
    seen: str
    frames: tuple[str, ...]

    @property
    def is_read(self) -> bool:
        return self.frames != (NOT_READ,)


def entries() -> list[Entry]:
    rows = []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] in parser_names():
            (name,) = re.findall(r"`([^`]+)`", cells[1])
            rows.append(Entry(cells[0], name, cells[2], tuple(frame.strip() for frame in cells[3].split(","))))
    return rows


def of(parser: str) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries() if entry.parser == parser}


def test_every_parser_gives_the_frames_that_stand_there_and_no_others() -> None:
    for name in parser_names():
        told = {frame for entry in of(name).values() for frame in entry.frames} - {NOT_READ, NOTHING}
        assert told == set(parser_named(name).descriptor.frames), name
        assert told <= RECORDED_FRAMES.keys()


def test_every_row_is_whole_and_stands_once() -> None:
    rows = entries()
    assert len(rows) > 100
    assert len({(row.parser, row.name) for row in rows}) == len(rows)
    assert all(row.seen for row in rows)


def test_text_files_of_ascend_are_those_that_the_parser_opens() -> None:
    told = of("ascend-text-profile")
    opened = set(layout.files_known())
    outputs = {name for name in told if "/" not in name and "{" not in name} - {"profiler_metadata.json"}
    assert opened == {name for name in outputs if told[name].is_read}


def test_tables_of_databases_are_those_that_the_parser_reads() -> None:
    told = of("ascend-database")
    assert database.tables_read() == {name for name, entry in told.items() if entry.is_read}


@pytest.mark.parametrize(
    ("parser", "target"), [("mindspore-legacy-profile", "ascend"), ("mindspore-gpu-profile", "gpu")]
)
def test_files_of_old_directories_are_those_of_the_facts(parser: str, target: str) -> None:
    told = {name.replace("{id}", "0"): entry for name, entry in of(parser).items()}
    for section, read in ((target, True), (f"{target}_beside", True), (f"{target}_derived", False)):
        for kind, pattern in legacy_facts()[section].items():
            found = [entry for name, entry in told.items() if re.fullmatch(pattern, name)]
            if kind.startswith("dataset"):
                continue
            assert found, (section, kind)
            assert all(entry.is_read == read for entry in found), (section, kind)


def test_files_of_the_pipeline_are_known() -> None:
    for name in of("mindspore-dataset-pipeline"):
        assert file_number(Path(name.replace("{id}", "7"))) == 7, name
