"""Secrets planted in every container that profkit reads come out of no command, no cache, no export and no session.

The Kineto trace by itself is looked into by test_secrets.py; here are the others, and archives of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.cli import main
from profkit.errors import ProfkitError
from profkit.run import load
from profkit.schema import RECORDED_FRAMES
from profkit.tui.export import export

Command = Callable[..., "subprocess.CompletedProcess[str]"]
TextsBelow = Callable[[Path], Iterable[tuple[Path, str]]]

# Made up; none of them opens anything.
AMAZON = "AKIAIOSFODNN7EXAMPLE"
TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
PASSWORD = "hunter2-plain-words"
SECRETS = (AMAZON, TOKEN, PASSWORD)

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": AMAZON, "GITHUB_TOKEN": TOKEN, "DB_PASSWORD": PASSWORD, "LANG": "C"}
URL = f"https://me:{PASSWORD}@host/repository"
LINE = f'train(token="{TOKEN}", url="{URL}", password="{PASSWORD}", key="{AMAZON}")'


def kineto(folder: Path) -> Path:
    event = {"ph": "X", "cat": "cpu_op", "name": "aten::add", "pid": 1, "tid": 1, "ts": 1.5, "dur": 2}
    events = [{**event, "args": {"Call stack": LINE, "Concrete Inputs": [TOKEN], "api_token": PASSWORD}}]
    path = folder / "trace.json"
    path.write_text(json.dumps({"schemaVersion": 1, "env": ENVIRONMENT, "remote": URL, "traceEvents": events}))
    return path


def execution_trace(folder: Path) -> Path:
    values = {"values": [TOKEN, LINE], "shapes": [[], []], "types": ["String", "String"], "strides": [[], []]}
    attributes = [
        {"name": "rf_id", "type": "uint64", "value": 7},
        {"name": "kernel_file", "type": "string", "value": LINE},
    ]
    node = {"id": 3, "name": "aten::add", "ctrl_deps": 1, "inputs": values, "outputs": values, "attrs": attributes}
    path = folder / "et.json"
    head = {"schema": "1.1.1-chakra.0.0.4", "pid": 1, "time": "2026-01-01", "start_ts": 1, "password": PASSWORD}
    path.write_text(json.dumps({**head, "env": ENVIRONMENT, "nodes": [node]}))
    return path


def ascend_text(folder: Path) -> Path:
    bundled = next((Path(__file__).parents[2] / "samples/ascend_synthetic").glob("*_ascend_ms"))
    run = folder / bundled.name
    shutil.copytree(bundled, run)
    info = json.loads((run / "profiler_info_0.json").read_text())
    (run / "profiler_info_0.json").write_text(json.dumps({**info, "env": ENVIRONMENT, "output_url": URL}))
    (run / "profiler_metadata.json").write_text(json.dumps({"ENV_VARIABLES": ENVIRONMENT, "note": LINE}))
    output = run / "ASCEND_PROFILER_OUTPUT"
    stack = f'"/home/me/train.py(3): {LINE};\n<string>(1): <module>"'.replace(f"{LINE}", LINE.replace('"', '""'))
    (output / "operator_details.csv").write_text(f"Name,Input Shapes,Call Stack\naten::add,,{stack}\n")
    dataset = f'Batch,get,2,3.5,"{URL}"\n'
    (output / "dataset.csv").write_text(f"Operation,Stage,Occurrences,Avg. time (us),Custom Info\n{dataset}")
    events = json.loads((output / "trace_view.json").read_text())
    for event in events:
        if event["ph"] == "X":
            event.setdefault("args", {}).update({"Call stack": LINE, "api_token": PASSWORD})
    (output / "trace_view.json").write_text(json.dumps(events))
    (run / "logs").mkdir(exist_ok=True)
    (run / "logs/profiler_1_1.log").write_text(f"{LINE}\n{json.dumps(ENVIRONMENT)}")
    return run


def database(folder: Path) -> Path:
    path = folder / "ascend_pytorch_profiler_0.db"
    texts = {1: "aten::add", 2: f"/home/me/train.py(3): {LINE}", 3: f"upload {URL}", 4: "MatMulV2", 5: "AI_CORE"}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE STRING_IDS (id INTEGER, value TEXT);
            CREATE TABLE META_DATA (name TEXT, value TEXT);
            CREATE TABLE SESSION_TIME_INFO (startTimeNs INTEGER, endTimeNs INTEGER);
            CREATE TABLE HOST_INFO (hostUid TEXT, hostName TEXT);
            CREATE TABLE TASK (startNs INTEGER, endNs INTEGER, deviceId INTEGER, connectionId INTEGER,
                globalTaskId INTEGER, taskType INTEGER, streamId INTEGER);
            CREATE TABLE COMPUTE_TASK_INFO (name INTEGER, globalTaskId INTEGER, taskType INTEGER, opType INTEGER);
            CREATE TABLE PYTORCH_API (startNs TEXT, endNs TEXT, globalTid INTEGER, connectionId INTEGER, name INTEGER,
                callchainId INTEGER, type INTEGER);
            CREATE TABLE PYTORCH_CALLCHAINS (id INTEGER, stack INTEGER, stackDepth INTEGER);
            CREATE TABLE MSTX_EVENTS (startNs INTEGER, endNs INTEGER, eventType INTEGER, message INTEGER,
                globalTid INTEGER);
            INSERT INTO TASK VALUES (2000, 3000, 0, 9, 1, 5, 2);
            INSERT INTO COMPUTE_TASK_INFO VALUES (4, 1, 5, 4);
            INSERT INTO PYTORCH_API VALUES ('1000', '1500', 5, 9, 1, 0, 50001);
            INSERT INTO PYTORCH_CALLCHAINS VALUES (0, 2, 0);
            INSERT INTO MSTX_EVENTS VALUES (1000, 1500, 2, 3, 5);
            """
        )
        connection.executemany("INSERT INTO STRING_IDS VALUES (?, ?)", texts.items())
        connection.executemany("INSERT INTO META_DATA VALUES (?, ?)", [*ENVIRONMENT.items(), ("remote", URL)])
        connection.commit()
    return path


def msprobe(folder: Path) -> Path:
    dump = folder / "step0/rank0"
    dump.mkdir(parents=True)
    statistics = {"Max": float("nan"), "Min": 0.0, "Mean": 1.0, "Norm": 2.0}
    tensor = {"type": "torch.Tensor", "dtype": "torch.float32", "shape": [2], **statistics}
    text = {"type": "str", "value": TOKEN}
    call = {"input_args": [tensor, text], "input_kwargs": {"password": {"type": "str", "value": PASSWORD}}}
    data = {"Functional.linear.0.forward": {**call, "output": [tensor]}}
    head = {"task": "statistics", "level": "L1", "framework": "pytorch", "dump_data_dir": None, "env": ENVIRONMENT}
    (dump / "dump.json").write_text(json.dumps({**head, "data": data}))
    frames = [f"File /home/me/train.py, line 3, in main, \n {LINE}"]
    (dump / "stack.json").write_text(json.dumps({"0": [list(data), frames], "Functional.linear.0.forward": frames}))
    (dump / "construct.json").write_text(json.dumps({"Functional.linear.0.forward": None}))
    return dump


def mindspore_dump(folder: Path) -> Path:
    rank = folder / "dump/rank_0"
    for name in (".dump_metadata", "graphs", "Net/0/0"):
        (rank / name).mkdir(parents=True)
    config = {"device_target": "CPU", "ms_version": "2.10.0", "env": ENVIRONMENT, "remote": URL}
    (rank / ".dump_metadata/config.json").write_text(json.dumps(config))
    (rank / ".dump_metadata/data_dump.json").write_text(
        json.dumps({"common_dump_settings": {"url": URL, **ENVIRONMENT}})
    )
    code = f"      # In file /home/me/train.py:3, 1~2/  {LINE}/"
    scope = "      # Fullname with scope: (Default/Add-op1)"
    (rank / "graphs/ms_output_trace_code_graph_0.ir").write_text(
        f"subgraph @g() {{\n  %0(a) = PrimFunc_Add(%para1_x)\n{scope}\n{code}\n}}\n"
    )
    file = rank / "Net/0/0/Add.Default_Add-op1.0.0.1700000000000000.output.0.DefaultFormat.Float32.npy"
    np.save(file, np.array([np.nan, 1.0], np.float32))
    return folder / "dump"


@pytest.fixture
def run_here(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `profkit ARGUMENTS...` within this process: a hundred commands are too many to start Python for each."""
    capfd.readouterr()

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        code = end.value.code if isinstance(end.value.code, int) else 2
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess([str(one) for one in arguments], code, out, err)

    return run


MAKERS: dict[str, Callable[[Path], Path]] = {
    "kineto": kineto,
    "execution trace": execution_trace,
    "ascend text": ascend_text,
    "database": database,
    "msprobe": msprobe,
    "mindspore dump": mindspore_dump,
}


DUMPS = ("msprobe", "mindspore dump")


def packed(path: Path, kind: str, folder: Path) -> Path:
    archive = folder / f"recording.{kind}"
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as opened:
            for file in files:
                opened.write(file, file.relative_to(path.parent))
        return archive
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(path, path.name)
    return archive


def assert_clean(place: object, text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text], place


def commands(path: Path, out: Path) -> Iterator[list[Any]]:
    for command in ("ops", "steps", "memory", "comm", "overflow"):
        yield [command, path, "--debug"]
        for suffix in ("csv", "json", "parquet", "html", "md"):
            yield [command, path, "-o", out / f"{command}.{suffix}"]
    for option in ("--facts", "--issues", "--show-metadata"):
        yield ["inspect", path, option]
        yield ["inspect", path, option, "-o", out / f"inspect{option}.json"]
    for frame in RECORDED_FRAMES:
        yield ["inspect", path, "--frame", frame, "-o", out / f"{frame}.csv"]
    yield ["inspect", path, "--frame", "host_calls", "-o", out / "host_calls.html"]
    yield ["align", path, path, "-o", out / "alignment.csv"]
    yield ["compare", path, path, "-o", out / "parity.csv"]
    yield ["triage", path, path, "-o", out / "session"]
    yield ["structure", path, path]
    yield ["cache", "info"]


@pytest.mark.parametrize("container", MAKERS)
def test_no_command_gives_or_keeps_them(
    run_here: Command, tmp_path: Path, container: str, texts_below: TextsBelow
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    path = MAKERS[container](folder)
    assert any(secret in text for secret in SECRETS for _, text in texts_below(folder))
    done = [(command, run_here(*command)) for command in commands(path, out)]
    for command, result in done:
        assert_clean(command, result.stdout + result.stderr)
        assert result.returncode in (0, 1, 2), result.stderr
        assert "Traceback" not in result.stderr or "--debug" in command, result.stderr
    assert sum(result.returncode == 0 for _, result in done) >= 8
    for place, text in [*texts_below(out), *texts_below(Path(os.environ["PROFKIT_CACHE_DIR"]))]:
        assert_clean(place, text)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("container", MAKERS)
def test_archives_are_no_way_round(
    run_here: Command, tmp_path: Path, container: str, kind: str, texts_below: TextsBelow
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    archive = packed(MAKERS[container](folder), kind, tmp_path)
    for command in (
        ["inspect", archive, "--facts"],
        ["inspect", archive, "--show-metadata"],
        ["inspect", archive, "--frame", "tensors" if container in DUMPS else "ops", "-o", out / "rows.csv"],
        ["overflow" if container in DUMPS else "ops", archive, "-o", out / "table.json"],
    ):
        result = run_here(*command)
        assert_clean(command, result.stdout + result.stderr)
    for place, text in [*texts_below(out), *texts_below(Path(os.environ["PROFKIT_CACHE_DIR"]))]:
        assert_clean(place, text)


@pytest.mark.parametrize("container", MAKERS)
def test_rows_of_the_terminal_interface_are_written_without_them(tmp_path: Path, container: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    run = load(MAKERS[container](folder))
    written = 0
    for name in RECORDED_FRAMES:
        frame = getattr(run, name)
        with contextlib.suppress(ProfkitError):
            path = export(frame, np.arange(len(frame)), tmp_path, name)
            assert_clean(path, path.read_text(encoding="utf-8"))
            written += len(frame)
    assert written > 0


def test_what_is_no_secret_is_still_told(run_here: Command, tmp_path: Path) -> None:
    """The line of code stays, so that one finds it."""
    result = run_here("overflow", msprobe(tmp_path), "--format", "json")
    assert "train.py:3" in result.stdout
    (row,) = load(database(tmp_path)).host_calls.to_dict("records")
    assert row["call_stack"].startswith("/home/me/train.py(3): train(token=")
