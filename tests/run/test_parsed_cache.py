"""The cache is never trusted, never grows beyond its bound, and never makes a command fail."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from profkit.cache import Cache
from profkit.errors import ImportIssue, ProfkitError, Severity
from profkit.parsers.base import Descriptor, Parsed
from profkit.progress import silent
from profkit.run import load
from profkit.schema import SCHEMA_VERSION, STEPS
from profkit.store import read_frame, write_frame

DESCRIPTOR = Descriptor("test", "a test format", "unknown", "none", "none", ("steps",))
INPUT = Path("trace.json")


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


def write_trace(path: Path, names: list[str]) -> None:
    events = [
        {"ph": "X", "cat": "cpu_op", "name": name, "pid": 1, "tid": 1, "ts": 100.125 * (n + 1), "dur": 1.5}
        for n, name in enumerate(names)
    ]
    path.write_text(json.dumps({"schemaVersion": 1, "baseTimeNanoseconds": 1790857026000000000, "traceEvents": events}))


def test_a_cached_result_comes_back_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert cache.get("key") == (None, None)
    assert cache.put("key", parsed(), INPUT) is None
    again, note = cache.get("key")
    assert note is None
    assert again is not None
    pd.testing.assert_frame_equal(again.frames["steps"], steps())
    assert (again.issues, again.framework, again.rank, again.facts) == (parsed().issues, "pytorch", 3, {"level": "1"})
    (entry,) = cache.entries()
    assert entry.path == "trace.json"
    assert entry.size_bytes == sum(file.stat().st_size for file in entry.directory.iterdir())


def test_opening_again_does_not_parse_again(tmp_path: Path) -> None:
    """What the cache holds is put in place of what the file holds: the second opening shows the former."""
    path = tmp_path / "trace.json"
    write_trace(path, ["aten::add", "aten::mul"])
    cache = Cache(tmp_path / "cache")
    assert load(path, cache=cache).ops["name"].tolist() == ["aten::add", "aten::mul"]
    (entry,) = cache.entries()
    ops = load(path).ops
    file = entry.directory / "ops.parquet"
    write_frame(file, ops.assign(name=pd.Categorical(["from_the_cache"] * 2)))
    assert load(path, cache=cache).ops["name"].tolist() == ["from_the_cache"] * 2
    assert load(path).ops["name"].tolist() == ["aten::add", "aten::mul"]


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_trace(path, ["aten::add"])
    cache = Cache(tmp_path / "cache")
    load(path, cache=cache)
    times = path.stat()
    write_trace(path, ["aten::sub"])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load(path, cache=cache).ops["name"].tolist() == ["aten::sub"]


@pytest.mark.parametrize("victim", ["steps.parquet", "manifest.json"])
def test_a_damaged_entry_is_thrown_away_with_a_note(tmp_path: Path, victim: str) -> None:
    cache = Cache(tmp_path)
    cache.put("key", parsed(), INPUT)
    (entry,) = cache.entries()
    content = bytearray((entry.directory / victim).read_bytes())
    content[len(content) // 3] = 0xFF
    (entry.directory / victim).write_bytes(bytes(content))
    again, note = cache.get("key")
    assert again is None
    assert note is not None
    assert note.severity is Severity.INFO
    assert cache.entries() == []
    assert cache.put("key", parsed(), INPUT) is None
    assert cache.get("key")[0] is not None


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{}", "null", '{"frames": ["../../x"]}', '{"frames": 3}', "[" * 100_000]
)
def test_no_manifest_makes_it_fail(tmp_path: Path, manifest: str) -> None:
    cache = Cache(tmp_path)
    cache.put("key", parsed(), INPUT)
    (entry,) = cache.entries()
    (entry.directory / "manifest.json").write_text(manifest)
    assert cache.entries()[0].path == ""
    again, note = cache.get("key")
    assert again is None
    assert note is not None


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


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    probe = Cache(tmp_path / "probe")
    probe.put("key", parsed(), INPUT)
    one = probe.entries()[0].size_bytes
    cache = Cache(tmp_path / "cache", limit_bytes=one * 7 // 2)
    for number, key in enumerate("abc"):
        cache.put(key, parsed(), INPUT)
        manifest = next(entry.directory for entry in cache.entries() if entry.directory.name == key) / "manifest.json"
        os.utime(manifest, ns=(number, number))
    cache.get("a")
    cache.put("d", parsed(), INPUT)
    assert {entry.directory.name for entry in cache.entries()} == {"a", "c", "d"}
    assert sum(entry.size_bytes for entry in cache.entries()) <= cache.limit_bytes


def test_what_is_larger_than_the_whole_cache_displaces_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("small", parsed(), INPUT)
    bounded = Cache(tmp_path, limit_bytes=cache.entries()[0].size_bytes)
    large = Parsed({"steps": steps(50_000)}, framework="pytorch")
    note = bounded.put("large", large, INPUT)
    assert note is not None
    assert "was not cached" in note.text
    assert [entry.directory.name for entry in cache.entries()] == ["small"]
    assert Cache(tmp_path / "none", limit_bytes=0).put("key", parsed(), INPUT) is None
    assert not (tmp_path / "none").exists()


def test_entries_of_older_schemas_are_ignored_and_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    older, newer = (tmp_path / f"frames-{SCHEMA_VERSION + change}" / "key" for change in (-1, 1))
    for directory in (older, newer):
        directory.mkdir(parents=True)
        (directory / "manifest.json").write_text("{}")
    assert cache.get("key") == (None, None)
    cache.put("key", parsed(), INPUT)
    assert not older.parent.exists()
    assert newer.exists()
    cache.clear()
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_may_look_in(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    path = tmp_path / "trace.json"
    write_trace(path, ["aten::add"])
    old = os.umask(0)
    try:
        load(path, cache=Cache(root))
    finally:
        os.umask(old)
    directories = [root, *(child for child in root.rglob("*") if child.is_dir())]
    assert len(directories) == 3
    assert {stat.S_IMODE(directory.stat().st_mode) for directory in directories} == {0o700}


def test_a_cache_that_cannot_be_made_is_an_issue_not_a_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    note = Cache(blocked).put("key", parsed(), INPUT)
    assert note is not None
    assert "could not be cached" in note.text
    path = tmp_path / "trace.json"
    write_trace(path, ["aten::add"])
    assert len(load(path, cache=Cache(blocked / "below")).ops) == 1


def in_process(work: Callable[..., None], *arguments: object) -> int | None:
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


def _load_on_a_full_disk(path: Path, root: Path) -> None:
    # No file may grow beyond this: writing fails as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
    run = load(path, cache=Cache(root))
    assert len(run.ops) == 2
    assert ["could not be cached" in issue.text for issue in run.issues] == [True], run.issues


def test_a_full_disk_is_an_issue_not_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_trace(path, ["aten::add", "aten::mul"])
    root = tmp_path / "cache"
    assert in_process(_load_on_a_full_disk, path, root) == 0
    assert Cache(root).entries() == []
    assert not [child for child in root.iterdir() if child.name.startswith(".")]


def _write_and_read(root: Path, rounds: int) -> None:
    cache = Cache(root, limit_bytes=20_000)
    for number in range(rounds):
        key = "abcd"[number % 4]
        assert cache.put(key, parsed(), INPUT) is None
        found, note = cache.get(key)
        assert note is None, note
        if found is not None:
            assert found.frames["steps"].equals(steps())


def test_many_writers_and_readers_at_once(tmp_path: Path) -> None:
    # The bound makes room for less than all four entries, so that entries are also removed under the readers.
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write_and_read, args=(tmp_path, 40)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(200)
    assert [process.exitcode for process in processes] == [0] * 4
    for entry in Cache(tmp_path).entries():
        assert read_frame(entry.directory / "steps.parquet", STEPS).equals(steps())
    assert not [child for child in tmp_path.iterdir() if child.name.startswith(".")]


def test_a_bound_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFKIT_CACHE_BYTES", "5 GB")
    with pytest.raises(ProfkitError, match="not a number of bytes"):
        Cache.default()
    monkeypatch.setenv("PROFKIT_CACHE_BYTES", "1000")
    assert Cache.default().limit_bytes == 1000
