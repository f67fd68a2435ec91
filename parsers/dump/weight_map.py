"""A weight map: which parameter of one checkpoint belongs to which of another.

The JSON that `profkit weights map` writes; or JSON or TOML: a table of names (`{"norm.weight": "norm.gamma"}`), in TOML
also under `[names]`; or the pair that the TroubleShooter's get_weight_map writes, `[names, functions]`. The functions
named there, which would convert values, are never imported.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profkit.errors import UnreadableInputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WEIGHT_MAP_FORMAT = "profkit weight map"
"""What a map that profkit wrote says it is, under "format"."""

_LARGEST_BYTES = 64 << 20
_HINT = 'give a JSON or TOML table of names, such as {"norm.weight": "norm.gamma"}; weights map --save writes one'


def read_weight_map(path: Path) -> dict[str, str]:
    """Read the names of a weight map: name on side B by name on side A.

    Of a map that profkit wrote, those of one parameter that becomes one parameter.

    Raises:
        UnreadableInputError: The file cannot be read, is too large, or is no table of names.
    """
    content = weight_map_content(path)
    if isinstance(content, Mapping) and content.get("format") == WEIGHT_MAP_FORMAT:
        content = _names_of_rows(content.get("rows"))
    return names_of(content, path)


def weight_map_content(path: Path) -> Any:
    """Read what is written in the file of a weight map.

    Raises:
        UnreadableInputError: The file cannot be read, is too large, or is neither JSON nor TOML.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise UnreadableInputError(f"{path} is larger than any weight map", _HINT)
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise UnreadableInputError(f"{path} is no text", _HINT) from error
    try:
        return tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableInputError(f"{path} is no weight map: {error}", _HINT) from error


def _names_of_rows(rows: Any) -> dict[str, Any]:
    """Give the names of rows of one source each; the first of several targets."""
    names: dict[str, Any] = {}
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, Mapping):
            continue
        sources, target = row.get("sources"), row.get("target")
        if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], str):
            continue
        if target is not None and row.get("status") in {"mapped", "assumed"}:
            names.setdefault(sources[0], target)
    once = {other for other, count in Counter(map(str, names.values())).items() if count == 1}
    return {name: other for name, other in names.items() if str(other) in once}


def names_of(content: Any, path: Path, *, tied: bool = False) -> dict[str, str]:
    """Take the names out of what a file holds that profkit did not write.

    Args:
        content: As `weight_map_content` gives it.
        path: The file.
        tied: Several names may stand for one of side B.

    Raises:
        UnreadableInputError: It is no table of names.
    """
    if isinstance(content, list) and len(content) == 2:
        content = content[0]
    if isinstance(content, Mapping) and isinstance(content.get("names"), Mapping):
        content = content["names"]
    if not isinstance(content, Mapping) or not content:
        raise UnreadableInputError(f"{path} holds no table of names", _HINT)
    wrong = [name for name, other in content.items() if not isinstance(other, str)]
    if wrong:
        raise UnreadableInputError(f"{path} gives no name for {wrong[0][:80]!r}", _HINT)
    twice = len(content) - len(set(content.values()))
    if twice and not tied:
        raise UnreadableInputError(f"{path} gives {twice} names of side B more than once", "mend the weight map")
    return dict(content)
