"""The rule of first divergence on synthetic chains of modules: every error is planted, so the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from profkit.compare import compare_tensors

Recording = Callable[..., pd.DataFrame]
Arrays = dict[str, np.ndarray]

SIZE = 4_000
U32 = 2.0**-24


def chain(modules: int, dtype: str = "float32", seed: int = 0) -> Arrays:
    random = np.random.default_rng(seed)
    return {f"layer{number}": random.standard_normal(SIZE).astype(dtype) for number in range(modules)}


def with_error(arrays: Arrays, errors: dict[str, float], seed: int = 1) -> Arrays:
    """Copies with an error of this relative size added to the modules named."""
    random = np.random.default_rng(seed)
    changed = {name: array.copy() for name, array in arrays.items()}
    for name, size in errors.items():
        array = changed[name].astype(np.float64)
        noise = random.standard_normal(array.shape)
        noise *= size * np.linalg.norm(array) / np.linalg.norm(noise)
        changed[name] = (array + noise).astype(arrays[name].dtype)
    return changed


def statuses(parity: pd.DataFrame) -> list[str]:
    return parity["status"].astype(str).tolist()


def first(parity: pd.DataFrame) -> list[str]:
    return parity.loc[parity["first_divergence"], "name_a"].tolist()


def test_growing_rounding_is_a_match(recording: Recording) -> None:
    a = chain(12)
    b = with_error(a, {name: 5 * U32 * 1.5**number for number, name in enumerate(a)})
    parity = compare_tensors(recording(a), recording(b))
    assert set(statuses(parity)) == {"match"}
    assert first(parity) == []


def test_the_first_jump_is_the_first_divergence_and_the_rest_follows(recording: Recording) -> None:
    a = chain(6)
    b = with_error(
        a, {"layer0": 5 * U32, "layer1": 9 * U32, "layer2": 5_000 * U32, "layer3": 4_000 * U32, "layer5": 9_000 * U32}
    )
    parity = compare_tensors(recording(a), recording(b))
    assert statuses(parity) == ["match", "match", "mismatch", "mismatch", "match", "mismatch"]
    assert first(parity) == ["layer2"]
    reason = parity["reason"]
    assert reason[2].startswith("First divergence (firm)")
    assert "It follows the divergence at layer2" in reason[3]
    assert "equal" in reason[4]


def test_a_small_jump_is_suspect(recording: Recording) -> None:
    a = chain(3)
    parity = compare_tensors(recording(a), recording(with_error(a, {"layer1": 200 * U32})))
    assert first(parity) == ["layer1"]
    assert "(suspect)" in parity["reason"][1]
    assert parity["jump"][1] == pytest.approx(25, rel=0.05)


@pytest.mark.parametrize("count", [1_000_000, 50_000])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_one_wrong_element_among_a_million_is_a_mismatch(recording: Recording, dtype: str, count: int) -> None:
    a = {"fc": np.random.default_rng(3).standard_normal(count).astype(dtype)}
    b = {"fc": a["fc"].copy()}
    b["fc"][count // 3] = -3
    a["fc"][count // 3] = 2
    parity = compare_tensors(recording(a), recording(b))
    assert statuses(parity) == ["mismatch"]
    assert f"[{count // 3}]" in parity["reason"][0]


@pytest.mark.parametrize("shift", [1e-12, 1e-6, 1e6, 1e12])
def test_the_scale_of_the_values_changes_no_verdict(recording: Recording, shift: float) -> None:
    a = chain(3)
    b = with_error(a, {"layer0": 4 * U32, "layer2": 2_000 * U32})
    parity = compare_tensors(
        *(recording({n: (x * shift).astype(np.float32) for n, x in side.items()}) for side in (a, b))
    )
    assert statuses(parity) == ["match", "match", "mismatch"]


@pytest.mark.parametrize(("dtype", "hidden", "plain"), [("float16", 2e-3, 0.2), ("bfloat16", 2e-2, 0.9)])
def test_half_precision_says_what_it_cannot_decide(
    recording: Recording, dtype: str, hidden: float, plain: float
) -> None:
    stored = "float16" if dtype == "float16" else "float32"
    a = chain(3, stored)
    near = compare_tensors(recording(a, dtype=dtype), recording(with_error(a, {"layer1": hidden}), dtype=dtype))
    assert statuses(near) == ["match", "undecidable", "match"]
    assert f"{dtype} cannot tell a fault below" in near["reason"][1]
    assert first(near) == []
    far = compare_tensors(recording(a, dtype=dtype), recording(with_error(a, {"layer1": plain}), dtype=dtype))
    assert statuses(far) == ["match", "mismatch", "match"]
    assert first(far) == ["layer1"]


def test_error_that_creeps_up_without_a_jump_is_undecidable(recording: Recording) -> None:
    a = chain(12)
    b = with_error(a, {name: 8 * U32 * 3.0**number for number, name in enumerate(a)})
    parity = compare_tensors(recording(a), recording(b))
    assert statuses(parity)[:6] == ["match"] * 6
    assert statuses(parity)[-1] == "undecidable"
    assert "without a jump" in parity["reason"].iloc[-1]
    assert first(parity) == []


def test_the_part_is_named_not_the_composite_that_was_listed_before_it(recording: Recording) -> None:
    random = np.random.default_rng(5)
    a = {name: random.standard_normal(SIZE).astype(np.float32) for name in ("block", "block.norm", "block.fc", "head")}
    b = with_error(a, {"block": 0.1, "block.fc": 0.1, "head": 0.1})
    parity = compare_tensors(recording(a), recording(b))
    assert first(parity) == ["block.fc"]
    assert parity["name_a"].tolist() == ["block.norm", "block.fc", "block", "head"]


def test_code_of_the_composite_itself_is_named_when_its_parts_agree(recording: Recording) -> None:
    a = {name: chain(1)["layer0"] for name in ("block.norm", "block.fc", "block", "head")}
    parity = compare_tensors(recording(a), recording(with_error(a, {"block": 0.1, "head": 0.1})))
    assert first(parity) == ["block"]


def test_another_shape_is_a_divergence(recording: Recording) -> None:
    a = chain(3)
    b = {**a, "layer1": a["layer1"][: SIZE // 2], "layer2": a["layer2"] + 1}
    parity = compare_tensors(recording(a), recording(b))
    assert statuses(parity) == ["match", "shape", "mismatch"]
    assert first(parity) == ["layer1"]


def test_the_same_values_in_another_shape_are_no_match_and_no_divergence(recording: Recording) -> None:
    a = chain(3)
    b = {**a, "layer1": a["layer1"].reshape(40, -1), "layer2": a["layer2"] + 1}
    parity = compare_tensors(recording(a), recording(b))
    assert statuses(parity) == ["match", "shape", "mismatch"]
    assert parity["layout"][1] == "reshaped"
    assert first(parity) == ["layer2"]


def test_a_sharp_softmax_may_amplify(recording: Recording) -> None:
    logits = 40 * np.random.default_rng(2).standard_normal((100, 40))
    wobbly = logits * (1 + 10 * U32 * np.random.default_rng(3).standard_normal(logits.shape))

    def probabilities(x: np.ndarray) -> np.ndarray:
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)

    a, b = {"sm": probabilities(logits)}, {"sm": probabilities(wobbly)}
    parity = compare_tensors(recording(a), recording(b))
    assert parity["jump"][0] > 4
    assert statuses(parity) == ["match"]
    assert "softmax" in parity["reason"][0]
    wrong = compare_tensors(recording(a), recording({"sm": probabilities(logits / 8)}))
    assert first(wrong) == ["sm"]


def test_values_computed_in_a_narrow_format_are_a_dtype_difference(recording: Recording) -> None:
    a = chain(3)
    narrow = {name: (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) for name, x in a.items()}
    b = {**a, "layer1": narrow["layer1"]}
    parity = compare_tensors(recording(a), recording(b))
    assert statuses(parity) == ["match", "dtype", "match"]
    assert "All values of B are bfloat16 numbers held in float32." in parity["reason"][1]
    assert first(parity) == []


def test_integers_are_equal_or_not(recording: Recording) -> None:
    a = {"ids": np.arange(1_000_000), "mask": np.ones(10, bool)}
    b = {"ids": a["ids"].copy(), "mask": a["mask"]}
    b["ids"][77] += 1
    parity = compare_tensors(recording(a), recording(b))
    assert statuses(parity) == ["mismatch", "match"]
    assert "1 of 1,000,000 integers differ; largest |a-b| 1 at [77]" in parity["reason"][0]


def test_what_could_not_be_compared_before_the_divergence_is_said(recording: Recording) -> None:
    a = chain(4)
    b = with_error(a, {"layer3": 0.1})
    del b["layer1"], b["layer2"]
    parity = compare_tensors(recording(a), recording(b))
    assert statuses(parity) == ["match", "missing_b", "missing_b", "mismatch"]
    assert "The 2 before it could not be compared" in parity["reason"][3]


def test_doubtful_pairs_are_no_mismatch(recording: Recording) -> None:
    names = ["conv", "dropout", "fc"]
    a = dict(zip(names, chain(3).values(), strict=True))
    b = {"conv": a["conv"], "act": a["dropout"] * 2, "fc": a["fc"]}
    parity = compare_tensors(recording(a), recording(b))
    assert statuses(parity) == ["match", "undecidable", "match"]
    assert "may not be the same tensor" in parity["reason"][1]


@pytest.mark.parametrize(("difference", "expected"), [(5e-5, "match"), (5e-3, "mismatch")])
def test_the_users_tolerance_decides_alone(recording: Recording, difference: float, expected: str) -> None:
    a = {"x": np.linspace(1, 2, 100, dtype=np.float32)}
    b = {"x": a["x"] * np.float32(1 + difference)}
    parity = compare_tensors(recording(a), recording(b), rtol=1e-3)
    assert statuses(parity) == [expected]
    assert first(parity) == (["x"] if expected == "mismatch" else [])
    assert statuses(compare_tensors(recording(b), recording(a), rtol=1e-3)) == [expected]


GRADIENTS: dict[str, Any] = {"io": "gradient"}


def gradients(modules: int) -> Arrays:
    return {f"{name}.{leaf}": x for name, x in chain(modules).items() for leaf in ("weight", "bias")}


def test_gradients_are_judged_from_the_loss_back(recording: Recording) -> None:
    a = gradients(4)
    b = with_error(a, {f"layer{n}.{leaf}": 0.1 for n in (0, 1, 2) for leaf in ("weight", "bias")})
    parity = compare_tensors(recording(a, **GRADIENTS), recording(b, **GRADIENTS))
    assert statuses(parity) == ["mismatch"] * 6 + ["match"] * 2
    assert first(parity) == ["layer2.bias"]


def test_gradients_that_differ_from_the_loss_on_accuse_what_lies_before(recording: Recording) -> None:
    a = gradients(3)
    parity = compare_tensors(recording(a, **GRADIENTS), recording(with_error(a, dict.fromkeys(a, 0.01)), **GRADIENTS))
    assert set(statuses(parity)) == {"mismatch"}
    assert first(parity) == ["layer2.bias"]
    assert "so the loss or an output already differs" in parity["reason"].iloc[-1]


def test_a_gradient_behind_a_kink_may_differ_a_little(recording: Recording) -> None:
    a = gradients(3)
    b = with_error(a, {"layer0.weight": 0.003, "layer0.bias": 0.003, "layer1.weight": 0.002})
    parity = compare_tensors(recording(a, **GRADIENTS), recording(b, **GRADIENTS))
    assert statuses(parity) == ["undecidable", "undecidable", "undecidable", "match", "match", "match"]
    assert "kink" in parity["reason"][0]
    assert first(parity) == []


def test_a_gradient_that_is_zero_but_for_rounding_is_no_mismatch(recording: Recording) -> None:
    a = {**gradients(2), "layer0.bias": np.full(16, 3e-8, np.float32)}
    b = {**a, "layer0.bias": np.full(16, -2e-8, np.float32)}
    parity = compare_tensors(recording(a, **GRADIENTS), recording(b, **GRADIENTS))
    assert statuses(parity) == ["match", "undecidable", "match", "match"]
    assert "the gradient is 0" in parity["reason"][1]


def test_an_output_goes_before_a_gradient_as_first_divergence(recording: Recording) -> None:
    outputs, grads = chain(2), gradients(2)
    io = ["output"] * 2 + ["gradient"] * 4
    a = {**outputs, **grads}
    b = with_error(a, {"layer1": 0.1, **dict.fromkeys(grads, 0.1)})
    parity = compare_tensors(recording(a, io=io), recording(b, io=io))
    assert first(parity) == ["layer1"]
    assert parity["reason"].str.contains("It follows the divergence at layer1").sum() == 4


def test_parameters_are_judged_by_themselves(recording: Recording) -> None:
    a = gradients(3)
    b = with_error(a, {"layer1.weight": 0.1, "layer2.weight": 0.1})
    parity = compare_tensors(recording(a, io="parameter"), recording(b, io="parameter"))
    assert statuses(parity) == ["match", "match", "mismatch", "match", "mismatch", "match"]
    assert first(parity) == ["layer1.weight"]
    assert "follows" not in parity["reason"][4]
