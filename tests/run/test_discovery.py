"""What lies at a path is found, named and never guessed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from profkit.discovery import discover
from profkit.errors import AmbiguousInputError, ProfkitError, UnknownFormatError
from profkit.run import load


def write_trace(path: Path, *, rank: int | None = None, count: int = 3) -> None:
    events = [
        {"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 1, "ts": 100.125 * (n + 1), "dur": 1.5}
        for n in range(count)
    ]
    document: dict[str, object] = {"schemaVersion": 1, "baseTimeNanoseconds": 0, "traceEvents": events}
    if rank is not None:
        document["distributedInfo"] = {"backend": "gloo", "rank": rank, "world_size": 2}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def test_a_capture_directory_is_found_part_by_part(tmp_path: Path) -> None:
    write_trace(tmp_path / "profile" / "trace.json")
    (tmp_path / "outputs").mkdir()
    np.save(tmp_path / "outputs" / "0000_x.npy", np.ones(3, np.float32))
    (tmp_path / "notes.txt").write_text("hello")
    discovery = discover(tmp_path)
    assert {found.path.name: found.format for found in discovery.found} == {
        "outputs": "saved-tensors",
        "trace.json": "kineto-trace",
    }
    assert [path.name for path in discovery.unrecognised] == ["notes.txt"]
    run = load(tmp_path)
    assert run.framework == "pytorch"
    assert len(run.ops) == 3
    assert len(run.tensors) == 1


def test_ranks_are_stacked_and_chosen(tmp_path: Path) -> None:
    for rank in (0, 1):
        write_trace(tmp_path / f"rank{rank}.json", rank=rank)
    both = load(tmp_path)
    assert both.ops["rank"].tolist() == [0, 0, 0, 1, 1, 1]
    assert load(tmp_path, rank=1).ops["rank"].tolist() == [1, 1, 1]
    with pytest.raises(ProfkitError, match="no recording of rank 7") as refusal:
        load(tmp_path, rank=7)
    assert "0, 1" in refusal.value.hint


def test_two_recordings_of_one_rank_are_refused_by_name(tmp_path: Path) -> None:
    write_trace(tmp_path / "a.json")
    write_trace(tmp_path / "b.json")
    with pytest.raises(AmbiguousInputError) as refusal:
        load(tmp_path)
    assert "a.json" in refusal.value.message
    assert "b.json" in refusal.value.message


def test_nothing_recognised_is_said_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UnknownFormatError, match="none of the 1 files"):
        discover(tmp_path)
    with pytest.raises(UnknownFormatError, match="no format"):
        discover(tmp_path / "notes.txt")


def test_links_out_of_the_directory_are_not_followed(tmp_path: Path) -> None:
    write_trace(tmp_path / "elsewhere" / "trace.json")
    inside = tmp_path / "run"
    write_trace(inside / "own.json")
    (inside / "link").symlink_to(tmp_path / "elsewhere")
    (inside / "loop").symlink_to(inside)
    discovery = discover(inside)
    assert [found.path.name for found in discovery.found] == ["own.json"]
    assert inside / "link" in discovery.unrecognised
