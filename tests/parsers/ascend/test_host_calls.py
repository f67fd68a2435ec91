"""Host calls with their code, from operator_details.csv and from databases, re-read here without profkit."""

from __future__ import annotations

import csv
import sqlite3
from decimal import Decimal
from pathlib import Path

import pandas as pd

from profkit.parsers.ascend.host_calls import read_host_calls
from profkit.progress import silent
from profkit.run import load

PROFILES = "samples/mindspore_profiler"
TIMES = {
    "Host Self Duration(us)": "host_self_ns",
    "Host Total Duration(us)": "host_total_ns",
    "Device Self Duration(us)": "device_self_ns",
    "Device Total Duration(us)": "device_total_ns",
    "Device Self Duration With AICore(us)": "device_self_aicore_ns",
    "Device Total Duration With AICore(us)": "device_total_aicore_ns",
}


def test_every_record_is_a_row_with_exact_times(shared: Path) -> None:
    files = sorted((shared / PROFILES).rglob("operator_details.csv"))
    assert len(files) >= 7
    rows = 0
    for file in files:
        calls, table = read_host_calls(file, silent)
        assert not table.issues, file
        with file.open(newline="", encoding="utf-8-sig") as opened:
            wanted = list(csv.DictReader(opened))
        assert calls["name"].tolist() == [row["Name"] for row in wanted]
        rows += len(wanted)
        for recorded, column in TIMES.items():
            times = [row.get(recorded) for row in wanted]
            assert calls[column].tolist() == [
                pd.NA if not time else int((Decimal(time) * 1000).to_integral_value()) for time in times
            ], (file, column)
        for row, shapes, stack in zip(wanted, calls["input_shapes"], calls["call_stack"], strict=True):
            assert ("" if pd.isna(shapes) else shapes) == "".join(row["Input Shapes"].split())
            frames = [frame.strip() for frame in (row.get("Call Stack") or "").split(";") if frame.strip()]
            assert ("" if pd.isna(stack) else stack) == "; ".join(frames)
    assert rows >= 1700


def test_stacks_of_a_database_are_those_of_a_join(shared: Path) -> None:
    for file in sorted((shared / PROFILES).rglob("ascend_pytorch_profiler_0.db")):
        with sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True) as connection:
            wanted = connection.execute(
                "SELECT n.value, CAST(a.startNs AS INTEGER), (SELECT group_concat(line, '; ') FROM "
                "(SELECT s.value line FROM PYTORCH_CALLCHAINS c JOIN STRING_IDS s ON s.id = c.stack "
                "WHERE c.id = a.callchainId "
                "ORDER BY c.stackDepth)) FROM PYTORCH_API a JOIN STRING_IDS n ON n.id = a.name "
                "WHERE a.callchainId IS NOT NULL ORDER BY a.rowid"
            ).fetchall()
        run = load(file.parents[1])
        calls = run.host_calls
        assert list(zip(calls["name"], calls["start_ns"], calls["call_stack"], strict=True)) == wanted
        assert len(wanted) > 300
        # The row joins the operator.
        host = run.ops[run.ops["level"] == "host"].set_index("row")
        shared_rows = calls["row"][calls["row"].isin(host.index)]
        assert (host.loc[shared_rows, "name"].to_numpy() == calls.set_index("row").loc[shared_rows, "name"]).all()
        assert len(shared_rows) > 100


def test_secrets_in_a_stack_are_taken_out(tmp_path: Path) -> None:
    file = tmp_path / "operator_details.csv"
    file.write_text(
        "Name,Input Shapes,Call Stack\n"
        'aten::add,"2,3;\n2,3","/home/me/train.py(3): --api-key hunter2;\n<string>(1): f"\n'
    )
    calls, table = read_host_calls(file, silent)
    assert not table.issues
    assert calls["call_stack"].tolist() == ["/home/me/train.py(3): --api-key <redacted>; <string>(1): f"]
    assert calls["input_shapes"].tolist() == ["2,3;2,3"]


def test_a_swallowed_record_is_still_refused(tmp_path: Path) -> None:
    file = tmp_path / "operator_details.csv"
    file.write_text('Name,Input Shapes,Call Stack\na,1,"x(1): f;\ny(2): g\nb,2,"z(1): f"\nc,3,w\n')
    calls, table = read_host_calls(file, silent)
    assert any("refused" in issue.text for issue in table.issues)
    assert "a" not in calls["name"].tolist()
