"""Every layer of both frameworks: after conversion the same input gives the same output."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.errors import ProfkitError
from profkit.weights import compare_weights, convert, describe_net, make_map, read_map, write_map

PAGE = Path(__file__).resolve().parents[2] / "docs" / "weights-by-layer.md"

pytestmark = pytest.mark.frameworks


@dataclass(frozen=True)
class LayerPair:
    """A layer of torch and the like one of MindSpore, with random inputs; what drops at random has a rate of 0.

    Attributes:
        name: Of the pair.
        torch: Builds the layer of torch from torch.nn.
        mindspore: Builds that of MindSpore from (mindspore.nn, mindspore.mint).
        inputs: Shapes of float inputs; a number n for ids below n of shape (3, 4); a list for a tuple of inputs.
        attributes: Where MindSpore 2.10 has no kernel for a CPU: attribute of its layer by name in torch, to be
            compared in place of outputs. Empty where it can run.
    """

    @property
    def runs(self) -> bool:
        """Whether MindSpore has a kernel for it on a CPU."""
        return not self.attributes

    name: str
    torch: Callable[[Any], Any]
    mindspore: Callable[[Any, Any], Any]
    inputs: tuple[Any, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)


_SEQUENCE = (5, 3, 4)
_IMAGE, _LINE, _VOLUME = (2, 4, 6, 7), (2, 4, 9), (2, 4, 5, 6, 7)
_WEIGHTS = {"weight": "weight", "bias": "bias"}
_OWN_STATISTICS = {name: name for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}
_NORM = {"weight": "gamma", "bias": "beta"}
_STATISTICS = {**_NORM, "running_mean": "moving_mean", "running_var": "moving_variance"}

LAYERS = [
    LayerPair("Linear", lambda nn: nn.Linear(4, 5), lambda nn, mint: nn.Dense(4, 5), ((3, 4),)),
    LayerPair(
        "Conv1d",
        lambda nn: nn.Conv1d(4, 6, 3),
        lambda nn, mint: nn.Conv1d(4, 6, 3, pad_mode="valid", has_bias=True),
        (_LINE,),
    ),
    LayerPair(
        "Conv1d of length 1",
        lambda nn: nn.Conv1d(4, 6, 1),
        lambda nn, mint: nn.Conv1d(4, 6, 1, pad_mode="valid", has_bias=True),
        (_LINE,),
    ),
    LayerPair(
        "Conv2d",
        lambda nn: nn.Conv2d(4, 6, 3),
        lambda nn, mint: nn.Conv2d(4, 6, 3, pad_mode="valid", has_bias=True),
        (_IMAGE,),
    ),
    LayerPair(
        "Conv2d in groups",
        lambda nn: nn.Conv2d(4, 6, 3, groups=2, bias=False),
        lambda nn, mint: nn.Conv2d(4, 6, 3, pad_mode="valid", group=2),
        (_IMAGE,),
    ),
    LayerPair(
        "Conv3d",
        lambda nn: nn.Conv3d(4, 6, 3),
        lambda nn, mint: nn.Conv3d(4, 6, 3, pad_mode="valid", has_bias=True),
        (_VOLUME,),
    ),
    LayerPair(
        "ConvTranspose1d",
        lambda nn: nn.ConvTranspose1d(4, 6, 3),
        lambda nn, mint: nn.Conv1dTranspose(4, 6, 3, pad_mode="valid", has_bias=True),
        (_LINE,),
    ),
    LayerPair(
        "ConvTranspose2d",
        lambda nn: nn.ConvTranspose2d(4, 6, 3),
        lambda nn, mint: nn.Conv2dTranspose(4, 6, 3, pad_mode="valid", has_bias=True),
        (_IMAGE,),
    ),
    LayerPair(
        "ConvTranspose3d",
        lambda nn: nn.ConvTranspose3d(4, 6, 3),
        lambda nn, mint: nn.Conv3dTranspose(4, 6, 3, pad_mode="valid", has_bias=True),
        (_VOLUME,),
    ),
    LayerPair("BatchNorm1d", lambda nn: nn.BatchNorm1d(4), lambda nn, mint: nn.BatchNorm1d(4), ((3, 4),)),
    LayerPair("BatchNorm2d", lambda nn: nn.BatchNorm2d(4), lambda nn, mint: nn.BatchNorm2d(4), (_IMAGE,)),
    LayerPair("BatchNorm3d", lambda nn: nn.BatchNorm3d(4), lambda nn, mint: nn.BatchNorm3d(4), (_VOLUME,)),
    LayerPair("SyncBatchNorm", lambda nn: nn.SyncBatchNorm(4), lambda nn, mint: nn.SyncBatchNorm(4), (_IMAGE,)),
    LayerPair(
        "InstanceNorm1d",
        lambda nn: nn.InstanceNorm1d(4, affine=True),
        lambda nn, mint: nn.InstanceNorm1d(4),
        (_LINE,),
        _NORM,
    ),
    LayerPair(
        "InstanceNorm2d",
        lambda nn: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
        lambda nn, mint: nn.InstanceNorm2d(4),
        (_IMAGE,),
        _STATISTICS,
    ),
    LayerPair(
        "InstanceNorm3d",
        lambda nn: nn.InstanceNorm3d(4, affine=True),
        lambda nn, mint: nn.InstanceNorm3d(4),
        (_VOLUME,),
        _NORM,
    ),
    LayerPair("GroupNorm", lambda nn: nn.GroupNorm(2, 4), lambda nn, mint: nn.GroupNorm(2, 4), (_IMAGE,)),
    LayerPair("LayerNorm", lambda nn: nn.LayerNorm(4), lambda nn, mint: nn.LayerNorm((4,), epsilon=1e-5), ((3, 4),)),
    LayerPair("Embedding", lambda nn: nn.Embedding(11, 6), lambda nn, mint: nn.Embedding(11, 6), (11,)),
    LayerPair("EmbeddingLookup", lambda nn: nn.Embedding(11, 6), lambda nn, mint: nn.EmbeddingLookup(11, 6), (11,)),
    LayerPair("PReLU", lambda nn: nn.PReLU(4), lambda nn, mint: nn.PReLU(4), (_IMAGE,)),
    LayerPair("Bilinear", lambda nn: nn.Bilinear(3, 4, 5), lambda nn, mint: nn.BiDense(3, 4, 5), ((6, 3), (6, 4))),
    LayerPair(
        "LSTM",
        lambda nn: nn.LSTM(4, 6, 2, bidirectional=True),
        lambda nn, mint: nn.LSTM(4, 6, 2, bidirectional=True),
        (_SEQUENCE,),
    ),
    LayerPair("GRU", lambda nn: nn.GRU(4, 6, 2), lambda nn, mint: nn.GRU(4, 6, 2), (_SEQUENCE,)),
    LayerPair(
        "RNN",
        lambda nn: nn.RNN(4, 6, bidirectional=True),
        lambda nn, mint: nn.RNN(4, 6, bidirectional=True),
        (_SEQUENCE,),
    ),
    LayerPair("LSTMCell", lambda nn: nn.LSTMCell(4, 6), lambda nn, mint: nn.LSTMCell(4, 6), ((3, 4), [(3, 6), (3, 6)])),
    LayerPair("GRUCell", lambda nn: nn.GRUCell(4, 6), lambda nn, mint: nn.GRUCell(4, 6), ((3, 4), (3, 6))),
    LayerPair("RNNCell", lambda nn: nn.RNNCell(4, 6), lambda nn, mint: nn.RNNCell(4, 6), ((3, 4), (3, 6))),
    LayerPair(
        "MultiheadAttention",
        lambda nn: nn.MultiheadAttention(8, 2),
        lambda nn, mint: nn.MultiheadAttention(8, 2),
        ((5, 3, 8),) * 3,
    ),
    LayerPair(
        "MultiheadAttention, other widths",
        lambda nn: nn.MultiheadAttention(8, 2, kdim=4, vdim=6, add_bias_kv=True),
        lambda nn, mint: nn.MultiheadAttention(8, 2, kdim=4, vdim=6, add_bias_kv=True),
        ((5, 3, 8), (5, 3, 4), (5, 3, 6)),
    ),
    LayerPair(
        "TransformerEncoderLayer",
        lambda nn: nn.TransformerEncoderLayer(8, 2, 16, 0.0),
        lambda nn, mint: nn.TransformerEncoderLayer(8, 2, 16, 0.0),
        ((5, 3, 8),),
    ),
    LayerPair(
        "TransformerEncoder",
        lambda nn: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0), 2),
        lambda nn, mint: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0), 2),
        ((5, 3, 8),),
    ),
    LayerPair(
        "TransformerDecoderLayer",
        lambda nn: nn.TransformerDecoderLayer(8, 2, 16, 0.0),
        lambda nn, mint: nn.TransformerDecoderLayer(8, 2, 16, 0.0),
        ((5, 3, 8), (6, 3, 8)),
    ),
    LayerPair(
        "Transformer",
        lambda nn: nn.Transformer(8, 2, 1, 1, 16, 0.0),
        lambda nn, mint: nn.Transformer(8, 2, 1, 1, 16, 0.0),
        ((5, 3, 8), (6, 3, 8)),
    ),
    LayerPair(
        "BatchNorm2d without weights",
        lambda nn: nn.BatchNorm2d(4, affine=False),
        lambda nn, mint: nn.BatchNorm2d(4, affine=False),
        (_IMAGE,),
    ),
    LayerPair(
        "LSTM without biases, batch first",
        lambda nn: nn.LSTM(4, 6, bias=False, batch_first=True),
        lambda nn, mint: nn.LSTM(4, 6, has_bias=False, batch_first=True),
        (_SEQUENCE,),
    ),
    LayerPair(
        "GRU in both directions",
        lambda nn: nn.GRU(4, 6, 2, bidirectional=True),
        lambda nn, mint: nn.GRU(4, 6, 2, bidirectional=True),
        (_SEQUENCE,),
    ),
    LayerPair(
        "RNN with relu",
        lambda nn: nn.RNN(4, 6, nonlinearity="relu"),
        lambda nn, mint: nn.RNN(4, 6, nonlinearity="relu"),
        (_SEQUENCE,),
    ),
    LayerPair(
        "MultiheadAttention without biases, batch first",
        lambda nn: nn.MultiheadAttention(8, 2, bias=False, batch_first=True),
        lambda nn, mint: nn.MultiheadAttention(8, 2, has_bias=False, batch_first=True),
        ((3, 5, 8),) * 3,
    ),
    LayerPair(
        "TransformerDecoder",
        lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, 0.0), 2),
        lambda nn, mint: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, 0.0), 2),
        ((5, 3, 8), (6, 3, 8)),
    ),
    LayerPair("mint Linear", lambda nn: nn.Linear(4, 5), lambda nn, mint: mint.nn.Linear(4, 5), ((3, 4),)),
    LayerPair(
        "mint Conv1d", lambda nn: nn.Conv1d(4, 6, 3), lambda nn, mint: mint.nn.Conv1d(4, 6, 3), (_LINE,), _WEIGHTS
    ),
    LayerPair(
        "mint Conv2d", lambda nn: nn.Conv2d(4, 6, 3), lambda nn, mint: mint.nn.Conv2d(4, 6, 3), (_IMAGE,), _WEIGHTS
    ),
    LayerPair(
        "mint Conv3d", lambda nn: nn.Conv3d(4, 6, 3), lambda nn, mint: mint.nn.Conv3d(4, 6, 3), (_VOLUME,), _WEIGHTS
    ),
    LayerPair(
        "mint ConvTranspose2d",
        lambda nn: nn.ConvTranspose2d(4, 6, 3),
        lambda nn, mint: mint.nn.ConvTranspose2d(4, 6, 3),
        (_IMAGE,),
        _WEIGHTS,
    ),
    LayerPair(
        "mint BatchNorm1d",
        lambda nn: nn.BatchNorm1d(4),
        lambda nn, mint: mint.nn.BatchNorm1d(4),
        ((3, 4),),
        _OWN_STATISTICS,
    ),
    LayerPair(
        "mint BatchNorm2d",
        lambda nn: nn.BatchNorm2d(4),
        lambda nn, mint: mint.nn.BatchNorm2d(4),
        (_IMAGE,),
        _OWN_STATISTICS,
    ),
    LayerPair(
        "mint BatchNorm3d",
        lambda nn: nn.BatchNorm3d(4),
        lambda nn, mint: mint.nn.BatchNorm3d(4),
        (_VOLUME,),
        _OWN_STATISTICS,
    ),
    LayerPair(
        "mint SyncBatchNorm", lambda nn: nn.SyncBatchNorm(4), lambda nn, mint: mint.nn.SyncBatchNorm(4), (_IMAGE,)
    ),
    LayerPair("mint GroupNorm", lambda nn: nn.GroupNorm(2, 4), lambda nn, mint: mint.nn.GroupNorm(2, 4), (_IMAGE,)),
    LayerPair(
        "mint LayerNorm", lambda nn: nn.LayerNorm(4), lambda nn, mint: mint.nn.LayerNorm((4,)), ((3, 4),), _WEIGHTS
    ),
    LayerPair(
        "mint Embedding",
        lambda nn: nn.Embedding(11, 6),
        lambda nn, mint: mint.nn.Embedding(11, 6),
        (11,),
        {"weight": "weight"},
    ),
    LayerPair(
        "mint LayerNorm of two axes",
        lambda nn: nn.LayerNorm((3, 4)),
        lambda nn, mint: mint.nn.LayerNorm((3, 4)),
        ((5, 3, 4),),
        _WEIGHTS,
    ),
    LayerPair(
        "mint BatchNorm2d without statistics",
        lambda nn: nn.BatchNorm2d(4, track_running_stats=False),
        lambda nn, mint: mint.nn.BatchNorm2d(4, track_running_stats=False),
        (_IMAGE,),
        _WEIGHTS,
    ),
    LayerPair("mint PReLU", lambda nn: nn.PReLU(4), lambda nn, mint: mint.nn.PReLU(4), (_IMAGE,)),
]


def randomised(layer: Any, seed: int) -> Any:
    """Give a torch layer weights and statistics that no default has."""
    import torch

    random = np.random.default_rng(seed)
    with torch.no_grad():
        for name, tensor in layer.state_dict().items():
            if tensor.dtype.is_floating_point:
                values = random.normal(0, 0.4, tuple(tensor.shape))
                values = np.abs(values) + 0.1 if name.endswith("running_var") else values
                tensor.copy_(torch.from_numpy(values.astype(np.float32)))
            else:
                tensor.fill_(7)
    return layer.eval()


def batch(shape: Any, random: np.random.Generator) -> Any:
    if isinstance(shape, int):
        return random.integers(0, shape, (3, 4)).astype(np.int32)
    if isinstance(shape, list):
        return tuple(batch(one, random) for one in shape)
    return random.standard_normal(shape).astype(np.float32)


def taken_by(kind: Any, values: Any) -> Any:
    return tuple(taken_by(kind, one) for one in values) if isinstance(values, tuple) else kind(values)


def flat(outputs: Any) -> list[Any]:
    if isinstance(outputs, (tuple, list)):
        return [one for output in outputs for one in flat(output)]
    return [outputs]


@pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "in a network"])
@pytest.mark.parametrize("pair", LAYERS, ids=lambda pair: pair.name)
def test_a_layer_computes_the_same_after_conversion(pair: LayerPair, wrapped: bool, tmp_path: Path) -> None:
    import mindspore
    import torch
    from mindspore import mint

    layer, cell = randomised(pair.torch(torch.nn), 3), pair.mindspore(mindspore.nn, mint)
    net, other = layer, cell
    if wrapped:
        net, other = torch.nn.ModuleDict({"inner": layer}), mindspore.nn.CellDict({"inner": cell})
    torch.save(net.state_dict(), tmp_path / "net.pth")
    made = make_map(describe_net(net), describe_net(other))
    assert not made.unsettled
    convert(tmp_path / "net.pth", tmp_path / "net.ckpt", made)
    parameters = mindspore.load_checkpoint(str(tmp_path / "net.ckpt"))
    missing, _ = mindspore.load_param_into_net(other, parameters, strict_load=True)
    assert set(missing) == {row.target for row in made.rows if not row.sources}
    if not pair.runs:
        for name, attribute in pair.attributes.items():
            assert np.array_equal(getattr(cell, attribute).asnumpy(), layer.state_dict()[name].numpy())
        assert len(parameters) == len(pair.attributes)
        return
    same_outputs(layer, cell, pair, train=False)
    back = make_map(describe_net(other), describe_net(net))
    convert(tmp_path / "net.ckpt", tmp_path / "back.pth", back)
    loaded = torch.load(tmp_path / "back.pth", weights_only=True)
    for name, tensor in net.state_dict().items():
        if not name.endswith("num_batches_tracked") or name in loaded:
            assert torch.equal(loaded[name], tensor), name


def same_outputs(layer: Any, cell: Any, pair: LayerPair, *, train: bool) -> None:
    """Hold the outputs of both for one random input against each other."""
    import mindspore
    import torch

    random = np.random.default_rng(5)
    inputs = tuple(batch(shape, random) for shape in pair.inputs)
    expected = flat(layer.train(train)(*taken_by(torch.from_numpy, inputs)))
    got = flat(cell.set_train(train)(*taken_by(mindspore.Tensor, inputs)))
    assert len(expected) == len(got)
    for one, there in zip(expected, got, strict=True):
        values = one.detach().numpy()
        assert np.ptp(values) > 1e-3
        np.testing.assert_allclose(there.asnumpy(), values, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("pair", [pair for pair in LAYERS if pair.runs], ids=lambda pair: pair.name)
def test_a_layer_trains_the_same_after_conversion(pair: LayerPair, tmp_path: Path) -> None:
    import mindspore
    import torch
    from mindspore import mint

    layer, cell = randomised(pair.torch(torch.nn), 3), pair.mindspore(mindspore.nn, mint)
    torch.save(layer.state_dict(), tmp_path / "net.pth")
    made = make_map(describe_net(layer), describe_net(cell))
    convert(tmp_path / "net.pth", tmp_path / "net.ckpt", made)
    mindspore.load_param_into_net(cell, mindspore.load_checkpoint(str(tmp_path / "net.ckpt")))
    same_outputs(layer, cell, pair, train=True)
    # What a norm has learnt of the batch as well.
    there = {parameter.name: parameter.asnumpy() for parameter in cell.get_parameters()}
    state = layer.state_dict()
    for row in made.written():
        if row.sources[0].startswith(("running_", "num_batches")):
            np.testing.assert_allclose(there[row.target], state[row.sources[0]].numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pair", [pair for pair in LAYERS if not pair.runs], ids=lambda pair: pair.name)
def test_what_is_held_by_its_values_alone_has_no_kernel_for_a_cpu(pair: LayerPair) -> None:
    import mindspore
    from mindspore import mint

    inputs = tuple(batch(shape, np.random.default_rng(5)) for shape in pair.inputs)
    cell = pair.mindspore(mindspore.nn, mint).set_train(False)
    with pytest.raises(RuntimeError, match=r"unregistered|[Kk]ernel|not support"):
        [output.asnumpy() for output in flat(cell(*taken_by(mindspore.Tensor, inputs)))]


def test_the_page_lists_every_layer() -> None:
    import mindspore
    from mindspore import mint

    listed = re.findall(r"^\| (.+) \| (.+) \| (.+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    expected = []
    for pair in LAYERS:
        described = describe_net(pair.mindspore(mindspore.nn, mint))
        names = ", ".join(f"`{one.name}`" for one in described.parameters)
        held = "outputs, eval and train" if pair.runs else "values; no kernel for a CPU"
        expected.append((pair.name, described.source.rpartition(".")[2], names, held))
    assert listed[1:] == expected


def test_a_norm_without_weights_is_only_what_a_weight_of_ones_is(tmp_path: Path) -> None:
    import mindspore
    import torch

    net, cell = torch.nn.BatchNorm2d(3, affine=False), mindspore.nn.BatchNorm2d(3)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    mindspore.save_checkpoint(cell, str(tmp_path / "net.ckpt"))
    made = make_map(describe_net(cell), describe_net(net))
    assert not made.unsettled
    write_map(tmp_path / "map.json", made)
    assert read_map(tmp_path / "map.json") == made
    convert(tmp_path / "net.ckpt", tmp_path / "back.pth", read_map(tmp_path / "map.json"))
    assert compare_weights(tmp_path / "net.pth", tmp_path / "net.ckpt").agrees
    cell.gamma.set_data(mindspore.Tensor(np.array([1, 2, 1], np.float32)))
    mindspore.save_checkpoint(cell, str(tmp_path / "net.ckpt"))
    with pytest.raises(ProfkitError, match=r"gamma .* not all 1"):
        convert(tmp_path / "net.ckpt", tmp_path / "lost.pth", made)
    assert not (tmp_path / "lost.pth").exists()
    found = compare_weights(tmp_path / "net.pth", tmp_path / "net.ckpt")
    assert not found.agrees
    assert "not all 1" in found.parity.set_index("name_b").loc["gamma", "reason"]


def test_a_tied_weight_is_kept_once_and_given_back_twice(tmp_path: Path) -> None:
    import mindspore
    import torch

    net = torch.nn.ModuleDict({"emb": torch.nn.Embedding(11, 6), "head": torch.nn.Linear(6, 11, bias=False)})
    net["head"].weight = net["emb"].weight
    cell = mindspore.nn.CellDict(
        {"emb": mindspore.nn.Embedding(11, 6), "head": mindspore.nn.Dense(6, 11, has_bias=False)}
    )
    cell["head"].weight = cell["emb"].embedding_table
    torch.save(net.state_dict(), tmp_path / "net.pth")
    made = make_map(describe_net(net), describe_net(cell))
    assert [(row.status, row.target) for row in made.rows] == [
        ("mapped", "emb.embedding_table"),
        ("tied", "emb.embedding_table"),
    ]
    convert(tmp_path / "net.pth", tmp_path / "net.ckpt", made)
    parameters = mindspore.load_checkpoint(str(tmp_path / "net.ckpt"))
    assert list(parameters) == ["emb.embedding_table"]
    convert(tmp_path / "net.ckpt", tmp_path / "back.pth", made)
    loaded = torch.load(tmp_path / "back.pth", weights_only=True)
    assert loaded["emb.weight"].data_ptr() == loaded["head.weight"].data_ptr()
    assert torch.equal(loaded["head.weight"], net["emb"].weight)


def test_batches_need_not_be_counted_to_be_loaded_again(tmp_path: Path) -> None:
    import mindspore
    import torch

    net, cell = torch.nn.BatchNorm2d(3), mindspore.nn.BatchNorm2d(3)
    mindspore.save_checkpoint(cell, str(tmp_path / "net.ckpt"))
    convert(tmp_path / "net.ckpt", tmp_path / "net.pth", make_map(describe_net(cell), describe_net(net)))
    net.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True), strict=True)
