"""A tensor on its way into a file: what it is, and its bytes in blocks, opened only when they are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from profkit.errors import ProfkitError
from profkit.parsers.checkpoint.number_formats import StoredWords
from profkit.parsers.dump.tensor_dtypes import element_bytes

# Bytes handed to the file at once: what is copied to be contiguous or little-endian stays below it.
_BLOCK_BYTES = 4 << 20


class _Writable(Protocol):
    def write(self, content: Any, /) -> Any:
        """Take bytes."""


@dataclass(frozen=True)
class OutgoingTensor:
    """A tensor to be written.

    Attributes:
        name: Its name in the file.
        dtype: numpy's name, or torch's for what numpy lacks.
        shape: Lengths of the dimensions.
        open: Gives its words.
        place: Equal for tensors of the same elements; None if it is not known.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    open: Callable[[], StoredWords]
    place: Hashable = None

    @property
    def elements(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of the elements."""
        return self.elements * element_bytes(self.dtype)

    @property
    def strides(self) -> tuple[int, ...]:
        """Steps of the dimensions in elements, in row-major order."""
        return tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))


def write_words(tensor: OutgoingTensor, file: _Writable, start: int = 0, size: int | None = None) -> None:
    """Write the elements of a tensor in row-major order, little-endian.

    Args:
        tensor: The tensor.
        file: Where to.
        start: First byte of the tensor to be written, a multiple of its element.
        size: Bytes to be written; None for all from `start` on.

    Raises:
        ProfkitError: The tensor cannot be read, or is not what was announced.
    """
    words, dtype = tensor.open()
    wanted = tensor.size_bytes if size is None else start + size
    if dtype != tensor.dtype or words.nbytes != tensor.size_bytes:
        raise ProfkitError(f"{tensor.name[:80]!r} has changed while it was read", "run it again")
    for block in _blocks(words, start, wanted):
        file.write(block)


def _blocks(words: NDArray[Any], start: int, end: int) -> Iterator[memoryview]:
    """Give the bytes from start to end in blocks."""
    little = words.dtype.newbyteorder("<")
    if words.flags.c_contiguous and words.dtype == little:
        flat = words.reshape(-1).view(np.uint8)
        yield from (flat[at : min(at + _BLOCK_BYTES, end)].data for at in range(start, end, _BLOCK_BYTES))
        return
    step = max(_BLOCK_BYTES // words.itemsize, 1)
    for at in range(start // words.itemsize, end // words.itemsize, step):
        part = words.flat[at : min(at + step, end // words.itemsize)]
        yield part.astype(little, copy=False).view(np.uint8).data
