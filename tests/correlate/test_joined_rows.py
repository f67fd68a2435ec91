"""Time, parity and overflow of one module stand in one row, whoever named it: class paths, scopes and file names."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pandas as pd
import pytest

from profkit.triage import Inputs, triage

# The NaN dumps are of a compiled graph (scopes), the parity files carry attribute names, the trace class paths.
CASES = (
    ("vit", "ms_slow0", "case1", "nan2"),
    ("resnet", "ms_slow1", "case2", "nan1"),
    ("lstm_text", "ms_slow1", "case1", "nan1"),
)


@pytest.mark.parametrize(("network", "slow", "case", "nan"), CASES)
def test_three_faults_of_one_network_are_joined_by_module(
    shared: Path, tmp_path: Path, network: str, slow: str, case: str, nan: str
) -> None:
    folder = shared / "bench" / "alignment" / network
    with tarfile.open(folder / "nan" / f"{nan}.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    session = triage(
        Inputs(
            ref=folder / "pt_stack",
            run=folder / slow,
            ref_dumps=[folder / "parity" / "pt"],
            run_dumps=[folder / "parity" / case, tmp_path],
        )
    )
    planted = {
        "slow": pd.read_csv(folder / "planted.csv").set_index("case").loc[slow, "module"],
        "parity": pd.read_csv(folder / "parity_truth.csv").set_index("case").loc[case, "first_module"],
        "overflow": pd.read_csv(folder / "nan_truth.csv").set_index("case").loc[nan, "module"],
    }
    rows = session.operators.groupby(session.operators["module"].astype(object))
    assert (rows.get_group(planted["slow"])["flag"].astype(object) == "slow").any()
    assert (rows.get_group(planted["parity"])["parity"] == "mismatch").all()
    assert (rows.get_group(planted["overflow"])["overflow"] == "origin").all()
    first = session.parity[session.parity["io"].astype(object) == "output"]["module"].iloc[0]
    assert set(rows.get_group(first)["parity"]) == {"match"}
