"""Metadata is found wherever recorders put it, in bounded memory, and never with a secret in it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from profkit.parsers.recorded_metadata import read_metadata
from profkit.redaction import REDACTED

EVENT = {"ph": "X", "cat": "cpu_op", "name": "a", "pid": 1, "tid": 1, "ts": 1.5, "dur": 2, "args": {"dims": [[1], []]}}
DEVICES = [{"id": 0, "name": "device"}, {"id": 1, "name": "device"}]


def trace(before: dict[str, Any], behind: dict[str, Any], events: int = 3) -> bytes:
    document = {**before, "traceEvents": [EVENT] * events, **behind}
    return json.dumps(document, indent=1).encode()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("events", [0, 3, 20_000])
def test_keys_before_and_behind_the_events_are_given(tmp_path: Path, packed: bool, events: int) -> None:
    path = tmp_path / "trace.json"
    content = trace({"schemaVersion": 1, "a": DEVICES}, {"deviceProperties": DEVICES, "x": {"y": "z"}}, events)
    path.write_bytes(gzip.compress(content) if packed else content)
    found, issues = read_metadata(path)
    assert issues == []
    assert found == {path: {"schemaVersion": 1, "a": DEVICES, "deviceProperties": DEVICES, "x": {"y": "z"}}}


def test_what_stands_within_events_is_no_metadata(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    odd = {**EVENT, "args": {"list": [{"b": 1}], "not": "metadata"}}
    path.write_text(json.dumps({"traceEvents": [odd, odd], "real": 1}))
    assert read_metadata(path)[0] == {path: {"real": 1}}


def test_secrets_are_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(trace({"env": {"HF_TOKEN": "hunter2", "LANG": "C"}}, {"PASSWORD": "hunter2"}))
    assert read_metadata(path)[0] == {path: {"env": {"HF_TOKEN": REDACTED, "LANG": "C"}, "PASSWORD": REDACTED}}


@pytest.mark.parametrize("content", [b"[]", b"", b"text", json.dumps([EVENT]).encode()])
def test_a_file_without_metadata_gives_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trace.json").write_bytes(content)
    assert read_metadata(tmp_path / "trace.json") == ({}, [])


def test_metadata_that_is_no_json_is_told_and_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(b'{"env": {"PASSWORD": hunter2}, "traceEvents": [], "behind": 1}')
    found, (issue,) = read_metadata(path)
    assert found == {path: {"behind": 1}}
    assert "hunter2" not in str(issue)


def test_a_cut_trace_gives_what_stands_before_the_events(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    content = trace({"schemaVersion": 1}, {"behind": 1})
    path.write_bytes(content[: len(content) // 2])
    assert read_metadata(path)[0] == {path: {"schemaVersion": 1}}


def test_every_recorded_trace_gives_its_keys(shared: Path) -> None:
    for path in sorted((shared / "samples" / "torch" / "tracelens").rglob("*.json.gz")):
        document = json.loads(gzip.decompress(path.read_bytes()))
        if isinstance(document, dict) and "traceEvents" in document:
            found, issues = read_metadata(path)
            assert issues == []
            assert set(found[path]) == set(document) - {"traceEvents"}, path


def test_an_ascend_run_gives_its_files(shared: Path) -> None:
    run = shared / "samples/mindspore_profiler/Ascend_msinsight/test/st/level2/rank_0_ascend_pt"
    found, issues = read_metadata(run)
    assert issues == []
    assert "profiler_info_0.json" in {path.name for path in found}
    assert read_metadata(run / "ASCEND_PROFILER_OUTPUT")[0] == found


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    one = (json.dumps(EVENT) + ",\n").encode()
    with path.open("wb") as file:
        file.write(b'{"first": 1, "traceEvents": [\n')
        for _ in range(300):
            file.write(one * (1_000_000 // len(one)))
        file.write(json.dumps(EVENT).encode() + b'\n], "last": 2}')
    script = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from profkit.parsers.recorded_metadata import read_metadata\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "(found,) = read_metadata(Path(sys.argv[1]))[0].values()\n"
        "assert found == {'first': 1, 'last': 2}, found\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 160 * 1024, f"{done.stdout} KiB for a file of {path.stat().st_size >> 20} MiB"
