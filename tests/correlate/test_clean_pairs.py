"""Two recordings of one unchanged network, made here with the frameworks, accuse nothing beyond their own noise.

Their noise is half the range of their step lengths: on a quiet machine a few per cent, on a busy one as much as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from profkit.triage import Inputs, triage

HERE = Path(__file__).parent
NETWORKS = {
    "torch": ("separable", "encoder", "perceptron"),
    "mindspore": ("residual", "attention", "perceptron"),
}

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    framework = str(request.param)
    folder = tmp_path_factory.mktemp(framework)
    # One thread: several would share the machine with whatever else runs on it.
    quiet = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, HERE / f"clean_pairs_{framework}.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=quiet)
    assert done.returncode == 0, done.stderr[-2000:]
    return framework, folder


def test_clean_pairs_have_no_finding_about_time(recorded: tuple[str, Path]) -> None:
    framework, folder = recorded
    for network in NETWORKS[framework]:
        for first, second in (("first", "second"), ("second", "first")):
            session = triage(Inputs(ref=folder / network / first, run=folder / network / second))
            assert not session.alignment.empty
            assert (session.alignment["group"] >= 0).mean() > 0.9
            lengths = session.steps.groupby("side", observed=True)["dur_ns"]
            noise = int((lengths.max() - lengths.min()).max()) // 2
            above = session.findings[session.findings["impact_ns"].fillna(0) > noise]
            assert above.empty, (network, noise, above[["kind", "op", "evidence"]].to_dict("records"))
