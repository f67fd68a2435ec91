from __future__ import annotations

import pytest

from profkit.parsers.dump.dump_names import dump_name, is_buffer_name, operator_name, raw_name

TIME = 1_795_415_775_000_000


@pytest.mark.parametrize(
    ("rest", "layout", "dtype", "shape"),
    [
        ("NCHW", "NCHW", None, None),
        ("DefaultFormat.Float32", "DefaultFormat", "float32", None),
        ("DefaultFormat.BFloat16", "DefaultFormat", "bfloat16", None),
        ("DefaultFormat.float16", "DefaultFormat", "float16", None),
        ("ND.FLOAT", "ND", "float32", None),
        ("ND.BF16", "ND", "bfloat16", None),
        ("ND.INT32", "ND", "int32", None),
        ("ND.weird99", "ND", None, None),
        ("30x1024x17x17", None, None, (30, 1024, 17, 17)),
    ],
)
def test_dtypes_are_spelled_by_who_wrote_them(
    rest: str, layout: str | None, dtype: str | None, shape: tuple[int, ...] | None
) -> None:
    found = dump_name(f"Add.Default_Add-op0.12.7.{TIME}.output.3.{rest}.npy")
    assert found is not None
    assert (found.layout, found.dtype, found.shape) == (layout, dtype, shape)
    operator = found.operator
    assert (operator.op_type, operator.op, operator.task, operator.stream) == ("Add", "Default_Add-op0", 12, 7)
    assert (operator.time_us, found.io, found.slot) == (TIME, "output", 3)


def test_a_converted_dump_has_nothing_behind_the_slot() -> None:
    found = dump_name(f"Add.Default_Add-op0.12.7.{TIME}.input.0.npy")
    assert found is not None
    assert (found.layout, found.dtype) == (None, None)


@pytest.mark.parametrize(
    ("numbers", "task", "stream", "context", "thread"),
    [
        (f"12.7.{TIME}", 12, 7, None, None),
        (f"12.{TIME}", 12, None, None, None),
        (f"12.7.{TIME}.1.4.2", 12, 7, 4, 2),
        (f"12.7.{TIME}.1.4.2.0", 12, 7, 4, 2),
    ],
)
def test_numbers_of_an_asynchronous_dump(
    numbers: str, task: int, stream: int | None, context: int | None, thread: int | None
) -> None:
    found = operator_name(f"Mul.Default_Mul-op3.{numbers}")
    assert found is not None
    assert (found.task, found.stream, found.context, found.thread) == (task, stream, context, thread)
    assert found.time_us == TIME


@pytest.mark.parametrize(
    "name", ["Mul.Default_Mul-op3.12.7", "trace.1.2.3", "Mul..12.7.1700000000000000", f"Mul.x.12.7.{TIME}.1.4", "a.b"]
)
def test_what_is_no_asynchronous_dump(name: str) -> None:
    assert operator_name(name) is None


@pytest.mark.parametrize(
    ("name", "op", "op_type", "io", "shape", "dtype", "layout"),
    [
        (
            "Default--network-Net--conv3-Conv2d--Conv2D-op308_output_0_shape_4_4_3_3_Float32_NCHW.bin",
            "Default_network-Net_conv3-Conv2d_Conv2D-op308", "Conv2D", "output", (4, 4, 3, 3), "float32", "NCHW",
        ),
        (
            "Default--ReLUV2-op300_input_1_shape_256_kNumberTypeUInt32_DefaultFormat.bin",
            "Default_ReLUV2-op300", "ReLUV2", "input", (256,), "uint32", "DefaultFormat",
        ),
        (
            "fc3.bias_output_0_shape_10_Float32_DefaultFormat.bin",
            "fc3_bias", "Parameter", "parameter", (10,), "float32", "DefaultFormat",
        ),
        ("loss_output_0_shape_Float16_ND.bin", "loss", "Parameter", "parameter", (), "float16", "ND"),
        (
            "x_shape_output_0_shape_2_3_BFloat16_FRACTAL_NZ.bin",
            "x_shape", "Parameter", "parameter", (2, 3), "bfloat16", "FRACTAL_NZ",
        ),
        (
            f"Mul.Default_Mul-op3.12.7.{TIME}.output.0.2_3.float16.NCHW.bin",
            "Default_Mul-op3", "Mul", "output", (2, 3), "float16", "NCHW",
        ),
        (
            f"Mul.Default_Mul-op3.12.7.{TIME}.output.0.2_.int8.ND.bin",
            "Default_Mul-op3", "Mul", "output", (2,), "int8", "ND",
        ),
        (
            f"Mul.Default_Mul-op3.12.7.{TIME}.output.0.ND.BF16",
            "Default_Mul-op3", "Mul", "output", None, "bfloat16", "ND",
        ),
    ],
)  # fmt: skip
def test_names_of_bare_tensors(
    name: str, op: str, op_type: str, io: str, shape: tuple[int, ...] | None, dtype: str, layout: str
) -> None:
    found = raw_name(name)
    assert found is not None
    assert (found.operator.op, found.operator.op_type, found.io) == (op, op_type, io)
    assert (found.shape, found.dtype, found.layout) == (shape, dtype, layout)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "x_output_0_shape_2_3.bin",
        f"Mul.x.12.7.{TIME}.output.0.ND.npy",
        f"Mul.x.1.2.{TIME}.output.0.json",
    ],
)
def test_other_names_are_none_of_bare_tensors(name: str) -> None:
    assert raw_name(name) is None


def test_scratch_buffers_are_no_tensors() -> None:
    assert is_buffer_name(f"Mul.Default_Mul-op3.12.7.{TIME}.l1buffer.0.bin")
    assert is_buffer_name(f"Mul.Default_Mul-op3.12.7.{TIME}.space.1.bin")
    assert not is_buffer_name(f"Mul.Default_Mul-op3.12.7.{TIME}.output.1.2.int8.ND.bin")


def test_dims_beyond_any_memory_are_no_shape() -> None:
    found = raw_name(f"a-op1_output_0_shape_{'9' * 40}_Float32_ND.bin")
    assert found is not None
    assert found.shape is None
