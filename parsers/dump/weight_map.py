"""A weight map: which parameter of one checkpoint belongs to which of another.

JSON or TOML: a table of names (`{"norm.weight": "norm.gamma"}`), in TOML also under `[names]`; or the pair that the
TroubleShooter's get_weight_map writes, `[names, functions]`. The functions named there, which would convert values, are
never imported: a layout that differs is recognised by its values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profkit.errors import UnreadableInputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST_BYTES = 64 << 20
_HINT = 'give a JSON or TOML table of names, such as {"norm.weight": "norm.gamma"}'


def read_weight_map(path: Path) -> dict[str, str]:
    """Read the names of a weight map: name on side B by name on side A.

    Raises:
        UnreadableInputError: The file cannot be read, is too large, or is no table of names.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise UnreadableInputError(f"{path} is larger than any weight map", _HINT)
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableInputError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise UnreadableInputError(f"{path} is no text", _HINT) from error
    return _names_of(_parsed(path, text), path)


def _parsed(path: Path, text: str) -> Any:
    try:
        return tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableInputError(f"{path} is no weight map: {error}", _HINT) from error


def _names_of(content: Any, path: Path) -> dict[str, str]:
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
    if twice:
        raise UnreadableInputError(f"{path} gives {twice} names of side B more than once", "mend the weight map")
    return dict(content)
