"""Numbers in args: windows of plain numbers are decoded another way than windows that hold anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from profkit.parsers.chrome.events import Argument, read_events


def numbers_of(tmp_path: Path, values: list[str], name: str = "trace.json") -> pd.Series[Any]:
    """Read the argument `n`, given as JSON texts; "" leaves it out. Enough events follow for further windows."""
    filler = '{"ph":"X","name":"f","ts":1,"dur":1,"args":{"n":7,"more":"' + "x" * 1000 + '"}}'
    events = [
        '{"ph":"X","name":"e","ts":1,"dur":1,"args":{' + (f'"n":{value}' if value else "") + "}}" for value in values
    ]
    path = tmp_path / name
    path.write_text('{"traceEvents":[' + ",".join([*events, *[filler] * 3000]) + "]}")
    read = read_events(path, [Argument("n", "int")])
    assert len(read.events) == len(values) + 3000
    assert (read.events["n"].iloc[len(values) :] == 7).all()
    return read.events["n"].iloc[: len(values)]


def test_plain_numbers_up_to_the_bounds_of_int64(tmp_path: Path) -> None:
    values = ["0", "-0", "-5", "", str(2**63 - 1), str(-(2**63) + 1)]
    expected = [json.loads(value) if value else None for value in values]
    assert [None if value is pd.NA else value for value in numbers_of(tmp_path, values)] == expected


@pytest.mark.parametrize(
    ("unusual", "expected"),
    [
        ("null", None),
        ('"12"', 12),
        ("3.0", 3),
        ("1e3", 1000),
        (str(-(2**63)), -(2**63)),
        (str(2**63), None),
        ("true", None),
        ('"word"', None),
        ("[1]", None),
    ],
)
def test_one_unusual_value_changes_no_other(tmp_path: Path, unusual: str, expected: int | None) -> None:
    read = numbers_of(tmp_path, ["5", unusual, "", "6"])
    assert [None if value is pd.NA else value for value in read] == [5, expected, None, 6]
