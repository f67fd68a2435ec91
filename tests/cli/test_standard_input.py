"""`-` reads a trace from standard input, plain or gzip, in bounded memory, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

BASE_NS = 1_790_857_026_000_000_000


def trace() -> bytes:
    events = [
        {"ph": "X", "cat": "cpu_op", "name": f"aten::op{n}", "pid": 1, "tid": 1, "ts": 10.5 * n, "dur": 5.25}
        for n in range(20)
    ]
    return json.dumps({"schemaVersion": 1, "baseTimeNanoseconds": BASE_NS, "traceEvents": events}).encode()


def piped(content: bytes, *arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "profkit", *arguments]
    return subprocess.run(command, input=content, capture_output=True, check=False, timeout=120, env=environment)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("command", ["ops", "steps", "inspect"])
def test_a_piped_trace_is_read_as_from_a_file(tmp_path: Path, command: str, packed: bool) -> None:
    content = gzip.compress(trace()) if packed else trace()
    done = piped(content, command, "-", "--format", "json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == {"ops": 20, "steps": 1, "inspect": 1}[command]
    assert list(tmp_path.iterdir()) == []
    assert list(Path(os.environ["PROFKIT_CACHE_DIR"]).iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no trace", trace()[:300]], ids=["empty", "text", "cut"])
def test_bad_input_gives_a_clear_line_and_no_leftover(tmp_path: Path, content: bytes) -> None:
    done = piped(content, "ops", "-", folder=tmp_path)
    assert done.returncode == (0 if content.startswith(b"{") else 2)
    assert b"Traceback" not in done.stderr
    assert b"standard input" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_one_input_only(tmp_path: Path) -> None:
    done = piped(trace(), "align", "-", "-", folder=tmp_path)
    assert done.returncode == 2
    assert b"one of the inputs only" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
    script = limited + "from profkit.cli import main; main(['ops', '-'])"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], input=trace(), capture_output=True, check=False, timeout=120, env=environment
    )
    assert done.returncode == 2
    assert b"standard input cannot be kept" in done.stderr
    assert b"TMPDIR" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_long_stream_is_copied_in_bounded_memory(tmp_path: Path) -> None:
    """Text that is no trace is refused by its first bytes: what remains is the memory of the copy."""
    script = (
        "import resource\nfrom profkit.cli import _exit_code\nimport profkit.cli.ops\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert _exit_code(['ops', '-']) == 2\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)\n"
    )
    with tempfile.TemporaryFile() as stream:
        stream.truncate(400 << 20)
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", script], stdin=stream, capture_output=True, check=False, timeout=120, env=environment
        )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 60 * 1024
