"""Two arrays that hold the same values in another layout: other axes, one flat row, or the padded blocks of a device.

Told by value, never by shape alone: of all layouts that the shapes allow, one must bring the elements together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]

# Two values are alike within this share of the spread of all, and most of those looked at must be.
_ALIKE = 1e-2
_MOST = 0.75
_SAMPLED = 2_048
_MOST_AXES = 5
# As few values stand in many places, and any layout would bring them together.
_DISTINCT_VALUES = 8
# Values in the innermost block of a device layout, by width of the data type: 32 bytes, and 16 for float16.
_BLOCK_LENGTHS = (16, 8, 32)


@dataclass(frozen=True)
class Layout:
    """How b lies against a.

    Attributes:
        name: Short word for the column `layout`: "axes (0, 2, 3, 1)", "flattened", "FRACTAL_NZ", "NC1HWC0".
        sentence: The same for a reader.
        restored: b with the shape of a.
    """

    name: str
    sentence: str
    restored: AnyArray


@dataclass(frozen=True)
class _Candidate:
    """A layout that the shapes allow; nothing of it is copied before it is chosen.

    Attributes:
        name, sentence: As of Layout.
        sample: Gives values of a and of b at some flat places, which belong together if the layout is right.
        restore: Gives b with the shape of a.
    """

    name: str
    sentence: str
    sample: Callable[[NDArray[np.int64]], tuple[AnyArray, AnyArray]]
    restore: Callable[[], AnyArray]


def recognised_layout(a: AnyArray, b: AnyArray) -> Layout | None:
    """Find the layout in which b holds the values of a; None if there is none, or the values are too uniform to tell.

    Args:
        a: Numbers of any shape.
        b: Numbers of the same kind, of another shape, or of the same if only the order of axes may differ.
    """
    if a.size < _DISTINCT_VALUES or b.size < a.size:
        return None
    places = _sampled_places(a.size)
    sampled = _at(a, places)
    if len(np.unique(sampled[np.isfinite(sampled)])) <= _DISTINCT_VALUES:
        return None
    for candidate in _candidates(a, b):
        if _agree(*candidate.sample(places)):
            return Layout(candidate.name, candidate.sentence, candidate.restore())
    return None


def _sampled_places(size: int) -> NDArray[np.int64]:
    if size <= _SAMPLED:
        return np.arange(size)
    return np.sort(np.random.default_rng(0).integers(0, size, _SAMPLED))


def _at(values: AnyArray, places: NDArray[np.int64]) -> AnyArray:
    return values[np.unravel_index(places, values.shape)]


def _agree(x: AnyArray, y: AnyArray) -> bool:
    """Say whether most values stand beside their like: zeros prove nothing, and a fault may be among the others."""
    kept = np.isfinite(x) & np.isfinite(y) & ((x != 0) | (y != 0))
    non_finite = int(np.count_nonzero(~np.isfinite(x)))
    if int(np.count_nonzero(kept)) <= max(_DISTINCT_VALUES, non_finite):
        return False
    working = np.complex128 if x.dtype.kind == "c" else np.float64
    left, right = x[kept].astype(working), y[kept].astype(working)
    close = np.abs(left - right) <= _ALIKE * np.std(left)
    return bool(np.count_nonzero(close) >= _MOST * len(close))


def _candidates(a: AnyArray, b: AnyArray) -> Iterator[_Candidate]:
    if a.size == b.size:
        # Axes of length 1 may stand anywhere, so they are left out on both sides.
        x, y = a.squeeze(), b.squeeze()
        if a.shape != b.shape:
            yield _other_axes_of_a(a, x, y, tuple(range(x.ndim)))
        if x.ndim <= _MOST_AXES:
            orders = [order for order in permutations(range(x.ndim)) if order != tuple(range(x.ndim))]
            yield from (_other_axes_of_a(a, x, y, order) for order in orders if _fits(x, y, order))
            yield from (_other_axes_of_a(a, x, y, order) for order in orders if not _fits(x, y, order))
        if y.ndim <= _MOST_AXES and x.shape != y.shape:
            yield from (_other_axes_of_b(a, y, order) for order in permutations(range(y.ndim)))
    for block in _BLOCK_LENGTHS:
        yield from _fractal_nz(a, b, block)
        yield from _five_dimensional(a, b, block)


def _fits(x: AnyArray, y: AnyArray, order: tuple[int, ...]) -> bool:
    return tuple(x.shape[axis] for axis in order) == y.shape


def _other_axes_of_a(a: AnyArray, x: AnyArray, y: AnyArray, order: tuple[int, ...]) -> _Candidate:
    """B is A with its axes in another order, axes put together or not."""
    turned = x.transpose(order)
    if order == tuple(range(x.ndim)):
        name, sentence = "reshaped", f"B holds the values of A in the same order with the shape {_text(y.shape)}"
    elif x.ndim == 2:
        name, sentence = f"axes {order}", "B is A transposed"
    else:
        name, sentence = f"axes {order}", f"B is A with its axes in the order {order}{_usual_name(order)}"
    if turned.shape != y.shape and name != "reshaped":
        name, sentence = f"{name}, reshaped", f"{sentence}, then of shape {_text(y.shape)}"
    return _Candidate(
        name,
        sentence,
        lambda places: (_at(turned, places), _at(y, places)),
        lambda: y.reshape(turned.shape).transpose(np.argsort(order)).reshape(a.shape),
    )


def _other_axes_of_b(a: AnyArray, y: AnyArray, order: tuple[int, ...]) -> _Candidate:
    """A is B with its axes in another order and put together."""
    turned = y.transpose(order)
    return _Candidate(
        f"axes {order} of B, reshaped",
        f"A is B with its axes in the order {order}, then of shape {_text(a.shape)}",
        lambda places: (_at(a, places), _at(turned, places)),
        lambda: turned.reshape(a.shape),
    )


def _padded(a: AnyArray, name: str, sentence: str, restored: AnyArray) -> _Candidate:
    return _Candidate(name, sentence, lambda places: (_at(a, places), _at(restored, places)), lambda: restored)


def _usual_name(order: tuple[int, ...]) -> str:
    names: dict[tuple[int, ...], str] = {
        (0, 2, 3, 1): " (NCHW in A, NHWC in B)",
        (0, 3, 1, 2): " (NHWC in A, NCHW in B)",
    }
    return names.get(order, "")


def _fractal_nz(a: AnyArray, b: AnyArray, block: int) -> Iterator[_Candidate]:
    """Blocks of 16 rows by `block` columns, columns of blocks first: (..., M, N) as (..., N/block, M/16, 16, block)."""
    if a.ndim < 2 or b.ndim != a.ndim + 2 or b.shape[:-4] != a.shape[:-2]:
        return
    rows, columns = a.shape[-2:]
    if b.shape[-4:] != (-(-columns // block), -(-rows // 16), 16, block):
        return
    lead = tuple(range(b.ndim - 4))
    whole = b.transpose(*lead, b.ndim - 3, b.ndim - 2, b.ndim - 4, b.ndim - 1)
    whole = whole.reshape(*a.shape[:-2], b.shape[-3] * 16, b.shape[-4] * block)
    sentence = f"B holds the values of A in blocks of 16 x {block} (FRACTAL_NZ)"
    yield _padded(a, "FRACTAL_NZ", sentence, whole[..., :rows, :columns])


def _five_dimensional(a: AnyArray, b: AnyArray, block: int) -> Iterator[_Candidate]:
    """Channels in blocks, innermost: (N, C, H, W) as (N, C/block, H, W, block)."""
    if a.ndim != 4 or b.ndim != 5:
        return
    batch, channels, height, width = a.shape
    if b.shape != (batch, -(-channels // block), height, width, block):
        return
    whole = b.transpose(0, 1, 4, 2, 3).reshape(batch, -1, height, width)
    sentence = f"B holds the values of A with its channels in blocks of {block} (NC1HWC0)"
    yield _padded(a, "NC1HWC0", sentence, whole[:, :channels])


def _text(shape: tuple[int, ...]) -> str:
    return f"({','.join(map(str, shape))})"
