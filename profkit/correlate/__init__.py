"""Which operators of two runs do the same work, and which of them became slow."""

from profkit.correlate.alignment import align
from profkit.correlate.operator_rows import operator_rows
from profkit.correlate.slow_findings import slow_findings

__all__ = ["align", "operator_rows", "slow_findings"]
