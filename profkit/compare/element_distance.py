"""Blocks of two arrays side by side, and the distance |a-b| of each pair of elements, exact where the kind allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

NumberKind = Literal["integer", "float", "complex"]

_LARGEST_ITEM = {"f": 8, "c": 16}


def number_kind(dtype: np.dtype[Any]) -> NumberKind | None:
    """Give the kind of number; None for what is no number or wider than float64 (text, records, times, long double)."""
    if dtype.kind in "biu":
        return "integer"
    if dtype.itemsize <= _LARGEST_ITEM.get(dtype.kind, 0):
        return "float" if dtype.kind == "f" else "complex"
    return None


@dataclass(frozen=True)
class Block:
    """Some elements of both sides.

    Attributes:
        x, y: Values as float64 or complex128, 1-D, of one length. Integers above 2**53 are rounded here.
        exact: The integers themselves (int64 or uint64), for their exact distance; None for floats.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    exact: tuple[NDArray[Any], NDArray[Any]] | None = None

    @property
    def parts_x(self) -> NDArray[np.float64]:
        """The values of x as float64, complex ones as real and imaginary parts."""
        return self.x.view(np.float64)

    @property
    def parts_y(self) -> NDArray[np.float64]:
        """The values of y as float64, complex ones as real and imaginary parts."""
        return self.y.view(np.float64)

    def at(self, places: NDArray[np.intp]) -> Block:
        """Give the elements at these places."""
        exact = None if self.exact is None else (self.exact[0][places], self.exact[1][places])
        return Block(self.x[places], self.y[places], exact)

    def quarter(self) -> Block:
        """Give the block with every float value divided by 4, so that no distance or modulus leaves float64."""
        return Block(self.x / 4, self.y / 4)

    def distance(self) -> NDArray[np.float64]:
        """Give |x-y| of each element: 0 if and only if the two are equal; infinite beyond the largest float64."""
        if self.exact is not None:
            return _integer_distance(*self.exact)
        difference = self.x - self.y
        distance: NDArray[np.float64] = (
            np.abs(difference, out=difference) if self.x.dtype.kind == "f" else np.abs(difference)
        )
        return distance


def is_finite_block(block: Block) -> NDArray[np.bool_]:
    """Say of each element whether it is finite on both sides."""
    return np.isfinite(block.x) & np.isfinite(block.y)


def blocks_of(a: NDArray[Any], b: NDArray[Any], kind: NumberKind, block_elements: int) -> Iterator[Block]:
    """Walk two arrays of one shape in C order, whatever their strides and byte order, in blocks of bounded size.

    The arrays of a block are only valid until the next one is asked for.
    """
    if not a.size:
        return
    types = _working_dtypes(a.dtype, b.dtype, kind)
    walk = np.nditer(
        (np.asarray(a), np.asarray(b)),
        flags=["external_loop", "buffered"],
        op_flags=[["readonly", "no_broadcast"], ["readonly", "no_broadcast"]],
        op_dtypes=types,
        order="C",
        casting="safe",
        buffersize=block_elements,
    )
    for x, y in walk:
        if kind == "integer":
            yield Block(x.astype(np.float64), y.astype(np.float64), (x, y))
        else:
            yield Block(x, y)


def _working_dtypes(a: np.dtype[Any], b: np.dtype[Any], kind: NumberKind) -> tuple[Any, Any]:
    if kind == "float":
        return np.float64, np.float64
    if kind == "complex":
        return np.complex128, np.complex128
    return _widest_integer(a), _widest_integer(b)


def _widest_integer(dtype: np.dtype[Any]) -> Any:
    return np.uint64 if dtype.kind == "u" and dtype.itemsize == 8 else np.int64


def _integer_distance(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Give |x-y| of int64 or uint64, computed without loss and rounded once: never 0 for unequal integers."""
    if x.dtype == y.dtype:
        # The wrapped difference of the larger and the smaller, read as unsigned, is their true distance.
        return (np.maximum(x, y).view(np.uint64) - np.minimum(x, y).view(np.uint64)).astype(np.float64)
    signed, unsigned = (x, y) if x.dtype == np.int64 else (y, x)
    as_unsigned = signed.view(np.uint64)
    above = (np.maximum(as_unsigned, unsigned) - np.minimum(as_unsigned, unsigned)).astype(np.float64)
    return np.where(signed < 0, unsigned.astype(np.float64) - signed.astype(np.float64), above)
