from __future__ import annotations

import pytest

from profkit.parsers.protobuf_wire import WireError, fields, signed, text, varints

# The examples of https://protobuf.dev/programming-guides/encoding/ by their bytes.
EXAMPLES = [
    ("08 96 01", [(1, 150)]),
    ("12 07 74 65 73 74 69 6e 67", [(2, b"testing")]),
    ("1a 03 08 96 01", [(3, bytes.fromhex("08 96 01"))]),
    ("32 06 03 8e 02 9e a7 05", [(6, bytes.fromhex("03 8e 02 9e a7 05"))]),
    ("0d 01 02 03 04", [(1, bytes([1, 2, 3, 4]))]),
    ("09 01 02 03 04 05 06 07 08", [(1, bytes(range(1, 9)))]),
    ("", []),
]


def read(message: bytes) -> list[tuple[int, int | bytes]]:
    return [
        (number, value if isinstance(value, int) else bytes(value)) for number, value in fields(memoryview(message))
    ]


@pytest.mark.parametrize(("message", "wanted"), EXAMPLES)
def test_examples_of_the_specification(message: str, wanted: list[tuple[int, int | bytes]]) -> None:
    assert read(bytes.fromhex(message)) == wanted


@pytest.mark.parametrize("message", [example for example, _ in EXAMPLES if example])
def test_a_message_cut_anywhere_is_refused(message: str) -> None:
    whole = bytes.fromhex(message)
    for end in range(1, len(whole)):
        with pytest.raises(WireError):
            read(whole[:end])


@pytest.mark.parametrize(
    "message",
    ["00 01", "0b", "0c", "0e", "0f", "08" + "ff" * 10, "08" + "ff" * 9 + "02", "12 ff ff ff ff ff ff ff ff ff 01"],
)
def test_what_no_encoder_writes_is_refused(message: str) -> None:
    with pytest.raises(WireError):
        read(bytes.fromhex(message))


def test_fields_before_a_cut_are_given_and_the_cut_one_on_request() -> None:
    message = memoryview(bytes.fromhex("08 96 01 12 07 74 65 73"))
    found = fields(message, salvage=True)
    assert next(found) == (1, 150)
    number, value = next(found)
    assert (number, text(value)) == (2, "tes")
    with pytest.raises(WireError, match="7 bytes does not fit into the 3"):
        next(found)


def test_numbers() -> None:
    assert list(varints(memoryview(bytes.fromhex("03 8e 02 9e a7 05")))) == [3, 270, 86942]
    assert read(bytes.fromhex("08" + "ff" * 9 + "01")) == [(1, 2**64 - 1)]
    assert (signed(2**64 - 2), signed(2**63 - 1), signed(2**63)) == (-2, 2**63 - 1, -(2**63))
    assert text(memoryview(b"\xffa")) == "\ufffda"
