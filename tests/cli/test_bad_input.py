"""Bad input gives one clear line and exit code 2, or a salvaged result with its issues; never a traceback."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from profkit.cli import COMMANDS, main

Command = Callable[..., "subprocess.CompletedProcess[str]"]

EVENTS = [
    {"ph": "X", "cat": "cpu_op", "name": f"aten::op{number}", "pid": 1, "tid": 1, "ts": 10.5 * number, "dur": 5.25}
    for number in range(20)
]


def trace_text() -> str:
    events = ",\n".join(json.dumps(event, indent=2) for event in EVENTS)
    return '{"schemaVersion": 1, "baseTimeNanoseconds": 1000, "traceEvents": [\n' + events + "\n]}"


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2, nothing on stdout, and at most a message and a hint on stderr."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 2, done.stderr
    assert lines[0].startswith("profkit: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


ONE_PATH = [["inspect"], ["ops"], ["overflow"]]
TWO_PATHS = [["align"], ["compare"], ["triage"]]


@pytest.mark.parametrize("command", [*ONE_PATH, *TWO_PATHS], ids=lambda command: command[0])
def test_a_wrong_path(profkit: Command, tmp_path: Path, command: list[str]) -> None:
    paths = [tmp_path / "absent"] * (1 if command in ONE_PATH else 2)
    refused(profkit(*command, *paths), "absent", "does not exist")


@pytest.mark.parametrize("command", [*ONE_PATH, *TWO_PATHS], ids=lambda command: command[0])
def test_an_empty_directory(profkit: Command, tmp_path: Path, command: list[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    paths = [empty] * (1 if command in ONE_PATH else 2)
    refused(profkit(*command, *paths), "empty directory")


def test_an_empty_file(profkit: Command, tmp_path: Path) -> None:
    (tmp_path / "trace.json").touch()
    refused(profkit("ops", tmp_path / "trace.json"), "empty")


def test_json_that_is_no_profile(profkit: Command, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"learning_rate": 0.1, "layers": [1, 2, 3]}))
    refused(profkit("ops", path), "config.json", "format")


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_cut_trace_is_salvaged_and_says_so(profkit: Command, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    content = trace_text().encode()
    if suffix == ".json.gz":
        content = gzip.compress(content, mtime=0)
    path.write_bytes(content[: len(content) * 3 // 4])
    done = profkit("ops", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert 0 < len(rows) < len(EVENTS)
    assert all(row["total_ns"] == 5250 for row in rows)
    assert "import issue" in done.stderr
    assert profkit("ops", path, "--fail-on", "issues").returncode == 1


def test_a_bare_quote_in_a_name_is_repaired_and_said(profkit: Command, tmp_path: Path) -> None:
    path = tmp_path / "quoted.json"
    path.write_text(trace_text().replace("aten::op7", 'say "hi" to op7'))
    done = profkit("ops", path, "--format", "json")
    assert done.returncode == 0, done.stderr
    names = {row["name"] for row in json.loads(done.stdout)}
    assert 'say "hi" to op7' in names
    assert len(names) == len(EVENTS)
    issues = json.loads(profkit("inspect", path, "--issues", "--format", "json").stdout)
    assert issues


def test_an_object_array_is_refused_unopened(profkit: Command, tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(marker),)

    np.save(tmp_path / "object.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    np.save(tmp_path / "good.npy", np.ones(3, np.float32))
    done = profkit("compare", tmp_path / "good.npy", tmp_path / "object.npy", "--format", "json")
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 2}
    if done.returncode == 0:
        (row,) = json.loads(done.stdout)
        assert row["status"] == "unreadable"
        assert "object" in row["reason"]
    assert not marker.exists()


def test_a_recording_of_tensors_is_no_recording_of_time(profkit: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(3, np.float32))
    refused(profkit("ops", tmp_path / "x.npy"), "no operators", "inspect")


def test_a_result_that_cannot_be_written(profkit: Command, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(trace_text())
    done = profkit("ops", path, "-o", tmp_path / "absent" / "ops.csv")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    done = profkit("ops", path, "-o", tmp_path / "ops.xlsx")
    assert done.returncode == 2
    assert "names no format" in done.stderr


@pytest.mark.parametrize("command", [["steps"], ["ops"], ["align", "absent"], ["triage", "absent"]])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_read(
    command: list[str], profkit: Command, tmp_path: Path
) -> None:
    refused(profkit(*command, tmp_path / "unread", "-o", tmp_path / "absent" / "x.csv"), "cannot be written")
    refused(profkit(*command, tmp_path / "unread", "-o", tmp_path / "x.xlsx"), "names no format")


@pytest.mark.parametrize("command", [["demo"], ["triage", "absent"]])
def test_a_directory_that_is_no_session_is_told_before_anything_is_read(
    command: list[str], profkit: Command, tmp_path: Path
) -> None:
    refused(profkit(*command, "-q", "-o", tmp_path), "exists and is no session")


def test_bad_usage_names_the_mistake(profkit: Command, tmp_path: Path) -> None:
    for arguments in (["nonsense"], ["ops"], ["ops", tmp_path, "--by", "colour"], ["ops", tmp_path, "--fail-on", "x"]):
        done = profkit(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert "Error" in done.stderr


def test_control_characters_of_a_path_do_not_reach_the_terminal(profkit: Command, tmp_path: Path) -> None:
    done = profkit("ops", tmp_path / "a\x1b[2Jb")
    assert "\x1b" not in done.stderr
    assert done.returncode == 2


def test_a_file_that_ends_too_early_is_no_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reads_too_far.py").write_text(
        "import click\n\n@click.command()\ndef command():\n    raise EOFError('the stream ended')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(COMMANDS, "read", ("reads_too_far", "Reads too far."))
    with pytest.raises(SystemExit) as end:
        main(["read"])
    assert end.value.code == 2
    assert "EOFError: the stream ended" in capsys.readouterr().err


@pytest.mark.parametrize("command", ONE_PATH, ids=" ".join)
def test_an_empty_path_is_not_this_directory(profkit: Command, command: list[str]) -> None:
    done = profkit(*command, "")
    assert done.returncode == 2
    assert "the path is empty" in done.stderr


@pytest.mark.parametrize("command", [["ops"], ["steps"], ["triage"], ["align"]], ids=lambda command: command[0])
def test_a_recording_that_lost_everything_says_why(profkit: Command, tmp_path: Path, command: list[str]) -> None:
    trace = tmp_path / "trace.json"
    late = [{**event, "ts": 2**63} for event in EVENTS]
    trace.write_text(json.dumps({"schemaVersion": 1, "traceEvents": late}))
    paths = [trace] * (2 if command == ["align"] else 1)
    refused(profkit(*command, *paths), "trace.json holds n", "20 events", "no time within int64", "--issues")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_a_full_disk_behind_stdout_is_no_fault_of_profkit(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    trace.write_text(trace_text())
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "profkit", "ops", "-q", trace], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "profkit: the result cannot be written to stdout: No space left on device",
        "  make room there, or choose a file with -o",
    ]


@pytest.mark.parametrize(
    ("pack", "word"),
    [(lzma.compress, "with xz"), (bz2.compress, "with bzip2"), (lambda raw: raw.decode().encode("utf-16"), "UTF-16")],
    ids=["xz", "bzip2", "utf-16"],
)
def test_what_only_has_to_be_unpacked_is_named(
    profkit: Command, tmp_path: Path, pack: Callable[[bytes], bytes], word: str
) -> None:
    (tmp_path / "trace.json").write_bytes(pack(trace_text().encode()))
    refused(profkit("ops", tmp_path / "trace.json"), word)
