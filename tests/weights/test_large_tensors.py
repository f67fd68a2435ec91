"""Tensors and files above 2 GiB, which MindSpore keeps in pieces: read, written, and loaded by MindSpore itself."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from profkit.parsers.checkpoint.number_formats import StoredWords
from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint, CheckpointTensor, read_checkpoint
from profkit.weights import convert, identity_map

pytestmark = [pytest.mark.frameworks, pytest.mark.exhaustive, pytest.mark.timeout(900)]

_NEEDED_BYTES = 9 << 30
_ROW = np.arange(1 << 20, dtype=np.uint8)


@pytest.fixture(autouse=True)
def _memory() -> None:
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if free < _NEEDED_BYTES:
        pytest.skip(f"MindSpore takes {_NEEDED_BYTES >> 30} GiB for it, {free >> 30} are free")


def test_mindspore_loads_a_tensor_above_2_gib(tmp_path: Path) -> None:
    import mindspore

    large = np.tile(_ROW, (2100, 1))
    held = {
        "large": CheckpointTensor("large", "uint8", large.shape, lambda: StoredWords(large, "uint8")),
        "small": CheckpointTensor("small", "uint8", _ROW.shape, lambda: StoredWords(_ROW, "uint8")),
    }
    source = Checkpoint("memory", "mindspore", held, {})
    convert(source, tmp_path / "net.ckpt", identity_map(source))
    assert (tmp_path / "net.ckpt").stat().st_size > 2**31
    loaded = mindspore.load_checkpoint(str(tmp_path / "net.ckpt"))
    assert np.array_equal(loaded["large"].asnumpy(), large)
    assert np.array_equal(loaded["small"].asnumpy(), _ROW)


def test_what_mindspore_saves_in_pieces_is_one_tensor(tmp_path: Path) -> None:
    import mindspore

    large = np.tile(_ROW, (1200, 1))
    saved = [{"name": "large", "data": mindspore.Tensor(large)}, {"name": "small", "data": mindspore.Tensor(_ROW)}]
    mindspore.save_checkpoint(saved, str(tmp_path / "net.ckpt"))
    read = read_checkpoint(tmp_path / "net.ckpt")
    convert(read, tmp_path / "net.safetensors", identity_map(read))
    back = read_checkpoint(tmp_path / "net.safetensors")
    assert {name: one.shape for name, one in back.tensors.items()} == {"large": large.shape, "small": _ROW.shape}
    assert np.array_equal(back.tensors["large"].open().words, large)
