"""Which rows stand for the work of each step, against a plain selection row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from profkit.correlate.executions import WorkOfSteps, working_rows
from profkit.correlate.identity import identify
from profkit.run import load
from profkit.schema import OPS


@pytest.mark.parametrize("recording", ["pytorch/profile", "mindspore_clean/graph"])
def test_each_step_has_its_outermost_rows_in_order_of_start(samples: Path, recording: str) -> None:
    ops = identify(load(samples / "vit" / recording)).ops
    ops = ops.iloc[np.random.default_rng(3).permutation(len(ops))].reset_index(drop=True)
    work = WorkOfSteps(ops, "host")
    outermost = working_rows(ops, "host")
    steps = sorted(set(ops["step"]))
    assert len(steps) >= 3
    for step in steps:
        expected = [at for at in range(len(ops)) if outermost[at] and ops["step"][at] == step]
        expected.sort(key=lambda at: ops["start_ns"][at])
        assert work.rows(int(ops["rank"][0]), step).tolist() == expected


def test_a_step_that_is_not_there_has_no_rows(samples: Path) -> None:
    assert WorkOfSteps(OPS.empty(), "host").rows(0, 0).tolist() == []
    ops = identify(load(samples / "vit" / "mindspore_slow")).ops
    assert WorkOfSteps(ops, "host").rows(0, 99).tolist() == []
    assert WorkOfSteps(ops, "device").rows(0, 0).tolist() == []
