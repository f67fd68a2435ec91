"""A remembered hash is never that of other bytes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from profkit.cache import Cache
from profkit.file_hashes import FileHashes
from profkit.parsers import registry
from profkit.progress import silent

LARGE = 2 << 20


def true_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def remembered(memory: Path) -> dict[str, list[object]]:
    content: dict[str, list[object]] = json.loads(memory.read_text()) if memory.exists() else {}
    return content


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A large file that was written long ago, as far as the hasher's clock goes."""
    path = tmp_path / "trace.json"
    path.write_bytes(os.urandom(LARGE))
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10**10)
    return path


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, settled: Path) -> None:
    memory = tmp_path / "hashes.json"
    assert FileHashes(memory).digests([settled], silent) == [true_digest(settled)]
    # A marker in the memory comes back: the file itself was not hashed.
    entry = remembered(memory)
    entry[str(settled)][-1] = "ab" * 32
    memory.write_text(json.dumps(entry))
    assert FileHashes(memory).digests([settled], silent) == ["ab" * 32]


def test_other_bytes_of_equal_size_and_time_are_noticed(tmp_path: Path, settled: Path) -> None:
    memory = tmp_path / "hashes.json"
    FileHashes(memory).digests([settled], silent)
    times = settled.stat()
    with settled.open("r+b") as file:
        file.write(b"other")
    os.utime(settled, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert settled.stat().st_mtime_ns == times.st_mtime_ns
    assert FileHashes(memory).digests([settled], silent) == [true_digest(settled)]


def test_a_replaced_file_is_noticed(tmp_path: Path, settled: Path) -> None:
    memory = tmp_path / "hashes.json"
    FileHashes(memory).digests([settled], silent)
    times = settled.stat()
    other = tmp_path / "other"
    other.write_bytes(os.urandom(LARGE))
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(settled)
    assert FileHashes(memory).digests([settled], silent) == [true_digest(settled)]


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path) -> None:
    path, memory = tmp_path / "trace.json", tmp_path / "hashes.json"
    path.write_bytes(os.urandom(LARGE))
    assert FileHashes(memory).digests([path], silent) == [true_digest(path)]
    assert remembered(memory) == {}


def test_a_file_from_the_future_is_not_remembered(tmp_path: Path, settled: Path) -> None:
    memory = tmp_path / "hashes.json"
    later = time.time_ns() + 10**12
    os.utime(settled, ns=(later, later))
    FileHashes(memory).digests([settled], silent)
    assert remembered(memory) == {}


def test_a_file_that_grows_while_it_is_read_is_not_remembered(tmp_path: Path, settled: Path) -> None:
    memory = tmp_path / "hashes.json"

    def appending(_verb: str, _subject: str, _fraction: float | None) -> None:
        with settled.open("ab") as file:
            file.write(bytes(LARGE))

    FileHashes(memory).digests([settled], appending)
    assert remembered(memory) == {}
    assert settled.stat().st_size < 10 * LARGE


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "null",
        '{"a": 1}',
        '{"a": ["x"]}',
        '{"a": [[0, 0, 0, 0, 0], "../x"]}',
        "\x00",
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_damaged_memory_costs_time_only(tmp_path: Path, settled: Path, damage: str) -> None:
    memory = tmp_path / "hashes.json"
    memory.write_text(damage.replace('"a"', json.dumps(str(settled))))
    assert FileHashes(memory).digests([settled], silent) == [true_digest(settled)]
    assert list(remembered(memory)) == [str(settled)]


def test_a_memory_that_cannot_be_written_is_no_failure(tmp_path: Path, settled: Path) -> None:
    memory = tmp_path / "absent" / "hashes.json"
    assert FileHashes(memory).digests([settled], silent) == [true_digest(settled)]


def test_the_memory_does_not_grow_without_bound(tmp_path: Path, settled: Path) -> None:
    memory = tmp_path / "hashes.json"
    entry = [[0, 0, 0, 0, 0], "0" * 64]
    memory.write_text(json.dumps({f"/file{number}": entry for number in range(5000)}))
    FileHashes(memory).digests([settled], silent)
    kept = remembered(memory)
    assert len(kept) == 1000
    assert str(settled) in kept


def test_a_cache_that_is_not_there_yet_remembers_hashes_at_once(tmp_path: Path, settled: Path) -> None:
    cache = Cache(tmp_path / "new")
    cache.key(registry.parser_named("kineto-trace").descriptor, settled, [settled], silent)
    assert str(settled) in remembered(tmp_path / "new" / "hashes.json")
