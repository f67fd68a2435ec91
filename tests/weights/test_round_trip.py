"""Any tensors there and back: every dtype, shape and name, bit for bit, through chains of formats."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from profkit.parsers.checkpoint.number_formats import StoredWords
from profkit.parsers.checkpoint.whole_checkpoint import Checkpoint, CheckpointTensor, read_checkpoint
from profkit.weights import MapRow, WeightMap, convert, identity_map
from profkit.weights.neutral_values import element_words
from profkit.weights.operations import Operation, shape_after

# dtype in the file, and numpy's for words of its bits.
WORDS = {
    "float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "u2", "int64": "i8", "int32": "i4", "int16": "i2",
    "int8": "i1", "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8", "bool": "?",
}  # fmt: skip
SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")

# A .ckpt has no tensor of shape (0,): it means a scalar there.
shapes = st.lists(st.integers(0, 4), max_size=5).map(tuple).filter(lambda shape: shape != (0,))
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda n: n != "__metadata__")


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    """A dtype, and words of it with any bits: NaN with any payload, subnormals, -0."""
    dtype, shape = draw(st.sampled_from(sorted(WORDS))), draw(shapes)
    word = np.dtype(WORDS[dtype])
    size = int(np.prod(shape, dtype=int)) * word.itemsize
    content = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    words = (content % 2 == 1) if dtype == "bool" else content.view(word)
    return dtype, words.reshape(shape)


def checkpoint(held: dict[str, tuple[str, np.ndarray]]) -> Checkpoint:
    made = {
        name: CheckpointTensor(name, dtype, words.shape, lambda words=words, dtype=dtype: StoredWords(words, dtype))
        for name, (dtype, words) in held.items()
    }
    return Checkpoint("memory", "pytorch", made, {})


def same(read: Checkpoint, held: dict[str, tuple[str, np.ndarray]]) -> None:
    assert set(read.tensors) == set(held)
    for name, (dtype, words) in held.items():
        found = element_words(read.tensors[name])
        assert (found.dtype, found.words.shape) == (dtype, words.shape)
        assert found.words.tobytes() == words.tobytes()


@given(
    st.dictionaries(names, tensors(), min_size=1, max_size=6),
    st.lists(st.sampled_from(SUFFIXES), min_size=1, max_size=4),
)
def test_tensors_go_through_formats_bit_for_bit(held: dict[str, tuple[str, np.ndarray]], chain: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        current: Any = checkpoint(held)
        for number, suffix in enumerate(chain):
            path = Path(folder) / f"{number}{suffix}"
            convert(current, path, identity_map(current))
            current = read_checkpoint(path)
            same(current, held)


@st.composite
def operations(draw: st.DrawFn) -> tuple[tuple[str, np.ndarray], tuple[Operation, ...]]:
    """A tensor, and operations that can be undone on it."""
    dtype, words = draw(tensors())
    done: list[Operation] = []
    shape = words.shape
    for _ in range(draw(st.integers(0, 3))):
        choices = [Operation("expand_dims", (draw(st.integers(0, len(shape))),))]
        if shape:
            choices.append(Operation("transpose", tuple(draw(st.permutations(range(len(shape)))))))
        if 1 in shape:
            choices.append(Operation("squeeze", (shape.index(1),)))
        done.append(draw(st.sampled_from(choices)))
        shape = shape_after(done[-1:], [shape])
    return (dtype, words), tuple(done)


@given(operations(), st.sampled_from(SUFFIXES), st.sampled_from(SUFFIXES))
def test_a_map_undoes_what_it_did(case: tuple[Any, tuple[Operation, ...]], there: str, back: str) -> None:
    (dtype, words), done = case
    if (0,) in {words.shape, shape_after(done, [words.shape])}:
        return
    held = {"a": (dtype, words)}
    made = WeightMap((MapRow(("a",), "b", "mapped", "", done, words.shape),))
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / f"there{there}", Path(folder) / f"back{back}"
        convert(checkpoint(held), first, made)
        assert read_checkpoint(first).tensors["b"].shape == shape_after(done, [words.shape])
        convert(first, second, made)
        same(read_checkpoint(second), held)
