"""`profkit cache info` tells what is kept, `profkit cache clear` removes it and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def write_trace(path: Path) -> None:
    event = {"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 1, "ts": 1, "dur": 1}
    document = {"schemaVersion": 1, "baseTimeNanoseconds": 1790857026000000000, "traceEvents": [event]}
    path.write_text(json.dumps(document))


def test_what_is_kept_is_listed_and_removed(profkit: Command, tmp_path: Path) -> None:
    root = Path(os.environ["PROFKIT_CACHE_DIR"])
    path = tmp_path / "trace.json"
    write_trace(path)
    assert profkit("ops", path).returncode == 0
    info = profkit("cache", "info", "--format", "json")
    assert info.returncode == 0, info.stderr
    entries = json.loads(info.stdout)
    answer, frames, totals = sorted(entries, key=lambda entry: entry["frames"])
    assert "ops" in frames["frames"].split(", ")
    assert (answer["frames"], totals["frames"]) == ("answer", "totals")
    assert {entry["path"] for entry in entries} == {str(path)}
    assert min(entry["size_bytes"] for entry in entries) > 0
    assert "3 entries" in info.stderr
    (root / "notes.txt").write_text("not of profkit")
    cleared = profkit("cache", "clear")
    assert cleared.returncode == 0
    assert cleared.stdout == ""
    assert "bytes removed" in cleared.stderr
    assert [child.name for child in root.iterdir()] == ["notes.txt"]
    assert json.loads(profkit("cache", "info", "--format", "json").stdout) == []


def test_no_cache_keeps_nothing(profkit: Command, tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.json")
    assert profkit("ops", tmp_path / "trace.json", "--no-cache").returncode == 0
    assert list(Path(os.environ["PROFKIT_CACHE_DIR"]).iterdir()) == []


def test_a_bound_of_zero_keeps_nothing(profkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFKIT_CACHE_BYTES", "0")
    write_trace(tmp_path / "trace.json")
    done = profkit("ops", tmp_path / "trace.json", "--fail-on", "issues")
    assert done.returncode == 0, done.stderr
    assert list(Path(os.environ["PROFKIT_CACHE_DIR"]).iterdir()) == []


def test_a_bound_that_is_no_number_is_told(profkit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFKIT_CACHE_BYTES", "much")
    write_trace(tmp_path / "trace.json")
    done = profkit("ops", tmp_path / "trace.json")
    assert done.returncode == 2
    assert "PROFKIT_CACHE_BYTES" in done.stderr
