"""The class words of operator types of both frameworks."""

import pandas as pd
import pytest

from profkit.vocabulary import OP_CLASSES, class_sources, op_class, op_classes
from profkit.vocabulary.tables import read_table


@pytest.mark.parametrize(
    ("op_type", "expected"),
    [
        ("aten::addmm", "matmul"),
        ("aten::select", "view"),
        ("Select", "elementwise"),
        ("aten::add_", "elementwise"),
        ("aten::native_layer_norm_backward", "norm"),
        ("MaxPool2DWithIndicesBackward0", "pool"),
        ("autograd::engine::evaluate_function: AddmmBackward0", "matmul"),
        ("autograd::engine::evaluate_function: torch::autograd::AccumulateGrad", "elementwise"),
        ("SelectBackward0", "copy"),
        ("MeanBackward1", "elementwise"),
        ("MatMul", "matmul"),
        ("BatchMatMulExt", "matmul"),
        ("LayerNormGrad", "norm"),
        ("Conv2DBackpropFilter", "conv"),
        ("MaxPoolGradWithArgmaxV2", "pool"),
        ("GeLUGrad", "gelu"),
        ("TransData", "copy"),
        ("aclnnAddmm_MatMulCommon_MatMulV2", "matmul"),
        ("aclnnAddmm_CastAiCore_Cast", "copy"),
        ("MaxPool3DGradWithArgmax", "pool"),
        ("InplaceMuls", "elementwise"),
        ("aten::_foreach_mul_", "elementwise"),
        ("aten::linalg_lu_factor_ex", "linalg"),
        ("aten::native_layer_norm.out", "norm"),
        ("aten::npu_conv_transpose2d_backward", "conv"),
        ("aten::npu_gemma_rms_norm", "norm"),
        ("cutlass_tensorop_s1688dgrad_optimized_tf32_128x128", "conv"),
        ("pytorch_flash::flash_fwd_kernel<64, 128>", "attention"),
        ("aten::scaled_dot_product_attention", "attention"),
        ("hcom_allReduce__123_0", "communication"),
        ("ncclDevKernel_AllReduce_Sum_f32_RING_LL", "communication"),
        ("volta_sgemm_128x64_tn", "matmul"),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>", "elementwise"),
        ("Memcpy HtoD (Pageable -> Device)", "copy"),
        ("NoSuchOperator", None),
        ("", None),
    ],
)
def test_class_of_a_type(op_type: str, expected: str | None) -> None:
    assert op_class(op_type) == expected


def test_series_keeps_the_index_and_says_na_for_unknown() -> None:
    types = pd.Series(["aten::mm", None, "NoSuchOperator", "aten::mm"], index=[5, 6, 7, 9], dtype="category")
    classes = op_classes(types)
    assert list(classes.index) == [5, 6, 7, 9]
    assert classes.isna().tolist() == [False, True, True, False]
    assert classes[5] == classes[9] == "matmul"
    assert set(classes.cat.categories) == set(OP_CLASSES)


def test_an_empty_series() -> None:
    assert op_classes(pd.Series([], dtype="category")).empty


def test_tables_use_only_the_class_words_and_name_each_operator_once() -> None:
    rows = read_table("op_classes.tsv")
    assert {row["op_class"] for row in rows} <= set(OP_CLASSES)
    names = [(row["framework"], row["name"]) for row in rows]
    assert len(set(names)) == len(names)
    assert all(row["source"] and row["version"] for row in rows)
    assert {row["op_class"] for row in read_table("class_rules.tsv")} <= set(OP_CLASSES)
    assert all(row["source"] and row["version"] for row in read_table("class_rules.tsv"))


def test_where_a_class_comes_from_is_told() -> None:
    rows = pd.DataFrame(
        [
            ("matmul", "aten::addmm", "aten::addmm"),
            ("matmul", "AddmmBackward0", "autograd::engine::evaluate_function: AddmmBackward0"),
            ("matmul", None, "volta_sgemm_128x64_tn"),
            ("norm", None, "triton__0d1d2d"),
            ("norm", "NoSuchKernel", "NoSuchKernel"),
            (None, "NoSuchKernel", "NoSuchKernel"),
            ("conv", "npu_my_conv2d", "npu_my_conv2d"),
        ],
        columns=["op_class", "op_type", "name"],
        index=[3, 1, 4, 15, 9, 2, 6],
    )
    sources = class_sources(rows)
    assert list(sources.index) == list(rows.index)
    assert list(sources) == ["table", "table", "rule", "launcher", "launcher", "unknown", "rule"]
