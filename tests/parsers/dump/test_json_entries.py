from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profkit.errors import ImportIssue
from profkit.parsers.dump import json_entries
from profkit.parsers.dump.json_entries import JsonEntries


def entries_of(path: Path) -> tuple[list[tuple[str | None, str, Any]], list[ImportIssue]]:
    issues: list[ImportIssue] = []
    with JsonEntries(path, "data", issues) as entries:
        return list(entries), issues


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_bare_words_of_python_are_numbers(tmp_path: Path) -> None:
    found, issues = entries_of(written(tmp_path / "a", '{"data": {"x": [NaN, Infinity, -Infinity]}}'))
    assert math.isnan(found[0][2][0])
    assert found[0][2][1:] == [math.inf, -math.inf]
    assert not issues


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON_VALUES), st.sampled_from([None, 1, 4]), st.integers(1, 40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_window_gives_what_the_standard_reader_gives(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any], indent: int | None, window: int
) -> None:
    path = written(tmp_path_factory.mktemp("json") / "a.json", json.dumps({"first": 1, "data": value}, indent=indent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_entries, "_READ_BYTES", window)
        found, issues = entries_of(path)
    assert found[0] == (None, "first", 1)
    assert [(key, item) for _, key, item in found[1:]] == list(value.items())
    assert not issues


def test_every_cut_gives_the_entries_before_it_and_says_so(tmp_path: Path) -> None:
    value = {"a": {"b": [1.5, -2, None, "x\\u00e9\n"]}, "c": True, "d": float("-inf"), "e": {}}
    text = json.dumps({"task": "tensor", "data": value}, indent=1)
    whole, _ = entries_of(written(tmp_path / "whole", text))
    for length in range(1, len(text)):
        found, issues = entries_of(written(tmp_path / "cut", text[:length]))
        assert found == whole[: len(found)]
        assert [issue.text.split(":")[0] for issue in issues] == ["the file is cut"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cut"),
        ("[1, 2]", "'{' should"),
        ('{"a" 1}', "':' should"),
        ('{"a": 1; "b": 2}', "',' should"),
        ('{"a": 1} x', "follows"),
        ('{1: "a", "b": 2, "c": 3, "d": 4}', "no text"),
        ('{"a": ' + "[" * 100_000, "nested too deep"),
        ('{"a": ' + "9" * 100_000 + "}", "too many digits"),
        ('{"a": [1, nothing, "and more text"]}', "damaged"),
        ('{"a": "' + "x" * 100, "cut"),
    ],
)
def test_damage_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    _, issues = entries_of(written(tmp_path / "bad", text))
    assert len(issues) == 1
    assert words in issues[0].text


def test_an_endless_entry_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_entries, "_LONGEST_ENTRY", 1 << 10)
    monkeypatch.setattr(json_entries, "_READ_BYTES", 1 << 8)
    _, issues = entries_of(written(tmp_path / "long", '{"data": {"a": "' + "x" * 100_000 + '"}}'))
    assert "longer than" in issues[0].text
