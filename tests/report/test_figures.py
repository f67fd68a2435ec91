"""Pictures are the same for the same input, and show every kind of row without failing."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from profkit.compare.difference_histogram import difference_histogram
from profkit.report.figures import difference_bars, error_against_depth, value_ranges
from profkit.schema import PARITY, PARITY_STATUS


def parity(rows: int, **columns: object) -> pd.DataFrame:
    names = [f"layer{n}" for n in range(rows)]
    usual = {
        "name_a": names,
        "name_b": names,
        "status": "match",
        "first_divergence": False,
        "reason": ".",
        "io": "output",
    }
    usual |= {"rel_l2": 1e-7, "peak_a": 2.0, "peak_b": 2.0, "rms_a": 1.0, "rms_b": 1.0, "nan_a": 0, "nan_b": 0}
    return PARITY.build(pd.DataFrame({**usual, **columns}, index=range(rows)))


def texts(svg: bytes) -> str:
    """Glyphs are drawn as outlines; matplotlib keeps the words beside them as comments."""
    ET.fromstring(svg)
    return svg.decode()


@pytest.mark.parametrize("form", ["png", "svg"])
@pytest.mark.parametrize("draw", [error_against_depth, value_ranges])
def test_the_same_rows_give_the_same_bytes(draw: object, form: str) -> None:
    frame = parity(5)
    assert draw(frame, form) == draw(frame, form)  # type: ignore[operator]


def test_the_first_divergence_is_named_in_the_picture() -> None:
    frame = parity(3, first_divergence=[False, True, False], rel_l2=[1e-7, 1e-2, 1e-2])
    picture = texts(error_against_depth(frame, "svg"))
    assert "<!-- first divergence" in picture
    assert "layer1 -->" in picture


def test_the_first_nan_is_named_in_the_picture() -> None:
    picture = texts(value_ranges(parity(4, nan_b=pd.array([0, 0, 7, 9], dtype="Int64")), "svg"))
    assert "<!-- first NaN or Inf" in picture


def test_rows_of_every_status_and_size_can_be_drawn() -> None:
    statuses = list(PARITY_STATUS)
    errors = [0.0, math.inf, math.nan, 1e-300, math.nan, 1e300, math.nan, 1.0]
    frame = parity(len(statuses), status=statuses, rel_l2=errors, peak_a=[0.0, math.inf, *[math.nan] * 6])
    for draw in (error_against_depth, value_ranges):
        texts(draw(frame, "svg"))


@pytest.mark.parametrize("rows", [0, 1, 400])
def test_any_number_of_rows_can_be_drawn(rows: int) -> None:
    assert error_against_depth(parity(rows), "png").startswith(b"\x89PNG")
    assert value_ranges(parity(rows), "png").startswith(b"\x89PNG")


def test_gradients_alone_are_drawn_too() -> None:
    assert "layer0 -->" in texts(error_against_depth(parity(2, io="gradient"), "svg"))


def test_the_histogram_counts_every_element_once() -> None:
    random = np.random.default_rng(0)
    a = random.standard_normal(100_000)
    b = a + 10.0 ** random.uniform(-9, 3, a.size) * (random.random(a.size) > 0.2)
    a[5] = np.nan
    table = difference_histogram(a, b)
    distance = np.abs(a - b)[np.isfinite(a)]
    assert table["count"].sum() == a.size - 1
    assert table["count"][0] == np.count_nonzero(distance == 0)
    for low, high, count in table.iloc[1:].itertuples(index=False):
        assert count == pytest.approx(np.count_nonzero((distance >= low) & (distance < high)), abs=2)
    assert "elements are equal" in texts(difference_bars(table, "fc $1$", "svg"))


@pytest.mark.parametrize(
    ("a", "b"), [(np.ones(3), np.ones(3)), (np.ones(0), np.ones(0)), (np.arange(3), np.arange(3) + 1)]
)
def test_uniform_and_empty_pairs_have_a_histogram(a: np.ndarray, b: np.ndarray) -> None:
    assert difference_histogram(a, b)["count"].sum() == a.size
    assert difference_bars(difference_histogram(a, b), "x", "png").startswith(b"\x89PNG")
