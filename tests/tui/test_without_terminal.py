"""Terminals that are none, or lack something: one line says so, or what they have is used."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "profkit", "tui", "--demo"]


@pytest.mark.parametrize("missing", ["input", "output", "error"])
def test_a_stream_that_is_no_terminal(missing):
    ours, theirs = pty.openpty()
    streams = {"input": theirs, "output": theirs, "error": theirs, missing: subprocess.PIPE}
    done = subprocess.run(
        COMMAND,
        stdin=streams["input"] if missing != "input" else subprocess.DEVNULL,
        stdout=streams["output"],
        stderr=streams["error"],
        check=False,
        timeout=60,
    )
    told = (done.stderr or os.read(ours, 10_000)).decode()
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert f"standard {missing} is none" in told
    assert len(told.splitlines()) == 2
    assert "\x1b" not in told


def test_a_terminal_that_cannot_move_the_cursor():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "dumb"}
    done = subprocess.run(COMMAND, stdin=theirs, stdout=theirs, stderr=theirs, check=False, timeout=60, env=environment)
    told = os.read(ours, 10_000).decode()
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert "TERM=dumb" in told
    assert "\x1b" not in told


def drawn(options: list[str], until: bytes, **variables: str) -> bytes:
    """Run the program on a pseudo-terminal until it has drawn something."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [*COMMAND, *options], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **variables}
    )
    os.close(theirs)
    seen = b""
    while until not in seen:
        seen += os.read(ours, 10_000)
    program.kill()
    program.wait(30)
    os.close(ours)
    return seen


@pytest.mark.parametrize(("options", "asks"), [([], True), (["--no-mouse"], False)])
def test_the_mouse_can_be_left_to_the_terminal(options, asks):
    assert (b"\x1b[?1000h" in drawn(options, b"so far")) == asks


def test_a_terminal_without_utf8_gets_signs_it_has():
    seen = drawn(["--view", "findings"], b"4 of 4", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", LC_ALL="C")
    assert seen.isascii()
    assert b"\\u" not in seen
    assert b">" in seen
