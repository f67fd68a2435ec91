"""Checkpoints from file to file: bit for bit, whole or not at all, and nothing of a file is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profkit.errors import CancelledError, ProfkitError
from profkit.parsers.checkpoint.number_formats import StoredWords
from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint, CheckpointTensor, read_checkpoint
from profkit.weights import MapRow, WeightMap, convert, describe, identity_map, make_map
from profkit.weights.conversion import element_words
from profkit.weights.operations import parse_operation

RANDOM = np.random.default_rng(4)
NUMPY_DTYPES = (
    "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool"
)  # fmt: skip
SUFFIXES = (".pth", ".ckpt", ".safetensors")


def in_memory(tensors: Mapping[str, tuple[str, np.ndarray]], framework: str = "pytorch") -> Checkpoint:
    """A checkpoint of words by name: dtype and array of its words."""
    held = {
        name: CheckpointTensor(name, dtype, words.shape, lambda words=words, dtype=dtype: StoredWords(words, dtype))
        for name, (dtype, words) in tensors.items()
    }
    return Checkpoint("memory", framework, held, {})


def of_every_dtype() -> dict[str, tuple[str, np.ndarray]]:
    tensors = {}
    for dtype in NUMPY_DTYPES:
        words = RANDOM.integers(0, 256, (3, 4, 8), dtype=np.uint8)
        tensors[dtype] = (dtype, words % 2 == 1 if dtype == "bool" else words.view(dtype))
    tensors["half.bfloat16"] = ("bfloat16", RANDOM.integers(0, 65536, (5, 3), dtype=np.uint16))
    tensors["scalar"] = ("float32", np.array(2.5, np.float32))
    tensors["empty"] = ("float32", np.zeros((0, 7), np.float32))
    tensors["transposed"] = ("float32", RANDOM.standard_normal((40, 70)).astype(np.float32).T)
    tensors["big endian"] = ("int32", np.arange(6, dtype=">i4"))
    tensors["odd ../name/\x1b[31m\\ä"] = ("int8", np.arange(3, dtype=np.int8))
    return tensors


def same_words(read: Checkpoint, tensors: Mapping[str, tuple[str, np.ndarray]]) -> None:
    assert set(read.tensors) == set(tensors)
    for name, (dtype, words) in tensors.items():
        found = element_words(read.tensors[name])
        assert (found.dtype, found.words.shape) == (dtype, words.shape), name
        assert found.words.tobytes() == words.astype(words.dtype.newbyteorder("<")).tobytes(), name


def test_every_dtype_goes_round_all_formats_bit_for_bit(tmp_path: Path) -> None:
    tensors = of_every_dtype()
    current = in_memory(tensors)
    for number, suffix in enumerate((*SUFFIXES, *SUFFIXES[::-1])):
        path = tmp_path / f"{number}{suffix}"
        convert(current, path, identity_map(current))
        current = read_checkpoint(path)
        same_words(current, tensors)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == sorted(SUFFIXES * 2)


def test_narrow_and_complex_numbers_go_where_the_format_has_them(tmp_path: Path) -> None:
    tensors = {
        "complex64": ("complex64", RANDOM.standard_normal(8).astype(np.float32).view(np.complex64)),
        "complex32": ("complex32", RANDOM.integers(0, 2**32, 5, dtype=np.uint32)),
        "float8_e4m3fn": ("float8_e4m3fn", RANDOM.integers(0, 256, 5, dtype=np.uint8)),
    }
    source = in_memory(tensors)
    convert(source, tmp_path / "a.pth", identity_map(source))
    same_words(read_checkpoint(tmp_path / "a.pth"), tensors)
    for suffix in (".ckpt", ".safetensors"):
        with pytest.raises(ProfkitError, match="complex"):
            convert(source, tmp_path / f"a{suffix}", identity_map(source))
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


@pytest.mark.parametrize(
    "operations", ["transpose(1,0)", "reshape(7,2,3)", "split(0,1,3) expand_dims(1)", "squeeze(9)"]
)
def test_operations_move_values_as_numpy_does(tmp_path: Path, operations: str) -> None:
    values = RANDOM.standard_normal((6, 7)).astype(np.float32)
    done = tuple(map(parse_operation, operations.split(" ")))
    source = in_memory({"a": ("float32", values)})
    made = WeightMap((MapRow(("a",), "b", "mapped", "", done),))
    if operations == "squeeze(9)":
        with pytest.raises(ProfkitError, match="does not fit"):
            convert(source, tmp_path / "a.ckpt", made)
        return
    convert(source, tmp_path / "a.ckpt", made)
    expected = {
        "transpose(1,0)": values.T,
        "reshape(7,2,3)": values.reshape(7, 2, 3),
        "split(0,1,3) expand_dims(1)": np.split(values, 3)[1][:, None],
    }[operations]
    same_words(read_checkpoint(tmp_path / "a.ckpt"), {"b": ("float32", expected)})


def test_parts_are_put_together_and_biases_added(tmp_path: Path) -> None:
    a, b = (RANDOM.standard_normal((2, 3)).astype(np.float32) for _ in range(2))
    source = in_memory({"a": ("float32", a), "b": ("float32", b)})
    rows = (
        MapRow(("a", "b"), "both", "mapped", "", (parse_operation("concatenate(0)"),)),
        MapRow(("a", "b"), "sum", "mapped", "", (parse_operation("add()"),)),
    )
    convert(source, tmp_path / "x.safetensors", WeightMap(rows))
    expected = {"both": ("float32", np.concatenate([a, b])), "sum": ("float32", a + b)}
    same_words(read_checkpoint(tmp_path / "x.safetensors"), expected)


@pytest.mark.parametrize("text", ["eval(1)", "os.system('x')", "transpose(-1)", "transpose(1,0", "reshape(1e9)", ""])
def test_what_is_no_operation_is_refused(text: str) -> None:
    with pytest.raises(ProfkitError, match="no operation"):
        parse_operation(text)


def test_nothing_is_written_while_something_is_open(tmp_path: Path) -> None:
    values = np.ones(3, np.float32)
    source = in_memory({"a": ("float32", values), "b": ("float32", values)})
    made = WeightMap((MapRow(("a",), "a", "mapped", ""), MapRow((), "c", "target_only", "nobody has it")))
    with pytest.raises(ProfkitError, match=r"2 parameters have no sure partner: c \(target_only"):
        convert(source, tmp_path / "x.ckpt", made)
    assert not list(tmp_path.iterdir())
    done = convert(source, tmp_path / "x.ckpt", made, partial=True)
    assert [row.status for row in done.rows] == ["mapped", "target_only", "source_only"]
    assert list(read_checkpoint(tmp_path / "x.ckpt").tensors) == ["a"]


def test_two_weights_that_the_target_holds_once_must_be_the_same(tmp_path: Path) -> None:
    a, b = np.ones(3, np.float32), np.array([1, 1, 2], np.float32)
    made = WeightMap((MapRow(("a",), "t", "mapped", ""), MapRow(("b",), "t", "tied", "", tied_to="a")))
    with pytest.raises(ProfkitError, match="differ in the source"):
        convert(in_memory({"a": ("float32", a), "b": ("float32", b)}), tmp_path / "x.ckpt", made)
    convert(in_memory({"a": ("float32", a), "b": ("float32", a.copy())}), tmp_path / "x.ckpt", made)


def test_a_failure_or_an_interruption_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    source = in_memory({name: ("float32", np.ones(3, np.float32)) for name in "ab"})
    out = tmp_path / "x.pth"
    out.write_bytes(b"as before")

    def stop(verb: str, what: str, share: float | None) -> None:
        if share:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        convert(source, out, identity_map(source), progress=stop)

    def unreadable() -> StoredWords:
        raise ProfkitError("it went away")

    broken = dict(source.tensors) | {"b": CheckpointTensor("b", "float32", (3,), unreadable)}
    with pytest.raises(ProfkitError, match="went away"):
        convert(Checkpoint("memory", "pytorch", broken, {}), out, identity_map(source))
    for missing in (tmp_path / "no" / "x.pth", tmp_path / "x.onnx"):
        with pytest.raises(ProfkitError):
            convert(source, missing, identity_map(source))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x.pth", b"as before")]


def test_shards_are_read_through_their_index(tmp_path: Path) -> None:
    tensors = {f"layer.{n}.weight": ("bfloat16", RANDOM.integers(0, 65536, (4, n + 1), np.uint16)) for n in range(5)}
    names = list(tensors)
    forms = ("pytorch_model", ".bin"), ("model", ".safetensors"), ("mindspore_model", ".ckpt")
    for form, suffix in forms:
        folder = tmp_path / form
        folder.mkdir()
        files = {name: f"{form}-{number % 2 + 1:05}-of-00002{suffix}" for number, name in enumerate(names)}
        for file in set(files.values()):
            part = in_memory({name: tensors[name] for name in names if files[name] == file})
            convert(part, folder / file, identity_map(part))
        index = folder / f"{form}{suffix}.index.json"
        index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": files}))
        for path in (index, folder):
            read = read_checkpoint(path)
            assert list(read.tensors) == names
            convert(read, tmp_path / "whole.ckpt", identity_map(read))
            same_words(read_checkpoint(tmp_path / "whole.ckpt"), tensors)
        (folder / files[names[0]]).unlink()
        with pytest.raises(ProfkitError, match="does not exist"):
            read_checkpoint(index)


@pytest.mark.parametrize("wrapped", [True, False])
def test_shards_of_mindspore_are_read_through_its_map_of_names(tmp_path: Path, wrapped: bool) -> None:
    tensors = {name: ("float16", RANDOM.standard_normal((2, 3)).astype(np.float16)) for name in ("a.gamma", "b.w")}
    for number, (name, one) in enumerate(tensors.items()):
        part = in_memory({name: one}, "mindspore")
        convert(part, tmp_path / f"part{number}.safetensors", identity_map(part))
    names = {"a.gamma": "part0.safetensors", "b.w": "part1.safetensors"}
    index = tmp_path / "param_name_map.json"
    index.write_text(json.dumps({"weight_map": names} if wrapped else names))
    for path in (index, tmp_path):
        read = read_checkpoint(path)
        assert read.framework == "mindspore"
        same_words(read, tensors)
        assert [one.name for one in describe(path).parameters] == list(tensors)
    index.write_text(json.dumps({"a.gamma": "../part0.safetensors"}))
    with pytest.raises(ProfkitError, match="no file beside it"):
        read_checkpoint(index)


@pytest.mark.parametrize("name", ["../secret.bin", "/etc/passwd", "a\\b.bin", "..", "", "a\0b"])
def test_an_index_names_only_files_beside_it(tmp_path: Path, name: str) -> None:
    index = tmp_path / "model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(ProfkitError, match="no file beside it"):
        read_checkpoint(index)


def test_one_tensor_in_memory_at_a_time(tmp_path: Path) -> None:
    tensors = {f"n{number}": ("float32", np.full((8, 1 << 18), number, np.float32)) for number in range(24)}
    source = in_memory(tensors)
    convert(source, tmp_path / "a.pth", identity_map(source))
    code = (
        "import resource, sys\n"
        "from profkit.weights import convert, identity_map, read_checkpoint\n"
        "import profkit.weights.conversion, profkit.weights.comparison\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "source = read_checkpoint(sys.argv[1])\n"
        "convert(source, sys.argv[2], identity_map(source))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    for suffix in SUFFIXES:
        command = [sys.executable, "-c", code, str(tmp_path / "a.pth"), str(tmp_path / f"b{suffix}")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
        # 8 MiB a tensor, 192 MiB in all; what is read and copied of one counts, and what Python takes besides.
        assert int(done.stdout) < 40 << 10, suffix


def test_a_wrapper_that_the_map_does_not_know_is_seen_through(tmp_path: Path) -> None:
    values = ("float32", np.ones(3, np.float32))
    source = in_memory({"module.a": values, "module.n.num_batches_tracked": ("int64", np.array(3))})
    done = convert(source, tmp_path / "x.ckpt", WeightMap((MapRow(("a",), "b", "mapped", ""),)))
    assert [(row.sources, row.status) for row in done.rows] == [
        (("module.a",), "mapped"),
        (("module.n.num_batches_tracked",), "not_needed"),
    ]


def test_there_and_back_by_one_map(tmp_path: Path) -> None:
    names = {"conv.weight": (6, 4, 3), "bn.weight": (6,), "bn.running_var": (6,), "attn.in_proj_weight": (12, 4)}
    tensors: dict[str, Any] = {n: ("float16", RANDOM.standard_normal(s).astype(np.float16)) for n, s in names.items()}
    source = in_memory(tensors)
    shapes = {"conv.weight": (6, 4, 1, 3), "bn.gamma": (6,), "bn.moving_variance": (6,)}
    shapes |= {f"attn.{part}_proj.weight": (4, 4) for part in "qkv"}
    target = in_memory({n: ("float32", np.zeros(s, np.float32)) for n, s in shapes.items()}, "mindspore")
    convert(target, tmp_path / "initial.ckpt", identity_map(target))
    convert(source, tmp_path / "a.pth", identity_map(source))
    made = make_map(describe(tmp_path / "a.pth"), describe(tmp_path / "initial.ckpt"))
    convert(tmp_path / "a.pth", tmp_path / "b.ckpt", made)
    assert {name: one.shape for name, one in read_checkpoint(tmp_path / "b.ckpt").tensors.items()} == shapes
    convert(tmp_path / "b.ckpt", tmp_path / "back.pth", made)
    same_words(read_checkpoint(tmp_path / "back.pth"), tensors)
