"""Files made to hurt: bombs, depth, endless numbers, names that are code elsewhere; bounded, and never a traceback."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.errors import Severity, UnreadableInputError
from profkit.parsers.base import Parsed
from profkit.parsers.chrome.events import Argument, EventFile, read_events
from profkit.parsers.pytorch.kineto_trace import KinetoTrace
from profkit.parsers.registry import claim
from profkit.progress import silent

pytestmark = pytest.mark.exhaustive

# A run of the command needs about 200 MiB by itself; a bomb that is unpacked whole needs 512 MiB more.
MOST_RESIDENT_KIB = 450 << 10
MOST_ADDRESSES = 6 << 30
# A bomb that works ends its own process and not the machine's. The process reads its own peak: what the system tells
# its parent begins with the memory of that parent, which may have frameworks loaded.
_LIMITED = f"""
import pathlib, resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, ({MOST_ADDRESSES}, {MOST_ADDRESSES}))
try:
    runpy.run_module("profkit", run_name="__main__", alter_sys=True)
finally:
    pathlib.Path("status").write_bytes(pathlib.Path("/proc/self/status").read_bytes())
"""


def event(number: int, **fields: Any) -> dict[str, Any]:
    named = {
        "ph": "X",
        "cat": "cpu_op",
        "name": f"aten::op{number}",
        "pid": 1,
        "tid": 2,
        "ts": number + 0.125,
        "dur": 2.5,
    }
    return {**named, **fields}


def read(tmp_path: Path, content: str | bytes) -> EventFile:
    path = tmp_path / "trace.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_events(path, [Argument("correlation", "int"), Argument("dims", "json", "Input Dims")])


def parse(tmp_path: Path, events: str) -> Parsed:
    path = tmp_path / "trace.json"
    path.write_text('{"schemaVersion": 1, "baseTimeNanoseconds": 1790857026000000000, "traceEvents": ' + events + "}")
    return KinetoTrace().read(path, silent)


def run_profkit(cwd: Path, *arguments: object) -> tuple[int, bytes, bytes]:
    """Run the command: exit code, stdout and stderr."""
    command = [sys.executable, "-c", _LIMITED, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, env=dict(os.environ), check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout, done.stderr


def peak_kib(cwd: Path) -> int:
    """Give the largest resident memory of the command that ran in a folder."""
    lines = (cwd / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


BOMB_BYTES = 512 << 20
PART_BYTES = 32 << 20
BOMBS: dict[str, Callable[[int], bytes]] = {
    "blanks": lambda size: b'{"schemaVersion": 1, "traceEvents": [' + b" " * size,
    "one name": lambda size: b'{"schemaVersion": 1, "traceEvents": [{"ph": "X", "name": "' + b"a" * size,
}


@pytest.mark.timeout(120)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_of_a_thousand_to_one_stays_small_in_memory(kind: str, tmp_path: Path) -> None:
    filler = BOMBS[kind](1)[-1:] * PART_BYTES
    path = tmp_path / "bomb.json.gz"
    packed = gzip.compress(filler, mtime=0)
    path.write_bytes(gzip.compress(BOMBS[kind](0)) + packed * (BOMB_BYTES // PART_BYTES))
    assert BOMB_BYTES / path.stat().st_size > 900
    code, out, err = run_profkit(tmp_path, "ops", path, "--no-cache")
    resident = peak_kib(tmp_path)
    assert code == 2
    assert out == b""
    assert b"Traceback" not in err
    assert resident < MOST_RESIDENT_KIB, f"{resident >> 10} MiB"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", ["args", "header", "trailer", "event"])
def test_nesting_of_two_hundred_thousand_is_borne(place: str, tmp_path: Path) -> None:
    deep = "[" * 200_000 + "]" * 200_000
    good = json.dumps(event(0))
    texts = {
        "args": f'[{good}, {{"ph": "X", "args": {{"Input Dims": {deep}}}}}, {good}]',
        "header": f'{{"deep": {deep}, "traceEvents": [{good}, {good}]}}',
        "trailer": f'{{"traceEvents": [{good}, {good}], "deep": {deep}}}',
        "event": f"[{good}, {deep}, {good}]",
    }
    found = read(tmp_path, texts[place])
    assert found.events["name"].tolist().count("aten::op0") == 2
    assert found.issues


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ts", "9" * 5000),
        ("ts", "9" * 30),
        ("ts", '"' + "9" * 30 + '.123"'),
        ("ts", "1e999999999"),
        ("ts", "0." + "0" * 5000 + "1"),
        ("dur", "9" * 5000),
        ("pid", "9" * 5000),
        ("tid", "9" * 30),
        ("args", '{"correlation": ' + "9" * 5000 + "}"),
        ("args", '{"correlation": "' + "9" * 30 + '"}'),
    ],
)
def test_numbers_without_bound_are_unknown_and_told(field: str, value: str, tmp_path: Path) -> None:
    good = json.dumps(event(0))
    bad = json.dumps(event(1, **{field: "HERE"})).replace('"HERE"', value)
    found = read(tmp_path, f"[{good}, {bad}, {good}]")
    assert found.events["row"].tolist()[0] == 0
    assert found.events["row"].tolist()[-1] == 2
    assert found.events["ts_ns"].tolist()[0] == 125
    if field in ("pid", "tid") and len(found.events) == 3:
        assert found.events[field].tolist()[1] == value
        return
    assert any(issue.where.startswith("event 1") for issue in found.issues)
    column = {"ts": "ts_ns", "dur": "dur_ns", "args": "correlation"}[field]
    values = found.events.loc[found.events["row"] == 1, column].tolist()
    assert all(pd.isna(value) or (field == "ts" and value == 0) for value in values)


def test_negative_durations_and_times_are_told(tmp_path: Path) -> None:
    events = [event(0), event(1, dur=-3.25), event(2, ts=-5.5), event(3, dur=-(2**70)), event(4, ts=2**53)]
    parsed = parse(tmp_path, json.dumps(events))
    ops = parsed.frames["ops"].set_index("row")
    assert ops["dur_ns"].min() >= 0
    assert ops.loc[0, "start_ns"] == 1790857026000000125
    assert ops.loc[2, "start_ns"] == 1790857026000000000 - 5500
    assert 3 not in ops.index
    assert ops.index.tolist() == [0, 1, 2] or ops.loc[4, "start_ns"] == 1790857026000000000 + 2**53 * 1000
    negative = [issue for issue in parsed.issues if "negative" in issue.text]
    assert [issue.where for issue in negative] == ["event 1"]


def test_of_keys_that_stand_twice_the_last_one_counts(tmp_path: Path) -> None:
    args = '{"correlation": 1, "correlation": 2}'
    text = f'[{{"ph": "i", "ph": "X", "name": "a", "name": "b", "ts": 1, "ts": 2.5, "args": {args}}}]'
    found = read(tmp_path, text).events
    assert found[["ph", "name", "ts_ns", "correlation"]].values.tolist() == [["X", "b", 2500, 2]]
    assert json.loads(text)[0]["name"] == "b"


def test_a_second_list_of_events_is_never_lost_in_silence(tmp_path: Path) -> None:
    lists = [json.dumps([event(number)]) for number in (0, 1)]
    found = read(tmp_path, f'{{"traceEvents": {lists[0]}, "traceEvents": {lists[1]}}}')
    names = found.events["name"].tolist()
    assert names == ["aten::op0", "aten::op1"] or found.issues


HOSTILE_NAMES = [
    "\x1b[2Jcleared\x1b]0;title\x07",
    "[red]markup[/red] [/conv] [link=file:///etc/passwd]x[/link]",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "<script>alert(1)</script><b>&amp;",
    "a|b\nc\r\td `code` *bold* [x](http://y)",
    "\u202egnp.exe \u2066hidden\u2069 \ufeff",
    "null\x00byte \x85 \x9b31m",
    "half \ud800 pair",
    "x" * 5000,
    "",
    "   ",
    "NaN",
    "-0",
]
RAW_CONTROLS = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\n")}
DIRECTIONS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff")


@pytest.fixture(scope="module")
def hostile_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    events = [event(number, name=name) for number, name in enumerate(HOSTILE_NAMES)]
    path = tmp_path_factory.mktemp("hostile") / "trace.json"
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))
    return path


@pytest.mark.parametrize("form", ["text", "csv", "json", "html", "markdown"])
def test_names_are_text_and_nothing_more_in_every_output(form: str, hostile_trace: Path, tmp_path: Path) -> None:
    code, out, err = run_profkit(tmp_path, "ops", hostile_trace, "--no-cache", "--format", form)
    assert code == 0, err
    text = out.decode("utf-8").replace("\r\n", "\n")
    assert not {ord(letter) for letter in text} & RAW_CONTROLS
    assert not set(text) & DIRECTIONS
    assert "Traceback" not in err.decode()
    if form == "json":
        rows = json.loads(text)
        assert len(rows) == len(HOSTILE_NAMES)
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(rows) == len(HOSTILE_NAMES)
        assert not [row["name"] for row in rows if row["name"].startswith(("=", "+", "@", "-"))]
    elif form == "html":
        assert "<script" not in text
        assert "<b>&" not in text
    elif form == "markdown":
        table = [line for line in text.splitlines() if line.startswith("|")]
        assert len(table) == len(HOSTILE_NAMES) + 2
        columns = {line.replace("\\|", "").count("|") for line in table}
        assert len(columns) == 1
    else:
        assert "[red]markup[/red]" in text


def test_issues_and_file_names_are_made_safe(tmp_path: Path) -> None:
    path = tmp_path / "tr\x1b[31mace\u202e.json"
    path.write_text('{"schemaVersion": 1, "traceEvents": [' + json.dumps(event(0)) + ', {"ph": }')
    for arguments in (["ops", path], ["inspect", path], ["inspect", path, "--issues"]):
        code, out, err = run_profkit(tmp_path, *arguments, "--no-cache")
        assert code == 0, err
        assert b"\x1b" not in out + err
        assert "\u202e" not in (out + err).decode()


def test_secrets_of_the_header_never_appear(tmp_path: Path) -> None:
    secret = "hunter2-token-value"
    path = tmp_path / "trace.json"
    header = {"schemaVersion": 1, "PT_PROFILER_TOKEN": secret, "ENV_VARIABLES": {"AWS_SECRET_ACCESS_KEY": secret}}
    for broken in ("", ', "broken": {'):
        text = json.dumps(header)[:-1] + f', "traceEvents": [{json.dumps(event(0))}]{broken}'
        path.write_text(text + ("}" if not broken else ""))
        for arguments in (["inspect"], ["inspect", "--issues"], ["ops"], ["inspect", "--format", "json"]):
            _, out, err = run_profkit(tmp_path, arguments[0], path, *arguments[1:])
            assert secret.encode() not in out + err
    cached = [file for file in Path(os.environ["PROFKIT_CACHE_DIR"]).rglob("*") if file.is_file()]
    assert not [file for file in cached if secret.encode() in file.read_bytes()]


RECOGNISED_NAMES = [
    "trace.json", "trace.json.gz", "w.pt.trace.json", "kernel_details.csv", "trace_view.json", "step_trace_time.csv",
    "communication.json", "op_statistic.csv", "operator_details.csv", "memory_record.csv", "api_statistic.csv",
    "profiler_info_0.json", "profiler_metadata.json", "ascend_pytorch_profiler_0.db", "ascend_mindspore_profiler_0.db",
    "msprof_1.db", "cpu_op_execute_timestamp_0.txt", "cpu_framework_0.txt", "tensor.npy", "statistic.csv",
    "Add.Default_Add-op0.0.0.1795440005067193.output.0.DefaultFormat.npy", "aicore_intermediate_0_detail.csv",
    "timeline_display_0.json", "step_trace_raw_0_detail_time.csv", "minddata_pipeline_raw_0.csv",
]  # fmt: skip


@pytest.mark.parametrize("name", RECOGNISED_NAMES)
def test_an_empty_file_of_any_known_name_is_an_error_or_an_issue(
    name: str, tmp_path: Path, reading: Callable[[Path], Any]
) -> None:
    places = [tmp_path / "alone", tmp_path / "x_ascend_ms/ASCEND_PROFILER_OUTPUT", tmp_path / "y_ascend_pt/FRAMEWORK"]
    for folder in (*places, tmp_path / "profiler"):
        folder.mkdir(parents=True)
        (folder / name).touch()
        named = {"alone": [folder, folder / name]}.get(folder.name, [folder, folder.parent])
        for path in named:
            found = reading(path)
            assert found.error is not None or found.issues or found.rows, path


def test_a_file_that_changes_while_it_is_read_is_read_once(tmp_path: Path) -> None:
    """Replaced by another file in the middle: the open file goes on, as it was; cut in place: told."""
    path = tmp_path / "trace.json"
    padding = {"pad": "x" * 1000}
    events = [event(number, args=padding) for number in range(20_000)]
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))

    def replace(verb: str, subject: str, fraction: float | None) -> None:
        if path.stat().st_size > 1000:
            (tmp_path / "new").write_text(json.dumps([event(7)]))
            (tmp_path / "new").replace(path)

    assert len(read_events(path, progress=replace).events) == len(events)
    path.write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))
    done: list[bool] = []

    def cut(verb: str, subject: str, fraction: float | None) -> None:
        if not done:
            done.append(True)
            os.truncate(path, path.stat().st_size // 2)

    found = read_events(path, progress=cut)
    assert len(found.events) < len(events)
    assert any(issue.severity is Severity.DATA_LOSS for issue in found.issues)


def test_what_is_claimed_by_nobody_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "random.json.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 40))
    assert claim(path) is None
    with pytest.raises(UnreadableInputError):
        read_events(path)
