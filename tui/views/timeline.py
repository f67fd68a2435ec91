"""When each operator ran: the executions of both sides, step beside step, in lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from textual.content import Content

from profkit.compared_steps import SIDES, compared_step
from profkit.report.quantities import confidence, duration
from profkit.session import Session
from profkit.timeline import timeline
from profkit.tui.charts.timeline_chart import TimelineChart
from profkit.tui.detail_text import DetailText
from profkit.tui.links import Link, Rows
from profkit.tui.row_filter import FilterWord, Mask
from profkit.tui.view import View, place_of_operator
from profkit.tui.views.operators import flagged_operators
from profkit.tui.widgets.table_column import confidence_column, duration_column, essential, place_column, text_column

COLUMNS = (
    *essential(
        text_column("name", "operator", short="op", max_width=30, keep="ends"),
        text_column("side", "side", max_width=4),
        place_column("step", "step"),
        duration_column("offset_ns", "start", short="start"),
        duration_column("dur_ns", "duration", short="dur"),
        text_column("module", "module", max_width=28, keep="tail"),
    ),
    text_column("op_class", "class", short="class", max_width=16),
    text_column("phase", "phase", max_width=10),
    text_column("lane", "lane", max_width=16),
    place_column("rank", "rank"),
    place_column("group", "group"),
    confidence_column(),
    text_column("reason", "reason", max_width=60),
)


def timeline_view(session: Session) -> View:
    """Make the view of the timeline, step by step, the reference before the run."""
    frame = timeline(session.alignment, session.steps, session.sides)
    operators = session.operators
    link = _link(operators, frame)
    flagged = _flagged(operators, link.operator)
    levels = session.breakdown.drop_duplicates("side").set_index("side")["level"]
    lane_words = {side: {"host": "thread", "device": "stream"}.get(level, "lane") for side, level in levels.items()}
    return View(
        name="timeline",
        title="Timeline",
        short="Time",
        frame=frame,
        columns=COLUMNS,
        flagged=flagged,
        link=link,
        describe=lambda row: _describe(frame.iloc[row]),
        leads_to=lambda row: place_of_operator(link, row),
        when_empty="No executions: no timing was given, or none could be read (see 5 and 6).",
        words=_WORDS,
        chart=lambda: TimelineChart(frame, flagged, lane_words),
        first_row=_first_of_compared_step(session, frame),
    )


def _first_of_compared_step(session: Session, frame: pd.DataFrame) -> int:
    """Give where the step begins that the other views speak of; the first steps of a run are often unlike the rest."""
    for side in SIDES:
        step = compared_step(session, side)
        if step is not None:
            same = (frame["side"] == side) & (frame["rank"] == step.rank) & (frame["step"] == step.step)
            if same.any():
                return int(same.to_numpy().argmax())
    return 0


def _of_side(side: str) -> FilterWord:
    return lambda frame: (frame["side"] == side).to_numpy(dtype=np.bool_)


_WORDS: dict[str, FilterWord] = {
    "ref": _of_side("ref"),
    "run": _of_side("run"),
    "unmatched": lambda frame: (frame["group"] < 0).to_numpy(dtype=np.bool_),
}


def _link(operators: pd.DataFrame, frame: pd.DataFrame) -> Link:
    units = operators["unit"].to_numpy(dtype=np.int64)
    timed = np.flatnonzero(units >= 0)
    operator_of_unit = pd.Series(timed, index=units[timed])
    operator_of_unit = operator_of_unit[~operator_of_unit.index.duplicated()]
    unit = frame["unit"].to_numpy(dtype=np.int64)
    places = operator_of_unit.index.get_indexer(pd.Index(unit))
    operator: npt.NDArray[np.int64] = np.append(operator_of_unit.to_numpy(dtype=np.int64), -1)[places]
    rows_of_unit = pd.Series(np.arange(len(unit))).groupby(unit).indices
    nothing: Rows = np.empty(0, dtype=np.int64)

    def rows(row: int) -> Rows:
        return np.asarray(rows_of_unit.get(int(units[row]), nothing) if units[row] >= 0 else nothing, dtype=np.int64)

    return Link(operator, rows)


def _flagged(operators: pd.DataFrame, operator: npt.NDArray[np.int64]) -> Mask:
    flags = np.append(flagged_operators(operators), [False])
    return np.asarray(flags[operator], dtype=np.bool_)


def _describe(row: Any) -> Content:
    text = DetailText().heading(row["name"])
    text.field("side", row["side"]).place("step", row["step"]).field("lane", row["lane"])
    text.field("start in its step", duration(row["offset_ns"])).field("duration", duration(row["dur_ns"]))
    text.field("module", row["module"]).field("class", row["op_class"]).field("phase", row["phase"])
    text.heading("Why it belongs to its group").place("group", row["group"]).sentence(row["reason"])
    text.field("confidence", confidence(row["confidence"]))
    return text.content()
