"""Protocol buffers read at wire level, without a schema compiler and without trusting a length.

Encoding: https://protobuf.dev/programming-guides/encoding/. A message is a memoryview: nothing is copied until the
content of a field is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_FIXED = {_FIXED_64: 8, _FIXED_32: 4}
_LONGEST_VARINT = 10
_LARGEST = (1 << 64) - 1


class WireError(ValueError):
    """What in a message cannot be, with its byte; without the path.

    Attributes:
        byte: Where in the message it is.
    """

    def __init__(self, byte: int, text: str) -> None:
        super().__init__(f"byte {byte} of the message: {text}")
        self.byte = byte


def fields(message: memoryview, *, salvage: bool = False) -> Iterator[tuple[int, int | memoryview]]:
    """Give the fields of a message in file order: their number, and their value.

    Args:
        message: One message, of single bytes; a field never reaches beyond its end.
        salvage: Give what there is of a last field that is cut before it is complained of.

    Yields:
        Number and value: an int (0 to 2**64 - 1) for a varint, the bytes of any other field.

    Raises:
        WireError: The message is cut, or is none. The fields before were given.
    """
    at, end = 0, len(message)
    while at < end:
        start = at
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError(start, "a field has the number 0")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise WireError(start, f"a field is of the kind {kind}, which is not used")
        if length > end - at:
            if salvage:
                yield number, message[at:end]
            raise WireError(start, f"a field of {length:,} bytes does not fit into the {end - at:,} that follow")
        yield number, message[at : at + length]
        at += length


def varints(packed: memoryview) -> Iterator[int]:
    """Give the numbers of a packed repeated field.

    Raises:
        WireError: The last number is cut.
    """
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def signed(value: int) -> int:
    """Give the int64 that a varint stands for: negative numbers are written as their two's complement."""
    return value - (1 << 64) if value >> 63 else value


def text(value: int | memoryview) -> str:
    """Give a string field; bytes that are no UTF-8 are replaced, and a field of another kind is empty."""
    return "" if isinstance(value, int) else bytes(value).decode("utf-8", errors="replace")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    start, end = at, len(message)
    value = shift = 0
    while at < end:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > _LARGEST:
                break
            return value, at
        shift += 7
        if at - start == _LONGEST_VARINT:
            break
    else:
        raise WireError(start, "it ends within a number")
    raise WireError(start, "a number is longer than 64 bits")
