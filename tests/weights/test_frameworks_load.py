"""What is written here, as the frameworks and the safetensors library load it; what they write, as it is read here."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.weights import compare_weights, convert, describe_net, identity_map, make_map, read_checkpoint

pytestmark = pytest.mark.frameworks

DTYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32",
    "uint64", "bool",
)  # fmt: skip
ONLY_TORCH = ("complex64", "complex128", "complex32", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu")


def tensors(*dtypes: str) -> Any:
    import torch

    bits = torch.randint(0, 256, (16 * 6,), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    made = OrderedDict()
    for name in dtypes:
        made[name] = (bits % 2).bool() if name == "bool" else bits.clone().view(getattr(torch, name)).reshape(2, -1)
    made |= {"scalar": torch.tensor(2.5), "empty": torch.empty(0, 7), "turned": torch.randn(5, 4).t()}
    made |= {"odd ../\x1b[31m/ä": torch.ones(2), "tied": made[dtypes[0]]}
    return made


def raw(tensor: Any) -> bytes:
    import torch

    return bytes(tensor.contiguous().view(-1).view(torch.uint8).numpy()) if tensor.numel() else b""


def same(found: Any, expected: Any) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape), name
        assert raw(found[name]) == raw(tensor), name


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("older", [False, True])
def test_torch_loads_it_with_weights_only(tmp_path: Path, mapped: bool, older: bool) -> None:
    import torch

    expected = tensors(*DTYPES, *([] if older else ONLY_TORCH))
    if older:
        # The form before torch 1.6 has no dtypes without a storage class.
        expected = {name: tensor for name, tensor in expected.items() if not name.startswith("uint") or name == "uint8"}
    torch.save(expected, tmp_path / "a.pth", _use_new_zipfile_serialization=not older)
    source = read_checkpoint(tmp_path / "a.pth")
    convert(source, tmp_path / "b.pth", identity_map(source))
    found = torch.load(tmp_path / "b.pth", weights_only=True, mmap=mapped)
    assert type(found) is OrderedDict
    same(found, expected)
    assert found["tied"].data_ptr() == found[DTYPES[0]].data_ptr()


def test_mindspore_loads_it(tmp_path: Path) -> None:
    import mindspore
    import torch

    expected = tensors(*DTYPES)
    torch.save(expected, tmp_path / "a.pth")
    source = read_checkpoint(tmp_path / "a.pth")
    convert(source, tmp_path / "b.ckpt", identity_map(source))
    found = mindspore.load_checkpoint(str(tmp_path / "b.ckpt"))
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert tuple(found[name].shape) == tuple(tensor.shape), name
        assert str(found[name].dtype).lower() == str(tensor.dtype).removeprefix("torch."), name
        assert bytes(found[name].get_bytes()) == raw(tensor), name
    back = read_checkpoint(tmp_path / "b.ckpt")
    convert(back, tmp_path / "c.pth", identity_map(back))
    same(torch.load(tmp_path / "c.pth", weights_only=True), expected)


def test_the_safetensors_library_loads_it_and_so_does_mindspore(tmp_path: Path) -> None:
    import mindspore
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    expected = tensors(*DTYPES, "complex64", "float8_e4m3fn", "float8_e5m2")
    torch.save(expected, tmp_path / "a.pth")
    source = read_checkpoint(tmp_path / "a.pth")
    convert(source, tmp_path / "b.safetensors", identity_map(source))
    same(load_file(tmp_path / "b.safetensors"), expected)
    with safe_open(tmp_path / "b.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    plain = {name: tensor.contiguous() for name, tensor in tensors("float32", "int64").items() if name != "tied"}
    save_file(plain, tmp_path / "c.safetensors")
    read = read_checkpoint(tmp_path / "c.safetensors")
    convert(read, tmp_path / "d.pth", identity_map(read))
    same(torch.load(tmp_path / "d.pth", weights_only=True), plain)
    loaded = mindspore.load_checkpoint(str(tmp_path / "c.safetensors"), format="safetensors")
    mindspore.save_checkpoint([{"name": n, "data": p} for n, p in loaded.items() if p.size], str(tmp_path / "e.ckpt"))
    again = read_checkpoint(tmp_path / "e.ckpt")
    convert(again, tmp_path / "f.safetensors", identity_map(again))
    for name, parameter in mindspore.load_checkpoint(str(tmp_path / "f.safetensors"), format="safetensors").items():
        assert np.array_equal(parameter.asnumpy(), plain[name].numpy())


def test_what_torch_itself_saved_of_a_training_is_converted_without_the_optimizer(tmp_path: Path) -> None:
    import mindspore
    import torch

    net = torch.nn.Sequential(
        torch.nn.Conv1d(4, 6, 3), torch.nn.BatchNorm1d(6), torch.nn.Flatten(), torch.nn.Linear(6, 2)
    )
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(3, 4, 3)).sum().backward()
    optimizer.step()
    state = {f"module.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save({"epoch": 3, "model": state, "optimizer": optimizer.state_dict()}, tmp_path / "training.pth")
    nn = mindspore.nn
    cell = nn.SequentialCell(nn.Conv1d(4, 6, 3, has_bias=True), nn.BatchNorm1d(6), nn.Flatten(), nn.Dense(6, 2))
    read = read_checkpoint(tmp_path / "training.pth")
    assert len(read.outside) == 18
    from profkit.weights.description import describe_checkpoint

    convert(read, tmp_path / "net.ckpt", make_map(describe_checkpoint(read), describe_net(cell)))
    assert mindspore.load_param_into_net(cell, mindspore.load_checkpoint(str(tmp_path / "net.ckpt"))) == ([], [])
    assert np.array_equal(cell[0].weight.asnumpy()[:, :, 0], net[0].weight.detach().numpy())
    found = compare_weights(tmp_path / "training.pth", tmp_path / "net.ckpt")
    assert found.agrees
    assert found.parity["status"].tolist() == ["match"] * 6 + ["missing_b"] + ["match"] * 2
    with torch.no_grad():
        net[3].weight[1, 2] += 0.5
    torch.save(net.state_dict(), tmp_path / "changed.pth")
    changed = compare_weights(tmp_path / "changed.pth", tmp_path / "net.ckpt")
    assert not changed.agrees
    assert changed.parity.query("status == 'mismatch'")["name_a"].tolist() == ["3.weight"]
    assert changed.parity.query("name_a == '3.weight'")["max_abs"].item() == pytest.approx(0.5, rel=1e-5)
