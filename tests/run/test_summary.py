"""What is said of a step that a run does not have."""

from __future__ import annotations

import pandas as pd
import pytest

from profkit.errors import ProfkitError
from profkit.summary import of_step


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([*range(1, 4001), 5000], "steps: 1 to 4000, 5000"),
        ([7, 3, -1, 3], "steps: 3, 7"),
        (range(1, 101, 2), "steps: 1, 3, 5, 7, 9, 11, 13, 15 and others up to 99"),
        ([-1], "steps: none were recorded or could be inferred"),
    ],
    ids=["long", "few", "scattered", "none"],
)
def test_steps_are_told_in_one_short_line(steps: list[int], told: str) -> None:
    with pytest.raises(ProfkitError) as caught:
        of_step(pd.DataFrame({"step": list(steps)}), 0)
    assert caught.value.hint == told
