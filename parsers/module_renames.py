"""Modules that a user says were renamed between two runs, and what that means for the paths of either."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


def module_pattern(path: str) -> re.Pattern[str]:
    """Give what a module path of a hint fits: one group for each `*`, and one for what lies below."""
    levels = (r"([^.]+)" if level == "*" else re.escape(level) for level in path.split("."))
    return re.compile(r"\.".join(levels) + r"((?:\..+)?)")


def renamed(path: str, renames: Sequence[tuple[re.Pattern[str], str]]) -> str:
    """Give a module path by its other name; itself where no rename fits.

    Args:
        path: As one side names it.
        renames: `module_pattern` of that side's path and the other side's path, the first that fits counts.
    """
    for shape, other in renames:
        fit = shape.fullmatch(path)
        if fit is not None:
            *captured, below = fit.groups()
            levels = iter(captured)
            return ".".join(next(levels) if level == "*" else level for level in other.split(".")) + below
    return path


class ModuleRenames:
    """Renamed modules, to be asked about paths of the reference and of the run.

    Args:
        modules: Path in the run by path in the reference; `*` is one level, and what lies below comes along.
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        by_length = sorted(modules.items(), key=lambda names: -len(names[1]))
        self._old = [module_pattern(old) for old in modules]
        self._new = [(module_pattern(new), old) for old, new in by_length]

    def __bool__(self) -> bool:
        return bool(self._old)

    def are_of_ref(self, path: str) -> bool:
        """Say whether the reference's module of this path, or what lies below it, has another name in the run."""
        return any(shape.fullmatch(path) for shape in self._old)

    def in_words_of_ref(self, path: str) -> str | None:
        """Give a path of the run as the reference names it; None if no rename is about it."""
        if any(shape.fullmatch(path) for shape, _ in self._new):
            return renamed(path, self._new)
        return None
