"""No control character, direction mark or formula of a name gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.safe_text import printable, spreadsheet_cell


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("aten::add", "aten::add"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\tb\r\nc", "a\\x09b\\x0d\\x0ac"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edef", "abc\\u202edef"),
        ("a\u200bb\u00ad\u2060", "a\\u200bb\\xad\\u2060"),
        ("\U000e0041", "\\U000e0041"),
        ("训练", "训练"),
        ("क्\u200dष", "क्\u200dष"),
        ("\ud800", "\\ud800"),
    ],
)
def test_unsafe_characters_are_written_as_escapes(raw: str, safe: str) -> None:
    assert printable(raw) == safe


@given(st.text())
def test_printable_text_is_one_line_of_printable_characters(text: str) -> None:
    safe = printable(text)
    assert len(safe.splitlines()) <= 1
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) <= 0x9F for letter in safe)
    safe.encode("utf-8")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_a_spreadsheet_runs_no_cell(text: str) -> None:
    assert spreadsheet_cell(text).startswith("'")


def test_ordinary_cells_stay_as_they_are() -> None:
    assert spreadsheet_cell("MatMul") == "MatMul"
