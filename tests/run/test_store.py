"""Frames come back bit for bit, damage is noticed, and nothing is ever half written."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.schema import STEPS
from profkit.store import (
    directory_in_one_step,
    read_frame,
    write_bytes_in_one_step,
    write_frame,
)


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
