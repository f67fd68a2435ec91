"""The frameworks' own readers against ours, bit for bit, on files that the frameworks write here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.run import Run, load

pytestmark = pytest.mark.frameworks

TORCH_DTYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16",
    "uint32", "uint64", "bool", "complex64", "complex128", "complex32", "float8_e4m3fn", "float8_e5m2",
    "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
WIDENED = {"bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"}
WITHOUT_STORAGE_TYPE = {"uint16", "uint32", "uint64", "complex32", *(WIDENED - {"bfloat16"})}


def opened(run: Run) -> dict[str, np.ndarray]:
    rows = run.tensors
    members = [None if value is None else str(value) for value in rows["member"].astype(object)]
    return {
        op: np.array(open_tensor(path, member))
        for op, path, member in zip(rows["op"].astype(object), rows["path"], members, strict=True)
    }


def same_bits(ours: np.ndarray, theirs: Any) -> None:
    """Compare with a torch tensor, narrow floats widened by torch itself."""
    import torch

    name = str(theirs.dtype).removeprefix("torch.")
    if name in WIDENED:
        theirs = theirs.to(torch.float32)
    elif name == "complex32":
        theirs = theirs.to(torch.complex64)
    expected = theirs.resolve_conj().resolve_neg().numpy() if not theirs.requires_grad else theirs.detach().numpy()
    assert ours.shape == expected.shape
    assert ours.dtype == expected.dtype
    nan = np.isnan(ours) if ours.dtype.kind in "fc" else np.zeros(ours.shape, bool)
    assert np.array_equal(nan, np.isnan(expected) if expected.dtype.kind in "fc" else nan)
    kept = ours[~nan]
    assert kept.tobytes() == expected[~nan].tobytes()


def every_dtype() -> dict[str, Any]:
    import torch

    bits = torch.randint(0, 256, (16 * 24,), dtype=torch.uint8)
    bits[:256] = torch.arange(256)
    tensors = {}
    for name in TORCH_DTYPES:
        dtype = getattr(torch, name)
        tensors[name] = (bits % 2).bool() if name == "bool" else bits.clone().view(dtype).reshape(-1, 4)
    return tensors


def views() -> dict[str, Any]:
    import torch

    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    weight = torch.nn.Parameter(torch.randn(4, 3))
    return {
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 7),
        "transposed": base.transpose(0, 2),
        "slice": base[1:, ::2, 3],
        "expanded": base[:, :1, :].expand(3, 6, 5),
        "tied_a": weight,
        "tied_b": weight,
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "tail": base[2, 3],
    }


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_every_dtype_and_view_of_torch(tmp_path: Path, form: str, protocol: int) -> None:
    import torch

    tensors = {**every_dtype(), **views()}
    if form == "legacy":
        # torch 2.13 writes these into the older form, and cannot load them from it.
        tensors = {name: one for name, one in tensors.items() if name not in WITHOUT_STORAGE_TYPE}
    path = tmp_path / "all.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=form == "zip", pickle_protocol=protocol)
    run = load(path)
    assert not run.issues
    assert run.sources[0].format == "torch-checkpoint"
    assert run.sources[0].facts["form"] == form
    ours = opened(run)
    # Its restricted reader knows protocol 2 only; the file is our own.
    theirs = torch.load(path, weights_only=protocol == 2)
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        same_bits(ours[name], tensor)
    shapes = [",".join(map(str, tensor.shape)) for tensor in theirs.values()]
    assert run.tensors["shape"].tolist() == shapes


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_training_checkpoint_with_its_optimizer(tmp_path: Path, form: str) -> None:
    import argparse

    import torch

    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(8, 4)).sum().backward()
    optimizer.step()
    content = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1),
        "state_dict": torch.nn.DataParallel(net).state_dict(),
        "optimizer": optimizer.state_dict(),
        "best": np.float64(0.5),
    }
    path = tmp_path / "checkpoint.pth.tar"
    torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    run = load(path)
    ours = opened(run)
    for name, tensor in content["state_dict"].items():
        assert name.startswith("module.")
        same_bits(ours[name], tensor)
    state = content["optimizer"]["state"]
    for number, moments in state.items():
        for key, tensor in moments.items():
            same_bits(ours[f"optimizer.state.{number}.{key}"], tensor)
    assert len(ours) == len(content["state_dict"]) + sum(len(moments) for moments in state.values())
    assert [issue.text for issue in run.issues] == [
        "1 objects are no plain tensors and were not read: argparse.Namespace"
    ]
    assert run.sources[0].facts["wrapper"] == "state_dict"
    assert set(run.tensors["io"]) == {"parameter"}


def test_tensors_saved_alone_and_in_lists(tmp_path: Path) -> None:
    import torch

    (tmp_path / "outputs").mkdir()
    torch.save(torch.arange(3.0), tmp_path / "outputs" / "2_fc.pt")
    torch.save([torch.ones(2), (torch.zeros(3), None)], tmp_path / "outputs" / "pair.pt")
    torch.save(torch.nn.Parameter(torch.ones(1)), tmp_path / "parameter.pt")
    run = load(tmp_path)
    assert dict(zip(run.tensors["op"], run.tensors["io"], strict=True)) == {
        "fc": "output",
        "pair.0": "output",
        "pair.1.0": "output",
        "parameter": "output",
    }
    assert opened(run)["fc"].tolist() == [0.0, 1.0, 2.0]
    assert opened(run)["pair.1.0"].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_what_is_no_plain_tensor_is_named(tmp_path: Path, form: str) -> None:
    import torch

    quantised = torch.quantize_per_tensor(torch.randn(4), 0.1, 0, torch.qint8)
    sparse = torch.eye(3).to_sparse()
    path = tmp_path / "odd.pth"
    torch.save({"a": torch.ones(2), "s": sparse}, path, _use_new_zipfile_serialization=form == "zip")
    run = load(path)
    assert run.tensors["op"].tolist() == ["a"]
    assert "a sparse tensor" in run.issues[0].text
    torch.save({"q": quantised, "a": torch.ones(2)}, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(Exception, match="quantised"):
        load(path)


@pytest.mark.parametrize("form", ["zip", "legacy", "script"])
def test_a_whole_module_is_refused_with_what_to_do(tmp_path: Path, form: str) -> None:
    import torch

    from profkit.errors import UnreadableInputError

    path = tmp_path / "module.pt"
    net = torch.nn.Linear(2, 2)
    if form == "script":
        torch.jit.script(net).save(str(path))
    else:
        torch.save(net, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(UnreadableInputError) as caught:
        load(path)
    assert "TorchScript" in caught.value.message if form == "script" else "Linear" in caught.value.message
    assert "state_dict" in caught.value.hint


def test_a_large_storage_is_mapped_not_read(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "large.pth"
    torch.save({"w": torch.arange(1 << 20, dtype=torch.float32)}, path)
    array = open_tensor(path, "w")
    assert not array.flags.owndata
    assert not array.flags.writeable
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert base is not None


MINDSPORE_DTYPES = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16",
    "uint32", "uint64", "bool",
)  # fmt: skip


@pytest.mark.parametrize("crc", [False, True])
def test_every_dtype_of_mindspore(tmp_path: Path, crc: bool) -> None:
    import mindspore

    rng = np.random.default_rng(0)
    tensors = {}
    for name in MINDSPORE_DTYPES:
        values = rng.integers(0, 2, (3, 4)) if name == "bool" else rng.integers(0, 100, (3, 4))
        tensors[name] = mindspore.Tensor(
            values.astype(np.float32), getattr(mindspore, name if name != "bool" else "bool_")
        )
    tensors["scalar"] = mindspore.Tensor(2.5, mindspore.float32)
    path = tmp_path / "all.ckpt"
    items = [{"name": name, "data": tensor} for name, tensor in tensors.items()]
    mindspore.save_checkpoint(items, str(path), crc_check=crc, append_dict={"epoch": 3, "note": "text"})
    run = load(path)
    assert not run.issues
    assert run.framework == "mindspore"
    ours = opened(run)
    theirs = {name: value for name, value in mindspore.load_checkpoint(str(path)).items() if not isinstance(value, str)}
    assert set(ours) == set(theirs)
    assert len(ours) > 12
    for name, tensor in theirs.items():
        expected = tensor.float().asnumpy() if name == "bfloat16" else tensor.asnumpy()
        assert ours[name].shape == expected.shape
        assert ours[name].dtype == expected.dtype
        assert ours[name].tobytes() == expected.tobytes()
    assert run.sources[0].facts.get("checksum", "") == ("present; weights compare and convert verify it" if crc else "")


def test_every_dtype_of_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = {
        name: tensor.contiguous() for name, tensor in {**every_dtype(), **views()}.items() if name != "complex32"
    }
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("tied")}
    written = {}
    for name, tensor in tensors.items():
        try:
            save_file({name: tensor.clone()}, tmp_path / "one.safetensors")
        except (ValueError, KeyError, TypeError):
            continue
        written[name] = tensor.clone()
    assert len(written) > 20
    path = tmp_path / "all.safetensors"
    save_file(written, path, metadata={"format": "pt"})
    run = load(path)
    assert not run.issues
    ours = opened(run)
    theirs = load_file(path)
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        same_bits(ours[name], tensor)


def test_msprobe_tensors_in_torch_files_are_opened(shared: Path) -> None:
    import torch

    run = load(shared / "samples" / "dump" / "msprobe26.2" / "pt_mix_tensor_nan")
    assert len(run.tensors) == 102
    for path in run.tensors["path"]:
        same_bits(np.array(open_tensor(path)), torch.load(path, weights_only=True))


def test_the_weights_of_both_frameworks_are_compared(tmp_path: Path) -> None:
    import mindspore
    import torch

    from profkit.compare import compare_tensors

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Embedding(5, 4))
    torch.save({"state_dict": net.state_dict()}, tmp_path / "a.pth")
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    renamed = {f"1.{ours}": f"1.{theirs}" for ours, theirs in names.items()} | {"2.weight": "2.embedding_table"}
    weights = {renamed.get(name, name): value.numpy().copy() for name, value in net.state_dict().items()}
    del weights["1.num_batches_tracked"]
    weights["0.bias"][1] += 0.25
    items = [{"name": name, "data": mindspore.Tensor(value)} for name, value in weights.items()]
    mindspore.save_checkpoint(items, str(tmp_path / "b.ckpt"))
    runs = [load(tmp_path / name) for name in ("a.pth", "b.ckpt")]
    parity = compare_tensors(runs[0].tensors, runs[1].tensors).set_index("name_a")
    statuses = parity["status"].astype(object).to_dict()
    assert statuses.pop("1.num_batches_tracked") == "missing_b"
    assert statuses.pop("0.bias") == "mismatch"
    assert set(statuses.values()) == {"match"}
    assert len(statuses) == 6
