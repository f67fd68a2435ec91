"""What events hold may change anywhere in a file; how the windows before were decoded must not show in the columns."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from profkit.parsers.chrome.events import Argument, EventBatches

ARGUMENTS = [
    Argument("number", "int", "n", "N"),
    Argument("word", "text", "w"),
    Argument("dims", "json", "d"),
    Argument("mark", "int", "m", beside="m"),
    Argument("beside", "text", "b", beside="m"),
]
# Arguments and times as JSON texts; one kind may follow another after any number of events.
KINDS = [
    ("1", "2", "{}"),
    ("5", "null", '{"n": 4}'),
    ("1.5", "2.125", '{"n": 9223372036854775807}'),
    ('"7.25"', "3", '{"n": "12", "N": 3}'),
    ("1795415169153090.125", "1", '{"N": 8, "w": "a"}'),
    ("9223372036854775", "1", '{"w": null, "d": [1, [2]]}'),
    ("9223372036854776", "1", '{"w": 5, "b": "not beside a mark"}'),
    ("-3", "0", '{"m": 1, "b": "x"}'),
    ("1", "1", '{"m": "2", "n": null}'),
    ("1", "1", "null"),
]


def expected_of(event: dict[str, Any]) -> dict[str, Any]:
    """Read one event by json and Decimal alone."""
    args = event["args"] or {}
    number = args.get("n", args.get("N")) if args.get("n") is not None else args.get("N")
    word, dims = args.get("w"), args.get("d")
    marked = "m" in args
    return {
        "ts_ns": nanoseconds(event["ts"]),
        "dur_ns": nanoseconds(event["dur"]),
        "number": None if number is None else int(number),
        "word": None if word is None else str(word),
        "dims": None if dims is None else json.dumps(dims),
        "mark": int(args["m"]) if marked else None,
        "beside": args.get("b") if marked else None,
    }


def nanoseconds(value: Any) -> int | None:
    if value is None:
        return None
    exact = int(Decimal(value) * 1000)
    return exact if -(2**63) <= exact < 2**63 else None


@pytest.mark.parametrize("seed", range(60))
def test_every_event_is_read_as_by_json_and_decimal(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    texts: list[str] = []
    while len(texts) < 120:
        ts, dur, args = chance.choice(KINDS)
        event = f'{{"ph": "X", "name": "f", "ts": {ts}, "dur": {dur}, "args": {args}}}'
        texts += [event] * chance.choice([1, 2, 30])
    path = tmp_path / "trace.json"
    path.write_text('{"traceEvents": [' + ", ".join(texts) + "]}")
    batches = EventBatches(path, ARGUMENTS, window_bytes=chance.choice([1, 300, 2000]), with_ids=False)
    read = pa.concat_tables(list(batches)).unify_dictionaries()
    assert "id" not in read.column_names
    events = [json.loads(text, parse_float=Decimal) for text in texts]
    expected = [expected_of(event) for event in events]
    assert read.select(list(expected[0])).to_pylist() == expected
    beyond = sum(one["ts_ns"] is None for one in expected)
    told = [issue.text for issue in batches.windows.damage.issues()]
    assert len(told) == (beyond > 0)
    assert all("ts_ns is no time within int64" in text for text in told)
