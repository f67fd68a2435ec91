"""Changes of bfloat16 and float16 tensors are counted in their own last places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts
from profkit.difference_finder.judged_changes import Judged, judge_steps
from profkit.parsers.checkpoint.whole_checkpoint import read_checkpoint
from profkit.weights import identity_map

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore::profkit.randomness.RandomnessWarning")]

RATE = 0.5


def judged(folder: Path, dtype: Any, rate_of_b: float) -> Judged:
    """Judge a step of torch's own SGD: B's weights of this dtype, made by the same steps but for the last place."""
    import torch

    generator = torch.Generator().manual_seed(1)
    before = torch.randn(64, 64, generator=generator).to(dtype)
    gradient = torch.randn(64, 64, generator=generator).to(dtype)
    files: dict[str, list[Path]] = {"step": [], "gradient": [], "before": []}
    for side, rate in (("a", RATE), ("b", rate_of_b)):
        weight = torch.nn.Parameter(before.clone())
        weight.grad = gradient.clone()
        torch.optim.SGD([weight], lr=rate).step()
        after = weight.detach().float()
        if side == "b":
            # One rounding more, which a fused kernel leaves out.
            after = (before.float() - (rate * gradient.float()).to(dtype).float()).to(dtype).float()
        kept = {"step": after - before.float(), "gradient": gradient.float(), "before": before}
        for what, tensor in kept.items():
            files[what].append(folder / f"{what}_{side}.pth")
            torch.save({"w": tensor}, files[what][-1])
    a, b = zip(files["step"], files["gradient"], strict=True)
    return judge_steps(a, b, files["before"], identity_map(read_checkpoint(files["before"][0])), 1, {})


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_one_rounding_is_no_fault_and_another_rate_is(name: str, tmp_path: Path) -> None:
    import torch

    (tmp_path / "clean").mkdir()
    clean = judged(tmp_path / "clean", getattr(torch, name), RATE)
    assert (clean.wrong, clean.parity["status"].tolist()) == ([], ["match"])
    # The last place of 2 to 4, where the largest of these lies, is 2**-6 and 2**-9.
    assert clean.parity["max_abs"].item() <= 2
    (tmp_path / "wrong").mkdir()
    wrong = judged(tmp_path / "wrong", getattr(torch, name), 4 * RATE)
    assert wrong.wrong == ["w"]
    assert "another learning rate" in wrong.parity["reason"].item()


@pytest.mark.parametrize("rate", [0.1, 0.2])
def test_networks_of_float16_in_both_frameworks(rate: float) -> None:
    import mindspore as ms
    import torch
    from mindspore import nn

    torch.manual_seed(0)
    torch_net = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 8)).half()
    mindspore_net = nn.SequentialCell(nn.Dense(16, 32), nn.ReLU(), nn.Dense(32, 8))
    for parameter in mindspore_net.get_parameters():
        parameter.set_dtype(ms.float16)
    finder = ts.migrator.NetDifferenceFinder(
        torch_net,
        mindspore_net,
        print_level=0,
        pt_optimizer=torch.optim.SGD(torch_net.parameters(), lr=0.1),
        ms_optimizer=nn.SGD(mindspore_net.trainable_params(), rate),
    )
    images = np.random.default_rng(0).standard_normal((8, 16)).astype(np.float16)
    result = finder.compare(inputs=(images,), rtol=None, atol=None)
    assert [cause.part for cause in result.causes] == ([] if rate == 0.1 else ["optimizer"]), result.causes
