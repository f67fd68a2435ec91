"""profkit: triage of PyTorch to MindSpore migrations.

What became slow, which operator made the first NaN, where do the numbers diverge, what to look at first.
Importing profkit imports neither pandas, textual, torch nor mindspore: public names are resolved at first use.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from profkit.saving import save, save_grad

__version__ = "0.1.0"

_PUBLIC = {
    "ProfkitError": "profkit.errors",
    "Run": "profkit.run",
    "Session": "profkit.session",
    "align": "profkit.correlate",
    "capture": "profkit.capturing",
    "compare_structure": "profkit.structure",
    "describe_structure": "profkit.structure",
    "fix_random": "profkit.randomness",
    "load": "profkit.run",
    "proposal": "profkit.failure_advice",
    "tracking": "profkit.value_tracking",
    "triage": "profkit.triage",
}

__all__ = [
    "ProfkitError",
    "Run",
    "Session",
    "__version__",
    "align",
    "capture",
    "compare_structure",
    "describe_structure",
    "fix_random",
    "load",
    "migrator",
    "proposal",
    "save",
    "save_grad",
    "tracking",
    "triage",
    "widget",
]

if TYPE_CHECKING:
    from profkit import migrator, widget
    from profkit.capturing import capture
    from profkit.correlate import align
    from profkit.errors import ProfkitError
    from profkit.failure_advice import proposal
    from profkit.randomness import fix_random
    from profkit.run import Run, load
    from profkit.session import Session
    from profkit.structure import compare_structure, describe_structure
    from profkit.triage import triage
    from profkit.value_tracking import tracking


# Rooms whose own names are used: `profkit.migrator.compare_npy_dir`.
_ROOMS = ("migrator", "widget")


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"profkit.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'profkit' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


class _Package(ModuleType):
    """This package: a module below it does not take the place of the public function that has its name."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing profkit.triage sets it here, and `profkit.triage(...)` would then call a module.
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted(__all__)
