"""The values behind a row of parity, and the way of a bad value: read from real files, refused where they are gone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from textual.widgets import Static

from profkit.errors import ProfkitError
from profkit.schema import PARITY
from profkit.session import Session
from profkit.tui.screens.text_screen import TextScreen
from profkit.tui.views.pair_values import pair_values


@pytest.fixture
def pair(tmp_path):
    """Two saved tensors that differ at (2, 1) by 8, at (0, 0) by 0.5 and nowhere else."""
    a = np.arange(12, dtype=np.float32).reshape(4, 3)
    b = a.copy()
    b[2, 1] += 8
    b[0, 0] += 0.5
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    return tmp_path / "a.npy", tmp_path / "b.npy"


def parity(path_a, path_b):
    return PARITY.from_rows(
        [
            {
                "name_a": "act",
                "name_b": "act",
                "status": "mismatch",
                "reason": "beyond rounding",
                "first_divergence": True,
                "path_a": path_a and str(path_a),
                "path_b": str(path_b),
            }
        ]
    )


def test_every_element_is_counted_and_the_worst_come_first(pair):
    text = str(pair_values(Session(title="", created=""), parity(*pair).iloc[0]))
    assert "12 of 12 elements" in text
    counts = [int(line.split()[-1]) for line in text.splitlines() if " to " in line or "equal" in line]
    assert counts[0] == 10
    assert sum(counts) == 12
    assert text.index("[2, 1]") < text.index("[0, 0]")
    assert "|a-b| 8.000" in text
    assert "The 2 elements" in text


def test_files_that_are_gone_or_do_not_fit_are_told(pair):
    np.save(pair[1], np.zeros(5))
    with pytest.raises(ProfkitError, match="no differences"):
        pair_values(Session(title="", created=""), parity(*pair).iloc[0])
    pair[1].unlink()
    with pytest.raises(ProfkitError, match=r"b\.npy"):
        pair_values(Session(title="", created=""), parity(*pair).iloc[0])
    with pytest.raises(ProfkitError, match="side a"):
        pair_values(Session(title="", created=""), parity(None, pair[1]).iloc[0])


def test_files_are_found_from_another_working_directory(pair, monkeypatch, tmp_path):
    made_in = pair[0].parent
    shown = parity(pair[0].name, pair[1].name)
    monkeypatch.chdir(tmp_path.parent)
    session = Session(title="", created="", folder=str(made_in), parity=shown)
    session.save(tmp_path / "session")
    text = str(pair_values(Session.load(tmp_path / "session"), shown.iloc[0]))
    assert "12 of 12 elements" in text


async def test_w_shows_them(session, run_app, pair):
    async with run_app(replace(session, parity=parity(*pair))) as pilot:
        await pilot.press("4", "w")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(pilot.app.screen, TextScreen)
        assert "[2, 1]" in str(pilot.app.screen.query_one(Static).content)


async def test_an_overflow_row_names_the_way_to_the_loss(session, run_app):
    overflow = session.overflow.assign(chain=pd.array([None, 0, 1], dtype="Int64"))
    async with run_app(replace(session, overflow=overflow)) as pilot:
        await pilot.press("3", "j")
        await pilot.pause()
        text = str(pilot.app.screen.query_one("#detail-text", Static).content)
        assert "2 operators" in text
        assert text.index("Softmax") < text.index("MatMul")
        assert "<- here" in text
        await pilot.press("slash", *"chain", "enter")
        await pilot.pause(0.3)
        assert len(pilot.app.screen.table.order) == 2
