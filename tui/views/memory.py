"""How much memory each component of either side held, and when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from textual.content import Content

from profkit.memory_summary import WINDOWS
from profkit.report.quantities import count, size
from profkit.safe_text import printable
from profkit.session import Session
from profkit.tui.charts.curve_chart import Curve, CurveChart
from profkit.tui.detail_text import DetailText
from profkit.tui.links import no_link
from profkit.tui.row_order import Sort
from profkit.tui.view import View
from profkit.tui.widgets.table_column import TableColumn, count_column, place_column, size_column, text_column

_PEAK = size_column("peak_bytes", "peak", short="peak")

COLUMNS: tuple[TableColumn, ...] = (
    text_column("component", "component", max_width=28, keep="tail"),
    text_column("side", "side", max_width=6),
    place_column("rank", "rank"),
    _PEAK,
    size_column("last_bytes", "at the end", short="last"),
    size_column("peak_reserved_bytes", "reserved", short="reserved"),
    size_column("requested_bytes", "requested", short="requested"),
    count_column("samples", "samples"),
)

_NOT_RECORDED = (
    "No memory was recorded. PyTorch: profile(profile_memory=True); MindSpore: Profiler(profile_memory=True) "
    "on Ascend. Then open the run again."
)


def memory_view(session: Session) -> View:
    """Make the view of memory, the largest peak first."""
    memory = session.memory.assign(
        peak_bytes=_first_known(session.memory, "peak_allocated_bytes", "peak_reserved_bytes", "peak_growth_bytes"),
        last_bytes=_first_known(session.memory, "last_allocated_bytes", "last_growth_bytes"),
    )
    curves = _Curves(memory, session.memory_curve)
    return View(
        name="memory",
        title="Memory",
        short="Mem",
        frame=memory,
        columns=COLUMNS,
        flagged=np.zeros(len(memory), dtype=np.bool_),
        link=no_link(memory),
        describe=lambda row: _describe(memory.iloc[row]),
        leads_to=lambda row: None,
        when_empty=_NOT_RECORDED,
        sort=Sort(_PEAK, descending=True),
        chart=lambda: CurveChart(curves.of, size),
    )


def _first_known(memory: pd.DataFrame, *columns: str) -> pd.Series[Any]:
    known = memory[columns[0]]
    for column in columns[1:]:
        known = known.fillna(memory[column])
    return known


class _Curves:
    def __init__(self, memory: pd.DataFrame, curve: pd.DataFrame) -> None:
        self._memory = memory
        keys = [curve[name].astype(object) for name in ("side", "rank", "component")]
        self._parts = dict(list(curve.groupby(keys, sort=False)))

    def of(self, row: int) -> Curve | None:
        """Give the curve of a row of the memory frame."""
        about = self._memory.iloc[row]
        part = self._parts.get((about["side"], about["rank"], about["component"]))
        if part is None:
            return None
        title = (
            f"held by {printable(about['component'])} ({about['side']}) over the recorded time, largest of each part"
        )
        amounts = part["held_bytes"].to_numpy(dtype=np.float64)
        return Curve(title, part["window"].to_numpy(dtype=np.int64), amounts, WINDOWS)


def _describe(row: Any) -> Content:
    text = DetailText().heading(row["component"]).field("side", row["side"]).place("rank", row["rank"])
    text.field("samples or changes recorded", count(row["samples"]))
    text.heading("Allocated").field("peak", _exact(row["peak_allocated_bytes"]))
    text.field("at, ns", count(row["peak_allocated_at_ns"])).field("at the end", _exact(row["last_allocated_bytes"]))
    text.heading("Reserved").field("peak", _exact(row["peak_reserved_bytes"]))
    text.field("at, ns", count(row["peak_reserved_at_ns"]))
    text.heading("By single changes, above what was held at first")
    text.field("peak", _exact(row["peak_growth_bytes"])).field("at the end", _exact(row["last_growth_bytes"]))
    text.field("requested in all", _exact(row["requested_bytes"]))
    return text.content()


def _exact(value: Any) -> str:
    return size(value) if pd.isna(value) else f"{size(value)}  ({count(value)} bytes)"
