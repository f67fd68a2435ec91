"""What the graph tells of operators that were not dumped, and when it is not believed; synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from profkit.overflow import BesideTensors, hunt
from profkit.schema import GRAPH_EDGES, GRAPH_NODES, OVERFLOW_RECORDS

F32 = np.float32
NET = "Default_net-Net_"


def graph(*nodes: str, line: int = 7) -> BesideTensors:
    """A graph in which each operator reads the one before."""
    node_rows = [
        {
            "rank": 0, "graph": 0, "node": str(number), "kind": "operator", "op_type": op.split("-")[0], "op": NET + op,
            "source_file": "net.py", "source_line": line + number, "source_code": f"x = step{number}(x)", "source": "g",
        }
        for number, op in enumerate(nodes)
    ]  # fmt: skip
    edges = [
        {"rank": 0, "graph": 0, "node": str(n), "slot": 0, "producer": str(n - 1), "producer_slot": 0, "kind": "data",
         "source": "g"}
        for n in range(1, len(nodes))
    ]  # fmt: skip
    return BesideTensors(OVERFLOW_RECORDS.empty(), GRAPH_NODES.from_rows(node_rows), GRAPH_EDGES.from_rows(edges))


def row_of(found: pd.DataFrame, op: str) -> dict[Any, Any]:
    (row,) = found[found["op"] == NET + op].to_dict("records")
    return row


def test_the_line_of_code_is_given_where_values_agree(dump: Any) -> None:
    x = np.array([-1, 2], dtype=F32)
    dump.op(f"{NET}ReLU-op0", [x], x)
    with np.errstate(invalid="ignore"):
        dump.op(f"{NET}Log-op0", [x], np.log(x))
    found = hunt(dump.tensors(), beside=graph("ReLU-op0", "Log-op0"))
    assert row_of(found, "Log-op0")["code"] == "net.py:8  x = step1(x)"


def test_the_line_is_not_given_where_values_contradict_the_names(dump: Any) -> None:
    x = np.array([-1, 2], dtype=F32)
    dump.op(f"{NET}ReLU-op0", [x], x + 1)
    with np.errstate(invalid="ignore"):
        dump.op(f"{NET}Log-op0", [x], np.log(x))
    found = hunt(dump.tensors(), beside=graph("ReLU-op0", "Log-op0"))
    assert pd.isna(row_of(found, "Log-op0")["code"])


def test_a_bad_value_is_followed_across_an_operator_that_was_not_dumped(dump: Any) -> None:
    x = np.array([-1, 2, 4], dtype=F32)
    with np.errstate(invalid="ignore"):
        bad = dump.op(f"{NET}Log-op0", [x], np.log(x))
    dump.op(f"{NET}Mul-op0", [bad[::-1] + 1, F32(2)], bad[::-1] * 2)
    found = hunt(dump.tensors(), beside=graph("Log-op0", "Reshape-op0", "Mul-op0"))
    later = row_of(found, "Mul-op0")
    assert (later["role"], later["primary"], later["chain"]) == ("carrier", False, 1)
    assert "by the graph it comes of Log-op0" in later["reason"]


def test_the_operator_that_was_not_dumped_is_named(dump: Any) -> None:
    bad = np.array([np.nan, 2], dtype=F32)
    dump.op(f"{NET}Mul-op0", [bad, F32(2)], bad * 2)
    found = hunt(dump.tensors(), beside=graph("Log-op0", "Mul-op0"))
    cause = row_of(found, "Mul-op0")
    assert (cause["role"], cause["primary"]) == ("unknown", True)
    assert f"by the graph it reads {NET}Log-op0, not dumped" in cause["reason"]
