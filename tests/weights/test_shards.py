"""Checkpoints in shards, written for the readers of others; and MindSpore's checksum."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from profkit.errors import CancelledError, ProfkitError
from profkit.parsers.checkpoint.number_formats import StoredWords
from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint, CheckpointTensor, read_checkpoint
from profkit.weights import compare_weights, convert, identity_map

ARRAYS = {f"layer.{number}.weight": np.full((25, 10), number, np.float32) for number in range(5)}
SUFFIXES = (".pth", ".bin", ".ckpt", ".safetensors")


def in_memory(arrays: dict[str, np.ndarray], tied: str = "") -> Checkpoint:
    held = {
        name: CheckpointTensor(
            name, "float32", array.shape, lambda array=array: StoredWords(array, "float32"), tied and "tied"
        )
        if name.startswith("tied")
        else CheckpointTensor(name, "float32", array.shape, lambda array=array: StoredWords(array, "float32"))
        for name, array in arrays.items()
    }
    return Checkpoint("memory", "pytorch", held, {})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_shards_hold_at_most_what_was_asked_and_read_as_one(tmp_path: Path, suffix: str) -> None:
    source = in_memory(ARRAYS)
    convert(source, tmp_path / f"model{suffix}", identity_map(source), max_shard_bytes=2500)
    shards = [f"model-0000{number}-of-00003{suffix}" for number in (1, 2, 3)]
    index = tmp_path / f"model{suffix}.index.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*shards, index.name])
    content = json.loads(index.read_text())
    assert content["metadata"] == {"total_size": 5000}
    assert list(content["weight_map"].values()) == [shards[0], shards[0], shards[1], shards[1], shards[2]]
    for name, tensor in read_checkpoint(index).tensors.items():
        assert np.array_equal(tensor.open().words, ARRAYS[name])
    back = tmp_path / "back.safetensors"
    convert(index, back, identity_map(read_checkpoint(index)))
    assert compare_weights(index, back).agrees


def test_what_fits_is_one_file_and_what_is_larger_has_its_own(tmp_path: Path) -> None:
    source = in_memory(ARRAYS)
    convert(source, tmp_path / "one.safetensors", identity_map(source), max_shard_bytes=5000)
    assert [path.name for path in tmp_path.iterdir()] == ["one.safetensors"]
    convert(source, tmp_path / "many.safetensors", identity_map(source), max_shard_bytes=1)
    assert len(list(tmp_path.glob("many-*-of-00005.safetensors"))) == 5


def test_tied_tensors_stay_together(tmp_path: Path) -> None:
    arrays = {"tied.first": ARRAYS["layer.0.weight"], **ARRAYS, "tied.last": ARRAYS["layer.0.weight"]}
    source = in_memory(arrays, tied="tied")
    convert(source, tmp_path / "model.pth", identity_map(source), max_shard_bytes=2000)
    names = json.loads((tmp_path / "model.pth.index.json").read_text())["weight_map"]
    assert names["tied.first"] == names["tied.last"]
    held = read_checkpoint(tmp_path / "model.pth.index.json").tensors
    assert held["tied.first"].place == held["tied.last"].place


def test_a_conversion_that_fails_leaves_no_shard(tmp_path: Path) -> None:
    source = in_memory(ARRAYS)

    def stop(what: str, where: str, share: float | None = None) -> None:
        if share is not None and share > 0.5:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        convert(source, tmp_path / "model.safetensors", identity_map(source), max_shard_bytes=1000, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_whole_file_in_the_way_is_told(tmp_path: Path) -> None:
    source = in_memory(ARRAYS)
    (tmp_path / "model.safetensors").write_bytes(b"older")
    with pytest.raises(ProfkitError, match="readers would take"):
        convert(source, tmp_path / "model.safetensors", identity_map(source), max_shard_bytes=1000)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_sizes_on_the_command_line(tmp_path: Path) -> None:
    source = in_memory(ARRAYS)
    convert(source, tmp_path / "net.pth", identity_map(source))
    base = [sys.executable, "-m", "profkit", "weights", "convert", str(tmp_path / "net.pth")]
    out = tmp_path / "model.safetensors"
    done = subprocess.run([*base, str(out), "--max-shard-size", "2.5KB"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("model-*-of-00003.safetensors"))) == 3
    for size in ("0", "many", "-5GB", "1e9", "5XB"):
        refused = subprocess.run(
            [*base, str(out), "--max-shard-size", size], check=False, capture_output=True, text=True
        )
        assert (refused.returncode, "is no size" in refused.stderr) == (2, True), size


@pytest.mark.frameworks
def test_a_checksum_is_verified_by_what_reads_all_bytes(tmp_path: Path) -> None:
    import mindspore

    path, plain = tmp_path / "net.ckpt", tmp_path / "plain.ckpt"
    items = [{"name": name, "data": mindspore.Tensor(array)} for name, array in ARRAYS.items()]
    mindspore.save_checkpoint(items, str(path), crc_check=True)
    mindspore.save_checkpoint(items, str(plain))
    out = tmp_path / "out.safetensors"
    assert compare_weights(path, plain).agrees
    convert(path, out, identity_map(read_checkpoint(path)))
    out.unlink()
    content = bytearray(path.read_bytes())
    # One bit of an element: the messages stay whole.
    content[content.index(ARRAYS["layer.3.weight"].tobytes()) + 5] ^= 1
    path.write_bytes(content)
    for call in (lambda: convert(path, out, identity_map(read_checkpoint(path))), lambda: compare_weights(path, plain)):
        with pytest.raises(ProfkitError, match="is damaged: its CRC-32"):
            call()
    assert not out.exists()
