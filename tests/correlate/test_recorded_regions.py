"""Rows that only stand around operators: marks of torch.compile and DDP, autograd functions that hold a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from profkit.correlate.identity import identify
from profkit.correlate.recorded_regions import outermost_operators, recorded_regions
from profkit.run import load


def _names(path: Path) -> tuple[set[str], list[str]]:
    """Names of the regions, and of the outermost operators in order of start."""
    ops = identify(load(path)).ops
    outermost = ops[outermost_operators(ops)].sort_values("start_ns")
    return set(ops.loc[recorded_regions(ops), "name"].astype(str)), outermost["name"].astype(str).tolist()


def test_a_compiled_region_is_looked_into(shared: Path) -> None:
    regions, outermost = _names(shared / "samples/torch/tracelens/traces/torch_compile_triton/trace.json.gz")
    assert regions == {"Torch-Compiled Region: 0/0"}
    assert sum(name.startswith("triton_") for name in outermost) == 4
    assert "aten::mm" in outermost


def test_what_ddp_marks_on_an_npu_is_looked_into(shared: Path) -> None:
    folder = shared / "samples/mindspore_profiler/Ascend_msinsight/test/data/pytorch/text/level1/rank0_ascend_pt"
    regions, outermost = _names(folder)
    assert regions == {"DistributedDataParallel.forward"}
    assert outermost.count("aten::conv2d") == 5
    assert outermost.count("aten::linear") == 3


def test_functions_that_hold_a_network_are_regions_and_a_custom_norm_is_none(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class TwoLayers(torch.autograd.Function):
        @staticmethod
        def forward(context, x, weight):
            return torch.nn.functional.linear(torch.nn.functional.linear(x, weight), weight)

        @staticmethod
        def backward(context, gradient):
            return gradient, None

    class RMSNormFunction(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x * torch.rsqrt(x.pow(2).mean())

        @staticmethod
        def backward(context, gradient):
            return gradient

    x, weight = torch.ones(4, 4, requires_grad=True), torch.ones(4, 4)
    with torch.profiler.profile(record_shapes=True) as profiler:
        RMSNormFunction.apply(TwoLayers.apply(x, weight)).sum().backward()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    regions, outermost = _names(tmp_path / "trace.json")
    assert regions == {"TwoLayers"}
    assert outermost.count("aten::linear") == 2
    assert "RMSNormFunction" in outermost
