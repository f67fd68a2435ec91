"""Type, number of elements and algorithm of collectives, against the recordings themselves."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.communication_summary import communication_rows, summarise_communication
from profkit.correlate.identity import identify
from profkit.parsers.ascend.collective_arguments import collective_arguments
from profkit.run import load
from profkit.schema import COMM

RECORDED = "samples/mindspore_profiler/Ascend_msinsight/test/data/pytorch"
MADE = "samples/mindspore_profiler/made_mindspore_2.10_ascend_semisynthetic"


def told_by_trace(file: Path) -> list[tuple[str, int, str]]:
    events = json.loads(file.read_text())
    arguments = [event["args"] for event in events if "data_type" in (event.get("args") or {})]
    return [(one["data_type"], one["count"], one["alg_type"]) for one in arguments]


def query(file: Path, statement: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True) as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize("level", ["level0", "level1"])
def test_text_runs_tell_what_their_trace_tells(shared: Path, level: str) -> None:
    for run in [shared / RECORDED / "text" / level / "rank0_ascend_pt", *(shared / MADE / level).iterdir()]:
        wanted = told_by_trace(run / "ASCEND_PROFILER_OUTPUT/trace_view.json")
        rows = communication_rows(identify(load(run)))
        rows = rows[rows["name"].str.startswith("hcom_allReduce")].sort_values("start_ns")
        assert len(wanted) == 4
        assert {word for word, _, _ in wanted} == {"FP32"}
        assert rows["elements"].tolist() == [count for _, count, _ in wanted]
        assert rows["message_bytes"].tolist() == [4 * count for _, count, _ in wanted]
        assert rows["algorithm"].tolist() == [algorithm for _, _, algorithm in wanted]
        assert set(rows["dtype"]) == {"float32"}


@pytest.mark.parametrize("level", ["level0", "level1"])
def test_databases_number_types_in_a_table_of_their_own(shared: Path, level: str) -> None:
    (file,) = (shared / RECORDED / "db" / level).rglob("ascend_pytorch_profiler_0.db")
    wanted = query(
        file,
        "SELECT o.value, t.name, c.count, a.value, g.value FROM COMMUNICATION_OP c "
        "JOIN STRING_IDS o ON o.id = c.opName "
        "JOIN ENUM_HCCL_DATA_TYPE t ON t.id = c.dataType JOIN STRING_IDS a ON a.id = c.algType "
        "JOIN STRING_IDS g ON g.id = c.groupName ORDER BY c.startNs",
    )
    comm = load(file.parents[1]).comm.sort_values("start_ns")
    assert len(wanted) == 4
    columns = ["name", "dtype", "elements", "algorithm", "group"]
    assert comm[columns].to_numpy().tolist() == [
        [name, {"FP32": "float32"}[word], count, algorithm, group] for name, word, count, algorithm, group in wanted
    ]


def test_bytes_of_an_element_are_those_that_the_links_moved(shared: Path) -> None:
    """Half of an all-reduce over n ranks is to bring (n-1)/n of the message to one place each."""
    (file,) = (shared / RECORDED / "db/level1").rglob("ascend_pytorch_profiler_0.db")
    moved = query(
        file,
        "SELECT c.count, sum(i.size) FROM COMMUNICATION_OP c JOIN COMMUNICATION_TASK_INFO i ON i.opId = c.opId "
        "WHERE i.dataType = c.dataType GROUP BY c.opId ORDER BY c.startNs",
    )
    ranks = query(file, "SELECT count(DISTINCT dstRank) FROM COMMUNICATION_TASK_INFO WHERE dstRank < 1024")[0][0]
    comm = load(file.parents[1]).comm.sort_values("start_ns")
    assert len(moved) == 4
    for (count, size), message in zip(moved, comm["message_bytes"], strict=True):
        assert message / count == 4
        assert size == pytest.approx(message * (ranks - 1) / ranks, rel=2e-3)


def test_every_recorded_type_is_known(shared: Path) -> None:
    names = {
        name
        for file in (shared / RECORDED / "db").rglob("ascend_pytorch_profiler_0.db")
        for (name,) in query(file, "SELECT name FROM ENUM_HCCL_DATA_TYPE")
    }
    assert len(names) == 15
    for name in names:
        (row,) = collective_arguments(
            pd.Series(["hcom_broadcast__1_1"]), pd.Series([name]), pd.Series([3], dtype="Int64"), pd.Series(["N/A"])
        ).to_dict("records")
        assert pd.isna(row["dtype"]) == (name in ("N/A", "INVALID_TYPE"))
        assert pd.isna(row["algorithm"])
        if name not in ("N/A", "INVALID_TYPE"):
            assert row["message_bytes"] == 3 * int("".join(letter for letter in name if letter.isdigit())) // 8


@pytest.mark.parametrize(
    ("name", "word", "count", "dtype", "elements", "message"),
    [
        ("hcom_allGather__1_1_1", "FP16", 8, "float16", 8, None),  # what one rank gives: the message is not told
        ("hcom_reduceScatter__1_1_1", "FP16", 8, "float16", 8, None),
        ("hcom_send__1_1_1", "BFP16", 8, "bfloat16", 8, 16),
        ("hcom_allReduce__1_1_1", "FP4_OF_LATER", 8, "FP4_OF_LATER", 8, None),
        ("hcom_allReduce__1_1_1", None, 8, None, 8, None),
        ("hcom_allReduce__1_1_1", "FP32", -1, "float32", None, None),
        ("hcom_allReduce__1_1_1", "FP32", 2**62, "float32", None, None),
    ],
)
def test_what_is_not_told_stays_unknown(
    name: str, word: str | None, count: int, dtype: str | None, elements: int | None, message: int | None
) -> None:
    (row,) = collective_arguments(
        pd.Series([name]), pd.Series([word], dtype=object), pd.Series([count], dtype="Int64"), pd.Series(["MESH"])
    ).to_dict("records")
    found = (row["dtype"], row["elements"], row["message_bytes"])
    assert [None if pd.isna(one) else one for one in found] == [dtype, elements, message]


def test_sums_by_type_keep_types_apart() -> None:
    names = pd.Series(["hcom_allReduce__1_1_1", "hcom_allReduce__1_2_1", "hcom_allReduce__1_3_1"])
    arguments = collective_arguments(
        names, pd.Series(["FP32", "BFP16", "BFP16"]), pd.Series([10, 20, 30], dtype="Int64"), names
    )
    comm = COMM.build(arguments.assign(name=names, rank=0, step=1, kind="collective", dur_ns=100, source="synthetic"))
    rows = summarise_communication(comm, "dtype").set_index("dtype")
    assert rows["message_bytes"].to_dict() == {"bfloat16": 100, "float32": 40}
    assert rows["elements"].to_dict() == {"bfloat16": 50, "float32": 10}
