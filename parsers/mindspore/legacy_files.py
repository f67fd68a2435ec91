"""Which files of a `profiler/` directory of MindSpore 1.0 to 2.4 belong together: those with one number in their names.

All ranks of a host write into one directory, each with its own number. The files of one number are one recording.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Target = Literal["ascend", "gpu"]


@dataclass(frozen=True)
class LegacyFiles:
    """The files of one recording.

    Attributes:
        directory: Where they lie.
        number: The number in their names: the rank.
        kinds: Files that are read, by kind (timeline_data, step_trace).
        derived: Files that only sum up what the others hold.
    """

    directory: Path
    number: int
    kinds: Mapping[str, Path]
    derived: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file, sorted."""
        return tuple(sorted({*self.kinds.values(), *self.derived}))


@cache
def legacy_facts() -> dict[str, Any]:
    """Read the tables of mindspore_legacy_files.toml, once."""
    return tomllib.loads(files("profkit.parsers.mindspore").joinpath("legacy_files.toml").read_text(encoding="utf-8"))


def recording_of(path: Path, target: Target) -> tuple[str, LegacyFiles] | None:
    """Give the kind of a file that holds a recording, and all files of that recording.

    Args:
        path: A file.
        target: What the network ran on.

    Returns:
        None if the file's name is none that makes a recording.
    """
    own = _kind(path.name, [target])
    if own is None:
        return None
    kind, number = own
    kinds: dict[str, Path] = {}
    derived = []
    with os.scandir(path.parent) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        read = _kind(name, [target, f"{target}_beside"])
        if read is not None and read[1] == number:
            kinds.setdefault(read[0], path.parent / name)
            if kinds[read[0]].name != name:
                derived.append(path.parent / name)
        elif (summed := _kind(name, [f"{target}_derived"])) is not None and summed[1] == number:
            derived.append(path.parent / name)
    kinds[kind] = path
    return kind, LegacyFiles(path.parent, number, kinds, tuple(derived))


def _kind(name: str, tables: list[str]) -> tuple[str, int] | None:
    for table in tables:
        for kind, pattern in legacy_facts()[table].items():
            match = re.fullmatch(pattern, name)
            if match is not None:
                return kind, int(match.group(1))
    return None
