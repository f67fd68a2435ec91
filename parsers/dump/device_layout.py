"""Tensors in the memory layouts of Ascend devices, given back in the shape the network knows.

The device cuts channels into blocks of C0 (16 for most dtypes) and matrices into tiles, and pads what does not fill
them. A layout is undone only where the recorded device shape is exactly the one that the original shape leads to;
otherwise the tensor stays as it was recorded. The order of dimensions is that of the original shape: where it could be
read as channels first and as channels last, channels first is taken, the order of MindSpore and PyTorch.

Layouts as the Ascend documentation describes them (data layout formats, CANN 8): NC1HWC0 (N, C1, H, W, C0), NDC1HWC0
(N, D, C1, H, W, C0), FRACTAL_NZ (..., N1, M1, M0, N0) of (..., M, N), FRACTAL_Z (C1 H W, N1, N0, C0) and FRACTAL_Z_3D
(D C1 H W, N1, N0, C0) of convolution weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from profkit.parsers.dump.array_file import AnyArray

Shape = tuple[int, ...]

_SPATIAL = {4: "HW", 5: "DHW"}
# Permutations of plain layouts into the layout of the network.
_PLAIN = {"NHWC": "NCHW", "HWCN": "NCHW", "CHWN": "NCHW", "NDHWC": "NCDHW", "DHWCN": "NCDHW", "DHWNC": "NCDHW"}


class Unpadding(NamedTuple):
    """How a device layout is undone: reshape, transpose, reshape, cut the padding off.

    Attributes:
        split: Shape of the recorded array with joined dimensions taken apart.
        axes: Order of those dimensions.
        padded: Shape after blocks were joined again.
        shape: Shape without padding: the original one.
    """

    split: Shape
    axes: Shape
    padded: Shape
    shape: Shape


def undo_layout(array: AnyArray, layout: str, original: Shape, groups: int = 0) -> AnyArray:
    """Give a tensor in its original shape; as it is, if the layout needs no undoing or cannot be undone.

    Args:
        array: The tensor in the recorded shape.
        layout: Name of the recorded layout (NC1HWC0, FRACTAL_NZ).
        original: The shape that the network knows; () if it was not recorded.
        groups: Groups of a grouped convolution as recorded beside the layout; 0 or 1: none.
    """
    unpadding = unpadding_of(layout, array.shape, original, groups)
    if unpadding is None:
        return array
    joined = array.reshape(unpadding.split).transpose(unpadding.axes).reshape(unpadding.padded)
    return joined[tuple(slice(length) for length in unpadding.shape)]


def unpadding_of(layout: str, shape: Shape, original: Shape, groups: int = 0) -> Unpadding | None:
    """Tell how a layout is undone; None if there is nothing to undo, or the two shapes do not belong together."""
    if not original or shape == original or 0 in shape or 0 in original:
        return None
    make = _LAYOUTS.get(layout)
    if make is None or (groups > 1 and layout.startswith("FRACTAL_Z")):
        return None
    return next((found for found in make(layout, shape, original) if _is_sound(found, shape)), None)


def _is_sound(found: Unpadding, shape: Shape) -> bool:
    """Hold a rule to what it must do: move every element once, and only cut off."""
    return (
        math.prod(found.split) == math.prod(shape) == math.prod(found.padded)
        and len(found.padded) == len(found.shape)
        and all(cut <= whole for cut, whole in zip(found.shape, found.padded, strict=True))
    )


def _blocks(length: int, block: int) -> int:
    return -(-length // block)


def _dims(names: str, original: Shape) -> dict[str, int]:
    return dict(zip(names, original, strict=True))


def _orders(original: Shape) -> Iterator[str]:
    """Give the orders of dimensions that an original shape of this length may have, the likelier first."""
    spatial = _SPATIAL.get(len(original))
    if spatial is not None:
        yield f"NC{spatial}"
        yield f"N{spatial}C"


def _channel_blocks(_layout: str, shape: Shape, original: Shape) -> Iterator[Unpadding]:
    """NC1HWC0 and NDC1HWC0: the channels in blocks, the blocks before height and width, their content last."""
    for order in _orders(original):
        dims = _dims(order, original)
        block = shape[-1]
        # The recorded names of the dimensions, in order; c is the content of a block.
        names = "NCHWc" if len(original) == 4 else "NDCHWc"
        expected = {**dims, "C": _blocks(dims["C"], block), "c": block}
        if shape == tuple(expected[name] for name in names):
            axes = tuple(names.index(name) for one in order for name in (one, *("c" if one == "C" else "")))
            padded = tuple(expected[one] * (block if one == "C" else 1) for one in order)
            yield Unpadding(shape, axes, padded, original)


def _matrix_tiles(_layout: str, shape: Shape, original: Shape) -> Iterator[Unpadding]:
    """FRACTAL_NZ: the last two dimensions in tiles, columns of tiles first."""
    rows, columns = original[-2:] if len(original) > 1 else (1, original[0])
    before = original[:-2]
    if len(shape) != len(before) + 4:
        return
    tile_rows, tile_columns = shape[-2:]
    if shape[:-2] == (*before, _blocks(columns, tile_columns), _blocks(rows, tile_rows)):
        first = len(before)
        axes = (*range(first), first + 1, first + 2, first, first + 3)
        padded = (*before, shape[-3] * tile_rows, shape[-4] * tile_columns)
        # A vector is the first row of its tiles.
        yield Unpadding(shape, axes, padded if len(original) > 1 else (math.prod(padded),), original)


def _weight_tiles(layout: str, shape: Shape, original: Shape) -> Iterator[Unpadding]:
    """FRACTAL_Z and FRACTAL_Z_3D: blocks of channels and the kernel's places first, tiles of outputs and channels."""
    spatial = _SPATIAL.get(len(original))
    if len(shape) != 4 or spatial is None or (layout == "FRACTAL_Z_3D") != (spatial == "DHW"):
        return
    for order in (f"NC{spatial}", f"N{spatial}C", f"{spatial}CN"):
        dims = _dims(order, original)
        _, outputs, output_block, block = shape
        channels = _blocks(dims["C"], block)
        places = [dims.get("D", 1), channels, dims["H"], dims["W"]]
        if shape[:2] == (math.prod(places), _blocks(dims["N"], output_block)):
            split = (*places, outputs, output_block, block)
            where = {"D": (0,), "C": (1, 6), "H": (2,), "W": (3,), "N": (4, 5)}
            axes = tuple(axis for one in order for axis in where[one])
            axes = axes if "D" in order else (0, *axes)
            padded = tuple(math.prod(split[axis] for axis in where[one]) for one in order)
            yield Unpadding(split, axes, padded, original)


def _permuted(layout: str, shape: Shape, original: Shape) -> Iterator[Unpadding]:
    """NHWC, HWCN and their like: no padding, another order of dimensions."""
    wanted = _PLAIN[layout]
    if len(shape) == len(wanted) == len(original):
        axes = tuple(layout.index(name) for name in wanted)
        if tuple(shape[axis] for axis in axes) == original:
            yield Unpadding(shape, axes, original, original)


_LAYOUTS: dict[str, Callable[[str, Shape, Shape], Iterator[Unpadding]]] = {
    "NC1HWC0": _channel_blocks,
    "NC1HWC0_C04": _channel_blocks,
    "NDC1HWC0": _channel_blocks,
    "FRACTAL_NZ": _matrix_tiles,
    "FRACTAL_NZ_C0_16": _matrix_tiles,
    "FRACTAL_NZ_C0_32": _matrix_tiles,
    "FRACTAL_Z": _weight_tiles,
    "FRACTAL_Z_3D": _weight_tiles,
    **dict.fromkeys(_PLAIN, _permuted),
}
