"""The figures of one pair against exact rational arithmetic, and that the way of walking never changes them."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from profkit.compare.metrics import Metrics, measure

ADVERSARIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    5e-324,
    -5e-324,
    1e-310,
    1e-300,
    1e-160,
    1e160,
    1e300,
    -1e300,
    8.98e307,
    -1.79e308,
    1.79e308,
]
FLOATS = st.one_of(st.sampled_from(ADVERSARIAL), st.floats(allow_nan=False, allow_infinity=False))
RELATIVE = 1e-12


def rational_root(square: Fraction) -> Fraction:
    """The square root to about 100 bits."""
    shift = max(0, 220 - square.numerator.bit_length() + square.denominator.bit_length())
    shift += shift % 2
    return Fraction(math.isqrt((square.numerator << shift) // square.denominator), 1 << (shift // 2))


def as_float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class Oracle:
    """Every figure of two lists of finite numbers, computed without rounding."""

    def __init__(self, a: list, b: list, rtol: float, atol: float) -> None:
        self.a, self.b = [Fraction(x) for x in a], [Fraction(x) for x in b]
        distance = [abs(x - y) for x, y in zip(self.a, self.b, strict=True)]
        self.max_abs = as_float(max(distance))
        self.mean_abs = as_float(sum(distance) / len(distance))
        relative = [d / abs(x) for d, x in zip(distance, self.a, strict=True) if x]
        self.max_rel = as_float(max(relative)) if relative else math.nan
        self.mean_rel = as_float(sum(relative) / len(relative)) if relative else math.nan
        squares = sum(d * d for d in distance)
        self.rmse = as_float(rational_root(squares / len(distance)))
        norm_a, norm_b = (sum(x * x for x in side) for side in (self.a, self.b))
        self.rms_a = as_float(rational_root(norm_a / len(distance)))
        self.rms_b = as_float(rational_root(norm_b / len(distance)))
        self.l2_ratio = (math.inf if norm_b else math.nan) if not norm_a else as_float(rational_root(norm_b / norm_a))
        self.rel_l2 = (0.0 if not squares else math.inf) if not norm_a else as_float(rational_root(squares / norm_a))
        product = sum(x * y for x, y in zip(self.a, self.b, strict=True))
        self.cosine = math.nan
        if norm_a and norm_b:
            root = rational_root(Fraction(product * product) / (norm_a * norm_b))
            self.cosine = math.copysign(as_float(root), 1 if product > 0 else -1)
        bounds = [Fraction(atol) + Fraction(rtol) * max(abs(x), abs(y)) for x, y in zip(self.a, self.b, strict=True)]
        slack = Fraction(RELATIVE)
        tiny = Fraction(5e-324) * 4
        self.surely_close = sum(
            d == 0 or d < bound * (1 - slack) - tiny for d, bound in zip(distance, bounds, strict=True)
        )
        self.perhaps_close = sum(d <= bound * (1 + slack) + tiny for d, bound in zip(distance, bounds, strict=True))

    def check(self, found: Metrics) -> None:
        for name in ("max_abs", "mean_abs", "max_rel", "mean_rel", "rmse", "rel_l2", "l2_ratio", "rms_a", "rms_b"):
            assert getattr(found, name) == pytest.approx(getattr(self, name), rel=RELATIVE, abs=2e-323, nan_ok=True), (
                name
            )
        assert found.cosine == pytest.approx(self.cosine, abs=RELATIVE, nan_ok=True)
        assert self.surely_close <= round(found.close_ratio * found.elements) <= self.perhaps_close


@st.composite
def float_pairs(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    a = draw(st.lists(FLOATS, min_size=1, max_size=40))
    nudge = st.sampled_from([1.0, 1.0, 1 + 2**-40, 1 - 2**-20, 0.5, -1.0, 0.0])
    near = [x * draw(nudge) for x in a]
    far = draw(st.lists(FLOATS, min_size=len(a), max_size=len(a)))
    return a, [y if math.isfinite(y) and draw(st.booleans()) else z for y, z in zip(near, far, strict=True)]


@settings(deadline=None, max_examples=80)
@given(
    float_pairs(),
    st.sampled_from([0.0, 1e-9, 1e-3, 0.3]),
    st.sampled_from([0.0, 1e-300, 1e-6, 1.0]),
    st.integers(1, 50),
)
def test_floats_agree_with_exact_arithmetic(
    pair: tuple[list[float], list[float]], rtol: float, atol: float, block: int
) -> None:
    a, b = (np.array(side, dtype=np.float64) for side in pair)
    found = measure(a, b, rtol, atol, block_elements=block)
    Oracle(*pair, rtol, atol).check(found)
    assert (found.max_abs == 0) == all(x == y for x, y in zip(*pair, strict=True))


@settings(deadline=None, max_examples=80)
@given(st.data())
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_floats_agree_with_exact_arithmetic(dtype: type, data: st.DataObject) -> None:
    words = np.dtype(f"u{np.dtype(dtype).itemsize}")
    # Drawn by their bits: a drawn float that does not fit the format is thrown away, and most do not fit float16.
    magnitudes = st.integers(0, int(np.finfo(dtype).max.view(words)))
    signs = st.sampled_from([0, 1 << (8 * words.itemsize - 1)])
    elements = st.lists(st.builds(int.__or__, magnitudes, signs), min_size=12, max_size=12)
    a, b = (np.array(data.draw(elements), words).view(dtype) for _ in "ab")
    Oracle(a.tolist(), b.tolist(), 1e-3, 0.0).check(measure(a, b, 1e-3, 0.0))


@settings(deadline=None, max_examples=80)
@given(st.data())
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("int64", "int64"),
        ("uint64", "uint64"),
        ("int64", "uint64"),
        ("uint64", "int8"),
        ("bool", "uint8"),
        ("int32", "int64"),
    ],
)
def test_integers_agree_with_exact_arithmetic(left: str, right: str, data: st.DataObject) -> None:
    def integers(name: str) -> st.SearchStrategy:
        if name == "bool":
            return st.booleans()
        info = np.iinfo(name)
        ends = [0, 1, info.min, info.min + 1, info.max, info.max - 1, min(info.max, 2**53), min(info.max, 2**53 + 1)]
        return st.one_of(st.sampled_from(ends), st.integers(info.min, info.max))

    a, b = (np.array(data.draw(st.lists(integers(name), min_size=6, max_size=6)), dtype=name) for name in (left, right))
    numbers = [int(x) for x in a.tolist()], [int(x) for x in b.tolist()]
    found = measure(a, b)
    Oracle(*numbers, 0.0, 0.0).check(found)
    assert round(found.close_ratio * 6) == sum(x == y for x, y in zip(*numbers, strict=True))


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_complex_numbers_are_measured_by_their_modulus(data: st.DataObject) -> None:
    parts = st.floats(-1e6, 1e6)
    a, b = (np.array([complex(data.draw(parts), data.draw(parts)) for _ in range(5)]) for _ in "ab")
    found = measure(a, b, 1e-3)
    assert found.max_abs == pytest.approx(max(abs(x - y) for x, y in zip(a.tolist(), b.tolist(), strict=True)))
    flat = measure(a.view(np.float64), b.view(np.float64))
    assert found.cosine == pytest.approx(flat.cosine, nan_ok=True)
    assert found.rel_l2 == pytest.approx(flat.rel_l2)


def test_the_imaginary_part_counts() -> None:
    assert measure(np.array([1 + 2j]), np.array([1 + 5j])).max_abs == 3


def test_complex_moduli_beyond_float64() -> None:
    a, b = np.array([1.7e308 + 1.7e308j]), np.array([1.7e308 + 1.69e308j])
    found = measure(a, b, 1e-2)
    assert found.close_ratio == 1
    assert measure(a, b, 1e-3).close_ratio == 0
    assert found.rel_l2 == pytest.approx(0.01 / (1.7 * math.sqrt(2)))
    assert found.max_rel == pytest.approx(found.rel_l2)


@settings(deadline=None, max_examples=80)
@given(st.data(), st.integers(1, 70))
def test_block_size_changes_no_figure(data: st.DataObject, block: int) -> None:
    elements = st.one_of(FLOATS, st.sampled_from([math.nan, math.inf, -math.inf]))
    a, b = (data.draw(hnp.arrays(np.float64, 60, elements=elements)) for _ in "ab")
    one, many = measure(a, b, 1e-3, 1e-9), measure(a, b, 1e-3, 1e-9, block_elements=block)
    exact = (
        "elements",
        "compared",
        "max_abs",
        "max_rel",
        "close_ratio",
        "nan_a",
        "nan_b",
        "inf_a",
        "inf_b",
        "non_finite_agree",
        "first_index",
        "worst_index",
        "peak_a",
        "peak_b",
        "ulp_p50",
        "ulp_p99",
        "ulp_max",
    )
    for name in exact:
        assert getattr(one, name) == pytest.approx(getattr(many, name), rel=0, abs=0, nan_ok=True), name
    for name in ("mean_abs", "mean_rel", "rmse", "rel_l2", "l2_ratio", "rms_a", "rms_b"):
        assert getattr(one, name) == pytest.approx(getattr(many, name), rel=RELATIVE, abs=2e-323, nan_ok=True), name
    assert one.cosine == pytest.approx(many.cosine, abs=RELATIVE, nan_ok=True)


@settings(deadline=None, max_examples=100)
@given(float_pairs(), st.sampled_from([0.0, 1e-9, 1e-3, 0.3]), st.sampled_from([0.0, 1e-6]))
def test_asymmetric_tolerances_are_held_against_the_reference(
    pair: tuple[list[float], list[float]], rtol: float, atol: float
) -> None:
    a, b = (np.array(side) for side in pair)
    found = round(measure(a, b, rtol, atol, symmetric=False).close_ratio * len(a))
    exact = [
        (abs(Fraction(x) - Fraction(y)), Fraction(atol) + Fraction(rtol) * abs(Fraction(x)))
        for x, y in zip(*pair, strict=True)
    ]
    slack, tiny = Fraction(RELATIVE), Fraction(5e-324) * 4
    surely = sum(d == 0 or d < bound * (1 - slack) - tiny for d, bound in exact)
    assert surely <= found <= sum(d <= bound * (1 + slack) + tiny for d, bound in exact)


@settings(deadline=None, max_examples=100)
@given(float_pairs(), st.sampled_from([1e-9, 1e-3, 0.3]))
def test_swapping_the_sides_keeps_what_is_close(pair: tuple[list[float], list[float]], rtol: float) -> None:
    a, b = (np.array(side) for side in pair)
    assert measure(a, b, rtol).close_ratio == measure(b, a, rtol).close_ratio


@pytest.mark.parametrize("seed", range(3))
def test_strides_and_byte_order_change_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((2, 7, 300, 11))
    plain = measure(a, b, 1e-3)
    for other in (
        measure(np.asfortranarray(a), b, 1e-3),
        measure(a[::-1][::-1], np.repeat(b, 2, axis=2)[:, :, ::2], 1e-3),
        measure(a.astype(">f8"), b, 1e-3),
    ):
        for figure in fields(plain):
            expected = getattr(plain, figure.name)
            assert getattr(other, figure.name) == pytest.approx(expected, rel=1e-13), figure.name


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_non_finite_values_are_counted_and_placed(dtype: str) -> None:
    a = np.zeros(20_000, dtype=dtype)
    b = a.copy()
    a[[3, 9_000]] = np.nan
    b[[3, 9_000]] = np.nan
    a[[5, 19_999]] = np.inf, -np.inf
    b[[5, 19_999]] = np.inf, -np.inf
    same = measure(a, b)
    assert (same.nan_a, same.nan_b, same.inf_a, same.inf_b) == (2, 2, 2, 2)
    assert same.non_finite_agree
    assert (same.compared, same.max_abs) == (19_996, 0)
    assert not same.equal
    b[19_999] = np.inf
    flipped = measure(a, b)
    assert not flipped.non_finite_agree
    assert flipped.first_index == flipped.worst_index == 19_999
    assert flipped.max_abs == 0


def test_a_value_against_nan_is_a_disagreement_worse_than_any_number() -> None:
    found = measure(np.array([1.0, 2.0, np.nan]), np.array([1.0, 5.0, 3.0]))
    assert (found.nan_a, found.nan_b, found.first_index, found.worst_index) == (1, 0, 1, 2)
    assert found.max_abs == 3


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (1, 1, 1)])
def test_every_rank_and_emptiness(shape: tuple[int, ...]) -> None:
    a = np.full(shape, 2.0)
    found = measure(a, a)
    assert found.elements == a.size
    assert math.isnan(found.max_abs) if a.size == 0 else found.equal


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros(3), np.zeros((1, 3))),
        (np.zeros(3), np.zeros(())),
        (np.zeros(3), np.zeros(1)),
        (np.zeros(3), np.zeros(3, dtype=np.int64)),
        (np.zeros(3), np.zeros(3, dtype=complex)),
        (np.array(["a"]), np.array(["a"])),
        (np.zeros(2, dtype="M8[s]"), np.zeros(2, dtype="M8[s]")),
    ],
)
def test_what_cannot_be_measured_is_refused(a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"differ|not numbers"):
        measure(a, b)


@pytest.mark.parametrize("tolerance", [-1.0, math.nan, math.inf])
def test_a_tolerance_must_be_one(tolerance: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        measure(np.zeros(1), np.zeros(1), tolerance)
    with pytest.raises(ValueError, match="finite and not negative"):
        measure(np.zeros(1), np.zeros(1), 0.0, tolerance)


def test_memory_stays_at_a_few_blocks(tmp_path: Path) -> None:
    for side in "ab":
        np.save(tmp_path / f"{side}.npy", np.arange(4_000_000, dtype=np.float32))
    a, b = (np.load(tmp_path / f"{side}.npy", mmap_mode="r") for side in "ab")
    measure(a[:10], b[:10])
    tracemalloc.start()
    try:
        assert measure(a, b).equal
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_inputs_are_not_changed() -> None:
    a = np.array([1.0, np.nan, np.inf, 4.0])
    b = np.array([1.0, np.nan, -np.inf, 5.0])
    before = a.copy(), b.copy()
    a.flags.writeable = b.flags.writeable = False
    measure(a, b)
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])
