"""The program that benchmarks/tui.py measures still shows its frame."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.tui.screens.view_screen import ViewScreen

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "tui.py"


async def test_it_shows_a_frame_and_follows_a_module(settle, monkeypatch: pytest.MonkeyPatch):
    spec = importlib.util.spec_from_file_location("benchmark_of_the_tui", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, program)
    spec.loader.exec_module(program)
    numbers = {f"n{column}": np.arange(3.0) for column in range(5)}
    frame = pd.DataFrame(
        {
            "operator": pd.array(["a", "b", "c"], dtype="string"),
            "module": pd.Categorical(["y", "x", "y"]),
            "op_class": pd.Categorical(["matmul"] * 3),
            "phase": pd.Categorical(["forward"] * 3),
            **numbers,
            "dur_ns": [1, 2, 3],
        }
    )
    app = program._view_app(frame)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("o")
        await settle(pilot)
        assert isinstance(app.screen, ViewScreen)
        await pilot.press("F")
        await settle(pilot)
        assert app.screen.table.row == 1
