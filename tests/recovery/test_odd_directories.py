"""Directories as users and attackers leave them: pipes, sockets, devices, links, loops, crowds; bounded and told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.discovery import discover
from profkit.errors import ProfkitError
from profkit.run import load

pytestmark = pytest.mark.exhaustive

OUTPUT = "ASCEND_PROFILER_OUTPUT"
DUMPED = "Add.Default_Add-op{}.0.0.{}.output.0.DefaultFormat.npy"
MANY = 20_000


def trace(path: Path, events: int = 2) -> Path:
    """A synthetic trace."""
    listed = [
        {"ph": "X", "cat": "cpu_op", "name": f"aten::op{number}", "pid": 1, "tid": 1, "ts": number, "dur": 1}
        for number in range(events)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": listed}))
    return path


@pytest.fixture
def short_time() -> Iterator[None]:
    """The whole test within 30 seconds of the process's own time: the machine may be busy, a quadratic walk is not."""
    began = time.process_time()
    yield
    assert time.process_time() - began < 30


def _make_fifo(path: Path) -> None:
    os.mkfifo(path)


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


SPECIAL: dict[str, Callable[[Path], object]] = {
    "fifo": _make_fifo,
    "socket": _bind,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "directory": lambda path: path.mkdir(),
}
NAMES = [
    "trace.json",
    "trace_view.json",
    "kernel_details.csv",
    "communication.json",
    "x.npy",
    DUMPED.format(0, 1795440005067193),
    "statistic.csv",
    "mapping.csv",
    "cpu_op_execute_timestamp_0.txt",
    "profiler_info_0.json",
    "ascend_pytorch_profiler_0.db",
]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_never_hangs(kind: str, tmp_path: Path, reading: Callable[[Path], Any]) -> None:
    for name in NAMES:
        for folder in (
            "plain",
            f"run_ascend_ms/{OUTPUT}",
            "cpu_ascend_ms/FRAMEWORK",
            "bare_ascend_pt",
            "rank_0/net/0/0",
        ):
            place = tmp_path / name / folder
            place.mkdir(parents=True)
            SPECIAL[kind](place / name)
            for path in {place / name, place, place.parent}:
                found = reading(path)
                assert found.error is not None or found.count == 0 or found.issues, path
        shutil.rmtree(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.timeout(60)
def test_a_pipe_beside_a_good_file_costs_only_itself(tmp_path: Path, reading: Callable[[Path], Any]) -> None:
    trace(tmp_path / "trace.json")
    os.mkfifo(tmp_path / "other.json")
    found = reading(tmp_path)
    assert found.rows["ops"].total() == 2
    assert tmp_path / "other.json" in discover(tmp_path).unrecognised


def test_links_that_leave_the_directory_are_not_followed(tmp_path: Path) -> None:
    outside = trace(tmp_path / "outside" / "secret.json")
    run = tmp_path / "run"
    trace(run / "trace.json")
    (run / "link.json").symlink_to(outside)
    (run / "up").symlink_to(tmp_path)
    (run / "etc").symlink_to("/etc")
    discovery = discover(run)
    assert [found.path for found in discovery.found] == [run / "trace.json"]
    assert set(discovery.unrecognised) == {run / "link.json", run / "up", run / "etc"}
    dump = tmp_path / "dump"
    dump.mkdir()
    np.save(dump / "a.npy", np.ones(2, np.float32))
    (dump / "b.npy").symlink_to("/etc/passwd")
    loaded = load(dump)
    assert len(loaded.tensors) == 1
    assert [issue for issue in loaded.issues if "link" in issue.text]


def test_loops_of_links_end(tmp_path: Path) -> None:
    trace(tmp_path / "run" / "a" / "trace.json")
    (tmp_path / "run" / "a" / "again").symlink_to(tmp_path / "run")
    (tmp_path / "run" / "b").symlink_to(tmp_path / "run" / "a")
    (tmp_path / "run" / "c").symlink_to("c")
    assert len(discover(tmp_path / "run").found) == 1


def test_names_in_mapping_files_name_no_paths(tmp_path: Path, reading: Callable[[Path], Any]) -> None:
    folder = tmp_path / "rank_0" / "net" / "0" / "0"
    folder.mkdir(parents=True)
    np.save(folder / DUMPED.format(0, 1795440005067193), np.ones(2, np.float32))
    for number, name in enumerate(["../../../../../etc/passwd", "/etc/passwd", "..", "a/" + DUMPED.format(1, 10**15)]):
        np.save(folder / f"{number}.npy", np.ones(2, np.float32))
        with (folder / "mapping.csv").open("a") as file:
            file.write(f"{number}.npy,{name}\n../../{number}.npy,{DUMPED.format(2, 10**15)}\n")
    found = reading(tmp_path)
    assert found.issues
    for path in load(tmp_path).tensors["path"].astype(object):
        assert Path(path).resolve().parent == folder.resolve()


@pytest.mark.usefixtures("short_time")
@pytest.mark.parametrize("kind", ["tensors", "dump", "texts", "empty directories"])
def test_a_crowd_of_files_takes_bounded_time(kind: str, tmp_path: Path, reading: Callable[[Path], Any]) -> None:
    content = _npy_bytes()
    folder = tmp_path / "rank_0" / "net" / "0" / "0" if kind == "dump" else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(MANY if kind != "empty directories" else MANY // 5):
        if kind == "empty directories":
            (folder / f"d{number}").mkdir()
        elif kind == "texts":
            (folder / f"note{number}.json").write_bytes(b"{}")
        else:
            name = DUMPED.format(number, 1795440005067193 + number) if kind == "dump" else f"{number}_layer.npy"
            (folder / name).write_bytes(content)
    found = reading(tmp_path)
    if kind in ("tensors", "dump"):
        assert found.rows["tensors"].total() == MANY
    else:
        assert found.error is not None


def _npy_bytes() -> bytes:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(8)


def test_directories_beyond_the_depth_are_told(tmp_path: Path, reading: Callable[[Path], Any]) -> None:
    trace(tmp_path / "trace.json")
    trace(tmp_path / "/".join("abcdefghijkl") / "deep.json")
    found = reading(tmp_path)
    assert any("too deep" in issue.text for issue in found.issues)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = trace(tmp_path / "trace.json")
    path.chmod(0)
    try:
        with pytest.raises(ProfkitError) as caught:
            load(path)
    finally:
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert "trace.json" in caught.value.message


def test_a_file_that_vanishes_between_listing_and_reading(tmp_path: Path) -> None:
    trace(tmp_path / "a.json")
    gone = trace(tmp_path / "b.json")

    def remove(verb: str, subject: str, fraction: float | None) -> None:
        gone.unlink(missing_ok=True)

    with pytest.raises(ProfkitError) as caught:
        load(tmp_path, progress=remove)
    assert "b.json" in caught.value.message


def test_a_name_that_is_no_text_is_told_and_what_lies_beside_it_is_read(tmp_path: Path) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/run\xff.json"))
    trace(strange)
    for given in (strange, tmp_path):
        with pytest.raises(ProfkitError, match="not UTF-8"):
            discover(given)
    trace(tmp_path / "good.json")
    found = discover(tmp_path)
    assert [one.path.name for one in found.found] == ["good.json"]
    assert found.unrecognised == (strange,)
