"""The thresholds of all judgements about time: one table (`thresholds.toml`) with the reason of each."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@cache
def thresholds(judgement: str) -> Mapping[str, float]:
    """Give the thresholds of one judgement by name.

    Args:
        judgement: Section of the table (`slow`, `layout`, ...).
    """
    table = tomllib.loads(files("profkit").joinpath("thresholds.toml").read_text(encoding="utf-8"))
    return {name: float(entry["value"]) for name, entry in table[judgement].items()}
