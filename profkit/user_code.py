"""Which lines of a running program are the user's own: not Python's, not an installed package's, not profkit's."""

from __future__ import annotations

import os
from pathlib import Path

_STANDARD_LIBRARY = os.path.realpath(Path(os.__file__).parent) + os.sep
_PROFKIT = os.path.realpath(Path(__file__).parent) + os.sep
_PACKAGE_FOLDERS = frozenset({"site-packages", "dist-packages"})


def is_users(filename: str) -> bool:
    """Tell whether a file of code is the user's; code without a file ("<string>") is not."""
    if filename.startswith("<") or _PACKAGE_FOLDERS.intersection(Path(filename).parts):
        return False
    return not os.path.realpath(filename).startswith((_STANDARD_LIBRARY, _PROFKIT))
