"""Every frame that passes between rooms: its columns, dtypes, units and meanings.

Times are int64 nanoseconds since the epoch and durations int64 nanoseconds, parsed from digits, never through a float.
The index of a frame is a RangeIndex: a row is named by its position. An unknown value is NA, with two exceptions that
are named in the column's meaning: `rank` and `step` are -1 when unknown, references to rows (`parent`, `launcher`, ...)
are -1 when there is none.
"""

from __future__ import annotations

from collections.abc import Mapping

from profkit.frame_spec import FrameSpec
from profkit.schema.comparison_frames import (
    ALIGNMENT,
    EXPLANATION,
    OVERFLOW,
    OVERFLOW_FROM_WORST,
    OVERFLOW_ROLES,
    PARITY,
    PARITY_FROM_WORST,
    PARITY_STATUS,
    STRUCTURE,
    STRUCTURE_STATUS,
    TIMELINE,
    WEIGHT_MAP,
    WEIGHT_MAP_STATUS,
)
from profkit.schema.profile_frames import (
    ALLOCATIONS,
    API,
    COMM,
    COUNTERS,
    DATA_PIPELINE,
    DEVICE_SAMPLES,
    HOST_CALLS,
    LINKS,
    MEMORY,
    NODES,
    OPS,
    SPANS,
    STEPS,
    TOTALS,
)
from profkit.schema.shared_columns import (
    CLASS_SOURCES,
    OP_CLASSES,
    PHASES,
    SIDES,
)
from profkit.schema.tensor_frames import (
    GRAPH_EDGES,
    GRAPH_NODES,
    OVERFLOW_RECORDS,
    TENSOR_IO,
    TENSORS,
)
from profkit.schema.triage_frames import (
    BRIDGE,
    BRIDGE_PARTS,
    BRIDGE_ROWS,
    FINDINGS,
    ISSUES,
    MODULES,
    OPERATORS,
    OVERVIEW,
    OVERVIEW_SECTIONS,
    QUESTIONS,
    SESSION_BREAKDOWN,
    SESSION_CHANGE,
    SESSION_CHANGES,
    SESSION_STEPS,
    SOURCES,
)

__all__ = [
    "ALIGNMENT",
    "ALLOCATIONS",
    "API",
    "BRIDGE",
    "BRIDGE_PARTS",
    "BRIDGE_ROWS",
    "CACHED_FRAMES",
    "CLASS_SOURCES",
    "COMM",
    "COUNTERS",
    "DATA_PIPELINE",
    "DEVICE_SAMPLES",
    "EXPLANATION",
    "FINDINGS",
    "GRAPH_EDGES",
    "GRAPH_NODES",
    "HOST_CALLS",
    "ISSUES",
    "LINKS",
    "MEMORY",
    "MODULES",
    "NODES",
    "OPERATORS",
    "OPS",
    "OP_CLASSES",
    "OVERFLOW",
    "OVERFLOW_FROM_WORST",
    "OVERFLOW_RECORDS",
    "OVERFLOW_ROLES",
    "OVERVIEW",
    "OVERVIEW_SECTIONS",
    "PARITY",
    "PARITY_FROM_WORST",
    "PARITY_STATUS",
    "PHASES",
    "QUESTIONS",
    "RECORDED_FRAMES",
    "SCHEMA_VERSION",
    "SESSION_BREAKDOWN",
    "SESSION_CHANGE",
    "SESSION_CHANGES",
    "SESSION_STEPS",
    "SIDES",
    "SOURCES",
    "SPANS",
    "STEPS",
    "STRUCTURE",
    "STRUCTURE_STATUS",
    "TENSORS",
    "TENSOR_IO",
    "TIMELINE",
    "TOTALS",
    "WEIGHT_MAP",
    "WEIGHT_MAP_STATUS",
]

SCHEMA_VERSION = 13
"""Raised whenever a frame changes; part of every cache key and session file."""

RECORDED_FRAMES: Mapping[str, FrameSpec] = {
    spec.name: spec
    for spec in (
        OPS,
        SPANS,
        STEPS,
        MEMORY,
        ALLOCATIONS,
        COMM,
        LINKS,
        API,
        HOST_CALLS,
        DEVICE_SAMPLES,
        DATA_PIPELINE,
        NODES,
        TENSORS,
        OVERFLOW_RECORDS,
        GRAPH_NODES,
        GRAPH_EDGES,
    )
}
"""The frames a parser may give."""

CACHED_FRAMES: Mapping[str, FrameSpec] = {**RECORDED_FRAMES, TOTALS.name: TOTALS}
"""The frames the cache may hold: what parsers give, and what is worked out from it."""
