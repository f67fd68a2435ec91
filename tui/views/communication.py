"""Collectives and transfers of either side: time, wait, bytes, bandwidth."""

from __future__ import annotations

from typing import Any

import numpy as np
from textual.content import Content

from profkit.report.quantities import count, duration, number, size
from profkit.session import Session
from profkit.tui.detail_text import DetailText
from profkit.tui.links import no_link
from profkit.tui.row_order import Sort
from profkit.tui.view import View
from profkit.tui.widgets.table_column import (
    TableColumn,
    count_column,
    duration_column,
    number_column,
    place_column,
    size_column,
    text_column,
)

_TOTAL = duration_column("total_ns", "total", short="total")

COLUMNS: tuple[TableColumn, ...] = (
    text_column("name", "name", max_width=28),
    text_column("side", "side", max_width=6),
    place_column("rank", "rank"),
    text_column("operation", "operation", max_width=16),
    count_column("count", "count"),
    _TOTAL,
    duration_column("wait_ns", "waiting", short="wait"),
    size_column("size_bytes", "over links", short="size"),
    number_column("bandwidth_gb_s", "GB/s"),
    size_column("message_bytes", "messages", short="messages"),
    number_column("algorithm_gb_s", "algorithm GB/s"),
    number_column("bus_gb_s", "bus GB/s"),
    text_column("kind", "kind", max_width=12),
)

_NOT_RECORDED = (
    "No communication was recorded: the run used one device, or the profiler left it out. MindSpore and torch_npu "
    "record it at profiler_level Level1, torch with CUDA activities."
)


def communication_view(session: Session) -> View:
    """Make the view of communication, the costliest first."""
    transfers = session.communication
    return View(
        name="communication",
        title="Comm",
        short="Comm",
        frame=transfers,
        columns=COLUMNS,
        flagged=np.zeros(len(transfers), dtype=np.bool_),
        link=no_link(transfers),
        describe=lambda row: _describe(transfers.iloc[row]),
        leads_to=lambda row: None,
        when_empty=_NOT_RECORDED,
        sort=Sort(_TOTAL, descending=True),
    )


def _describe(row: Any) -> Content:
    text = DetailText().heading(row["name"]).field("side", row["side"]).place("rank", row["rank"])
    text.field("operation", row["operation"]).field("kind", row["kind"]).field("transfers", count(row["count"]))
    text.heading("Time").field("total", duration(row["total_ns"])).field("of it waiting", duration(row["wait_ns"]))
    text.heading("Amounts").field("over links", size(row["size_bytes"])).field("messages", size(row["message_bytes"]))
    text.field("elements", count(row["elements"]))
    text.heading("Bandwidth, 10^9 bytes a second").field("without waiting", number(row["bandwidth_gb_s"]))
    text.field("of the algorithm", number(row["algorithm_gb_s"])).field("of the bus", number(row["bus_gb_s"]))
    return text.content()
