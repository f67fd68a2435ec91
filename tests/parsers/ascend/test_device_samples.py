"""Samples of the device: tables of databases, counter events and CSV files, each against a plain reading."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from profkit.parsers.ascend.device_samples import read_sample_file
from profkit.parsers.registry import claim
from profkit.progress import silent
from profkit.run import load

RECORDED = "samples/mindspore_profiler/Ascend_msinsight/test/data/pytorch"
OLDER = "samples/mindspore_profiler/Ascend_msinsight/server/src/test/test_data/full_db/msprof_0.db"
TABLES = {
    "AICORE_FREQ": ["freq"],
    "HBM": ["bandwidth"],
    "LLC": ["hitRate", "throughput"],
    "DDR": ["read", "write"],
    "SOC_BANDWIDTH_LEVEL": ["l2BufferBwLevel", "mataBwLevel"],
    "ACC_PMU": ["readBwLevel", "writeBwLevel", "readOstLevel", "writeOstLevel"],
}


def test_tables_are_read_value_by_value(shared: Path) -> None:
    files = [*(shared / RECORDED / "db").rglob("ascend_pytorch_profiler_0.db"), shared / OLDER]
    tables = set()
    for file in files:
        samples = load(file).device_samples
        with sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True) as connection:
            present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")} & TABLES.keys()
            for table in present:
                for measure in TABLES[table]:
                    wanted = connection.execute(f"SELECT timestampNs, {measure} FROM {table}").fetchall()
                    ours = samples[(samples["resource"] == table) & (samples["measure"] == measure)]
                    assert list(zip(ours["time_ns"], ours["value"], strict=True)) == wanted, (file, table)
        tables |= present
        assert set(samples["resource"]) == present
    assert tables == TABLES.keys()


@pytest.mark.parametrize("level", ["level0", "level1"])
def test_every_counter_event_is_a_sample(shared: Path, level: str) -> None:
    run = shared / RECORDED / "text" / level / "rank0_ascend_pt"
    events = json.loads((run / "ASCEND_PROFILER_OUTPUT/trace_view.json").read_text(), parse_float=Decimal)
    lanes = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    wanted = []
    for event in events:
        if event["ph"] == "C":
            part = event["args"].pop("acc_id", None)
            for key, value in event["args"].items():
                scaled = float(value) * (100 if key == "Hit Rate(%)" else 1)
                name = event["name"] + (f" {part}" if part is not None else "")
                wanted.append((int(Decimal(event["ts"]) * 1000), lanes[event["pid"]], name, pytest.approx(scaled)))
    samples = load(run).device_samples
    ours = list(zip(samples["time_ns"], samples["resource"], samples["counter"], samples["value"], strict=True))
    assert len(ours) == len(wanted) > 3000
    assert sorted(ours, key=lambda one: one[:3]) == sorted(wanted, key=lambda one: one[:3])


def test_rates_of_trace_and_database_have_one_scale(shared: Path) -> None:
    """Two recordings of one network: their cache rates are of one size, whatever the file they stand in."""
    text = load(shared / RECORDED / "text/level1/rank0_ascend_pt").device_samples
    database = load(shared / RECORDED / "db/level1/rank0_ascend_pt").device_samples
    rates = [
        samples.loc[samples["measure"] == measure, "value"].max()
        for samples, measure in ((text, "Hit Rate"), (database, "hitRate"))
    ]
    assert all(50 < rate <= 100 for rate in rates)
    assert set(text.loc[text["measure"] == "Hit Rate", "unit"]) == {"%"}


def trace(tmp_path: Path, *counters: dict[str, object]) -> Path:
    lane = {"ph": "M", "name": "process_name", "pid": 1, "tid": 0, "args": {"name": "NIC"}}
    kernel = {"ph": "X", "name": "MatMul", "pid": 2, "tid": 3, "ts": "1736408883574037.920", "dur": 5, "args": {}}
    device = {"ph": "M", "name": "process_name", "pid": 2, "tid": 0, "args": {"name": "Ascend Hardware"}}
    path = tmp_path / "trace_view.json"
    path.write_text(json.dumps([lane, device, kernel, *counters]))
    return path


def test_counters_with_several_values_and_unknown_ones(tmp_path: Path) -> None:
    place = {"ph": "C", "pid": 1, "tid": 0, "ts": "1736408883574037.921"}
    path = trace(
        tmp_path,
        {**place, "name": "Port 0/Rx", "args": {"Rx Packets": 60.0, "Rx Error Rate": 1.2}},
        {**place, "name": "of a later version", "args": {"Beams(GHz)": 3}},
        {**place, "name": "odd", "args": {"value": "many"}},
    )
    found = claim(path)
    assert found is not None
    parsed = found.parser.read(path, silent)
    samples = parsed.frames["device_samples"]
    assert samples[["counter", "measure", "value"]].to_numpy().tolist() == [
        ["Port 0/Rx", "Rx Packets", 60.0],
        ["Port 0/Rx", "Rx Error Rate", 1.2],
    ]
    assert set(samples["time_ns"]) == {1736408883574037921}
    (told,) = (issue.text for issue in parsed.issues if "counter events" in issue.text)
    assert "(2)" in told
    assert "of a later version" in told
    assert "odd" in told


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        (
            "nic.csv",
            "Device_id,Timestamp(us),Bandwidth(MB/s),Rx Bandwidth efficiency(%),rxPacket/s,funcId\n"
            "0,1736408883574037.921\t,25000,0.5,10,1\n",
            [
                (1736408883574037921, 0, "1", "Bandwidth", "MB/s", 25000.0),
                (1736408883574037921, 0, "1", "Rx Bandwidth efficiency", "%", 0.5),
                (1736408883574037921, 0, "1", "rxPacket/s", None, 10.0),
            ],
        ),
        (
            "pcie.csv",
            "Device_id,Mode,Min,Max,Avg\n3,Tx_p_avg(MB/s),0,7.5,N/A\n",
            [(None, 3, "Tx_p_avg(MB/s)", "Min", None, 0.0), (None, 3, "Tx_p_avg(MB/s)", "Max", None, 7.5)],
        ),
        ("hccs.csv", "Mode,Max,Min,Average\r\nTx,9,1,5\r\n", [
            (None, None, "Tx", "Max", None, 9.0),
            (None, None, "Tx", "Min", None, 1.0),
            (None, None, "Tx", "Average", None, 5.0),
        ]),
        ("hbm.csv", "Device_id,Metric,Read(MB/s),Write(MB/s)\n0,Average,1.5,2\n", [
            (None, 0, "Average", "Read", "MB/s", 1.5),
            (None, 0, "Average", "Write", "MB/s", 2.0),
        ]),
    ],
)  # fmt: skip
def test_files_of_the_manual(tmp_path: Path, name: str, content: str, rows: list[tuple[object, ...]]) -> None:
    """Headers as the msprof manual gives them; values are made up."""
    path = tmp_path / name
    path.write_text(content)
    samples, table = read_sample_file(path, silent)
    assert not table.issues
    columns = ["time_ns", "device", "counter", "measure", "unit", "value"]
    found = [tuple(None if pd.isna(one) else one for one in row) for row in samples[columns].to_numpy().tolist()]
    assert found == rows
    assert set(samples["resource"]) == {path.stem}


def test_marks_of_the_user_are_annotations(shared: Path) -> None:
    with sqlite3.connect(f"{(shared / OLDER).as_uri()}?mode=ro&immutable=1", uri=True) as connection:
        wanted = connection.execute(
            "SELECT m.startNs, m.endNs - m.startNs, s.value FROM MSTX_EVENTS m JOIN STRING_IDS s ON s.id = m.message"
        ).fetchall()
    spans = load(shared / OLDER).spans
    marks = spans[spans["kind"] == "annotation"]
    assert list(zip(marks["start_ns"], marks["dur_ns"], marks["name"], strict=True)) == wanted
    assert len(wanted) == 13


def test_operator_memory_of_a_database_without_a_framework(shared: Path) -> None:
    with sqlite3.connect(f"{(shared / OLDER).as_uri()}?mode=ro&immutable=1", uri=True) as connection:
        events = connection.execute(
            "SELECT type, addr, timestampNs, size FROM NPU_OP_MEM ORDER BY timestampNs"
        ).fetchall()
    open_at: dict[int, tuple[int, int]] = {}
    lifetimes = []
    for kind, address, time, size in events:
        if kind == 5:  # ENUM_MEMORY: allocate
            open_at[address] = (time, size)
        elif address in open_at:
            lifetimes.append((*open_at.pop(address), time))
    allocations = load(shared / OLDER).allocations
    closed = allocations[allocations["end_ns"].notna()]
    ours = sorted(zip(closed["start_ns"], closed["size_bytes"], closed["end_ns"], strict=True))
    assert ours == sorted(lifetimes)
    assert len(ours) > 200


def test_memory_of_the_graph_engine_is_told_in_databases(shared: Path) -> None:
    (file,) = (shared / RECORDED / "db/level1").rglob("ascend_pytorch_profiler_0.db")
    with sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True) as connection:
        (engine,) = connection.execute(
            "SELECT count(*) FROM OP_MEMORY WHERE name IN (SELECT operatorName FROM NPU_OP_MEM)"
        ).fetchone()
    components = load(file.parents[1]).allocations["component"].value_counts()
    assert components["GE"] == engine == 57
