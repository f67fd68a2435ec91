"""Networks of both frameworks as they are held: natural differences are recognised, real ones shown where they are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import profkit
from profkit.structure import StructureComparison, compare_structure, describe_structure, read_structure

pytestmark = pytest.mark.frameworks


def statuses(found: StructureComparison) -> dict[str, str]:
    """Status by path in A, or in B where only B has the module, of what does not agree."""
    rows = found.rows[~found.rows["status"].isin(["same", "natural"])]
    names = rows["module_a"].where(rows["module_a"].notna(), rows["module_b"])
    return dict(zip(names, rows["status"].astype(object), strict=True))


def row(found: StructureComparison, module: str) -> pd.Series[Any]:
    rows = found.rows
    return rows[(rows["module_a"] == module) | (rows["module_a"].isna() & (rows["module_b"] == module))].iloc[0]


def sequences(*pairs: tuple[Any, Any]) -> tuple[Any, Any]:
    import mindspore
    import torch

    return torch.nn.Sequential(*(one for one, _ in pairs)), mindspore.nn.SequentialCell(*(other for _, other in pairs))


# Layers that compute the same, from (torch.nn, mindspore.nn, mindspore.mint.nn).
EQUAL: dict[str, Callable[[Any, Any, Any], tuple[Any, Any]]] = {
    "Dense": lambda t, m, mint: (t.Linear(4, 5), m.Dense(4, 5)),
    "Dense without bias": lambda t, m, mint: (t.Linear(4, 5, bias=False), m.Dense(4, 5, has_bias=False)),
    "mint Linear": lambda t, m, mint: (t.Linear(4, 5), mint.Linear(4, 5)),
    "mint Linear without bias": lambda t, m, mint: (t.Linear(4, 5, bias=False), mint.Linear(4, 5, bias=False)),
    "BiDense": lambda t, m, mint: (t.Bilinear(2, 3, 4), m.BiDense(2, 3, 4)),
    "Conv2d, same": lambda t, m, mint: (t.Conv2d(3, 6, 3, padding=1), m.Conv2d(3, 6, 3, has_bias=True)),
    "Conv2d, pad": lambda t, m, mint: (
        t.Conv2d(4, 6, (3, 5), 2, (1, 2), groups=2, bias=False),
        m.Conv2d(4, 6, (3, 5), 2, "pad", (1, 1, 2, 2), group=2),
    ),
    "Conv2d, valid": lambda t, m, mint: (t.Conv2d(3, 6, 3, bias=False), m.Conv2d(3, 6, 3, pad_mode="valid")),
    "Conv2d, same by name": lambda t, m, mint: (t.Conv2d(3, 6, 3, padding="same", bias=False), m.Conv2d(3, 6, 3)),
    "mint Conv2d": lambda t, m, mint: (t.Conv2d(3, 6, 3, 2, 1, 2), mint.Conv2d(3, 6, 3, 2, 1, 2)),
    "mint Conv2d, same": lambda t, m, mint: (t.Conv2d(3, 6, 3, padding=1), mint.Conv2d(3, 6, 3, padding="same")),
    "Conv1d": lambda t, m, mint: (
        t.Conv1d(3, 6, 5, padding=2, bias=False), m.Conv1d(3, 6, 5, pad_mode="pad", padding=2),
    ),
    "mint Conv1d": lambda t, m, mint: (t.Conv1d(3, 6, 5, padding=2), mint.Conv1d(3, 6, 5, padding=2)),
    "Conv3d": lambda t, m, mint: (t.Conv3d(3, 6, 3, padding=1, bias=False), m.Conv3d(3, 6, 3)),
    "mint Conv3d": lambda t, m, mint: (t.Conv3d(3, 6, 3), mint.Conv3d(3, 6, 3)),
    "Conv1dTranspose": lambda t, m, mint: (
        t.ConvTranspose1d(3, 6, 3, 2, bias=False), m.Conv1dTranspose(3, 6, 3, 2, pad_mode="valid"),
    ),
    "Conv2dTranspose": lambda t, m, mint: (
        t.ConvTranspose2d(3, 6, 4, 2, 1, bias=False), m.Conv2dTranspose(3, 6, 4, 2, pad_mode="same"),
    ),
    "Conv3dTranspose": lambda t, m, mint: (
        t.ConvTranspose3d(3, 6, 3, 2, 1, 1, bias=False),
        m.Conv3dTranspose(3, 6, 3, 2, pad_mode="pad", padding=1, output_padding=1),
    ),
    "mint ConvTranspose2d": lambda t, m, mint: (
        t.ConvTranspose2d(3, 6, 3, 2, 1, 1), mint.ConvTranspose2d(3, 6, 3, 2, 1, 1),
    ),
    "BatchNorm1d": lambda t, m, mint: (t.BatchNorm1d(4), m.BatchNorm1d(4)),
    "BatchNorm2d": lambda t, m, mint: (t.BatchNorm2d(4, momentum=0.3), m.BatchNorm2d(4, momentum=0.7)),
    "BatchNorm3d": lambda t, m, mint: (t.BatchNorm3d(4), m.BatchNorm3d(4)),
    "SyncBatchNorm": lambda t, m, mint: (t.SyncBatchNorm(4), m.SyncBatchNorm(4)),
    "mint BatchNorm2d": lambda t, m, mint: (t.BatchNorm2d(4), mint.BatchNorm2d(4)),
    "mint BatchNorm3d": lambda t, m, mint: (t.BatchNorm3d(4), mint.BatchNorm3d(4)),
    "mint SyncBatchNorm": lambda t, m, mint: (t.SyncBatchNorm(4), mint.SyncBatchNorm(4)),
    "InstanceNorm2d": lambda t, m, mint: (t.InstanceNorm2d(4, affine=True), m.InstanceNorm2d(4)),
    "LayerNorm": lambda t, m, mint: (t.LayerNorm(4, eps=1e-7), m.LayerNorm((4,))),
    "mint LayerNorm": lambda t, m, mint: (t.LayerNorm(4), mint.LayerNorm(4)),
    "GroupNorm": lambda t, m, mint: (t.GroupNorm(2, 4), m.GroupNorm(2, 4)),
    "mint GroupNorm": lambda t, m, mint: (t.GroupNorm(2, 4), mint.GroupNorm(2, 4)),
    "Embedding": lambda t, m, mint: (t.Embedding(9, 4), m.Embedding(9, 4)),
    "mint Embedding": lambda t, m, mint: (t.Embedding(9, 4, padding_idx=1), mint.Embedding(9, 4, padding_idx=1)),
    "LSTM": lambda t, m, mint: (t.LSTM(3, 4, 2, batch_first=True), m.LSTM(3, 4, 2, batch_first=True)),
    "GRU": lambda t, m, mint: (t.GRU(3, 4, bidirectional=True), m.GRU(3, 4, bidirectional=True)),
    "LSTMCell": lambda t, m, mint: (t.LSTMCell(3, 4), m.LSTMCell(3, 4)),
    "MultiheadAttention": lambda t, m, mint: (t.MultiheadAttention(8, 2), m.MultiheadAttention(8, 2)),
    "TransformerEncoder": lambda t, m, mint: (
        t.TransformerEncoder(t.TransformerEncoderLayer(8, 2, 16), 2),
        m.TransformerEncoder(m.TransformerEncoderLayer(8, 2, 16), 2),
    ),
    "Dropout": lambda t, m, mint: (t.Dropout(0.2), m.Dropout(p=0.2)),
    "mint Dropout": lambda t, m, mint: (t.Dropout(0.2), mint.Dropout(0.2)),
    "GELU": lambda t, m, mint: (t.GELU(), m.GELU(approximate=False)),
    "GELU, tanh": lambda t, m, mint: (t.GELU("tanh"), m.GELU()),
    "mint GELU": lambda t, m, mint: (t.GELU(), mint.GELU()),
    "LeakyReLU": lambda t, m, mint: (t.LeakyReLU(0.2), m.LeakyReLU()),
    "ELU": lambda t, m, mint: (t.ELU(), m.ELU()),
    "SeLU": lambda t, m, mint: (t.SELU(), m.SeLU()),
    "HSwish": lambda t, m, mint: (t.Hardswish(), m.HSwish()),
    "PReLU": lambda t, m, mint: (t.PReLU(4), m.PReLU(4)),
    "Softmax": lambda t, m, mint: (t.Softmax(dim=-1), m.Softmax()),
    "mint Softmax": lambda t, m, mint: (t.Softmax(dim=1), mint.Softmax(1)),
    "MaxPool2d": lambda t, m, mint: (t.MaxPool2d(2), m.MaxPool2d(2, 2)),
    "MaxPool2d, pad": lambda t, m, mint: (t.MaxPool2d(3, 1, 1), m.MaxPool2d(3, 1, pad_mode="same")),
    "mint MaxPool2d": lambda t, m, mint: (t.MaxPool2d(3, 2, 1), mint.MaxPool2d(3, 2, 1)),
    "AvgPool2d": lambda t, m, mint: (t.AvgPool2d(2), m.AvgPool2d(2, 2)),
    "mint AvgPool2d": lambda t, m, mint: (t.AvgPool2d(2), mint.AvgPool2d(2)),
    "AdaptiveAvgPool2d": lambda t, m, mint: (t.AdaptiveAvgPool2d(1), m.AdaptiveAvgPool2d(1)),
    "mint AdaptiveAvgPool2d": lambda t, m, mint: (t.AdaptiveAvgPool2d((1, 1)), mint.AdaptiveAvgPool2d(1)),
    "Flatten": lambda t, m, mint: (t.Flatten(), m.Flatten()),
    "CrossEntropyLoss": lambda t, m, mint: (t.CrossEntropyLoss(), m.CrossEntropyLoss()),
}  # fmt: skip

# Layers of the same name that do not compute the same, with the setting that says so.
UNEQUAL: dict[str, tuple[str, Callable[[Any, Any, Any], tuple[Any, Any]]]] = {
    "width": ("out_features: 5 against 6", lambda t, m, mint: (t.Linear(4, 5), m.Dense(4, 6))),
    "bias": ("bias: True against False", lambda t, m, mint: (t.Linear(4, 5), mint.Linear(4, 5, bias=False))),
    "kernel": ("kernel_size: (3, 3) against (5, 5)", lambda t, m, mint: (
        t.Conv2d(3, 6, 3, bias=False), m.Conv2d(3, 6, 5, pad_mode="valid"))),
    "padding": ("padding: (0, 0) against (1, 1) (pad_mode=same)", lambda t, m, mint: (
        t.Conv2d(3, 6, 3, bias=False), m.Conv2d(3, 6, 3))),
    "padding by size": ("it depends on the size of the input", lambda t, m, mint: (
        t.Conv2d(3, 6, 3, 2, 1, bias=False), m.Conv2d(3, 6, 3, 2))),
    "uneven padding": ("on the sides of each axis", lambda t, m, mint: (
        t.Conv2d(3, 6, 3, padding=1, bias=False), m.Conv2d(3, 6, 3, pad_mode="pad", padding=(0, 1, 1, 1)))),
    "stride": ("stride: (1, 1) against (2, 2)", lambda t, m, mint: (t.Conv2d(3, 6, 3), mint.Conv2d(3, 6, 3, 2))),
    "groups": ("groups: 2 against 1", lambda t, m, mint: (t.Conv2d(4, 6, 3, groups=2), mint.Conv2d(4, 6, 3))),
    "epsilon": ("eps: 1e-05 against 1e-07", lambda t, m, mint: (t.LayerNorm(4), m.LayerNorm((4,)))),
    "epsilon of a BatchNorm3d": ("eps: 0.001 against 1e-05", lambda t, m, mint: (
        t.BatchNorm3d(4, 1e-3), m.BatchNorm3d(4))),
    "momentum": ("momentum: 0.1 against 0.9", lambda t, m, mint: (t.BatchNorm2d(4), m.BatchNorm2d(4, momentum=0.1))),
    "no weights": ("affine: False against True", lambda t, m, mint: (t.BatchNorm2d(4, affine=False), m.BatchNorm2d(4))),
    "gelu": ("approximate: none against tanh", lambda t, m, mint: (t.GELU(), m.GELU())),
    "slope": ("negative_slope: 0.01 against 0.2", lambda t, m, mint: (t.LeakyReLU(), m.LeakyReLU())),
    "dropout": ("p: 0.5 against 0.1", lambda t, m, mint: (t.Dropout(), m.Dropout(p=0.1))),
    "another layer": ("ReLU against GELU", lambda t, m, mint: (t.ReLU(), mint.GELU())),
    "order of axes": ("batch_first: True against False", lambda t, m, mint: (
        t.LSTM(3, 4, batch_first=True), m.LSTM(3, 4))),
    "heads": ("num_heads: 2 against 4", lambda t, m, mint: (t.MultiheadAttention(8, 2), m.MultiheadAttention(8, 4))),
    "reduction": ("reduction: mean against sum", lambda t, m, mint: (
        t.CrossEntropyLoss(), m.CrossEntropyLoss(reduction="sum"))),
}  # fmt: skip


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a sequence"])
@pytest.mark.parametrize("name", EQUAL)
def test_layers_that_are_only_called_otherwise_agree(name: str, alone: bool) -> None:
    import mindspore
    import torch

    pair = EQUAL[name](torch.nn, mindspore.nn, mindspore.mint.nn)
    found = compare_structure(*(pair if alone else sequences(pair)))
    assert found.agrees, found.rows.to_string()
    assert compare_structure(*pair[::-1]).agrees


@pytest.mark.parametrize("name", UNEQUAL)
def test_settings_that_differ_are_shown(name: str) -> None:
    import mindspore
    import torch

    told, make = UNEQUAL[name]
    pair = make(torch.nn, mindspore.nn, mindspore.mint.nn)
    found = compare_structure(*sequences((torch.nn.ReLU(), mindspore.nn.ReLU()), pair))
    assert statuses(found) == {"1": "different"}
    assert told in row(found, "1")["differences"]


def test_what_is_natural_is_told() -> None:
    import mindspore
    import torch

    found = compare_structure(
        *sequences(
            (torch.nn.Linear(4, 5), mindspore.nn.Dense(4, 5)),
            (torch.nn.LayerNorm(5), mindspore.nn.LayerNorm((5,), epsilon=1e-5)),
            (torch.nn.Conv2d(3, 6, 3, padding=1), mindspore.nn.Conv2d(3, 6, 3, pad_mode="same", has_bias=True)),
            (torch.nn.ReLU(), mindspore.nn.ReLU()),
        )
    )
    assert found.rows["status"].tolist() == ["natural"] * 4 + ["same"]
    assert row(found, "0")["natural"] == "Linear is Dense"
    assert row(found, "1")["natural"] == "weight is gamma; bias is beta"
    assert row(found, "2")["natural"] == "pad_mode=same is padding=(1, 1)"


def test_a_missing_layer_moves_no_other() -> None:
    import mindspore
    import torch

    t, m = torch.nn, mindspore.nn
    a = t.Sequential(t.Linear(4, 4), t.ReLU(), t.Dropout(0.1), t.Linear(4, 4), t.Tanh(), t.Linear(4, 2))
    b = m.SequentialCell(m.Dense(4, 4), m.ReLU(), m.Dense(4, 4), m.Tanh(), m.Dense(4, 2))
    assert statuses(compare_structure(a, b)) == {"2": "missing_b"}
    assert statuses(compare_structure(b, a)) == {"2": "missing_a"}
    harmless = t.Sequential(t.Linear(4, 4), t.ReLU(), t.Dropout(0.0), t.Identity(), *list(a)[3:])
    assert compare_structure(harmless, b).agrees


def test_a_missing_layer_is_found_by_the_settings_of_its_neighbours() -> None:
    import mindspore
    import torch

    widths = (4, 8, 8, 16, 16, 4)
    layers = [torch.nn.Linear(*pair) for pair in pairwise(widths)]
    cells = [mindspore.nn.Dense(*pair) for pair in pairwise(widths)]
    for missing in range(len(layers)):
        shorter = mindspore.nn.SequentialCell(*cells[:missing], *cells[missing + 1 :])
        found = compare_structure(torch.nn.Sequential(*layers), shorter)
        assert statuses(found) == {str(missing): "missing_b"}


def test_a_missing_block_is_found_among_blocks_that_list_their_layers_in_another_order() -> None:
    import mindspore
    import torch

    def block(nn: Any, base: Any, names: str, width: int) -> Any:
        made = base()
        for name in names:
            layer = {
                "a": lambda: nn.Conv2d(width, width, 1),
                "n": lambda: nn.BatchNorm2d(width),
                "r": nn.ReLU,
            }
            setattr(made, f"{name}{len(names)}", layer[name]())
        return made

    t, m = torch.nn, mindspore.nn
    net = t.Sequential(*(block(t, t.Module, "anr", width) for width in (4, 8, 8, 16)))
    mint = type("Mint", (), {"Conv2d": mindspore.mint.nn.Conv2d, "BatchNorm2d": m.BatchNorm2d, "ReLU": m.ReLU})
    other = m.SequentialCell(*(block(mint, m.Cell, "rna", width) for width in (4, 8, 16)))
    found = compare_structure(net, other)
    missing = [name for name in statuses(found) if "." not in name]
    assert missing in (["1"], ["2"])
    assert set(statuses(found).values()) == {"missing_b"}
    assert len(statuses(found)) == 4


def test_layers_in_another_order_are_told() -> None:
    import mindspore
    import torch

    t, m = torch.nn, mindspore.nn
    found = compare_structure(
        t.Sequential(t.Conv2d(3, 4, 3, bias=False), t.BatchNorm2d(4), t.ReLU(), t.MaxPool2d(2)),
        m.SequentialCell(m.Conv2d(3, 4, 3, pad_mode="valid"), m.ReLU(), m.BatchNorm2d(4), m.MaxPool2d(2, 2)),
    )
    assert list(statuses(found).values()) == ["order"]
    assert set(statuses(found)) <= {"1", "2"}
    of_one_kind = compare_structure(
        t.Sequential(t.Linear(4, 8), t.Linear(8, 8), t.Linear(8, 4)),
        m.SequentialCell(m.Dense(8, 4), m.Dense(8, 8), m.Dense(4, 8)),
    )
    assert statuses(of_one_kind) == {"0": "order", "2": "order"}


def test_an_activation_in_a_dense_layer_is_the_layer_after_it() -> None:
    import mindspore
    import torch

    t, m = torch.nn, mindspore.nn
    a = t.Sequential(t.Linear(4, 5), t.ReLU(), t.Linear(5, 2))
    assert compare_structure(a, m.SequentialCell(m.Dense(4, 5, activation="relu"), m.Dense(5, 2))).agrees
    found = compare_structure(a, m.SequentialCell(m.Dense(4, 5, activation="tanh"), m.Dense(5, 2)))
    assert statuses(found) == {"1": "different"}


class _Nets:
    """Networks whose modules nest and are called otherwise on the two sides."""

    @staticmethod
    def torch(depth: int = 2) -> Any:
        from torch import nn, zeros

        class Residual(nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
                self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
                self.relu = nn.ReLU(inplace=True)
                self.scale = 0.125

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU())
                self.position = nn.Parameter(zeros(1, 8, 16))
                self.layers = nn.ModuleList(Residual(8) for _ in range(depth))
                self.head = nn.Linear(8, 10)

        return Net()

    @staticmethod
    def mindspore(depth: int = 2, scale: float = 0.125, length: int = 16) -> Any:
        from mindspore import Parameter, mint, nn, ops

        class Block(nn.Cell):
            def __init__(self, width: int) -> None:
                super().__init__()
                self.conv1, self.bn1 = nn.Conv2d(width, width, 3), nn.BatchNorm2d(width)
                self.conv2, self.bn2 = (
                    mint.nn.Conv2d(width, width, 3, padding=1, bias=False),
                    mint.nn.BatchNorm2d(width),
                )
                self.relu = nn.ReLU()
                self.scale = scale

        class Backbone(nn.Cell):
            def __init__(self) -> None:
                super().__init__()
                self.stem = nn.SequentialCell(
                    nn.Conv2d(3, 8, 7, 2, "pad", 3, has_bias=True), nn.BatchNorm2d(8), nn.ReLU()
                )
                self.position = Parameter(ops.zeros((1, 8, length)))
                self.layers = nn.CellList([Block(8) for _ in range(depth)])
                self.fc = nn.Dense(8, 10)

        return Backbone()


def test_nested_networks() -> None:
    found = compare_structure(_Nets.torch(), _Nets.mindspore())
    assert found.agrees, found.rows.to_string()
    assert len(found.rows) == 19
    assert row(found, "head")[["module_b", "paired_by"]].tolist() == ["fc", "layer"]
    assert statuses(compare_structure(_Nets.torch(), _Nets.mindspore(depth=1))) == dict.fromkeys(
        ["layers.1", *(f"layers.1.{name}" for name in ("conv1", "bn1", "conv2", "bn2", "relu"))], "missing_b"
    )
    scaled = compare_structure(_Nets.torch(), _Nets.mindspore(scale=1.0))
    assert row(scaled, "layers.1")["differences"] == "scale: 0.125 against 1"
    longer = compare_structure(_Nets.torch(), _Nets.mindspore(length=17))
    assert row(longer, "(network)")["differences"] == "parameter position: (1, 8, 16) against (1, 8, 17)"


def test_a_wrapper_is_seen_through() -> None:
    import torch

    net, other = _Nets.torch(), _Nets.mindspore()
    wrapped = torch.nn.Module()
    wrapped.module = net
    found = compare_structure(wrapped, other)
    assert found.agrees
    assert row(found, "module.head")["module_b"] == "fc"
    assert compare_structure(other, wrapped).agrees


def test_what_a_wrapper_holds_beside_the_network_is_told() -> None:
    import mindspore

    net, other = _Nets.torch(), _Nets.mindspore()
    with_loss = mindspore.nn.WithLossCell(other, mindspore.nn.MSELoss())
    for found in (compare_structure(net, with_loss), compare_structure(with_loss, net)):
        assert list(statuses(found)) == ["_loss_fn"]
        assert len(found.rows) == 21


def test_modules_of_other_names_and_kinds_are_two() -> None:
    import mindspore
    import torch

    net, other = torch.nn.Module(), mindspore.nn.Cell()
    net.fc, net.relu = torch.nn.Linear(2, 2), torch.nn.ReLU()
    other.fc, other.flatten = mindspore.nn.Dense(2, 2), mindspore.nn.Flatten()
    assert statuses(compare_structure(net, other)) == {"relu": "missing_b", "flatten": "missing_a"}


def test_a_container_of_one_side_is_looked_into() -> None:
    import mindspore
    import torch

    t, m = torch.nn, mindspore.nn
    a = t.Sequential(t.Linear(4, 5), t.Sequential(t.ReLU(), t.Linear(5, 6)), t.Tanh())
    b = m.SequentialCell(m.Dense(4, 5), m.ReLU(), m.Dense(5, 6), m.Tanh())
    for found in (compare_structure(a, b), compare_structure(b, a)):
        assert found.agrees, found.rows.to_string()


def test_a_layer_of_ones_own_is_not_taken_for_a_known_one() -> None:
    import mindspore
    import torch

    class QuickGELU(torch.nn.Module):
        pass

    found = compare_structure(*sequences((QuickGELU(), mindspore.nn.GELU())))
    assert statuses(found) == {"0": "undecidable"}
    assert "QuickGELU" in row(found, "0")["reason"]


def test_a_structure_is_read_as_it_was_written(tmp_path: Path) -> None:
    for net in (_Nets.torch(), _Nets.mindspore()):
        described = describe_structure(net)
        described.save(tmp_path / "net.json")
        read = read_structure(tmp_path / "net.json")
        assert read.framework == described.framework
        assert compare_structure(read, net).rows["status"].unique().tolist() == ["same"]
    assert profkit.compare_structure is compare_structure


def test_checkpoints_are_compared_by_their_parameters(tmp_path: Path) -> None:
    import mindspore
    import torch

    net, other = _Nets.torch(), _Nets.mindspore()
    torch.save({"module." + name: value for name, value in net.state_dict().items()}, tmp_path / "net.pth")
    mindspore.save_checkpoint(other, str(tmp_path / "net.ckpt"))
    found = compare_structure(tmp_path / "net.pth", tmp_path / "net.ckpt")
    assert found.agrees, found.rows.to_string()
    assert len(found.rows) == 17
    shorter = _Nets.mindspore(depth=1)
    mindspore.save_checkpoint(shorter, str(tmp_path / "short.ckpt"))
    assert "layers.1.conv1" in statuses(compare_structure(net, tmp_path / "short.ckpt"))
    mixed = compare_structure(net, tmp_path / "net.ckpt")
    assert row(mixed, "stem.2")["status"] == "undecidable"
    assert row(mixed, "head")["differences"] is pd.NA
    wider = torch.nn.Sequential(torch.nn.Linear(4, 5))
    torch.save(wider.state_dict(), tmp_path / "wider.pth")
    against = compare_structure(torch.nn.Sequential(torch.nn.Linear(4, 6)), tmp_path / "wider.pth")
    assert "out_features: 6 against 5" in row(against, "0")["differences"]
