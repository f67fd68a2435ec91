from __future__ import annotations

import unicodedata

import pytest

from profkit.schema import ISSUES, OPERATORS, OVERFLOW_ROLES, PARITY_STATUS
from profkit.tui.verdicts import FIRST_DIVERGENCE, FLAG, OVERFLOW, PARITY, PRIMARY_ORIGIN, SEVERITY

ALL = [PARITY, OVERFLOW, FLAG, SEVERITY, FIRST_DIVERGENCE, PRIMARY_ORIGIN]


def test_every_value_of_a_closed_list_has_a_verdict():
    assert set(PARITY) == set(PARITY_STATUS)
    assert set(OVERFLOW) == set(OVERFLOW_ROLES)
    assert set(SEVERITY) == set(ISSUES["severity"].values)
    assert set(FLAG) == set(OPERATORS["flag"].meaning.split(" | "))


@pytest.mark.parametrize("verdict", [verdict for verdicts in ALL for verdict in verdicts.values()], ids=str)
def test_a_glyph_is_one_cell_wide_in_every_terminal(verdict):
    assert len(verdict.glyph) == 1
    assert unicodedata.east_asian_width(verdict.glyph) in {"N", "Na"}
    assert verdict.word


@pytest.mark.parametrize("verdicts", ALL)
def test_words_and_weights_tell_verdicts_apart(verdicts):
    assert len({verdict.word for verdict in verdicts.values()}) == len(verdicts)
    assert len({verdict.weight for verdict in verdicts.values()}) == len(verdicts)
