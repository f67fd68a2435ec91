"""The table of known failures (failures.toml)."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Messages of MindSpore end in long stacks; what they say stands at the beginning.
_SEARCHED = 20_000


@dataclass(frozen=True)
class Failure:
    """One kind of failure.

    Attributes:
        name: What to call it.
        pattern: How its message is known.
        cause: Why it happens.
        remedy: What to do.
        source: Where the message was seen.
    """

    name: str
    pattern: re.Pattern[str]
    cause: str
    remedy: str
    source: str


@cache
def known_failures() -> tuple[Failure, ...]:
    """Give the table, in the order in which it is searched."""
    table = tomllib.loads(files(__package__).joinpath("failures.toml").read_text(encoding="utf-8"))
    return tuple(
        Failure(row["name"], re.compile(row["pattern"]), row["cause"], row["remedy"], row["source"])
        for row in table["failure"]
    )


def recognised(message: str) -> Failure | None:
    """Give the first failure of the table that a message is known by; None if there is none."""
    searched = message[:_SEARCHED]
    return next((failure for failure in known_failures() if failure.pattern.search(searched)), None)
