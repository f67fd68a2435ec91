"""Which operators of two runs do the same work, and which of them became slow."""

from profkit.correlate.alignment import align, unaligned
from profkit.correlate.explanation import explain
from profkit.correlate.likeness import ONE_NETWORK, TWO_NETWORKS, shares_of_like_work
from profkit.correlate.operator_rows import operator_rows
from profkit.correlate.slow import judged_units
from profkit.correlate.slow_findings import noise_notes, slow_findings

__all__ = [
    "ONE_NETWORK",
    "TWO_NETWORKS",
    "align",
    "explain",
    "judged_units",
    "noise_notes",
    "operator_rows",
    "shares_of_like_work",
    "slow_findings",
    "unaligned",
]
