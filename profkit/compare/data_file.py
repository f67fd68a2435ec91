"""The data files of this room: TOML beside the code, read once."""

from __future__ import annotations

import sys
from functools import cache
from importlib.resources import files
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@cache
def read_data_file(name: str) -> dict[str, Any]:
    """Read a data file of this package by its file name (`precision.toml`)."""
    content: dict[str, Any] = tomllib.loads(files("profkit.compare").joinpath(name).read_text(encoding="utf-8"))
    return content
