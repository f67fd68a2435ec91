"""Files that profkit knows and does not read: what they are and what to name instead, for the one who names them."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from profkit.parsers.byte_stream import GZIP_MAGIC, first_bytes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LOOKED_AT = 1 << 12


class KnownFile(NamedTuple):
    """What a file is that no parser takes, and what to name instead; each the end of a sentence."""

    what: str
    instead: str


class _Entry(NamedTuple):
    name: re.Pattern[str] | None
    begins: re.Pattern[bytes] | None
    known: KnownFile


def what_is(path: Path) -> KnownFile | None:
    """Say what a file is that no parser takes; None if that is not known either.

    Raises:
        OSError: The file cannot be read.
    """
    begin = first_bytes(path, _LOOKED_AT).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not begin:
        return KnownFile("empty", "it was not written to its end, or not at all: record it again")
    for entry in _entries():
        by_name = entry.name is None or entry.name.fullmatch(path.name)
        if by_name and (entry.begins is None or entry.begins.match(begin)):
            return entry.known
    if begin.startswith(GZIP_MAGIC):
        return KnownFile("an archive within an archive", "unpack it once")
    return None


@cache
def _entries() -> list[_Entry]:
    text = files("profkit.parsers").joinpath("known_files.toml").read_text(encoding="utf-8")
    return [
        _Entry(
            re.compile(entry["name"]) if "name" in entry else None,
            re.compile(entry["begins"].encode()) if "begins" in entry else None,
            KnownFile(entry["what"], entry["instead"]),
        )
        for entry in tomllib.loads(text)["file"]
    ]
