"""Processes that measure: what happens when the system ends one."""

from __future__ import annotations

import os
from functools import partial

import pytest

from profkit.compare.comparison import Tensor
from profkit.compare.measuring import PairToMeasure, measure_pairs
from profkit.errors import ProfkitError


def test_a_process_that_is_ended_is_told_with_what_to_do() -> None:
    ended = Tensor("w", open=partial(os._exit, 9))  # type: ignore[arg-type]
    with pytest.raises(ProfkitError) as caught:
        list(measure_pairs([PairToMeasure(ended, ended)] * 2, workers=2))
    assert "--workers 1" in caught.value.hint
