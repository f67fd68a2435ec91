"""Runs with a device: PyTorch on a GPU or an NPU against MindSpore on Ascend, and each against itself.

Oracle across frameworks: the MindSpore runs were made of the PyTorch ones by MindSpore's own exporter, so that kernels
with the same start are the same work. Names, phases and modules of the two differ.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from profkit.correlate import align
from profkit.correlate.identity import identify
from profkit.run import Run, load
from profkit.triage import Inputs, judge

PROFILER = Path("samples/mindspore_profiler")
TORCH_NPU = PROFILER / "Ascend_msinsight/test/data/pytorch"
MADE = PROFILER / "made_mindspore_2.10_ascend_semisynthetic"
LEVEL2 = PROFILER / "Ascend_msinsight/test/st/level2/rank_0_ascend_pt"
CUDA = Path("samples/torch")
ALEXNET_ON_CUDA = CUDA / "hta/critical_path/alexnet/benchmark_result_2869224_1695835535_trace.json.gz"
DDP_ON_CUDA = CUDA / "hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz"
VIT_ON_CUDA = CUDA / "tracelens/traces/h100/Falconsai_nsfw_image_detection__1016002.json.gz"
DEVICE_RUNS = [
    TORCH_NPU / "text/level0/rank0_ascend_pt",
    TORCH_NPU / "text/level1/rank0_ascend_pt",
    TORCH_NPU / "db/level1/rank0_ascend_pt",
    LEVEL2,
    MADE / "level0",
    MADE / "level1",
    MADE / "level1_commname",
    DDP_ON_CUDA,
    VIT_ON_CUDA,
]


@cache
def _loaded(path: Path) -> Run:
    return identify(load(path))


def _pairs(shared: Path, level: str) -> pd.DataFrame:
    torch = _loaded(shared / TORCH_NPU / "text" / level / "rank0_ascend_pt")
    alignment = align(torch, _loaded(shared / MADE / level))
    sides = [alignment[alignment["side"] == word].set_index("start_ns") for word in ("pt", "ms")]
    assert sides[0].index.is_unique
    assert sides[1].index.is_unique
    return sides[0].join(sides[1], lsuffix="_pt", rsuffix="_ms", how="outer", validate="one_to_one")


@pytest.mark.parametrize("level", ["level0", "level1"])
def test_kernels_of_two_frameworks_on_one_npu_find_each_other(shared: Path, level: str) -> None:
    pairs = _pairs(shared, level)
    assert len(pairs) == 191
    together = (pairs["group_pt"] == pairs["group_ms"]) & (pairs["group_pt"] >= 0)
    # The optimizer was made of kernels that MindSpore has none of, and gradients are scaled by DDP's hooks.
    of_network = ~pairs["name_pt"].astype(str).str.contains("Foreach|aclnnMuls_|InplaceFill")
    assert together[of_network].mean() > {"level0": 0.85, "level1": 0.9}[level]
    wrong = pairs[(pairs["group_pt"] >= 0) & (pairs["group_ms"] >= 0) & ~together]
    assert len(wrong) <= 14
    for name in ("Conv2D", "MatMul", "MaxPool", "Relu", "hcom_allReduce"):
        its = pairs["name_pt"].astype(str).str.contains(name) & ~pairs["name_pt"].astype(str).str.contains(
            "Trans|MemSet"
        )
        assert its.sum() >= 4
        assert together[its].all(), name


def test_groups_of_kernels_are_operators_and_no_networks(shared: Path) -> None:
    """DDP marks its whole forward pass as one operator here."""
    pairs = _pairs(shared, "level1")
    sizes = pairs.loc[pairs["group_ms"] >= 0].groupby("group_ms").size()
    assert sizes.median() <= 4
    assert sizes.max() <= 14
    modules = pairs.loc[pairs["name_pt"].astype(str).str.fullmatch(r"Conv2D\d+"), "module_ms"]
    assert modules.nunique() == 5


def test_a_conversion_goes_with_the_operator_it_was_made_for(shared: Path) -> None:
    pairs = _pairs(shared, "level1")
    forward = pairs[(pairs["phase_pt"] == "forward") & pairs["name_pt"].astype(str).str.contains("TransData")]
    assert len(forward) == 21
    assert (forward["group_pt"] == forward["group_ms"]).all()


def test_pynative_kernels_tell_their_phase_by_their_types(shared: Path) -> None:
    """The scope of every kernel says forward; what the hooks and the optimizer of DDP run is left out."""
    pairs = _pairs(shared, "level1")
    compared = pairs[(pairs["phase_pt"] != "optimizer")]
    kernels = _loaded(shared / MADE / "level1").ops
    kernels = kernels[kernels["level"] == "device"].set_index("start_ns")["phase"]
    assert (kernels.reindex(compared.index).astype(str) == compared["phase_pt"].astype(str)).all()


@pytest.mark.parametrize("recording", DEVICE_RUNS, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_device_run_matches_itself_without_a_finding(shared: Path, recording: Path) -> None:
    run = _loaded(shared / recording)
    alignment = align(run, run)
    partner = alignment.pivot(index="row", columns="side", values="group")
    inside = ~alignment["reason"].astype(str).str.startswith("outside the steps")
    rows = alignment.loc[inside, "row"].unique()
    assert len(rows) > 50
    assert (partner.loc[rows, "ref"] == partner.loc[rows, "run"]).all()
    assert (partner.loc[rows, "ref"] >= 0).all()
    session = judge(run, run, Inputs(run=run.path, ref=run.path))
    assert session.findings.empty, session.findings[["kind", "evidence"]].to_dict("records")
    assert (session.bridge["delta_ns"] == 0).all()


def test_streams_that_overtake_each_other_are_aligned_as_launched(shared: Path) -> None:
    """One job recorded twice, as text and as a database: the mask of a dropout runs on a stream of its own."""
    text, database = (_loaded(shared / TORCH_NPU / form / "level1/rank0_ascend_pt") for form in ("text", "db"))
    alignment = align(text, database)
    masks = alignment[alignment["name"].astype(str).str.contains("GenMask") & (alignment["side"] == "ref")]
    kernels = [ops[ops["level"] == "device"].sort_values("start_ns") for ops in (text.ops, database.ops)]
    in_time = [ops["op_type"].astype(str).tolist() for ops in kernels]
    assert in_time[0] != in_time[1]
    assert len(masks) == 2
    groups = alignment.groupby("group")
    assert groups.size().eq(2).all()
    assert groups["op_class"].nunique().eq(1).all()
    assert (alignment["group"] >= 0).all()


@pytest.mark.parametrize("other", [TORCH_NPU / "text/level1/rank0_ascend_pt", MADE / "level1"])
def test_a_network_on_a_gpu_meets_itself_on_an_npu(shared: Path, other: Path) -> None:
    """AlexNet on both: 5 convolutions and 3 linear layers forward; kernels share no name and no shape is recorded."""
    alignment = align(_loaded(shared / ALEXNET_ON_CUDA), _loaded(shared / other))
    ours, theirs = (
        alignment[(alignment["side"].isin(words)) & (alignment["group"] >= 0)]
        for words in (("pt", "ref"), ("ms", "run"))
    )
    for kind, count in (("conv", 5), ("matmul", 3), ("pool", 4)):
        groups = [
            side.loc[(side["op_class"] == kind) & (side["phase"] == "forward"), "group"] for side in (ours, theirs)
        ]
        assert list(dict.fromkeys(groups[0])) == list(dict.fromkeys(groups[1]))
        assert groups[0].nunique() == count


def test_exchanged_sides_mirror_device_runs(shared: Path) -> None:
    cuda, npu = _loaded(shared / ALEXNET_ON_CUDA), _loaded(shared / DEVICE_RUNS[1])
    there, back = align(cuda, npu), align(npu, cuda)
    keys = ["side", "row"]
    ours = there.assign(side=there["side"].map({"ref": "run", "run": "ref"})).set_index(keys)["group"]
    theirs = back.set_index(keys)["group"].reindex(ours.index)
    assert (ours >= 0).sum() > 80
    assert ((ours >= 0) == (theirs >= 0)).all()
    assert pd.DataFrame({"a": ours, "b": theirs})[ours >= 0].drop_duplicates().shape[0] == ours[ours >= 0].nunique()


def test_what_ddp_queues_behind_backward_is_backward(shared: Path) -> None:
    for recording in (DDP_ON_CUDA, DEVICE_RUNS[1]):
        ops = _loaded(shared / recording).ops
        copies = ops[ops["name"] == "torch.distributed.ddp.reducer::copy_bucket_to_grad"]
        assert len(copies)
        assert set(copies["phase"]) == {"backward"}
