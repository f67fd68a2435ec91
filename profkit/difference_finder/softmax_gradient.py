"""MindSpore's gradient of softmax: which forms of it an earlier one of the process has spoilt.

In PyNative mode on the CPU (measured with 2.10; graphs are right) MindSpore keeps what the gradient of softmax expands
to by number of dimensions, axis as written and dtype, not by lengths. Where the first one ran over an axis of one
element, it was expanded without the sum over that axis, and all later ones of that form are wrong until the process
ends.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from profkit.frameworks import import_mindspore

_MOST_DIMENSIONS = 5
_FAR_OFF = 1e-3


def spoilt_softmax_gradients() -> str:
    """Say for which forms of softmax this process computes wrong gradients, and why; "" for none of those tried."""
    found = [f"axis {axis} of {dimensions} dimensions" for dimensions, axis in _forms() if _is_wrong(dimensions, axis)]
    if not found:
        return ""
    return (
        f"MindSpore's own gradient of softmax is wrong in this process ({', '.join(found)}), since one over an axis of "
        "a single element ran first; run in a new process, in GRAPH_MODE, or without softmax over a single element"
    )


def _forms() -> Iterator[tuple[int, int]]:
    for dimensions in range(1, _MOST_DIMENSIONS + 1):
        yield from ((dimensions, axis) for axis in range(-dimensions, dimensions))


def _is_wrong(dimensions: int, axis: int) -> bool:
    mindspore = import_mindspore("checking gradients")
    shape = (2,) * dimensions
    weights = np.arange(2.0**dimensions, dtype=np.float32).reshape(shape)

    def weighted(x: object) -> object:
        return (mindspore.ops.softmax(x, axis=axis) * mindspore.Tensor(weights)).sum()

    # Of equal numbers softmax makes halves, whose gradient is half of what each weight exceeds the mean of its axis by.
    right = (weights - weights.mean(axis, keepdims=True)) / 2
    gradient = mindspore.grad(weighted)(mindspore.Tensor(np.zeros(shape, np.float32)))
    return bool(np.abs(gradient.asnumpy() - right).max() > _FAR_OFF)
