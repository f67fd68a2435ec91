"""What a session keeps of memory and communication: summaries of every side, small whatever was recorded."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from profkit.communication_summary import communication_rows, summarise_communication
from profkit.frame_spec import Column, FrameSpec, concatenate
from profkit.memory_summary import memory_envelope, memory_peaks
from profkit.run import Run

_SIDE = Column("side", "category", "ref or run", values=("ref", "run"))
_RANK = Column("rank", "int32", "Process number; -1 if unknown")

SESSION_MEMORY = FrameSpec(
    "memory",
    (
        _SIDE,
        _RANK,
        Column("component", "category", "What held the memory"),
        Column("samples", "int64", "Samples or changes recorded"),
        Column("peak_allocated_bytes", "Int64", "Most that was allocated", nullable=True),
        Column("peak_allocated_at_ns", "Int64", "When, ns since the epoch of the recording", nullable=True),
        Column("last_allocated_bytes", "Int64", "What was allocated at the end", nullable=True),
        Column("peak_reserved_bytes", "Int64", "Most that was reserved", nullable=True),
        Column("peak_reserved_at_ns", "Int64", "When, ns since the epoch of the recording", nullable=True),
        Column("peak_growth_bytes", "Int64", "Most above what was held at first, by the changes", nullable=True),
        Column("last_growth_bytes", "Int64", "What of it was held at the end", nullable=True),
        Column("requested_bytes", "Int64", "Sum of all allocations", nullable=True),
    ),
)

SESSION_MEMORY_CURVE = FrameSpec(
    "memory_curve",
    (
        _SIDE,
        _RANK,
        Column("component", "category", "What held the memory"),
        Column("window", "int64", "Part of the recorded time, equal parts from 0"),
        Column("time_ns", "int64", "Of the sample, ns since the epoch of the recording"),
        Column("held_bytes", "Int64", "Largest sample of the window"),
    ),
)

SESSION_COMMUNICATION = FrameSpec(
    "communication",
    (
        _SIDE,
        _RANK,
        Column("name", "string", "As recorded"),
        Column("operation", "category", "allReduce, send, ...", nullable=True),
        Column("kind", "category", "collective or p2p", nullable=True),
        Column("count", "int64", "Transfers"),
        Column("total_ns", "Int64", "Sum of their durations, ns; NA if one is unknown", nullable=True),
        Column("wait_ns", "Int64", "Of it waiting for other ranks, ns; NA if not recorded", nullable=True),
        Column("size_bytes", "Int64", "Bytes over links; NA if one is unknown", nullable=True),
        Column("bandwidth_gb_s", "float64", "10^9 bytes a second without waiting", nullable=True),
        Column("message_bytes", "Int64", "Bytes handed to the operations", nullable=True),
        Column("algorithm_gb_s", "float64", "message_bytes over the whole time, 10^9 bytes a second", nullable=True),
        Column("bus_gb_s", "float64", "algorithm_gb_s times the share that crosses a link", nullable=True),
        Column("elements", "Int64", "Elements of the messages", nullable=True),
    ),
)

Sides = Sequence[tuple[str, Run]]


def session_memory(sides: Sides) -> pd.DataFrame:
    """Give the peaks of each component of each side; a frame of SESSION_MEMORY."""
    parts = [memory_peaks(run.memory).assign(side=side) for side, run in sides if len(run.memory)]
    return concatenate(SESSION_MEMORY, [SESSION_MEMORY.build(part) for part in parts])


def session_memory_curve(sides: Sides) -> pd.DataFrame:
    """Give what each component of each side held over time; a frame of SESSION_MEMORY_CURVE."""
    parts = [memory_envelope(run.memory).assign(side=side) for side, run in sides if len(run.memory)]
    return concatenate(SESSION_MEMORY_CURVE, [SESSION_MEMORY_CURVE.build(part) for part in parts])


def session_communication(sides: Sides) -> pd.DataFrame:
    """Give the transfers of each side summed by name; a frame of SESSION_COMMUNICATION."""
    rows = [(side, communication_rows(run)) for side, run in sides]
    parts = [summarise_communication(comm, "name").assign(side=side) for side, comm in rows if len(comm)]
    return concatenate(SESSION_COMMUNICATION, [SESSION_COMMUNICATION.build(part) for part in parts])
