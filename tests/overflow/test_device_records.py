"""Overflow records of the device beside tensors; the tensors and the records are synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from profkit.overflow import BesideTensors, hunt
from profkit.schema import OVERFLOW, OVERFLOW_RECORDS

F16 = np.float16
NET = "Default_net-Net_"


def records(*ops: str | None, iteration: int = 0) -> pd.DataFrame:
    rows = [
        {
            "rank": 0, "iteration": iteration, "graph": 0, "time_ns": 10 * number, "core": "AI Core",
            "status": "0x20", "meaning": "floating-point overflow", "op": op, "op_type": "Mul",
            "joined_by": None if op is None else "record", "reason": "its dump has task 12, stream 7",
            "task": 12, "device_stream": 7, "path": "Opdebug", "source": "dump",
        }
        for number, op in enumerate(ops)
    ]  # fmt: skip
    return OVERFLOW_RECORDS.from_rows(rows)


def clean_values(dump: Any) -> None:
    """Values that show nothing of an overflow."""
    x = np.array([20, 30, 1], dtype=F16)
    clamped = np.array([400, 900, 1], dtype=F16)
    dump.op(f"{NET}Mul-op0", [x, x], clamped)
    dump.op(f"{NET}Sub-op0", [clamped, clamped], np.zeros(3, F16))


def test_a_record_makes_its_operator_the_origin(dump: Any) -> None:
    clean_values(dump)
    found = hunt(dump.tensors(), beside=BesideTensors(records(f"{NET}Sub-op0")))
    OVERFLOW.validate(found)
    (row,) = found.to_dict("records")
    assert (row["role"], row["primary"], row["order"]) == ("origin", True, 1)
    assert "floating-point overflow (AI Core, status 0x20)" in row["reason"]


def test_a_record_speaks_beside_the_values(dump: Any) -> None:
    x = np.array([-1, 2], dtype=F16)
    with np.errstate(invalid="ignore"):
        dump.op(f"{NET}Log-op0", [x], np.log(x))
    (row,) = hunt(dump.tensors(), beside=BesideTensors(records(f"{NET}Log-op0"))).to_dict("records")
    assert row["role"] == "origin"
    assert "the device recorded" in row["reason"]
    assert "1 NaN of 2 elements" in row["reason"]


def test_a_record_without_an_operator_is_kept(dump: Any) -> None:
    clean_values(dump)
    (row,) = hunt(dump.tensors(), beside=BesideTensors(records(None))).to_dict("records")
    assert (row["op"], row["role"], row["primary"], row["order"]) == ("task 12 stream 7", "unknown", True, -1)


def test_in_a_dump_of_overflows_the_first_operator_is_the_origin(dump: Any) -> None:
    clean_values(dump)
    found = hunt(dump.tensors(), beside=BesideTensors(overflow_only=True))
    assert found["role"].tolist() == ["origin", "unknown"]
    assert found["primary"].tolist() == [True, False]
    assert found["reason"].str.contains("op_debug_mode 3").all()


def test_in_a_dump_of_overflows_bad_inputs_come_from_before(dump: Any) -> None:
    bad = np.array([np.nan, 2], dtype=F16)
    dump.op(f"{NET}Mul-op0", [bad, bad], bad)
    found = hunt(dump.tensors(), beside=BesideTensors(overflow_only=True))
    assert found["role"].tolist() == ["unknown"]
    assert found["primary"].tolist() == [True]
