"""Asynchronous dumps: synthetic files, the real protocol buffer runtime as a second encoder, and others' samples.

The encoder here is written by hand from the encoding of protocol buffers and knows nothing of the reader.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from profkit.errors import UnreadableInputError
from profkit.parsers.base import Parsed
from profkit.parsers.dump.async_dump import read_async_dump
from profkit.parsers.dump.mindspore_dump import MindSporeDump
from profkit.parsers.dump.stored_tensor import open_tensor
from profkit.progress import silent

NAME = "Mul.Default_Mul-op3.12.7.1700000000123456"
FLOAT32, FLOAT16, INT8, STRING, BFLOAT16 = 1, 2, 3, 13, 27


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value) if value else b""


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


@dataclass
class Tensor:
    """One input or output: what the header says and the bytes that follow."""

    data_type: int
    shape: Sequence[int]
    content: bytes
    layout: int = 2
    original_shape: Sequence[int] | None = None
    groups: int = 0
    size: int | None = None

    def encoded(self, io: str) -> bytes:
        """Encode an OpInput or OpOutput message."""
        size, original, groups = (6, 7, 8) if io == "output" else (5, 6, 7)
        original_shape = self.shape if self.original_shape is None else self.original_shape
        return b"".join(
            (
                number(1, self.data_type),
                number(2, self.layout),
                message(3, shape_message(self.shape)),
                number(size, len(self.content) if self.size is None else self.size),
                message(original, shape_message(original_shape)),
                number(groups, self.groups),
            )
        )


def shape_message(shape: Sequence[int]) -> bytes:
    return message(1, b"".join(varint(dim) for dim in shape)) if shape else b""


def dump_data(inputs: Sequence[Tensor], outputs: Sequence[Tensor], op_name: str = "Default/Mul-op3") -> bytes:
    """Encode a DumpData message."""
    return b"".join(
        (
            message(1, b"2.0"),
            number(2, 1_700_000_000_000_000),
            *(message(3, one.encoded("output")) for one in outputs),
            *(message(4, one.encoded("input")) for one in inputs),
            message(6, op_name.encode()),
        )
    )


def write(path: Path, inputs: Sequence[Tensor] = (), outputs: Sequence[Tensor] = ()) -> Path:
    """Write a whole file."""
    header = dump_data(inputs, outputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"".join(one.content for one in (*inputs, *outputs)))
    return path


def floats(*values: float, data_type: int = FLOAT32) -> Tensor:
    dtype = np.float32 if data_type == FLOAT32 else np.float16
    return Tensor(data_type, (len(values),), np.array(values, dtype).tobytes())


def read(path: Path) -> Parsed:
    assert MindSporeDump().sniff(path) is not None
    return MindSporeDump().read(path, silent)


def test_inputs_come_before_outputs_in_the_file_and_after_them_in_the_header(tmp_path: Path) -> None:
    path = write(tmp_path / NAME, [floats(1, 2), floats(3)], [floats(4, math.inf)])
    frame = read(tmp_path).frames["tensors"]
    assert frame[["op_type", "op", "io", "slot", "task", "device_stream", "member"]].to_numpy().tolist() == [
        ["Mul", "Default_Mul-op3", "input", 0, 12, 7, "input.0"],
        ["Mul", "Default_Mul-op3", "input", 1, 12, 7, "input.1"],
        ["Mul", "Default_Mul-op3", "output", 0, 12, 7, "output.0"],
    ]
    assert frame["time_ns"].unique().tolist() == [1_700_000_000_123_456_000]
    values = [open_tensor(row.path, row.member).tolist() for row in frame.itertuples()]
    assert values == [[1, 2], [3], [4, math.inf]]
    assert read_async_dump(path).op_name == "Default/Mul-op3"


@pytest.mark.parametrize(
    ("data_type", "stored"),
    [
        (1, np.float32([1.5, -2, math.nan])),
        (2, np.float16([1.5, -2, math.inf])),
        (3, np.int8([-128, 0, 127])),
        (4, np.uint8([0, 1, 255])),
        (5, np.int16([-32768, 0, 5])),
        (6, np.uint16([0, 65535])),
        (7, np.int32([-(2**31), 2])),
        (8, np.int64([-(2**63), 2**63 - 1])),
        (9, np.uint32([0, 2**32 - 1])),
        (10, np.uint64([0, 2**64 - 1])),
        (11, np.bool_([True, False])),
        (12, np.float64([1e300, -math.inf])),
        (16, np.complex64([1 + 2j, 3])),
        (17, np.complex128([1 - 2j, 3])),
    ],
)
def test_every_dtype_that_numpy_has(data_type: int, stored: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / NAME, [], [Tensor(data_type, stored.shape, stored.tobytes())])
    row = read(tmp_path).frames["tensors"].iloc[0]
    opened = open_tensor(row["path"], row["member"])
    assert (row["dtype"], opened.dtype) == (stored.dtype.name, stored.dtype)
    assert opened.tobytes() == stored.tobytes()


@pytest.mark.parametrize(
    ("data_type", "shape", "content", "dtype", "values"),
    [
        (BFLOAT16, (3,), bytes.fromhex("803f 80ff c07f"), "bfloat16", [1.0, -math.inf, math.nan]),
        # Two values a byte, the low half first, with sign: 1, -1, 7, -8, and one that fills half a byte.
        (28, (5,), bytes([0xF1, 0x87, 0x02]), "int8", [1, -1, 7, -8, 2]),
        # Some versions count the dims in bytes: as many bytes as the shape says elements.
        (28, (1, 2), bytes([0xF1, 0x87]), "int8", [[1, -1, 7, -8]]),
        (29, (10,), bytes([0b1010_0000, 0b0100_0000]), "uint8", [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]),
        (32, (2,), np.float16([1, 2, 3, -4]).tobytes(), "complex64", [1 + 2j, 3 - 4j]),
        (34, (2,), bytes([0x3C, 0x7C]), "float8_e5m2", [1.0, math.inf]),
        (35, (2,), bytes([0x38, 0x7E]), "float8_e4m3fn", [1.0, 448.0]),
        (36, (2,), bytes([0x7F, 0x80]), "float8_e8m0fnu", [1.0, 2.0]),
    ],
)
def test_dtypes_that_numpy_lacks(
    data_type: int, shape: tuple[int, ...], content: bytes, dtype: str, values: list[object], tmp_path: Path
) -> None:
    write(tmp_path / NAME, [], [Tensor(data_type, shape, content)])
    row = read(tmp_path).frames["tensors"].iloc[0]
    opened = open_tensor(row["path"], row["member"])
    assert row["dtype"] == dtype
    assert np.array_equal(opened, np.array(values), equal_nan=opened.dtype.kind in "fc")
    assert ",".join(map(str, opened.shape)) == row["shape"]


@pytest.mark.parametrize(
    ("data_type", "why"), [(0, "undefined"), (STRING, "text"), (33, "hifloat8"), (38, "6-bit"), (99, "type 99")]
)
def test_dtypes_that_cannot_be_given_are_refused_with_a_reason(data_type: int, why: str, tmp_path: Path) -> None:
    write(tmp_path / NAME, [floats(1)], [Tensor(data_type, (2,), b"\0\0")])
    parsed = read(tmp_path)
    assert parsed.frames["tensors"]["dtype"].isna().tolist() == [False, True]
    assert [why in issue.text for issue in parsed.issues] == [True]
    with pytest.raises(UnreadableInputError, match=why):
        open_tensor(tmp_path / NAME, "output.0")


def test_a_padded_layout_is_opened_in_the_original_shape(tmp_path: Path) -> None:
    blocks = np.zeros((1, 1, 2, 2, 16), np.float16)
    blocks[..., :3] = np.arange(12).reshape(1, 1, 2, 2, 3)
    write(tmp_path / NAME, [], [Tensor(FLOAT16, blocks.shape, blocks.tobytes(), 3, (1, 3, 2, 2))])
    row = read(tmp_path).frames["tensors"].iloc[0]
    assert (row["layout"], row["shape"]) == ("NC1HWC0", "1,3,2,2")
    wanted = np.arange(12).reshape(1, 2, 2, 3).transpose(0, 3, 1, 2)
    assert np.array_equal(open_tensor(row["path"], row["member"]), wanted)


def test_a_layout_that_cannot_be_undone_stays_as_recorded(tmp_path: Path) -> None:
    content = np.zeros(256, np.float16).tobytes()
    write(tmp_path / NAME, [], [Tensor(FLOAT16, (1, 1, 16, 16), content, 29, (40, 40))])
    row = read(tmp_path).frames["tensors"].iloc[0]
    assert (row["layout"], row["shape"]) == ("FRACTAL_NZ", "1,1,16,16")


def test_a_scalar_and_an_empty_tensor_and_a_shape_that_is_not_told(tmp_path: Path) -> None:
    four = np.arange(4, dtype=np.float32).tobytes()
    write(tmp_path / NAME, [Tensor(FLOAT32, (), four[:4]), Tensor(FLOAT32, (0, 3), b"")], [Tensor(FLOAT32, (), four)])
    frame = read(tmp_path).frames["tensors"]
    assert frame["shape"].tolist() == ["", "0,3", "4"]
    shapes = [open_tensor(row.path, row.member).shape for row in frame.itertuples()]
    assert shapes == [(), (0, 3), (4,)]


def test_a_large_tensor_is_mapped(tmp_path: Path) -> None:
    content = np.arange(1 << 19, dtype=np.float32)
    write(tmp_path / NAME, [floats(7)], [Tensor(FLOAT32, content.shape, content.tobytes())])
    opened = open_tensor(tmp_path / NAME, "output.0")
    assert not opened.flags.writeable
    assert np.array_equal(opened, content)


def test_tensors_beyond_the_tenth_stand_in_the_next_file(tmp_path: Path) -> None:
    stem = "AddN.Default_AddN-op0.5.7.1700000000"
    write(tmp_path / f"{stem}000001", [floats(number) for number in range(10)])
    write(tmp_path / f"{stem}000002", [floats(10), floats(11)], [floats(66)])
    frame = read(tmp_path).frames["tensors"]
    inputs = frame[frame["io"] == "input"]
    assert inputs["slot"].tolist() == list(range(12))
    assert [open_tensor(row.path, row.member).item() for row in inputs.itertuples()] == list(range(12))
    assert frame.loc[frame["io"] == "output", "slot"].tolist() == [0]


def test_a_second_run_of_an_operator_is_no_continuation(tmp_path: Path) -> None:
    stem = "AddN.Default_AddN-op0.5.7.1700000000"
    for run in (1, 2):
        write(tmp_path / f"{stem}00000{run}", [floats(number) for number in range(9)], [floats(36)])
    assert sorted(read(tmp_path).frames["tensors"]["slot"]) == sorted([*range(9), 0] * 2)


def test_one_file_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "rank_2" / "Net" / "1" / "5" / NAME, [], [floats(1)])
    row = read(path).frames["tensors"].iloc[0]
    assert (row["rank"], row["graph"], row["iteration"], row["op"]) == (2, 1, 5, "Default_Mul-op3")


def test_long_names_are_looked_up(tmp_path: Path) -> None:
    write(tmp_path / "12345678901234567890123456789012", [], [floats(5)])
    op = "Default_" + "deep-Cell_" * 40 + "Mul-op3"
    (tmp_path / "mapping.csv").write_text(f"12345678901234567890123456789012,Mul.{op}.12.7.1700000000123456\n")
    row = read(tmp_path).frames["tensors"].iloc[0]
    assert row["op"] == op
    assert open_tensor(row["path"], row["member"]).item() == 5


def lying(tmp_path: Path, tensor: Tensor) -> list[str]:
    write(tmp_path / NAME, [], [tensor])
    parsed = read(tmp_path)
    assert parsed.frames["tensors"]["dtype"].isna().all()
    with pytest.raises(UnreadableInputError):
        open_tensor(tmp_path / NAME, "output.0")
    return [issue.text for issue in parsed.issues]


def test_headers_that_lie_about_sizes_are_refused_without_memory(tmp_path: Path) -> None:
    (text,) = lying(tmp_path, Tensor(FLOAT32, (2,), b"\0" * 8, size=1 << 62))
    assert "the file holds 8" in text
    (text,) = lying(tmp_path, Tensor(FLOAT32, (1 << 40, 1 << 40), b"\0" * 8))
    assert "fewer than its shape" in text
    (text,) = lying(tmp_path, Tensor(28, (1 << 40,), b"\0" * 8))
    assert "fewer than its shape" in text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x05",
        struct.pack("<Q", 1 << 63),
        struct.pack("<Q", 4) + b"\x0a\xff\xff\x01",
        struct.pack("<Q", 2) + b"\x00\x00",
        struct.pack("<Q", 2) + b"\x0b\x0c",
        struct.pack("<Q", 11) + b"\x10" + b"\xff" * 10,
        struct.pack("<Q", 12) + message(4, message(3, message(1, b"\xff" * 6)))[:12],
    ],
)
def test_headers_that_cannot_be_are_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(content)
    with pytest.raises(UnreadableInputError) as caught:
        read_async_dump(path)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    parsed = read(tmp_path)
    assert parsed.frames["tensors"].empty
    assert str(path) in {issue.source for issue in parsed.issues}


def test_a_header_of_too_many_tensors_or_dims_is_refused(tmp_path: Path) -> None:
    for header in (message(4, b"") * 70_000, message(4, message(3, message(1, b"\x01" * 33)))):
        (tmp_path / NAME).write_bytes(struct.pack("<Q", len(header)) + header)
        with pytest.raises(UnreadableInputError, match=r"more than|cannot be"):
            read_async_dump(tmp_path / NAME)


def test_members_that_are_not_there_are_refused(tmp_path: Path) -> None:
    write(tmp_path / NAME, [floats(1)], [])
    for member in ("output.0", "input.1", "input.999999999"):
        with pytest.raises(UnreadableInputError, match="holds no tensor"):
            open_tensor(tmp_path / NAME, member)


def test_a_message_in_the_middle_of_the_header_may_be_of_any_future_field(tmp_path: Path) -> None:
    header = message(30, b"later") + number(31, 5) + dump_data([], [floats(2)]) + b"\xfd\x02" + b"\0" * 4
    (tmp_path / NAME).write_bytes(struct.pack("<Q", len(header)) + header + floats(2).content)
    assert open_tensor(tmp_path / NAME, "output.0").tolist() == [2]


@pytest.mark.exhaustive
def test_a_file_cut_anywhere_gives_what_is_whole_or_an_issue(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole" / NAME, [floats(1, 2)], [floats(3), floats(4, data_type=FLOAT16)]).read_bytes()
    header_end = 8 + int.from_bytes(whole[:8], "little")
    for end in range(len(whole)):
        path = tmp_path / f"cut{end}" / NAME
        path.parent.mkdir()
        path.write_bytes(whole[:end])
        parsed = read(path.parent)
        assert parsed.issues, end
        readable = parsed.frames["tensors"]["dtype"].notna().sum()
        assert readable == sum(header_end + held <= end for held in (8, 12, 14)), end


@pytest.mark.exhaustive
def test_a_header_with_any_byte_changed_never_crashes(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole" / NAME, [floats(1, 2)], [floats(3)]).read_bytes()
    for place in range(len(whole)):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            path = tmp_path / NAME
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                dump = read_async_dump(path)
            except UnreadableInputError:
                continue
            for part in dump.parts:
                if not part.refusal:
                    assert open_tensor(path, f"{part.io}.{part.slot}").nbytes <= 64


@pytest.mark.frameworks
def test_the_real_protocol_buffer_runtime_writes_what_is_read(tmp_path: Path) -> None:
    """The message is declared anew, so that the field numbers are held against a second reading of the format."""
    pytest.importorskip("google.protobuf")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="dumped.proto", package="dumped", syntax="proto3")
    fields = {
        "Shape": [("dim", 1, "uint64", True)],
        "OpOutput": [
            ("data_type", 1, "int32", False), ("format", 2, "int32", False), ("shape", 3, "Shape", False),
            ("data", 5, "bytes", False), ("size", 6, "uint64", False), ("original_shape", 7, "Shape", False),
            ("sub_format", 8, "int32", False),
        ],
        "OpInput": [
            ("data_type", 1, "int32", False), ("format", 2, "int32", False), ("shape", 3, "Shape", False),
            ("data", 4, "bytes", False), ("size", 5, "uint64", False), ("original_shape", 6, "Shape", False),
            ("sub_format", 7, "int32", False),
        ],
        "DumpData": [
            ("version", 1, "string", False), ("dump_time", 2, "uint64", False), ("output", 3, "OpOutput", True),
            ("input", 4, "OpInput", True), ("op_name", 6, "string", False),
        ],
    }  # fmt: skip
    kinds = {"int32": 5, "uint64": 4, "string": 9, "bytes": 12}
    for name, listed in fields.items():
        declared = file.message_type.add(name=name)
        for field, place, kind, repeated in listed:
            added = declared.field.add(name=field, number=place, label=3 if repeated else 1, type=kinds.get(kind, 11))
            if kind not in kinds:
                added.type_name = f".dumped.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    make = message_factory.GetMessageClass(pool.FindMessageTypeByName("dumped.DumpData"))
    data = make(version="2.0", dump_time=1_700_000_000_000_000, op_name="Default/Mul-op3")
    data.input.add(data_type=FLOAT32, format=2, shape={"dim": [2, 300]}, size=2400, original_shape={"dim": [2, 300]})
    data.output.add(data_type=INT8, format=2, shape={"dim": [5]}, size=5, original_shape={"dim": [5]}, sub_format=-1)
    header = data.SerializeToString()
    values = np.arange(600, dtype=np.float32)
    (tmp_path / NAME).write_bytes(struct.pack("<Q", len(header)) + header + values.tobytes() + bytes([1, 2, 3, 4, 255]))
    assert np.array_equal(open_tensor(tmp_path / NAME, "input.0"), values.reshape(2, 300))
    assert open_tensor(tmp_path / NAME, "output.0").tolist() == [1, 2, 3, 4, -1]
    by_hand = dump_data([Tensor(FLOAT32, (2, 300), values.tobytes())], [Tensor(INT8, (5,), b"12345")])
    assert make.FromString(by_hand).input[0].shape.dim == [2, 300]


def test_samples_that_others_made_by_the_specification(shared: Path) -> None:
    folder = shared / "samples/dump/synthetic"
    frame = MindSporeDump().read(folder, silent).frames["tensors"].set_index(["op_type", "io", "slot"])
    assert len(frame) == 7
    conv, product = frame.loc[("Conv2D", "output", 0)], frame.loc[("Mul", "output", 0)]
    expected = np.load(folder / "Conv2D_op5_expected_NCHW.npy")
    assert np.array_equal(open_tensor(conv["path"], conv["member"]), expected)
    values = open_tensor(product["path"], product["member"])
    factors = frame.loc[("Mul", "input", 0)], frame.loc[("Mul", "input", 1)]
    with np.errstate(over="ignore"):
        wanted = np.multiply(*(open_tensor(row["path"], row["member"]) for row in factors))
    assert np.array_equal(values, wanted)
    assert np.isinf(values).any()
