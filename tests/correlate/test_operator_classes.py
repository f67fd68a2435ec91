"""Where the class of every row of recorded runs comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from profkit.correlate import align
from profkit.correlate.identity import identify
from profkit.run import load
from profkit.schema import CLASS_SOURCES
from profkit.vocabulary.op_class import classified

GPU_TRACE = "samples/torch/kineto_tb_plugin/samples/resnet50_num_workers_0/worker0.1623143089861.pt.trace.json.gz"
NPU_RUN = "samples/mindspore_profiler/Ascend_msinsight/test/st/level2/rank_0_ascend_pt"


@pytest.mark.parametrize("path", [GPU_TRACE, NPU_RUN])
def test_every_class_of_a_recorded_run_has_a_source_that_holds(shared: Path, path: str) -> None:
    ops = identify(load(shared / path)).ops
    sources, classes = ops["class_source"].astype(object), ops["op_class"].astype(object)
    assert set(sources) <= set(CLASS_SOURCES)
    assert (classes.isna() == (sources == "unknown")).all()
    by_type = ops["op_type"].astype(object).map(lambda name: classified(str(name)), na_action="ignore")
    for word in ("table", "rule"):
        told = by_type[(sources == word) & by_type.notna()]
        assert len(told)
        assert {fact.source for fact in told} == {word}


def test_kernels_of_a_gpu_take_the_class_of_what_launched_them(shared: Path) -> None:
    ops = identify(load(shared / GPU_TRACE)).ops
    taken = ops[ops["class_source"] == "launcher"]
    assert len(taken) > 1000
    assert (taken["level"] == "device").all()
    launching = ops.iloc[taken["launcher"]]
    direct = launching["op_class"].notna().to_numpy()
    assert direct.any()
    assert (launching["op_class"].astype(object).to_numpy() == taken["op_class"].astype(object).to_numpy())[
        direct
    ].all()


def test_a_hint_wins_over_type_and_launcher(shared: Path) -> None:
    run = load(shared / GPU_TRACE)
    ops = identify(run, {"*elementwise*": "pool", "aten::relu_": "norm"}).ops
    hinted = ops["class_source"] == "hint"
    kernels = (ops["level"] == "device") & ops["name"].astype(str).str.contains("elementwise") & ops["op_type"].isna()
    assert kernels.sum() > 1000
    assert (ops.loc[kernels, "op_class"] == "pool").all()
    assert hinted[kernels].all()
    assert (ops.loc[ops["op_type"] == "aten::relu_", "op_class"] == "norm").all()


def test_an_alignment_tells_the_source_of_each_class(samples: Path) -> None:
    torch = identify(load(samples / "vit" / "pytorch" / "profile"))
    mindspore = identify(load(samples / "vit" / "mindspore_clean" / "pynative"))
    alignment = align(torch, mindspore)
    for word, run in (("pt", torch), ("ms", mindspore)):
        rows = alignment[alignment["side"] == word]
        expected = run.ops["class_source"].astype(object).to_numpy()[rows["row"]]
        assert (rows["class_source"].astype(object).to_numpy() == expected).all()
