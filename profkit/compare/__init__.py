"""The shared compare core: how far two sets of tensors are from each other, and what that means.

`compare_paths` compares what lies at two paths (files, directories, dumps, checkpoints), `compare_tensors` two tensors
frames and `compare_arrays` two arrays; each gives a parity frame. `measure` gives the figures of one pair of arrays,
`pair` the pairs of two tensors frames, `judge` the verdicts of measured pairs. Names are resolved at first use: the
processes that only measure import no pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Metrics": "profkit.compare.metrics",
    "Verdict": "profkit.compare.verdict",
    "compare_arrays": "profkit.compare.parity",
    "compare_paths": "profkit.compare.paths",
    "compare_tensors": "profkit.compare.parity",
    "judge": "profkit.compare.verdict",
    "measure": "profkit.compare.metrics",
    "pair": "profkit.compare.pairing",
}

__all__ = [
    "Metrics",
    "Verdict",
    "compare_arrays",
    "compare_paths",
    "compare_tensors",
    "judge",
    "measure",
    "pair",
]

if TYPE_CHECKING:
    from profkit.compare.metrics import Metrics, measure
    from profkit.compare.pairing import pair
    from profkit.compare.parity import compare_arrays, compare_tensors
    from profkit.compare.paths import compare_paths
    from profkit.compare.verdict import Verdict, judge


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'profkit.compare' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
