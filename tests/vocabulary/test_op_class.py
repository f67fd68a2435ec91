"""The class words of operator types of both frameworks."""

import pandas as pd
import pytest

from profkit.vocabulary import OP_CLASSES, classify, op_class
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
    classes = classify(types)["op_class"]
    assert list(classes.index) == [5, 6, 7, 9]
    assert classes.isna().tolist() == [False, True, True, False]
    assert classes[5] == classes[9] == "matmul"
    assert set(classes.cat.categories) == set(OP_CLASSES)


def test_an_empty_series() -> None:
    assert classify(pd.Series([], dtype="category")).empty


def test_tables_use_only_the_class_words_and_name_each_operator_once() -> None:
    rows = read_table("op_classes.tsv")
    assert {row["op_class"] for row in rows} <= set(OP_CLASSES)
    names = [(row["framework"], row["name"]) for row in rows]
    assert len(set(names)) == len(names)
    assert all(row["source"] and row["version"] for row in rows)
    assert {row["op_class"] for row in read_table("class_rules.tsv")} <= set(OP_CLASSES)
    assert all(row["source"] and row["version"] for row in read_table("class_rules.tsv"))


def test_where_a_class_comes_from_is_told() -> None:
    types = ["aten::addmm", "AddmmBackward0", "volta_sgemm_128x64_tn", None, "NoSuchKernel", "npu_my_conv2d"]
    told = classify(pd.Series(types, index=[3, 1, 4, 15, 9, 2], dtype=object))
    assert list(told.index) == [3, 1, 4, 15, 9, 2]
    assert list(told["op_class"].astype(object).fillna("")) == ["matmul", "matmul", "matmul", "", "", "conv"]
    assert list(told["class_source"]) == ["table", "table", "rule", "unknown", "unknown", "rule"]


def test_what_the_user_says_counts_more_than_a_fact() -> None:
    types = pd.Series(["aten::addmm", "my_kernel_17", "MatMul"], dtype=object)
    told = classify(types, {"my_kernel_*": "norm", "aten::addmm": "attention", "*": "conv"})
    assert list(told["op_class"]) == ["attention", "norm", "conv"]
    assert set(told["class_source"]) == {"hint"}
