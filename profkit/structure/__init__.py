"""The structures of two networks, module by module: described, saved, read, and compared.

Nothing here imports a framework: live networks are asked through their own methods. Names are resolved at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "NetStructure": "profkit.structure.net_tree",
    "StructureComparison": "profkit.structure.comparison",
    "compare_structure": "profkit.structure.comparison",
    "describe_structure": "profkit.structure.live_structure",
    "read_structure": "profkit.structure.sources",
}

__all__ = ["NetStructure", "StructureComparison", "compare_structure", "describe_structure", "read_structure"]

if TYPE_CHECKING:
    from profkit.structure.comparison import StructureComparison, compare_structure
    from profkit.structure.live_structure import describe_structure
    from profkit.structure.net_tree import NetStructure
    from profkit.structure.sources import read_structure


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'profkit.structure' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
