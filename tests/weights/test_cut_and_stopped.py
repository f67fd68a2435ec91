"""Files that end early are refused wherever they end; a conversion that is stopped leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import profkit.store
from profkit.errors import ProfkitError
from profkit.parsers.checkpoint.number_formats import StoredWords
from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint, CheckpointTensor, read_checkpoint
from profkit.store import write_bytes_in_one_step
from profkit.weights import compare_weights, convert, describe, identity_map, make_map

SUFFIXES = (".pth", ".ckpt", ".safetensors")
SMALL = {f"n{number}.weight": np.full((3, 2), number, np.float32) for number in range(4)}


def in_memory(arrays: dict[str, np.ndarray]) -> Checkpoint:
    held = {
        name: CheckpointTensor(name, "float32", array.shape, lambda array=array: StoredWords(array, "float32"))
        for name, array in arrays.items()
    }
    return Checkpoint("memory", "unknown", held, {})


# What save_checkpoint(crc_check=True) puts behind the tensors: cut before it, the file is a whole one without it.
CHECKSUM_BYTES = 17


def refused_wherever_it_is_cut(whole: Path, folder: Path, *, but: int = -1) -> None:
    """Cut a file behind every byte: it is refused, or, where a message of protobuf ends, what is missing is told."""
    content = whole.read_bytes()
    source = read_checkpoint(whole)
    everything, described = identity_map(source), describe(whole)
    cut, out = folder / f"cut{whole.suffix}", folder / "out.safetensors"
    for length in set(range(len(content))) - {but}:
        cut.write_bytes(content[:length])
        with pytest.raises(ProfkitError) as refused:
            convert(cut, out, everything)
        assert "\n" not in refused.value.message
        with contextlib.suppress(ProfkitError):
            assert make_map(describe(cut), described).unsettled, length
        with contextlib.suppress(ProfkitError):
            assert not compare_weights(cut, whole).agrees, length
        assert not out.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_cut_checkpoint_is_refused_wherever_it_is_cut(tmp_path: Path, suffix: str) -> None:
    source = in_memory(SMALL)
    convert(source, tmp_path / f"whole{suffix}", identity_map(source))
    refused_wherever_it_is_cut(tmp_path / f"whole{suffix}", tmp_path)


@pytest.mark.frameworks
@pytest.mark.parametrize("form", ["torch", "torch before 1.6", "mindspore", "mindspore with checksum", "safetensors"])
def test_a_cut_checkpoint_of_the_frameworks_is_refused(tmp_path: Path, form: str) -> None:
    import mindspore
    import torch
    from safetensors.numpy import save_file

    path = tmp_path / f"whole{'.pth' if 'torch' in form else '.ckpt' if 'mindspore' in form else '.safetensors'}"
    if "torch" in form:
        tensors = {name: torch.from_numpy(array) for name, array in SMALL.items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=form == "torch")
    elif "mindspore" in form:
        saved = [{"name": name, "data": mindspore.Tensor(array)} for name, array in SMALL.items()]
        mindspore.save_checkpoint(saved, str(path), crc_check=form != "mindspore")
        path.chmod(0o600)
    else:
        save_file(SMALL, path)
    refused_wherever_it_is_cut(path, tmp_path, but=path.stat().st_size - CHECKSUM_BYTES if "checksum" in form else -1)


def test_what_lies_before_a_cut_is_compared_and_the_command_fails(tmp_path: Path) -> None:
    source = in_memory(SMALL)
    whole, cut = tmp_path / "whole.ckpt", tmp_path / "cut.ckpt"
    convert(source, whole, identity_map(source))
    cut.write_bytes(whole.read_bytes()[:-30])
    command = [sys.executable, "-m", "profkit", "weights", "compare", whole, cut, "--format", "csv"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "is cut or damaged" in done.stderr.splitlines()[-2]
    assert [line.split(",")[2] for line in done.stdout.splitlines()[1:]] == ["match"] * 3 + ["missing_b"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_conversion_that_is_stopped_leaves_nothing(tmp_path: Path, suffix: str, how: signal.Signals) -> None:
    out = tmp_path / f"out{suffix}"
    out.write_bytes(b"as before")
    # The listener stops the process in the middle of the file, when some tensors are written.
    code = (
        "import os, sys, time\n"
        "import numpy as np\n"
        "from profkit.parsers.checkpoint.number_formats import StoredWords\n"
        "from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint, CheckpointTensor\n"
        "from profkit.weights import convert, identity_map\n"
        "array = np.ones(1 << 20, np.float32)\n"
        "held = {f'n{i}': CheckpointTensor(f'n{i}', 'float32', array.shape, lambda: StoredWords(array, 'float32'))\n"
        "        for i in range(4)}\n"
        "source = Checkpoint('memory', 'unknown', held, {})\n"
        "def listen(verb, what, share):\n"
        "    if share and share > 0.6:\n"
        f"        os.kill(os.getpid(), {int(how)})\n"
        "        time.sleep(30)\n"
        "convert(source, sys.argv[1], identity_map(source), progress=listen)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(out)], check=False, capture_output=True, timeout=60)
    assert done.returncode != 0
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(out.name, b"as before")]


def test_what_no_disk_can_hold_is_not_begun(tmp_path: Path) -> None:
    # One element that is repeated: a small file of torch.save can hold such views.
    many = np.broadcast_to(np.zeros(1, np.float32), (1 << 28,))
    held = {
        f"n{number}": CheckpointTensor(f"n{number}", "float32", many.shape, lambda: StoredWords(many, "float32"))
        for number in range(10_000)
    }
    source = Checkpoint("memory", "unknown", held, {})
    for suffix in SUFFIXES:
        with pytest.raises(ProfkitError, match=r"would be 10,737,418,240,000 bytes long, the disk has"):
            convert(source, tmp_path / f"out{suffix}", identity_map(source))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("nameless", [True, False])
def test_a_file_is_written_whole_with_the_rights_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.setattr(profkit.store, "_nameless_file", lambda _: None)
    umask = os.umask(0o027)
    try:
        for content in (b"one", b"two"):
            write_bytes_in_one_step(tmp_path / "file", content)
    finally:
        os.umask(umask)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"two")]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    with pytest.raises(ProfkitError, match="cannot be written"):
        write_bytes_in_one_step(tmp_path / "nowhere" / "file", b"three")
