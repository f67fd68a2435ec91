"""How much of what others recorded gets a class: kernel time of their runs, and the operator names they publish.

The floors are below what was measured; a failure lists the names without a class, the costliest first.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from profkit.run import load
from profkit.vocabulary import op_class

LEAST_TIME = 0.95
TORCH, MINDSPORE = "samples/torch", "samples/mindspore_profiler"
RUNS = [
    f"{TORCH}/kineto_tb_plugin/samples/resnet50_num_workers_0/worker0.1623143089861.pt.trace.json.gz",
    f"{TORCH}/hta/timeline_analysis/sampled_rank-0.json.gz",
    f"{TORCH}/hta/trace_diff/control/control.json.gz",
    f"{TORCH}/hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz",
    f"{TORCH}/hta/amd_trace/mi250_minitoy_train_ROCm6_2_kineto.json.gz",
    f"{TORCH}/tracelens/traces/mi300/resnet_act_checkpoint.json.gz",
    f"{TORCH}/tracelens/traces/mi300/Falconsai_nsfw_image_detection__1016002.json.gz",
    f"{TORCH}/tracelens/traces/h100/gaunernst_bert-small-uncased__1016001.json.gz",
    f"{TORCH}/tracelens/traces/inference/sglang_decode/sglang_Qwen3-8B_decode.json.gz",
    f"{TORCH}/tracelens/traces/inference/xdit_flux.1_aiter_sage/profile_trace_rank_0.json.gz",
    f"{TORCH}/tracelens/traces/torch_compile_triton/trace.json.gz",
    f"{TORCH}/torch_npu/advisor_backend_compute_advice_kernel_details.csv",
    f"{TORCH}/torch_npu/compute_advice_data_kernel_details.csv",
    f"{MINDSPORE}/Ascend_msinsight/server/src/test/test_data/test_rank_1",
    f"{MINDSPORE}/Ascend_msinsight/test/data/pytorch/text/level1/rank0_ascend_pt",
    f"{MINDSPORE}/Ascend_msinsight/test/st/level2/rank_0_ascend_pt",
    f"{MINDSPORE}/made_mindspore_2.10_ascend_semisynthetic/level1/host_4242_20250109074804023_ascend_ms",
]


@pytest.mark.parametrize("path", RUNS)
def test_kernel_time_has_a_class(path: str, shared: Path) -> None:
    ops = load(shared / path).ops
    kernels = ops[ops["level"] == "device"]
    names = kernels["op_type"].astype(object).where(kernels["op_type"].notna(), kernels["name"].astype(object))
    time = kernels["dur_ns"].groupby(names).sum().sort_values(ascending=False)
    unknown = time[[op_class(str(name)) is None for name in time.index]]
    assert time.sum() > 0
    assert unknown.sum() <= (1 - LEAST_TIME) * time.sum(), unknown.to_dict()


@pytest.mark.parametrize(
    ("table", "column", "form", "least"),
    [
        ("aclnn_kernel_names.tsv", "kernel_name", "{}", 1.0),
        ("ms_primitive_aclnn.tsv", "primitive", "{}", 0.97),
        ("aten_aclnn.tsv", "aten_overload", "aten::{}", 0.9),
    ],
)
def test_published_names_have_a_class(table: str, column: str, form: str, least: float, shared: Path) -> None:
    with (shared / "samples" / "op_mapping" / table).open(encoding="utf-8") as rows:
        names = sorted({row[column] for row in csv.DictReader(rows, delimiter="\t")})
    unknown = [name for name in names if op_class(form.format(name)) is None]
    assert len(unknown) <= (1 - least) * len(names), unknown
