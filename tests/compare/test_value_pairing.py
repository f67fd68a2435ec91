"""Pairing by value: real recordings that share no name, copies, uniform tensors, and networks that are not the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from profkit.compare import compare_paths, compare_tensors, pair
from profkit.compare.fingerprints import fingerprint

Recording = Callable[..., pd.DataFrame]
RANDOM = np.random.default_rng(11)


def values(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def partners(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, str | None]:
    frame = pair(a, b)
    names = {-1: None} | dict(enumerate(b["op"].astype(str)))
    return {a["op"].iloc[i]: names[j] for i, j in zip(frame["row_a"], frame["row_b"], strict=True) if i >= 0}


def test_torch_modules_find_the_operators_of_a_mindspore_graph(samples: Path) -> None:
    """A pair is right if the operator's scope names the module, but for GELU, whose kernels carry another block's."""
    recording = samples / "vit"
    parity = compare_paths(recording / "pytorch/outputs", recording / "mindspore_clean/dump").parity
    paired = parity[parity["paired_by"].astype(object) == "value"]
    assert len(paired) >= 25
    assert (paired["rel_l2"] < 1e-5).all()
    assert set(paired["status"]) <= {"match", "shape"}
    assert not parity["first_divergence"].any()
    for name, operator in zip(paired["name_a"], paired["name_b"], strict=True):
        if not name.endswith(".act") and operator.count("-") > 4:
            parts = [part for part in name.split(".") if not part.isdigit()]
            assert all(f"_{part}-" in operator for part in parts), (name, operator)


def test_names_orders_and_layouts_do_not_matter(recording: Recording) -> None:
    a = {f"layer{n}": values(6, 4, 5) for n in range(5)}
    order = [3, 0, 4, 1, 2]
    b = [(f"op{n}", (a[f"layer{n}"] * np.float32(1 + 1e-6)).transpose(2, 0, 1)) for n in order]
    assert partners(recording(a), recording(b)) == {f"layer{n}": f"op{n}" for n in range(5)}


@pytest.mark.parametrize("gone", range(5))
def test_a_missing_tensor_shifts_no_other(recording: Recording, gone: int) -> None:
    a = {f"layer{n}": values(8, 8) for n in range(5)}
    b = {f"op{n}": a[f"layer{n}"] for n in range(5) if n != gone}
    expected = {f"layer{n}": f"op{n}" if n != gone else None for n in range(5)}
    assert partners(recording(a), recording(b)) == expected


def test_copies_are_paired_when_both_sides_have_them_and_told_when_not(recording: Recording) -> None:
    x, y = values(7, 7), values(7, 7)
    both = partners(recording({"fc": x, "drop": x, "out": y}), recording({"p": x, "q": x, "r": y}))
    assert both == {"fc": "p", "drop": "q", "out": "r"}
    frame = pair(recording({"fc": x, "drop": x, "out": y}), recording({"p": x, "r": y}))
    assert frame["row_b"].tolist() == [0, -1, 1]
    assert frame["note"][1] == "drop holds the same values as fc, and the other side has none left"


def test_uniform_tensors_prove_nothing(recording: Recording) -> None:
    a = {
        "zeros": np.zeros((4, 4), np.float32),
        "mask": (RANDOM.random((4, 4)) > 0.5).astype(np.float32),
        "x": values(3, 3),
    }
    b = {"one": np.ones((4, 4), np.float32), "two": np.zeros((4, 4), np.float32), "y": a["x"]}
    frame = pair(recording(a), recording(b), strategies=["value"])
    assert frame["paired_by"].notna().sum() == 1


def test_other_weights_of_the_same_network_are_not_paired(recording: Recording) -> None:
    a = {f"layer{n}": np.maximum(values(50, 40), 0) for n in range(12)}
    b = {f"op{n}": np.maximum(values(50, 40), 0) for n in range(12)}
    assert not pair(recording(a), recording(b), strategies=["value"])["paired_by"].notna().any()


def test_two_that_are_equally_near_are_left_alone(recording: Recording) -> None:
    x = values(30, 30)
    a = {"fc": x}
    b = {"p": x * np.float32(1 + 2e-3), "q": x * np.float32(1 - 2e-3)}
    assert not pair(recording(a), recording(b), strategies=["value"])["paired_by"].notna().any()


def test_values_in_an_order_that_is_not_recognised_are_no_divergence(recording: Recording) -> None:
    x = values(12, 10)
    y = RANDOM.permutation(x.reshape(-1)).reshape(10, 12)
    row = compare_tensors(recording({"fc": x}), recording({"p": y}), pair_by=["value"]).iloc[0]
    assert (row["status"], row["paired_by"]) == ("shape", "value")
    assert "was not recognised" in row["reason"]
    assert not row["first_divergence"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_a_fingerprint_forgets_the_order_alone(dtype: str) -> None:
    x = (100 * values(9, 11, 3)).astype(dtype)
    one, other = fingerprint(x), fingerprint(RANDOM.permutation(x.reshape(-1)).reshape(27, 11))
    assert one is not None
    np.testing.assert_array_equal(one, other)
    changed = x.copy()
    changed[0, 0, 0] += 100
    assert not np.array_equal(one, fingerprint(changed))


@pytest.mark.parametrize(
    "x", [np.zeros(100), np.arange(8.0), np.append(np.arange(50.0), np.nan), np.ones(50, complex), np.arange(50) > 20]
)
def test_what_has_no_fingerprint(x: np.ndarray) -> None:
    assert fingerprint(x) is None


def test_extreme_values_have_finite_fingerprints() -> None:
    found = fingerprint(np.linspace(-1e300, 1e300, 100))
    assert found is not None
    assert np.isfinite(found).all()


def test_a_scope_names_the_module_where_values_differ(recording: Recording) -> None:
    scope = "Default_network-Net_fc1-Dense_BiasAdd-op0"
    a = {"fc1": values(5, 6)}
    b = {scope: values(5, 6)}
    frame = pair(recording(a), recording(b))
    assert frame["paired_by"].tolist() == ["module path"]
    assert not frame["sure"].any()
