"""Progress shows on a terminal, by the bytes read, and nowhere else."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

EVENT = '{"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 1, "ts": %d.5, "dur": 0.25, "args": {}},\n'


@pytest.fixture(scope="module")
def large_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic trace of several windows."""
    path = tmp_path_factory.mktemp("trace") / "large.json"
    with path.open("w") as file:
        file.write('{"schemaVersion": 1, "baseTimeNanoseconds": 1790857026000000000, "traceEvents": [\n')
        file.writelines(EVENT % number for number in range(400_000))
        file.write('{"ph": "M", "name": "end", "pid": 1}\n]}')
    return path


def on_terminal(*arguments: object) -> tuple[str, str, int]:
    """Run with stderr on a terminal; give stdout, what the terminal got, and the exit code."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}
    command = [sys.executable, "-m", "profkit", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        assert process.stdout is not None
        stdout = process.stdout.read()
    os.close(ours)
    return stdout, shown.decode(errors="replace"), process.returncode


def test_reading_shows_the_file_and_a_rising_percentage(large_trace: Path) -> None:
    stdout, shown, code = on_terminal("ops", large_trace, "--no-cache")
    assert code == 0, shown
    assert "aten::add" in stdout
    assert "reading large.json" in shown
    percentages = [int(number) for number in re.findall(r"(\d+)%", shown)]
    reading = [number for number in percentages if 0 < number < 100]
    assert len(set(reading)) >= 3, percentages
    assert "%" not in stdout


def test_quiet_shows_nothing(large_trace: Path) -> None:
    _, shown, code = on_terminal("ops", large_trace, "--quiet", "--no-cache")
    assert code == 0
    assert shown == ""


def test_without_a_terminal_there_is_no_bar(large_trace: Path) -> None:
    command = [sys.executable, "-m", "profkit", "ops", str(large_trace), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "reading" not in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
