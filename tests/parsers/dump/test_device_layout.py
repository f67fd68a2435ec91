"""Layouts are made by writing each element where the vendor's documentation puts it, one at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from profkit.parsers.dump.device_layout import undo_layout, unpadding_of

Array = npt.NDArray[np.float32]
PADDING = -1.0


def numbered(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def up(length: int, block: int) -> int:
    return (length + block - 1) // block


def nc1hwc0(array: Array, block: int = 16) -> Array:
    n, c, h, w = array.shape
    out = np.full((n, up(c, block), h, w, block), PADDING, np.float32)
    for a, b, y, x in itertools.product(*map(range, array.shape)):
        out[a, b // block, y, x, b % block] = array[a, b, y, x]
    return out


def ndc1hwc0(array: Array) -> Array:
    n, c, d, h, w = array.shape
    out = np.full((n, d, up(c, 16), h, w, 16), PADDING, np.float32)
    for a, b, z, y, x in itertools.product(*map(range, array.shape)):
        out[a, z, b // 16, y, x, b % 16] = array[a, b, z, y, x]
    return out


def fractal_nz(array: Array, rows: int = 16, columns: int = 16) -> Array:
    *batch, m, n = array.shape
    out = np.full((*batch, up(n, columns), up(m, rows), rows, columns), PADDING, np.float32)
    for *before, i, j in itertools.product(*map(range, array.shape)):
        out[(*before, j // columns, i // rows, i % rows, j % columns)] = array[(*before, i, j)]
    return out


def fractal_z(array: Array) -> Array:
    n, c, h, w = array.shape
    out = np.full((up(c, 16) * h * w, up(n, 16), 16, 16), PADDING, np.float32)
    for a, b, y, x in itertools.product(*map(range, array.shape)):
        out[(b // 16 * h + y) * w + x, a // 16, a % 16, b % 16] = array[a, b, y, x]
    return out


def fractal_z_3d(array: Array) -> Array:
    n, c, d, h, w = array.shape
    out = np.full((d * up(c, 16) * h * w, up(n, 16), 16, 16), PADDING, np.float32)
    for a, b, z, y, x in itertools.product(*map(range, array.shape)):
        out[((z * up(c, 16) + b // 16) * h + y) * w + x, a // 16, a % 16, b % 16] = array[a, b, z, y, x]
    return out


@pytest.mark.parametrize(
    ("layout", "make", "shape"),
    [
        ("NC1HWC0", nc1hwc0, (1, 3, 3, 3)),
        ("NC1HWC0", nc1hwc0, (2, 17, 4, 5)),
        ("NC1HWC0", nc1hwc0, (2, 16, 1, 1)),
        ("NC1HWC0_C04", lambda array: nc1hwc0(array, 4), (2, 3, 4, 5)),
        ("NDC1HWC0", ndc1hwc0, (2, 17, 3, 2, 2)),
        ("FRACTAL_NZ", fractal_nz, (5, 7)),
        ("FRACTAL_NZ", fractal_nz, (17, 33)),
        ("FRACTAL_NZ", fractal_nz, (2, 3, 17, 5)),
        ("FRACTAL_NZ", lambda array: fractal_nz(array, 16, 32), (20, 40)),
        ("FRACTAL_Z", fractal_z, (17, 3, 3, 2)),
        ("FRACTAL_Z", fractal_z, (4, 20, 1, 1)),
        ("FRACTAL_Z_3D", fractal_z_3d, (17, 3, 2, 3, 2)),
        ("NHWC", lambda array: array.transpose(0, 2, 3, 1), (2, 3, 4, 5)),
        ("HWCN", lambda array: array.transpose(2, 3, 1, 0), (2, 3, 4, 5)),
        ("NDHWC", lambda array: array.transpose(0, 2, 3, 4, 1), (2, 3, 4, 5, 6)),
    ],
)
def test_layouts_are_undone(layout: str, make: Callable[[Array], Array], shape: tuple[int, ...]) -> None:
    wanted = numbered(*shape)
    assert np.array_equal(undo_layout(make(wanted), layout, shape), wanted)


def test_an_original_shape_with_channels_last_is_kept_so() -> None:
    channels_first = numbered(2, 17, 4, 5)
    undone = undo_layout(nc1hwc0(channels_first), "NC1HWC0", (2, 4, 5, 17))
    assert np.array_equal(undone, channels_first.transpose(0, 2, 3, 1))


def test_a_vector_is_the_first_row_of_its_tiles() -> None:
    assert np.array_equal(undo_layout(fractal_nz(numbered(1, 20)), "FRACTAL_NZ", (20,)), numbered(20))


@pytest.mark.parametrize(
    ("layout", "recorded", "original", "groups"),
    [
        ("NC1HWC0", (1, 1, 3, 3, 16), (1, 40, 3, 3), 0),
        ("NC1HWC0", (1, 1, 3, 3, 16), (1 << 60, 3, 3, 3), 0),
        ("NC1HWC0", (1, 1, 3, 3, 16), (3,), 0),
        ("NC1HWC0", (1, 1, 3, 3, 16), (), 0),
        ("NC1HWC0", (0, 1, 3, 3, 16), (0, 3, 3, 3), 0),
        ("FRACTAL_NZ", (1, 1, 16, 16), (17, 5), 0),
        ("FRACTAL_NZ", (1, 1, 16, 16), (2, 5, 5), 0),
        ("FRACTAL_Z", (9, 1, 16, 16), (4, 3, 3, 3), 2),
        ("FRACTAL_Z", (8, 1, 16, 16), (4, 3, 3, 3), 0),
        ("NHWC", (1, 2, 3, 4), (1, 4, 3, 2), 0),
        ("ND", (2, 3), (3, 2), 0),
        ("format 77", (2, 3), (3, 2), 0),
    ],
)
def test_shapes_that_do_not_belong_together_leave_the_tensor_as_recorded(
    layout: str, recorded: tuple[int, ...], original: tuple[int, ...], groups: int
) -> None:
    assert unpadding_of(layout, recorded, original, groups) is None
    array = np.zeros(recorded, np.float32)
    assert undo_layout(array, layout, original, groups) is array
