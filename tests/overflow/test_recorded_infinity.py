"""Statistics alone tell Inf from NaN: the operator that made Inf and the first that made NaN of it are named apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profkit.overflow import hunt_run
from profkit.run import load


def entry(*values: float) -> dict[str, Any]:
    statistics = dict(zip(("Max", "Min", "Mean", "Norm"), values, strict=True))
    return {"type": "torch.Tensor", "dtype": "torch.float32", "shape": [4], **statistics}


@pytest.mark.parametrize(
    "infinite",
    [(float("inf"), 1.0, float("inf"), float("inf")), (float("inf"), float("-inf"), float("nan"), float("inf"))],
    ids=["one sign", "both signs"],
)
def test_inf_and_the_nan_it_becomes_are_told_apart(tmp_path: Path, infinite: tuple[float, ...]) -> None:
    good, inf, nan = entry(90.0, 1.0, 3.0, 9.0), entry(*infinite), entry(*[float("nan")] * 4)
    calls = {
        "Torch.exp.0.forward": {"input_args": [good], "input_kwargs": {}, "output": [inf]},
        "Torch.sub.0.forward": {"input_args": [inf, inf], "input_kwargs": {}, "output": [nan]},
    }
    content = {"task": "statistics", "level": "L1", "framework": "pytorch", "dump_data_dir": None, "data": calls}
    (tmp_path / "dump.json").write_text(json.dumps(content))
    rows = hunt_run(load(tmp_path)).set_index("op")
    assert rows.loc["Torch.exp.0.forward", "role"] == "origin"
    assert "Inf" in rows.loc["Torch.exp.0.forward", "reason"]
    assert "NaN" not in rows.loc["Torch.exp.0.forward", "reason"]
    assert "NaN" in rows.loc["Torch.sub.0.forward", "reason"]
