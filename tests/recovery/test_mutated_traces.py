"""Mutated traces against json with Decimal: no crash, no other value where json accepts, issues for the unknown."""

from __future__ import annotations

import json
import os
import random
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from profkit.errors import ProfkitError
from profkit.parsers.chrome.events import Argument, EventBatches, read_events

pytestmark = pytest.mark.exhaustive

DOCUMENTS = int(os.environ.get("PROFKIT_FUZZ", "2000"))
PARTS = 8
SECONDS_A_DOCUMENT = 5

ARGUMENTS = [Argument("correlation", "int"), Argument("dims", "json", "Input Dims"), Argument("note", "text")]
HEADER_KEYS = ["baseTimeNanoseconds", "schemaVersion"]
TOKENS = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\t", b"\0", b"\xff", b"\xe2\x80", b"-", b".", b"0", b"7",
    b"e9", b"E-4", b"NaN", b"Infinity", b"N/A", b"null", b"true", b'"name"', b'"ts"', b'"args"', b'"traceEvents": [',
    b"\\ud800", b"\\u0041", b'\\"', b"},{", b"}, {", b"]}", b"1e400", b"9" * 30, b'"12.5"', b"[[1,2],[]]", b"{}",
    b"\xc3\xa9",
]  # fmt: skip
INT64 = range(-(2**63), 2**63)


def small_trace(rng: random.Random) -> bytes:
    """A synthetic trace of a container, layout and length chosen by chance; times as numbers or as texts."""
    as_text = rng.random() < 0.3
    events = [_event(number, rng, as_text=as_text) for number in range(rng.randint(1, 5))]
    layout: dict[str, Any] = rng.choice([{"indent": 2}, {"separators": (",", ":")}, {}])
    if rng.random() < 0.3:
        return json.dumps(events, **layout, ensure_ascii=rng.random() < 0.5).encode()
    header = {"schemaVersion": 1, "deviceProperties": [{"id": 0}]}
    trailer = {"baseTimeNanoseconds": 1790857026000000000}
    if rng.random() < 0.5:
        header, trailer = trailer, header
    document = {**header, "traceEvents": events, **trailer}
    return json.dumps(document, **layout, ensure_ascii=rng.random() < 0.5).encode()


def _event(number: int, rng: random.Random, *, as_text: bool) -> dict[str, Any]:
    ts: Any = rng.randrange(10**15, 2 * 10**15) + rng.choice([0, 0.25, 0.5])
    args = {"correlation": number, "Input Dims": [[4, 3], []], "note": rng.choice(["a b", "},{", '\\" \u00e9 \n'])}
    event = {"ph": rng.choice("XXXXMi"), "cat": "cpu_op", "name": rng.choice(["aten::mm", 'say "hi"', "C:\\new", "é"])}
    event |= {"pid": rng.choice([1, "Spans"]), "tid": 2, "ts": f"{ts:.3f}" if as_text else ts, "dur": 2.125}
    return {**event, "args": args} if rng.random() < 0.8 else event


def mutated(text: bytes, rng: random.Random) -> bytes:
    """Flip, delete, insert, repeat or exchange bytes and tokens, once to four times."""
    damaged = bytearray(text)
    for _ in range(rng.randint(1, 4)):
        at, other = rng.randrange(len(damaged) + 1), rng.randrange(len(damaged) + 1)
        kind = rng.randrange(7)
        if kind == 0 and at < len(damaged):
            damaged[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del damaged[at : at + rng.choice([1, 1, 2, 10, 60])]
        elif kind == 2:
            damaged[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            damaged[at : at + rng.randint(1, 8)] = rng.choice(TOKENS)
        elif kind == 4:
            damaged[at:at] = damaged[other : other + rng.choice([1, 5, 40, 200])]
        elif kind == 5:
            _replace_number(damaged, rng)
        else:
            _exchange(damaged, rng)
    return bytes(damaged)


def _replace_number(damaged: bytearray, rng: random.Random) -> None:
    digits = [place for place, byte in enumerate(damaged) if 48 <= byte <= 57]
    if digits:
        at = rng.choice(digits)
        damaged[at : at + 1] = rng.choice(
            [b"1e3", b"-0", b"00", b"1.23456", b"9" * 19, b"9" * 25, b"null", b'"5"', b"[1]"]
        )


def _exchange(damaged: bytearray, rng: random.Random) -> None:
    places = [place for place, byte in enumerate(damaged) if byte in b'",:{}[]']
    if len(places) > 1:
        one, other = rng.sample(places, 2)
        damaged[one], damaged[other] = damaged[other], damaged[one]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_mutation_crashes_or_changes_a_value(part: int, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    for number in range(part, DOCUMENTS, PARTS):
        rng = random.Random(f"trace {number}")
        document = mutated(small_trace(rng), rng)
        path.write_bytes(document)
        try:
            _check(path, document, window=rng.choice([0, 0, 64, 300, 5000]))
        except (AssertionError, ProfkitError) as error:
            raise AssertionError(f"document {number}: {document!r}") from error


def _check(path: Path, document: bytes, window: int) -> None:
    listed = _accepted(document)
    try:
        if window:
            batches = EventBatches(path, ARGUMENTS, HEADER_KEYS, window_bytes=window)
            tables = list(batches)
            events = pa.concat_tables(tables).unify_dictionaries().to_pylist() if tables else []
            issues = batches.windows.damage.issues()
            header = batches.windows.header
        else:
            read = read_events(path, ARGUMENTS, HEADER_KEYS)
            header = read.header
            events = read.events.astype(object).where(read.events.notna(), None).to_dict("records")
            issues = read.issues
    except ProfkitError:
        assert not _is_trace(listed)
        return
    if listed is None or not all(isinstance(event, dict) for event in listed):
        assert issues, "json refuses it or it lists other things than events, and no issue tells that"
        return
    by_row = {event["row"]: event for event in events}
    assert len(by_row) == len(events)
    assert set(by_row) <= set(range(len(listed)))
    told = bool(issues)
    _compare_header(document, header, told=told)
    assert told or set(by_row) == set(range(len(listed))), "events are absent in silence"
    for row, event in by_row.items():
        _compare(event, listed[row], told=told)


def _compare_header(document: bytes, header: dict[str, Any], *, told: bool) -> None:
    content = json.loads(document)
    for key in HEADER_KEYS:
        if key in header:
            assert header[key] == content[key]
        else:
            assert told or not isinstance(content, dict) or key not in content


def _accepted(document: bytes) -> list[Any] | None:
    """Give the events as json with Decimal reads them, an empty list if it is something else; None if json refuses.

    Two lists of events in one object count as refused: json forgets the first of them.
    """
    try:
        content = json.loads(document, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
        pairs = json.loads(document, object_pairs_hook=list, parse_int=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    if isinstance(content, dict) and [key for key, _ in pairs].count("traceEvents") > 1:
        return None
    listed = content.get("traceEvents") if isinstance(content, dict) else content
    return listed if isinstance(listed, list) else []


def _no_number(_: str) -> None:
    """NaN and Infinity are no JSON: Python's json takes them, profkit gives unknown and an issue."""


def _is_trace(listed: list[Any] | None) -> bool:
    return any(isinstance(event, dict) and isinstance(event.get("ph"), str) for event in listed or [])


def _compare(event: dict[str, Any], expected: Any, *, told: bool) -> None:
    assert isinstance(expected, dict), expected
    for column in ("ph", "cat", "name", "pid", "tid"):
        _compare_text(event[column], expected.get(column), told=told)
    for column, key in (("ts_ns", "ts"), ("dur_ns", "dur")):
        _compare_number(event[column], _nanoseconds(expected.get(key)), expected.get(key), told=told)
    args = expected.get("args") if isinstance(expected.get("args"), dict) else {}
    assert isinstance(args, dict)
    correlation = args.get("correlation")
    _compare_number(event["correlation"], _whole(correlation), correlation, told=told)
    if event["dims"] is not None:
        assert json.loads(event["dims"], parse_float=Decimal, parse_int=Decimal) == args["Input Dims"]
    else:
        assert told or args.get("Input Dims") is None
    if isinstance(args.get("note"), str):
        _compare_text(event["note"], args["note"], told=told)


def _compare_text(value: str | None, expected: object, *, told: bool) -> None:
    if isinstance(expected, Decimal) and value is not None and value == str(int(expected)):
        return
    if isinstance(expected, str):
        if value == expected:
            return
        assert told
        # Half a surrogate pair is no text: it is replaced.
        assert value is None or value == expected.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    else:
        assert value is None if expected is None else told, (value, expected)


def _compare_number(value: int | None, number: int | None, written: object, *, told: bool) -> None:
    if value is None:
        assert told or written is None or written == "", written
    else:
        assert value == number, (value, written)


def _nanoseconds(value: object) -> int | None:
    if not isinstance(value, (Decimal, str)):
        return None
    try:
        return int(
            (Decimal(value.strip() if isinstance(value, str) else value) * 1000).to_integral_value(ROUND_HALF_EVEN)
        )
    except (ArithmeticError, ValueError):
        return None


def _whole(value: object) -> int | None:
    if not isinstance(value, (Decimal, str)):
        return None
    try:
        number = Decimal(value)
    except ArithmeticError:
        return None
    return int(number) if number.is_finite() and number == number.to_integral_value() and int(number) in INT64 else None
