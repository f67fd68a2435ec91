"""Statistics and digests against each other and against values: what they show, and what they do not."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from profkit.compare import compare_tensors

Recording = Callable[..., pd.DataFrame]
X = np.random.default_rng(5).standard_normal((6, 7)).astype(np.float32)


def statistics(x: np.ndarray, **changed: float) -> dict[str, object]:
    known = {"max": x.max(), "min": x.min(), "mean": x.mean(dtype=float), "norm": np.linalg.norm(x.astype(float))}
    shape = ",".join(map(str, x.shape))
    return {"dtype": x.dtype.name, "shape": shape, "nonfinite": False, **known, **changed}


def one(a: pd.DataFrame, b: pd.DataFrame) -> pd.Series:
    parity = compare_tensors(a, b)
    assert len(parity) == 1
    return parity.iloc[0]


def test_equal_statistics_are_no_proof(recording: Recording, tensors: Recording) -> None:
    for a, b in (
        (recording({"fc": X}), tensors(["fc"], **statistics(X))),
        (tensors(["fc"], **statistics(X)), tensors(["fc"], **statistics(X))),
    ):
        row = one(a, b)
        assert row["status"] == "undecidable"
        assert row["reason"].startswith("Statistics only:")
        assert not row["first_divergence"]
        assert np.isnan(row["max_abs"])


def test_statistics_that_leave_no_other_values_are(recording: Recording, tensors: Recording) -> None:
    full = np.full((3, 4), 2.5, np.float32)
    assert one(recording({"fc": full}), tensors(["fc"], **statistics(full)))["status"] == "match"
    scalar = np.array(1.5, np.float32)
    assert one(tensors(["fc"], **statistics(scalar)), tensors(["fc"], **statistics(scalar)))["status"] == "match"


@pytest.mark.parametrize("changed", [{"max": 9.0}, {"min": -9.0}, {"norm": 8.0}, {"mean": 1.0}])
def test_statistics_that_differ_are_a_divergence(tensors: Recording, changed: dict[str, float]) -> None:
    for a, b in (({}, changed), (changed, {})):
        row = one(tensors(["fc"], **statistics(X, **a)), tensors(["fc"], **statistics(X, **b)))
        assert row["status"] == "mismatch"
        assert row["first_divergence"]


def test_statistics_written_with_six_digits_agree(tensors: Recording) -> None:
    rounded = {name: float(f"{statistics(X)[name]:.6g}") for name in ("max", "min", "mean", "norm")}
    assert one(tensors(["fc"], **statistics(X)), tensors(["fc"], **statistics(X, **rounded)))["status"] == "undecidable"


def test_only_what_both_sides_know_is_compared(tensors: Recording) -> None:
    nothing = float("nan")
    a = statistics(X, mean=nothing, norm=nothing)
    row = one(tensors(["fc"], **a), tensors(["fc"], **statistics(X, mean=77.0)))
    assert row["status"] == "undecidable"
    assert "mean" not in row["reason"]


def test_non_finite_values_in_statistics(tensors: Recording) -> None:
    nothing = dict.fromkeys(("max", "min", "mean", "norm"), float("nan"))
    bad = {**statistics(X, **nothing), "nonfinite": True}
    row = one(tensors(["fc"], **statistics(X)), tensors(["fc"], **bad))
    assert (row["status"], row["first_divergence"]) == ("mismatch", True)
    assert "B holds NaN or Inf" in row["reason"]
    assert one(tensors(["fc"], **bad), tensors(["fc"], **bad))["status"] == "undecidable"


def test_shapes_of_statistics_must_agree(tensors: Recording) -> None:
    row = one(tensors(["fc"], **statistics(X)), tensors(["fc"], **statistics(X.T)))
    assert row["status"] == "shape"


@pytest.mark.parametrize(
    "digest",
    [
        lambda x: f"crc32:{zlib.crc32(x.tobytes()):08x}",
        lambda x: f"md5:{hashlib.md5(x.tobytes()).hexdigest()}",
    ],
)
def test_digests(recording: Recording, tensors: Recording, digest: Callable[[np.ndarray], str]) -> None:
    kept = {"dtype": "float32", "shape": "6,7"}
    same, other = (tensors(["fc"], digest=digest(x), **kept) for x in (X, X + 1))
    assert one(same, same)["status"] == "match"
    assert one(recording({"fc": X}), same)["status"] == "match"
    for a, b in ((same, other), (recording({"fc": X}), other)):
        row = one(a, b)
        assert row["status"] == "mismatch"
        assert "rounding or a fault cannot be told" in row["reason"]


def test_digests_of_two_kinds_say_nothing(tensors: Recording) -> None:
    kept = {"dtype": "float32", "shape": "6,7"}
    row = one(tensors(["fc"], digest="crc32:00", **kept), tensors(["fc"], digest="xor64:00", **kept))
    assert row["status"] == "undecidable"


def test_statistics_say_how_far_bytes_differ(tensors: Recording) -> None:
    a, b = (tensors(["fc"], digest=f"crc32:{n}", **statistics(X)) for n in "12")
    assert one(a, b)["status"] == "undecidable"
