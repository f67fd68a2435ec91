"""The table of failures, and what `ts.proposal` does with an exception; without a framework."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import profkit as ts
from profkit.failure_advice import known_failures, recognised

SHAPES = "For 'MatMul' the input dimensions must be equal, but got 'x1_col': 3 and 'x2_row': 5."


def test_every_entry_says_cause_remedy_and_source() -> None:
    for failure in known_failures():
        assert min(len(failure.cause), len(failure.remedy), len(failure.source)) > 5, failure.name
        assert failure.cause.endswith("."), failure.name
    assert len({failure.name for failure in known_failures()}) == len(known_failures())


def test_no_pattern_takes_long_on_hostile_text() -> None:
    # Bounded by the test's own timeout: a pattern that backtracks would never end.
    for failure in known_failures():
        failure.pattern.search("[" * 10_000 + "'" * 10_000)
        failure.pattern.search("For 'MatMul' " * 2_000)


@ts.proposal()
def failing(message: str) -> None:
    raise ValueError(message)


def test_a_failure_is_explained_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="input dimensions must be equal"):
        failing(SHAPES)
    told = " ".join(capsys.readouterr().err.split())
    assert "failure matrix sizes" in told
    assert re.search(r"raised at +\S*test_failure_table\.py:\d+, in failing: raise ValueError\(message\)", told)
    assert "in_channels" in told


def test_the_cause_of_an_exception_is_looked_at_too(capsys: pytest.CaptureFixture[str]) -> None:
    def wrapped() -> None:
        try:
            raise ValueError(SHAPES)
        except ValueError as error:
            raise RuntimeError("training failed") from error

    with pytest.raises(RuntimeError, match="training failed"), ts.proposal():
        wrapped()
    assert "matrix sizes" in capsys.readouterr().err


def test_what_is_not_known_is_said_not_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), ts.proposal():
        raise KeyError("something else")
    assert "not in the table of known failures" in capsys.readouterr().err
    assert recognised("something else") is None


def test_nothing_is_said_of_success_and_of_an_exit(capsys: pytest.CaptureFixture[str]) -> None:
    with ts.proposal():
        pass
    with pytest.raises(SystemExit), ts.proposal():
        raise SystemExit(3)
    assert capsys.readouterr().err == ""


def test_it_is_written_to_a_file_and_escapes_stay_text(tmp_path: Path) -> None:
    target = tmp_path / "out" / "failure.txt"
    with pytest.raises(ValueError, match="MatMul"), ts.proposal(write_file_path=str(target)):
        raise ValueError(f"{SHAPES} \x1b[2J")
    assert "matrix sizes" in target.read_text()
    assert "\x1b" not in target.read_text()


def test_a_file_that_cannot_be_written_does_not_hide_the_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="MatMul"), ts.proposal(write_file_path=tmp_path / "file" / "x"):
        raise ValueError(SHAPES)
    assert "cannot be written" in capsys.readouterr().err


def test_a_clear_stack_has_the_users_lines_only(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    with pytest.raises(ValueError, match="Expecting"), ts.proposal(print_clear_stack=True):
        json.loads("{")
    stack = capsys.readouterr().err.partition("Stack without the framework's own lines:\n")[2]
    assert 'json.loads("{")' in stack
