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
    spread = session.overflow[session.overflow["module"] == "loss"]
    assert (rows.get_group("loss")["op_class"] == "loss").any()
    assert (rows.get_group("loss")["overflow"].notna() == bool(len(spread))).all()
    first = session.parity[session.parity["io"].astype(object) == "output"]["module"].iloc[0]
    assert set(rows.get_group(first)["parity"]) == {"match"}


def test_composite_modules_have_time_parity_and_overflow_in_one_row(samples: Path) -> None:
    vit = samples / "vit"
    dumps = (vit / "mindspore_gelu_tanh" / "outputs", vit / "mindspore_nan" / "dump")
    session = triage(Inputs(ref=vit / "pytorch", run=vit / "mindspore_slow", run_dumps=dumps))
    rows = session.operators
    block = rows[(rows["module"] == "blocks.2.attn") & (rows["phase"] == "forward")]
    assert len(block) >= 2
    assert block["ref_ns"].notna().any()
    assert (block["parity"] == "mismatch").all()
    assert (block["overflow"] == "carrier").all()
    untouched = rows[rows["module"] == "blocks.0.attn"]
    assert set(untouched["parity"]) == {"match"}
    loss = rows[rows["module"] == "loss"]
    assert set(loss["overflow"]) == {"carrier"}
    assert {"aten::cross_entropy_loss", "NllLossBackward0"} <= set(loss["operator"])
    network = rows[rows["module"] == "VisionTransformer"]
    assert set(network["overflow"]) == {"carrier"}


def test_composite_modules_are_named_by_the_scopes_of_their_parts(shared: Path) -> None:
    folder = shared / "bench" / "alignment" / "vit"
    rows = triage(Inputs(ref=folder / "pt_stack", run=folder / "ms_graph")).operators
    named = set(rows["module"].dropna())
    assert {f"blocks.{number}{part}" for number in range(3) for part in ("", ".attn")} <= named
    assert "loss" in named
