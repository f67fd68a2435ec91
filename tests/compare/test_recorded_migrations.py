"""Real recordings of three networks in PyTorch and MindSpore with one planted fault each, and three without."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from profkit.compare import compare_tensors
from profkit.parsers.dump.saved_tensors import SavedTensors
from profkit.progress import silent

CASES = [("vit", 5), ("resnet", 4), ("lstm_text", 4)]
EVERY_CASE = [(net, f"case{number}") for net, count in CASES for number in range(count)]


def truth(shared: Path, net: str, case: str) -> dict[str, str]:
    with (shared / "bench/alignment" / net / "parity_truth.csv").open() as table:
        return next(row for row in csv.DictReader(table) if row["case"] == case)


def recorded(folder: Path) -> pd.DataFrame:
    return SavedTensors().read(folder, silent).frames["tensors"]


@pytest.mark.parametrize("part", ["", "outputs"])
@pytest.mark.parametrize(("net", "case"), EVERY_CASE)
def test_the_first_diverging_module_is_named(shared: Path, net: str, case: str, part: str) -> None:
    expected = truth(shared, net, case)
    parity_folder = shared / "bench/alignment" / net / "parity"
    reference, run = (recorded(parity_folder / expected[side] / part) for side in ("pt_dir", "ms_dir"))
    parity = compare_tensors(reference, run)
    assert parity["paired_by"].notna().all()
    named = parity.loc[parity["first_divergence"], "name_a"].tolist()
    assert named == ([expected["first_module"]] if expected["first_module"] else [])
    if not named:
        assert set(parity["status"]) == {"match"}
    else:
        assert parity.loc[parity["first_divergence"], "reason"].str.startswith("First divergence (firm)").all()
        before = parity.index[parity["first_divergence"]][0]
        assert set(parity["status"][:before]) == {"match"}


@pytest.mark.parametrize(("net", "case"), EVERY_CASE)
def test_gradients_alone_tell_a_fault_from_none(shared: Path, net: str, case: str) -> None:
    expected = truth(shared, net, case)
    parity_folder = shared / "bench/alignment" / net / "parity"
    parity = compare_tensors(*(recorded(parity_folder / expected[side] / "grads") for side in ("pt_dir", "ms_dir")))
    assert parity["paired_by"].notna().all()
    if expected["first_module"]:
        assert (parity["status"] == "mismatch").mean() > 0.5
        assert parity["first_divergence"].sum() == 1
    else:
        assert set(parity["status"]) == {"match"}
        assert not parity["first_divergence"].any()


@pytest.mark.parametrize(("net", "case"), [("vit", "case2"), ("resnet", "case2"), ("lstm_text", "case3")])
@pytest.mark.parametrize("lost", [0, 1, 4, 10])
def test_a_lost_file_moves_no_other(shared: Path, net: str, case: str, lost: int) -> None:
    expected = truth(shared, net, case)
    parity_folder = shared / "bench/alignment" / net / "parity"
    reference, run = (recorded(parity_folder / expected[side] / "outputs") for side in ("pt_dir", "ms_dir"))
    number = run["order"].sort_values().iloc[lost]
    run = run[run["order"] != number].reset_index(drop=True)
    parity = compare_tensors(reference, run)
    assert parity["status"].tolist().count("missing_b") == 1
    assert parity["paired_by"].notna().sum() == len(reference) - 1
    is_the_faulty_one = reference.sort_values("order")["op"].iloc[lost] == expected["first_module"]
    named = parity.loc[parity["first_divergence"], "name_a"].tolist()
    assert (named == [expected["first_module"]]) is not is_the_faulty_one
