"""Units of real PyTorch operators."""

from pathlib import Path

import pytest

from profkit.correlate.identity import identify
from profkit.correlate.units import TorchUnits
from profkit.run import load


def test_only_a_layer_with_a_bias_may_need_a_kernel_for_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    plain, biased = torch.nn.Conv2d(3, 1, 3, bias=False), torch.nn.Conv2d(3, 1, 3)
    images = torch.randn(2, 3, 8, 8)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profiler:
        plain(images).sum().backward()
        biased(images).sum().backward()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    ops = identify(load(tmp_path / "trace.json")).ops
    rows = (ops["parent"] < 0).to_numpy().nonzero()[0]
    for phase, kernel in (("forward", "biasadd"), ("backward", "biasaddgrad")):
        units = TorchUnits(ops).units(rows[(ops["phase"].iloc[rows] == phase).to_numpy()], phase)
        convolutions = [unit for unit in units if unit.op_class == "conv"]
        assert [kernel in unit.decomposition.kernels for unit in convolutions] == [False, True]


def test_a_layer_without_bias_whose_input_is_flattened_needs_no_kernel_for_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    plain, biased = torch.nn.Linear(4, 6, bias=False), torch.nn.Linear(6, 5)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profiler:
        biased(plain(torch.randn(2, 3, 4))).sum().backward()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    ops = identify(load(tmp_path / "trace.json")).ops
    rows = (ops["parent"] < 0).to_numpy().nonzero()[0]
    units = TorchUnits(ops).units(rows[(ops["phase"].iloc[rows] == "backward").to_numpy()], "backward")
    layers = [unit for unit in units if unit.op_class == "matmul"]
    assert ["biasaddgrad" in unit.decomposition.kernels for unit in layers] == [True, False]


def test_the_bias_of_a_convolution_goes_with_its_result(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    layers = torch.nn.Sequential(torch.nn.Conv1d(4, 16, 3, 2, 1), torch.nn.Conv1d(16, 16, 3, 2, 1))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profiler:
        layers(torch.randn(4, 4, 64)).sum().backward()
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    ops = identify(load(tmp_path / "trace.json")).ops
    rows = (ops["parent"] < 0).to_numpy().nonzero()[0]
    units = TorchUnits(ops).units(rows[(ops["phase"].iloc[rows] == "forward").to_numpy()], "forward")
    first, second = (unit.shapes for unit in units if unit.op_class == "conv")
    # The kernel has a height of one; the second convolution reads what the first one made.
    of_first, of_second = (((4, 16, 1, length), (16,)) for length in (32, 16))
    assert first.fit(of_first) > second.fit(of_first)
    assert second.fit(of_second) > first.fit(of_second)
