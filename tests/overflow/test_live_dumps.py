"""The hunt on dumps that MindSpore writes during the test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from profkit.overflow import hunt
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent

pytestmark = pytest.mark.frameworks


def hunted(case: str, folder: Path) -> pd.DataFrame:
    pytest.importorskip("mindspore")
    script = Path(__file__).with_name("live_network.py")
    subprocess.run([sys.executable, str(script), case, str(folder)], check=True, capture_output=True, timeout=240)
    tensors = MindSporeDump().read(folder / "dump", silent).frames["tensors"]
    assert len(tensors) > 100
    return hunt(tensors)


@pytest.mark.parametrize("case", ["masked_attention", "float16_clean"])
def test_clean_networks_give_nothing(case: str, tmp_path: Path) -> None:
    assert hunted(case, tmp_path).empty


def test_a_float16_overflow_is_charged_to_the_operator(tmp_path: Path) -> None:
    found = hunted("float16_overflow", tmp_path)
    (origin,) = found.loc[found["primary"]].itertuples()
    assert (origin.op_type, origin.role) == ("Exp", "origin")
    assert origin.pos_inf > 0


def test_a_nan_in_the_batch_is_named(tmp_path: Path) -> None:
    found = hunted("nan_input", tmp_path)
    (cause,) = found.loc[found["primary"]].itertuples()
    assert cause.module == "first"
    assert "equal to inputs0" in cause.reason
