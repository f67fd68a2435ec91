"""PyTorch's optimizers in all forms against MindSpore's, recorded here: the bridge's part is the update, all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from profkit.bridge import bridge
from profkit.correlate import align, judged_units
from profkit.correlate.identity import identify
from profkit.run import Run, load

HERE = Path(__file__).parent
FRAMEWORKS = ("torch", "mindspore")
PAIRS = [
    (f"{torch}{groups}{clip}", f"{mindspore}{groups}{clip}")
    for torch in ("loop", "foreach", "fused")
    for mindspore in ("adam", "adam_weight_decay")
    for groups in ("", "_groups")
    for clip in ("", "_clip")
]
PARAMETERS = 8

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    for framework in FRAMEWORKS:
        folder = tmp_path_factory.mktemp(framework)
        command = [sys.executable, HERE / f"optimizers_{framework}.py", folder]
        quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=quiet)
        assert done.returncode == 0, done.stderr[-2000:]
        runs |= {path.name: identify(load(path)) for path in folder.iterdir() if path.is_dir()}
    return runs


@pytest.mark.parametrize(("ref_name", "run_name"), PAIRS)
def test_the_optimizer_part_holds_all_of_the_update_and_nothing_else(
    recorded: dict[str, Run], ref_name: str, run_name: str
) -> None:
    ref, run = recorded[ref_name], recorded[run_name]
    alignment = align(ref, run)
    found = bridge(alignment, ref, run, judged_units(alignment, ref, run))
    assert found.ref is not None
    assert found.run is not None
    part = found.parts["part"].astype(object).to_numpy()[found.rows["bridge"]]
    updates = found.rows[(part == "optimizer") & (found.rows["row"] >= 0).to_numpy()]

    span = ref.spans[ref.spans["name"].astype(str).str.startswith("Optimizer.step#")]
    span = span[(span["start_ns"] >= found.ref.begin_ns) & (span["start_ns"] < found.ref.end_ns)].iloc[0]
    ops = ref.ops[(ref.ops["level"] == "host") & (ref.ops["parent"] < 0)]
    within = (ops["start_ns"] >= span["start_ns"]) & (ops["start_ns"] < span["start_ns"] + span["dur_ns"])
    assert set(updates.loc[updates["side"] == "ref", "row"]) == set(ops.index[within])

    first = "AdamWeightDecay" if "weight_decay" in run_name else "Adam"
    ops = run.ops[(run.ops["start_ns"] >= found.run.begin_ns) & (run.ops["start_ns"] < found.run.end_ns)]
    its_update = ops["op_type"].isin([first, "Assign", "AssignAdd"])
    own = set(updates.loc[updates["side"] == "run", "row"])
    assert set(ops.index[its_update]) <= own
    # Adam multiplies the powers of its betas, and adds the decay to the gradients of the three weights that have one;
    # clipping multiplies each gradient, before that.
    others = Counter(ops.loc[list(own - set(ops.index[its_update])), "op_type"])
    decay = Counter({"Mul": 3, "AddN": 3}) if "_groups" in run_name else Counter()
    assert others == (Counter({"Mul": 2}) + decay if first == "Adam" else Counter())


@pytest.mark.parametrize("form", ["adam", "adam_weight_decay"])
def test_parameters_are_paired_where_each_is_updated_by_itself(recorded: dict[str, Run], form: str) -> None:
    alignment = align(recorded["loop"], recorded[form])
    updates = alignment[(alignment["phase"].astype(object) == "optimizer") & (alignment["unit"] >= 0)]
    for framework in ("pt", "ms"):
        assert updates.loc[updates["side"] == framework, "unit"].nunique() == PARAMETERS
