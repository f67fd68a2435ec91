"""The cache is never trusted, frames come back bit for bit, and nothing is ever half written."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest

from profkit.errors import ImportIssue, ProfkitError, Severity, UnreadableInputError
from profkit.parsers.base import Descriptor, Parsed
from profkit.progress import silent
from profkit.schema import STEPS
from profkit.store import (
    Cache,
    directory_in_one_step,
    read_frame,
    write_bytes_in_one_step,
    write_frame,
)

DESCRIPTOR = Descriptor("test", "a test format", "unknown", "none", "none", ("steps",))


def steps(count: int = 500) -> pd.DataFrame:
    return STEPS.build(
        {
            "rank": [0] * count,
            "step": range(count),
            "start_ns": [1_795_415_169_153_090_001 + 997 * number for number in range(count)],
            "dur_ns": [number * number for number in range(count)],
            "how": ["recorded"] * count,
            "source": ["file"] * count,
        }
    )


def parsed() -> Parsed:
    issue = ImportIssue(Severity.DATA_LOSS, "trace.json", "byte 7", "cut")
    return Parsed({"steps": steps()}, (issue,), framework="pytorch", rank=3, facts={"level": "1"})


def test_a_frame_comes_back_as_it_was(tmp_path: Path) -> None:
    write_frame(tmp_path / "steps.parquet", steps())
    pd.testing.assert_frame_equal(read_frame(tmp_path / "steps.parquet", STEPS), steps())


def test_every_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "steps.parquet"
    write_frame(path, steps())
    whole = path.read_bytes()
    chance = random.Random(0)
    noticed = 0
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            frame = read_frame(path, STEPS)
        except UnreadableInputError:
            noticed += 1
        else:
            pd.testing.assert_frame_equal(frame, steps())
    assert noticed > 100


def test_a_cached_result_comes_back_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert cache.get("key") == (None, None)
    assert cache.put("key", parsed()) is None
    again, note = cache.get("key")
    assert note is None
    assert again is not None
    pd.testing.assert_frame_equal(again.frames["steps"], steps())
    assert (again.issues, again.framework, again.rank, again.facts) == (parsed().issues, "pytorch", 3, {"level": "1"})


def test_a_damaged_entry_is_thrown_away_with_a_note(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("key", parsed())
    file = tmp_path / "key" / "steps.parquet"
    content = bytearray(file.read_bytes())
    content[100] ^= 0xFF
    file.write_bytes(bytes(content))
    again, note = cache.get("key")
    assert again is None
    assert note is not None
    assert note.severity is Severity.INFO
    assert not (tmp_path / "key").exists()


def test_the_key_depends_on_bytes_and_parser_version(tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    cache = Cache(tmp_path / "cache")
    file.write_bytes(b"one")
    first = cache.key(DESCRIPTOR, file, [file], silent)
    assert cache.key(DESCRIPTOR, file, [file], silent) == first
    newer = Descriptor("test", "a test format", "unknown", "none", "none", ("steps",), version=2)
    assert cache.key(newer, file, [file], silent) != first
    file.write_bytes(b"two")
    assert cache.key(DESCRIPTOR, file, [file], silent) != first


def test_a_cache_that_cannot_be_written_is_an_issue_not_a_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    note = Cache(blocked).put("key", parsed())
    assert note is not None
    assert "could not be cached" in note.text


def test_an_interrupted_directory_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "session"
    with directory_in_one_step(target) as building:
        (building / "file").write_text("old")

    def interrupted() -> None:
        with directory_in_one_step(target) as building:
            (building / "file").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (target / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["session"]
    with directory_in_one_step(target) as building:
        (building / "file").write_text("new")
    assert (target / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["session"]


def test_a_file_that_cannot_be_written_gives_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ProfkitError, match="cannot be written"):
        write_bytes_in_one_step(tmp_path / "absent" / "file.csv", b"x")
