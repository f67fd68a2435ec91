"""Weights from one network into another: descriptions, maps, conversion from file to file, and parity.

Nothing here imports a framework: checkpoints are read and written as files, live networks through their own methods.
Names are resolved at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "MapRow": "profkit.weights.weight_map",
    "NetDescription": "profkit.weights.description",
    "ParameterDescription": "profkit.weights.description",
    "WeightMap": "profkit.weights.weight_map",
    "compare_weights": "profkit.weights.comparison",
    "convert": "profkit.weights.conversion",
    "describe": "profkit.weights.description",
    "describe_net": "profkit.weights.live_net",
    "identity_map": "profkit.weights.conversion",
    "make_map": "profkit.weights.matching",
    "mapped_pairs": "profkit.weights.comparison",
    "predicted_map": "profkit.weights.prediction",
    "read_checkpoint": "profkit.parsers.checkpoint.whole_checkpoint",
    "read_map": "profkit.weights.map_file",
    "read_rules": "profkit.weights.rules",
    "troubleshooter_tables": "profkit.weights.map_file",
    "write_map": "profkit.weights.map_file",
    "write_troubleshooter_map": "profkit.weights.map_file",
}

__all__ = [
    "MapRow",
    "NetDescription",
    "ParameterDescription",
    "WeightMap",
    "compare_weights",
    "convert",
    "describe",
    "describe_net",
    "identity_map",
    "make_map",
    "mapped_pairs",
    "predicted_map",
    "read_checkpoint",
    "read_map",
    "read_rules",
    "troubleshooter_tables",
    "write_map",
    "write_troubleshooter_map",
]

if TYPE_CHECKING:
    from profkit.parsers.checkpoint.whole_checkpoint import read_checkpoint
    from profkit.weights.comparison import compare_weights, mapped_pairs
    from profkit.weights.conversion import convert, identity_map
    from profkit.weights.description import NetDescription, ParameterDescription, describe
    from profkit.weights.live_net import describe_net
    from profkit.weights.map_file import read_map, troubleshooter_tables, write_map, write_troubleshooter_map
    from profkit.weights.matching import make_map
    from profkit.weights.prediction import predicted_map
    from profkit.weights.rules import read_rules
    from profkit.weights.weight_map import MapRow, WeightMap


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'profkit.weights' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
