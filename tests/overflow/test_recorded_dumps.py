"""The hunt on dumps of real MindSpore runs: the origins are known because the faults were planted."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.overflow import hunt, hunt_run
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent
from profkit.run import load

with Path(__file__).with_name("known_origins.tsv").open(encoding="utf-8") as _file:
    KNOWN = list(csv.DictReader(_file, delimiter="\t"))
GRAPH_DUMPS = [row for row in KNOWN if row["dump"].startswith("ms2.10-cpu/") and row["op"]]


def hunted(dump: Path) -> pd.DataFrame:
    return hunt_run(load(dump))


def assert_first_and_primary(found: pd.DataFrame, op: str) -> None:
    origins = found[found["role"] == "origin"]
    assert origins.iloc[0]["op"] == op
    assert found.loc[found["primary"], "op"].tolist() == [op]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known["dump"])
def test_the_committed_table_of_origins(shared: Path, known: dict[str, str]) -> None:
    found = hunted(shared / "samples/dump" / known["dump"])
    if not known["op"]:
        assert found.empty
        return
    assert_first_and_primary(found, known["op"])
    (primary,) = found[found["primary"]].to_dict("records")
    assert (str(primary["iteration"]), primary["role"]) == (known["iteration"], known["role"])
    here = found[found["iteration"] == primary["iteration"]]
    assert here.loc[here["first_nan"].fillna(value=False), "op"].tolist() == list(filter(None, [known["first_nan"]]))


@pytest.mark.parametrize("known", GRAPH_DUMPS, ids=lambda known: known["dump"])
def test_outputs_alone_name_the_same(shared: Path, known: dict[str, str]) -> None:
    tensors = load(shared / "samples/dump" / known["dump"]).tensors
    outputs = tensors[(tensors["io"] != "input") & (tensors["iteration"] == 0)].reset_index(drop=True)
    assert_first_and_primary(hunt(outputs), known["op"])


@pytest.mark.parametrize("known", GRAPH_DUMPS, ids=lambda known: known["dump"])
def test_no_single_missing_file_makes_a_bad_dump_look_clean(shared: Path, known: dict[str, str]) -> None:
    run = load(shared / "samples/dump" / known["dump"])
    tensors = run.tensors[run.tensors["iteration"] == 0].reset_index(drop=True)
    bad = hunt(tensors)
    touched = tensors.index[tensors["op"].isin(bad.loc[bad["chain"].fillna(9) <= 2, "op"])]
    origin = bad.loc[bad["primary"], "op"].iloc[0]
    for row in touched:
        found = hunt(tensors.drop(index=row).reset_index(drop=True))
        (primary,) = found[found["primary"]].to_dict("records")
        assert primary["role"] in ("origin", "unknown")
        assert primary["role"] == "unknown" or primary["op"] == origin, tensors.loc[row, "path"]


def test_the_line_of_code_comes_with_the_origin(shared: Path) -> None:
    found = hunted(shared / "samples/dump/ms2.10-cpu/nan_log")
    assert found.loc[found["primary"], "code"].str.contains(r"nets.py:39  .*ops.log").all()
    found = hunted(shared / "samples/dump/msprobe26.2/pt_mix_tensor_nan")
    assert found.loc[found["primary"], "code"].str.contains(r"pt.py:16  .*torch.log").all()


def test_the_first_nan_of_an_inf_origin_is_told(shared: Path) -> None:
    found = hunted(shared / "samples/dump/ms2.10-cpu/nan_exp_inf")
    first_nan = found[found["first_nan"]].iloc[0]
    assert first_nan["op"] == "Default_network-WithLoss_net-Net_Div-op0"
    assert first_nan["reason"].startswith("makes NaN of Inf")


def test_values_clamped_as_on_a_saturating_chip_show_where_it_begins(shared: Path) -> None:
    """A saturating chip writes the largest value for Inf and 0 for NaN: here made of a real dump, so synthetic."""
    tensors = load(shared / "samples/dump/ms2.10-cpu/nan_exp_inf").tensors
    tensors = tensors[tensors["iteration"] == 0].reset_index(drop=True)
    known = next(row["op"] for row in KNOWN if row["dump"].endswith("nan_exp_inf"))
    largest = float(np.finfo(np.float32).max)
    rows = []
    for row in tensors.to_dict("records"):
        if row["dtype"] == "float32":
            array = np.nan_to_num(np.load(row["path"]), nan=0.0, posinf=largest, neginf=-largest).astype(np.float64)
            row |= {"max": array.max(), "min": array.min(), "mean": array.mean(), "nonfinite": False}
        rows.append({**row, "path": None})
    clamped = pd.DataFrame(rows).astype({name: tensors[name].dtype for name in tensors.columns if name != "path"})
    found = hunt(clamped)
    assert not (found["role"] == "origin").any()
    assert found.loc[found["primary"], "op"].tolist() == [known]
    assert found.loc[found["primary"], "role"].tolist() == ["saturated"]


def test_a_later_iteration_starts_from_the_spoilt_weight(shared: Path) -> None:
    found = hunted(shared / "samples/dump/ms2.10-cpu/nan_log")
    later = found[found["iteration"] == 1]
    assert later.iloc[0]["op"] == "Default_network-WithLoss_net-Net_fc1-Dense_MatMul-op0"
    assert "equal to net_fc1_weight as dumped in iteration 0" in later.iloc[0]["reason"]
    assert not (later["role"] == "origin").any()


@pytest.mark.parametrize("net", ["vit", "resnet", "lstm_text"])
@pytest.mark.parametrize("case", ["nan1", "nan2"])
def test_planted_faults_of_whole_networks(shared: Path, tmp_path: Path, net: str, case: str) -> None:
    folder = shared / "bench" / "alignment" / net
    with (folder / "nan_truth.csv").open() as file:
        (truth,) = [row for row in csv.DictReader(file) if row["case"] == case]
    with tarfile.open(folder / "nan" / truth["file"]) as archive:
        archive.extractall(tmp_path, filter="data")
    tensors = MindSporeDump().read(tmp_path, silent).frames["tensors"]
    found = hunt(tensors)
    assert_first_and_primary(found, truth["origin_op_name"])
    module = found.loc[found["primary"], "module"].iloc[0]
    assert pd.isna(module) or module == truth["module"]
    outputs = tensors[tensors["io"] != "input"].reset_index(drop=True)
    assert_first_and_primary(hunt(outputs), truth["origin_op_name"])


def test_bundled_recordings(samples: Path) -> None:
    clean, bad = samples / "vit/mindspore_clean/dump", samples / "vit/mindspore_nan/dump"
    assert hunted(clean).empty
    found = hunted(bad)
    assert found.loc[found["primary"], "role"].tolist() == ["origin"]
    assert found[found["role"] == "origin"].iloc[0]["primary"]
