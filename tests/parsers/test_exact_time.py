"""Exact times against Decimal."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profkit.parsers.exact_time import MICROSECONDS, MILLISECONDS, NANOSECONDS, exact_nanoseconds

NUMBERS = st.from_regex(r"-?[0-9]{1,22}(\.[0-9]{0,14})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


def exact(text: str, decimals: int) -> int | None:
    with localcontext() as context:
        context.prec = 200
        value = int((Decimal(text) * 10**decimals).to_integral_value(ROUND_HALF_EVEN))
    return value if -(2**63) <= value < 2**63 else None


@given(st.lists(NUMBERS, max_size=20), st.sampled_from([NANOSECONDS, MICROSECONDS, MILLISECONDS]))
def test_numbers_are_those_of_decimal(texts: list[str], unit: int) -> None:
    times = exact_nanoseconds(pa.array(texts, pa.string()), unit)
    found = [int(ns) if known else None for ns, known in zip(times.ns, times.known, strict=True)]
    assert found == [exact(text, unit) for text in texts]
    assert times.unreadable.tolist() == [value is None for value in found]


@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), max_size=20))
def test_any_text_is_a_time_or_unknown(texts: list[str | None]) -> None:
    texts = [text if text is None else text.encode("utf-8", "replace").decode() for text in texts]
    times = exact_nanoseconds(pa.array(texts, pa.string()))
    assert len(times.ns) == len(texts)
    assert not (times.known & times.unreadable).any()


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1736408883704643.212\t", 1_736_408_883_704_643_212),
        ('"1736408883973810"', 1_736_408_883_973_810_000),
        ("1881.080000", 1_881_080),
        ("8827.472999999998", 8_827_473),
        ("1.0005", 1_000),
        ("1.0015", 1_002),
        ("5.", 5_000),
    ],
)
def test_spellings_of_the_recorders(text: str, ns: int) -> None:
    assert exact_nanoseconds(pa.array([text])).ns.tolist() == [ns]


def test_a_slice_is_read_from_its_own_beginning() -> None:
    assert exact_nanoseconds(pa.array(["1", "2", "3"])[1:]).ns.tolist() == [2_000, 3_000]
