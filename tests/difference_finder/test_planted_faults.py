"""Ten faults of migrations, planted one at a time: the finder names the module; a clean pair passes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore::profkit.randomness.RandomnessWarning")]

NETWORKS = Path(__file__).parent / "networks"
IMAGES = {
    "cnn": np.random.default_rng(3).standard_normal((4, 3, 16, 16)).astype(np.float32),
    "vit": np.random.default_rng(3).standard_normal((4, 3, 32, 32)).astype(np.float32),
}
LABELS = np.array([0, 2, 1, 1])
WHERE = {
    "cnn": {
        "wrong padding": "conv1", "epsilon": "bn1", "BatchNorm statistics": "bn2", "dropout on": "drop",
        "swapped layers": "(network)", "wrong reduction": "loss", "optimizer weight decay": "optimizer",
    },
    "vit": {
        "wrong padding": "patch", "epsilon": "blocks.1.norm2", "tanh GELU": "blocks.1.mlp.act",
        "transposed weight": "blocks.1.attn.proj", "missing scale": "blocks.1.attn", "dropout on": "blocks.1.mlp.drop",
        "swapped layers": "blocks.1", "wrong reduction": "loss", "optimizer weight decay": "optimizer",
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(NETWORKS))


def found(kind: str, fault: str) -> Any:
    import finder_mindspore_nets as mindspore_nets
    import finder_torch_nets as torch_nets

    wrong_loss, wrong_step = fault == "wrong reduction", fault == "optimizer weight decay"
    finder = ts.migrator.NetDifferenceFinder(
        getattr(torch_nets, kind)(),
        getattr(mindspore_nets, kind)(fault),
        print_level=0,
        pt_loss=torch_nets.loss,
        ms_loss=mindspore_nets.summed_loss if wrong_loss else mindspore_nets.loss,
        pt_optimizer=torch_nets.optimizer,
        ms_optimizer=mindspore_nets.decaying_optimizer if wrong_step else mindspore_nets.optimizer,
    )
    return finder.compare(inputs=(IMAGES[kind],), labels=LABELS)


@pytest.mark.parametrize("kind", WHERE)
def test_a_clean_pair_passes(kind: str) -> None:
    result = found(kind, "")
    assert (result.verdict, result.causes) == ("match", ()), result.reason
    assert set(result.outputs["status"]) == {"match"}
    assert len(result.updates) > 5


@pytest.mark.parametrize(("kind", "fault"), [(kind, fault) for kind in WHERE for fault in WHERE[kind]])
def test_a_fault_is_named_at_its_module(kind: str, fault: str) -> None:
    result = found(kind, fault)
    assert result.verdict == "differs"
    assert result.module == WHERE[kind][fault]
    if fault != "optimizer weight decay":
        assert len(result.causes) == 1, result.causes
    assert ("run in another order" in result.reason) == (fault == "swapped layers")
    assert ("random" in result.reason) == (fault == "dropout on")


def test_all_ten_faults_are_planted() -> None:
    assert len({fault for faults in WHERE.values() for fault in faults}) == 10


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("fault", "module"), [("", None), ("tanh GELU", "blocks.11.mlp.act")])
def test_a_vit_of_full_size(fault: str, module: str | None) -> None:
    import finder_mindspore_nets as mindspore_nets
    import finder_torch_nets as torch_nets

    size = {"image": 224, "patch": 16, "width": 768, "heads": 12, "depth": 12}
    finder = ts.migrator.NetDifferenceFinder(torch_nets.vit(**size), mindspore_nets.vit(fault, **size), print_level=0)
    result = finder.compare(auto_inputs=(((1, 3, 224, 224), np.float32),))
    assert result.module == module, result.reason
    assert result.agrees == (module is None), result.reason


def test_each_network_in_its_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    torch_file, mindspore_file = (NETWORKS / f"finder_{name}_nets.py" for name in ("torch", "mindspore"))
    for fault, verdict, module in (("", "match", None), ("epsilon", "differs", "bn1")):
        monkeypatch.setenv("FAULT", fault)
        with ts.migrator.NetDifferenceFinder(
            f"{torch_file}:cnn",
            f"{mindspore_file}:cnn_in_a_process",
            print_level=0,
            pt_loss=f"{torch_file}:loss",
            ms_loss=f"{mindspore_file}:loss",
            pt_optimizer=f"{torch_file}:optimizer",
            ms_optimizer=f"{mindspore_file}:optimizer",
            pt_python=sys.executable,
        ) as finder:
            result = finder.compare(inputs=(IMAGES["cnn"],), labels=LABELS)
        assert (result.verdict, result.module) == (verdict, module), result.reason
