"""fix_random: what it fixes draws the same numbers in another process, what it cannot fix is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from profkit.errors import ProfkitError
from profkit.randomness import fix_random

DRAW = """
import random, sys, warnings
import numpy as np
import profkit as ts
{imports}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    done = ts.fix_random(23)
print(done.fixed, done.not_fixed)
print([str(one.message) for one in caught])
print(random.random(), np.random.rand(3).tolist(), list({{"a", "b", "c", "d"}}))
{draws}
"""


def run(imports: str = "", draws: str = "", **environment: str) -> list[str]:
    code = DRAW.format(imports=imports, draws=draws)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**clean, **environment}
    )
    return done.stdout.splitlines()


def test_two_processes_draw_the_same() -> None:
    first, second = (run(PYTHONHASHSEED="23") for _ in range(2))
    assert first == second
    assert first[0] == "('random', 'hashes of str', 'numpy.random') ()"
    assert first[1] == "[]"


def test_hashes_chosen_at_the_start_are_said_not_to_be_fixed() -> None:
    lines = run()
    assert "hashes of str: chosen when Python started; start it with PYTHONHASHSEED=23" in lines[0]
    assert "not everything random is fixed: hashes of str" in lines[1]


def test_they_stay_not_fixed_however_often_one_asks() -> None:
    assert run(draws="print(ts.fix_random(23).not_fixed)")[-1] != "()"


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "16", None, True])
def test_what_is_no_seed_is_refused(seed: object) -> None:
    with pytest.raises(ProfkitError, match="is no seed"):
        fix_random(seed)  # type: ignore[arg-type]


TORCH = """
layer = torch.nn.Linear(3, 2)
print(torch.rand(3).tolist(), layer.weight.tolist())
data = torch.utils.data.DataLoader(list(range(20)), batch_size=5, shuffle=True)
print([batch.tolist() for batch in data])
print(torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic)
"""
MINDSPORE = """
print(ms.ops.rand(3).asnumpy().tolist(), ms.nn.Dense(3, 2).weight.asnumpy().tolist())
data = ms.dataset.NumpySlicesDataset(list(range(20)), shuffle=True)
print([int(row[0]) for row in data.create_tuple_iterator(output_numpy=True)])
print([ts.fix_random(23).fixed == done.fixed])
"""


@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("imports", "draws", "named"),
    [("import torch", TORCH, "torch"), ("import mindspore as ms", MINDSPORE, "mindspore")],
    ids=["torch", "mindspore"],
)
def test_frameworks_and_data_sets_draw_the_same(imports: str, draws: str, named: str, tmp_path: Path) -> None:
    first, second = (run(imports, draws, PYTHONHASHSEED="0") for _ in range(2))
    assert first == second
    assert f"'{named}'" in first[0]
    assert first[-1] in ("True True", "[True]")
    # A shuffle that does nothing would be the same in both as well.
    assert str(list(range(5))) not in first[-2]
