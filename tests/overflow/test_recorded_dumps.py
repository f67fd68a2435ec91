"""The hunt on dumps of real MindSpore runs: the origins are known because the faults were planted."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from profkit.overflow import hunt
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.progress import silent

ORIGINS = {
    "nan_log": "Default_network-WithLoss_net-Net_Log-op0",
    "nan_exp_inf": "Default_network-WithLoss_net-Net_Exp-op0",
    "sqrt_grad_inf": "Gradients_Default_network-WithLoss_net-Net_Grad_Sqrt_SqrtGrad-op0",
}
CLEAN = ("mlp", "conv", "longname", "bf16", "mlp_kernels", "mlp_out")


def hunted(dump: Path) -> pd.DataFrame:
    return hunt(MindSporeDump().read(dump, silent).frames["tensors"])


def assert_first_and_primary(found: pd.DataFrame, op: str) -> None:
    origins = found[found["role"] == "origin"]
    assert origins.iloc[0]["op"] == op
    assert found.loc[found["primary"], "op"].tolist() == [op]


@pytest.mark.parametrize(("net", "origin"), ORIGINS.items())
def test_known_origins(shared: Path, net: str, origin: str) -> None:
    tensors = MindSporeDump().read(shared / "samples/dump/ms2.10-cpu" / net, silent).frames["tensors"]
    assert_first_and_primary(hunt(tensors), origin)
    outputs = tensors[(tensors["io"] != "input") & (tensors["iteration"] == 0)].reset_index(drop=True)
    assert_first_and_primary(hunt(outputs), origin)


@pytest.mark.parametrize("net", CLEAN)
def test_clean_dumps_give_nothing(shared: Path, net: str) -> None:
    assert hunted(shared / "samples/dump/ms2.10-cpu" / net).empty


def test_the_first_nan_of_an_inf_origin_is_told(shared: Path) -> None:
    found = hunted(shared / "samples/dump/ms2.10-cpu/nan_exp_inf")
    first_nan = found[found["nan"] > 0].iloc[0]
    assert first_nan["op"] == "Default_network-WithLoss_net-Net_Div-op0"
    assert first_nan["reason"].startswith("makes NaN of Inf")


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
