"""The chrome trace reader against json with Decimal, against every cut, and against damage of every known sort."""

from __future__ import annotations

import gzip
import json
import random
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profkit.errors import ProfkitError, Severity, UnreadableInputError
from profkit.parsers.chrome.events import Argument, EventBatches, EventFile, read_events

ARGUMENTS = [Argument("correlation", "int"), Argument("dims", "json", "Input Dims", "Input dims")]


def _event(number: int, **fields: object) -> dict[str, object]:
    return {"ph": "X", "cat": "cpu_op", "name": f"op{number}", "pid": 1, "tid": 2, "ts": number, "dur": 1, **fields}


def _read(path: Path, text: str | bytes, **options: object) -> EventFile:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_events(path, **options)  # type: ignore[arg-type]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace.json"


def _ns(value: object) -> int | None:
    return None if value is None else int((Decimal(str(value)) * 1000).to_integral_value())


RECORDED = [
    "generated_torch213_cpu/cpu_all.json.gz",
    "generated_torch213_cpu/legacy_eventlist.json.gz",
    "hta/amd_trace/mi250_minitoy_train_ROCm6_2_kineto.json.gz",
    "hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz",
    "kineto_tb_plugin/test/gpu_metrics_input.json",
    "tracelens/traces/h100/gaunernst_bert-small-uncased__1016001.json.gz",
]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_traces_read_as_json_with_decimals_does(shared: Path, name: str) -> None:
    path = shared / "samples" / "torch" / name
    raw = path.read_bytes()
    expected = json.loads(gzip.decompress(raw) if name.endswith(".gz") else raw, parse_float=Decimal)
    listed = expected["traceEvents"] if isinstance(expected, dict) else expected
    read = read_events(path, ARGUMENTS)
    assert len(read.events) == len(listed)
    for column, key in (("ts_ns", "ts"), ("dur_ns", "dur")):
        assert [None if pd.isna(v) else v for v in read.events[column]] == [_ns(event.get(key)) for event in listed]
    for column in ("ph", "cat", "name", "pid", "tid"):
        texts = [None if event.get(column) is None else str(event[column]) for event in listed]
        assert [None if pd.isna(v) else v for v in read.events[column]] == texts
    correlations = [event.get("args", {}).get("correlation") for event in listed]
    assert [None if pd.isna(v) else v for v in read.events["correlation"]] == correlations


@pytest.mark.parametrize(
    ("name", "events", "told"),
    [
        ("badutf8", 1408, "not UTF-8"),
        ("mal_backslash", 15, None),
        ("mal_inf", 29, None),
        ("mal_metajson", 11, "keys before traceEvents"),
        ("mal_newline", 15, None),
        ("mal_quote", 15, "quotes"),
        ("mal_unicode", 15, None),
        ("old_na", 1408, "N/A"),
        ("old_quote", 1408, "quotes"),
        ("old_winpath", 1408, "backslashes"),
        ("npu_l0_noclose", 8375, "not closed"),
        ("npu_l0_trunc", 466, "not closed"),
        ("trunc_gz", 969, "gzip archive is cut"),
        ("trunc_mid", 1398, "could not be read"),
    ],
)
def test_damaged_recordings_are_saved_and_told(shared: Path, name: str, events: int, told: str | None) -> None:
    read = read_events(shared / "samples" / "torch" / "malformed" / f"{name}.json.gz", ARGUMENTS)
    assert len(read.events) == events
    texts = " | ".join(issue.text for issue in read.issues)
    assert told in texts if told else not read.issues


def test_damaged_names_come_out_as_they_were_meant(shared: Path) -> None:
    folder = shared / "samples" / "torch" / "malformed"
    quoted = read_events(folder / "mal_quote.json.gz").events["name"]
    path = read_events(folder / "old_winpath.json.gz").events["name"]
    assert 'say "hi"' in set(quoted)
    assert "torch\\cuda\\__init__.py(219): _lazy_init" in set(path)


def test_an_empty_recording_is_refused(shared: Path) -> None:
    with pytest.raises(UnreadableInputError, match="empty"):
        read_events(shared / "samples" / "torch" / "malformed" / "empty.json.gz")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("4612345678.123", 4612345678123),
        ('"1704161511420306.491"', 1704161511420306491),
        ("0", 0),
        ("-1.5", -1500),
        ("1.5e3", 1_500_000),
        ("1E-3", 1),
        ("9223372036854775.807", 2**63 - 1),
        ("1e300", None),
        ("9223372036854775.808", None),
        ("null", None),
        ('"N/A"', None),
        ("123456789012345678901234567890", None),
    ],
)
def test_times_come_from_digits(trace: Path, text: str, ns: int | None) -> None:
    read = _read(trace, f'{{"traceEvents": [{{"ph": "X", "name": "a", "ts": {text}}}]}}')
    value = read.events["ts_ns"].iloc[0]
    assert (None if pd.isna(value) else value) == ns
    assert bool(read.issues) == (ns is None and text != "null")


def test_digits_below_a_nanosecond_are_rounded_and_told(trace: Path) -> None:
    read = _read(trace, '[{"ph": "X", "ts": 1.2346, "dur": 2.5000}]')
    assert read.events.loc[0, ["ts_ns", "dur_ns"]].tolist() == [1235, 2500]
    assert [issue.text for issue in read.issues] == ["1 event: ts_ns has digits below a nanosecond: rounded"]


@given(ns=st.integers(-(2**63), 2**63 - 1), quoted=st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_int64_time_survives(trace: Path, ns: int, quoted: bool) -> None:
    sign, digits = "-" if ns < 0 else "", f"{abs(ns):04d}"
    number = f"{sign}{digits[:-3]}.{digits[-3:]}"
    read = _read(trace, f'[{{"ph": "X", "ts": {json.dumps(number) if quoted else number}}}]')
    assert read.events["ts_ns"].iloc[0] == ns


def test_integers_beyond_int64_are_unknown_and_told(trace: Path) -> None:
    events = [_event(i, args={"correlation": value}) for i, value in enumerate([7, "8", 2**70, 1.5, "x", None, 9.0])]
    read = _read(trace, json.dumps(events), arguments=ARGUMENTS)
    assert [None if pd.isna(v) else v for v in read.events["correlation"]] == [7, 8, None, None, None, None, 9]
    assert [(issue.severity, issue.where) for issue in read.issues] == [(Severity.DATA_LOSS, "event 2")]
    assert read.issues[0].text.startswith("3 events: correlation")


def test_only_wanted_header_keys_are_kept_wherever_they_stand(trace: Path) -> None:
    text = '{"SECRET": "x", "a": {"traceEvents": [1]}, "traceEvents": [], "baseTimeNanoseconds": 1790857026000000000}'
    read = _read(trace, text, header_keys=["baseTimeNanoseconds", "absent"])
    assert read.header == {"baseTimeNanoseconds": 1790857026000000000}
    assert read.is_object
    assert len(read.events) == 0


def test_phases_choose_events_and_keep_their_numbers(trace: Path) -> None:
    read = _read(
        trace, json.dumps([_event(0, ph="M"), _event(1), _event(2, ph="s", id=18446744073709551615)]), phases="Xs"
    )
    assert read.events["row"].tolist() == [1, 2]
    assert read.events["id"].iloc[1] == "18446744073709551615"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"hello", "not JSON"),
        (b"\x1f\x8b", "nothing could be unpacked"),
        (b'{"a": 1}', "not a trace"),
        (b'{"traceEvents": 3}', "not a trace"),
        (b"[1, 2]", "no whole trace event"),
        (b'[{"a": 1}]', "none has a phase"),
        (b'{"traceEvents": [{"ph": "X", "na', "no whole trace event"),
    ],
)
def test_what_is_no_trace_is_refused_in_one_line(trace: Path, text: bytes, message: str) -> None:
    with pytest.raises(UnreadableInputError, match=message) as caught:
        _read(trace, text)
    assert caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


def _small_trace(events: int = 12) -> bytes:
    listed = [_event(i, args={"Input Dims": [[i, 2], []], "note": '},{ "ph": "]'}) for i in range(events)]
    return json.dumps({"traceEvents": listed, "baseTimeNanoseconds": 5}).encode()


@pytest.mark.parametrize("window", [1, 50, 333, 4096])
def test_the_window_does_not_change_the_result(trace: Path, window: int) -> None:
    whole = _read(trace, _small_trace(), arguments=ARGUMENTS).events
    batches = EventBatches(trace, ARGUMENTS, window_bytes=window)
    joined = pa.concat_tables(list(batches)).unify_dictionaries()
    assert joined.to_pylist() == whole.astype(object).where(whole.notna(), None).to_dict("records")
    assert not batches.windows.damage.issues()


def test_a_file_cut_anywhere_gives_its_whole_events_and_says_so(trace: Path) -> None:
    text = _small_trace(events=3)
    whole = _read(trace, text, arguments=ARGUMENTS).events["name"].tolist()
    for length in range(len(text) - 1):
        try:
            read = _read(trace, text[:length], arguments=ARGUMENTS)
        except UnreadableInputError:
            continue
        names = read.events["name"].tolist()
        assert names == whole[: len(names)]
        assert read.issues


def test_a_cut_or_corrupt_archive_gives_what_was_unpacked(trace: Path) -> None:
    events = [_event(i, note=random.Random(i).random()) for i in range(3000)]
    packed = gzip.compress(json.dumps(events).encode())
    cut = _read(trace, packed[: len(packed) // 2])
    assert 1000 < len(cut.events) < 2000
    assert any("gzip archive is cut" in issue.text for issue in cut.issues)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    corrupt = _read(trace, bytes(flipped))
    assert len(corrupt.events) > 1000
    assert any(issue.severity is not Severity.INFO for issue in corrupt.issues)


def test_concatenated_archives_are_one_file(trace: Path) -> None:
    text = _small_trace()
    read = _read(trace, gzip.compress(text[:500]) + gzip.compress(text[500:]))
    assert len(read.events) == 12
    assert not read.issues


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ('{"ph": "X", "name": "f("a", "b")", "pid": 1, "ts": 1}', 'f("a", "b")'),
        ('{"ph": "X", "name": "a\nb\tc", "ts": 1}', "a\nb\tc"),
        ('{"ph": "X", "name": "C:\\new\\temp\\x", "ts": 1}', "C:\\new\\temp\\x"),
        ('{"ph": "X", "name": "a\\ud800b", "ts": 1}', "a\ufffdb"),
        ('{"ph": "X", "name": "n", "x": NaN, "y": -Infinity, "z": N/A, "ts": 1}', "n"),
        ('{"ph": "X", "name": 5, "ts": 1}', "5"),
        ('{"ph": "X", "name": "n", "args": [], "ts": 1}', "n"),
    ],
)
def test_one_bad_event_does_not_cost_its_neighbours(trace: Path, event: str, expected: str) -> None:
    text = f"[{json.dumps(_event(0))}, {event}, {json.dumps(_event(2))}]"
    read = _read(trace, text)
    assert read.events["name"].tolist() == ["op0", expected, "op2"]
    assert read.issues


def test_an_unreadable_event_keeps_its_number_and_place(trace: Path) -> None:
    first = json.dumps(_event(0))
    read = _read(trace, f'[{first}, {{"ph": }}, {json.dumps(_event(2))}]')
    assert read.events["row"].tolist() == [0, 2]
    assert [(issue.severity, issue.where) for issue in read.issues] == [
        (Severity.DATA_LOSS, f"event 1, byte {len(first) + 3}")
    ]


@pytest.mark.parametrize("window", [200, 100_000])
def test_nested_lists_of_objects_are_no_events_of_their_own(trace: Path, window: int) -> None:
    nested = _event(1, args={"list": [{"a": number} for number in range(400)], "Input Dims": [7]})
    _read(trace, json.dumps({"traceEvents": [_event(0), nested, _event(2)], "more": [{"b": 1}, {"b": 2}]}))
    batches = EventBatches(trace, ARGUMENTS, window_bytes=window)
    table = pa.concat_tables(list(batches)).unify_dictionaries()
    assert table["name"].to_pylist() == ["op0", "op1", "op2"]
    assert table["dims"].to_pylist() == [None, "[7]", None]
    assert not batches.windows.damage.issues()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "hostile",
    [b'{"name": "' * 50_000, b"{" * 500_000, b'"' * 500_000, b'{"a":[{},' * 20_000, b'{"args":' * 100_000],
    ids=["names", "braces", "quotes", "lists", "objects"],
)
def test_crafted_text_costs_no_more_than_its_length(trace: Path, hostile: bytes) -> None:
    read = _read(trace, b"[" + json.dumps(_event(0)).encode() + b"," + hostile)
    assert read.events["name"].tolist() == ["op0"]
    assert any(issue.severity is Severity.DATA_LOSS for issue in read.issues)


@pytest.mark.parametrize("depth", [500, 200_000])
def test_deep_nesting_does_not_crash(trace: Path, depth: int) -> None:
    deep = '{"ph": "X", "name": "deep", "args": {"x": ' + "[" * depth + "]" * depth + "}}"
    read = _read(trace, f"[{json.dumps(_event(0))}, {deep}, {json.dumps(_event(2))}]")
    assert {"op0", "op2"} <= set(read.events["name"])


def test_random_damage_never_escapes_as_another_error(trace: Path) -> None:
    text, chance = _small_trace(), random.Random(7)
    tokens = [b'"', b"\\", b"{", b"}", b"]", b",", b"\n", b"\xff", b"NaN", b"9" * 40, b"null"]
    for _ in range(300):
        damaged = bytearray(text)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(damaged))
            damaged[at : at + chance.randint(0, 20)] = chance.choice(tokens)
        try:
            _read(trace, bytes(damaged), arguments=ARGUMENTS)
        except ProfkitError:
            continue
