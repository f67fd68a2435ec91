"""A triage that is stopped gives what it knew by then, and says what it did not judge."""

from __future__ import annotations

import pytest

from profkit.cli.demo import demo_inputs
from profkit.errors import CancelledError
from profkit.triage import triage


def stop_at(verb: str, subject: str = ""):
    """A listener that stops the work at its first report of a kind, and at every later one."""
    stopped = False

    def listen(told: str, about: str, fraction: float | None) -> None:
        nonlocal stopped
        stopped = stopped or (told == verb and subject in about)
        if stopped:
            raise CancelledError("stopped")

    return listen


def test_before_the_run_is_read_nothing_is_known():
    with pytest.raises(CancelledError):
        triage(demo_inputs(clean=False), progress=stop_at("reading"))


def test_while_the_reference_is_read_the_run_is_shown_alone():
    session = triage(demo_inputs(clean=False), progress=stop_at("reading", "trace.json.gz"))
    assert set(session.sources["side"]) == {"run"}
    assert (session.alignment["group"] == -1).all()
    assert session.operators["flag"].isna().all()
    assert session.parity.empty
    said = " ".join(session.not_judged)
    assert "stopped while the reference was read" in said
    assert "no reference run was given" not in said
    assert "overflow was not judged" in said
    assert session.unanswered == {"reference", "overflow"}


def test_while_aligning_nothing_is_called_slow():
    session = triage(demo_inputs(clean=False), progress=stop_at("aligning"))
    assert (session.alignment["group"] == -1).all()
    assert session.operators["flag"].isna().all()
    assert "what became slow was not judged" in " ".join(session.not_judged)
    assert session.unanswered == {"time", "parity", "overflow"}
    assert set(session.sources["side"]) == {"ref", "run"}


def test_while_comparing_times_stay():
    session = triage(demo_inputs(clean=False), progress=stop_at("comparing"))
    assert not session.alignment.empty
    assert "slow" in set(session.findings["kind"])
    assert session.parity.empty
    assert [text for text in session.not_judged if text.startswith("parity was not judged")]
