"""Which operators of two runs do the same work, and which of them became slow."""

from profkit.correlate.alignment import align

__all__ = ["align"]
