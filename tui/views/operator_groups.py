"""The operators summed by class, operator, module, kernel, shapes or phase; a sum opens into its operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from textual.content import Content

from profkit.operator_groups import GROUPINGS, grouped_operators
from profkit.report.quantities import count, duration, number, ratio
from profkit.session import Session
from profkit.tui.detail_text import DetailText
from profkit.tui.links import NO_ROWS, Link, Rows
from profkit.tui.row_filter import FilterWord
from profkit.tui.verdicts import OVERFLOW, PARITY
from profkit.tui.view import View, place_of_operator
from profkit.tui.views.one_sided import IMPACT, REF_TIME, RUN_TIME, known_columns, telling_columns
from profkit.tui.widgets.table_column import (
    Keep,
    count_column,
    essential,
    number_column,
    ratio_column,
    text_column,
    verdict_column,
)

_FIGURES = (
    *essential(
        count_column("operators", "operators"),
        ratio_column("ratio", "ratio"),
        IMPACT,
        REF_TIME,
        RUN_TIME,
        count_column("flagged", "flagged"),
    ),
    verdict_column("parity", "worst parity", PARITY, short="parity"),
    verdict_column("overflow", "worst overflow", OVERFLOW, short="overflow"),
    number_column("max_abs", "max abs"),
)

_WORDS: dict[str, FilterWord] = {
    "flagged": lambda groups: (groups["flagged"] > 0).to_numpy(dtype=np.bool_),
    "sums": lambda groups: (groups["depth"] == 0).to_numpy(dtype=np.bool_),
}


def operator_group_views(session: Session) -> tuple[View, ...]:
    """Make one view a grouping, all of them parts of the view of the operators."""
    names = session.operators["operator"].astype(object)
    modules = session.operators["module"].astype(object)
    plain = ("  " + names).to_numpy(dtype=object)
    placed = np.where(modules.notna(), ("  " + names + " of " + modules).to_numpy(dtype=object), plain)
    return tuple(_group_view(session, by, plain if by == "module" else placed) for by in GROUPINGS)


def _group_view(session: Session, by: str, names: npt.NDArray[np.object_]) -> View:
    """Make the view of a grouping; `names` are those of the operators below a sum."""
    groups = grouped_operators(session.operators, by)
    depth = groups["depth"].to_numpy(dtype=np.int64)
    labels = np.where(depth == 0, groups["group"].to_numpy(dtype=object), names[groups["row"].to_numpy(dtype=np.int64)])
    frame = groups.assign(label=pd.array(labels, dtype="string"))
    link = link_of_groups(frame, len(session.operators))
    keep: Keep = "tail" if by == "module" else "ends"
    (label,) = essential(text_column("label", by, short="name", max_width=44, keep=keep))
    return View(
        name=f"by-{by}",
        title=f"By {by}",
        frame=frame,
        columns=telling_columns(known_columns((label, *_FIGURES), session.operators), frame),
        flagged=_WORDS["flagged"](frame) & (depth == 0),
        link=link,
        describe=lambda row: _describe(frame.iloc[row]),
        leads_to=lambda row: place_of_operator(link, row),
        when_empty="No operators: no timing was given, or none could be read (see 5 and 6).",
        words=_WORDS,
        depth=depth if len(frame) else None,
        is_folded=True,
        part_of="operators",
        note="z opens and closes a sum",
    )


def link_of_groups(frame: pd.DataFrame, operators: int) -> Link:
    """Link a sum to its costliest operator, and an operator to its row and its sum, if it has one.

    Args:
        frame: As of profkit.operator_groups.
        operators: How many operators the session has.
    """
    single = np.full(operators, -1, dtype=np.int64)
    is_single = (frame["depth"] == 1).to_numpy()
    single[frame["row"].to_numpy()[is_single]] = np.flatnonzero(is_single)
    sum_of = pd.Series(np.where(is_single, -1, np.arange(len(frame)))).replace(-1, np.nan).ffill().fillna(-1)

    def rows(operator: int) -> Rows:
        row = int(single[operator])
        if row < 0:
            return NO_ROWS
        return np.array([row, int(sum_of.iloc[row])], dtype=np.int64)

    return Link(frame["row"].to_numpy(dtype=np.int64), rows)


def _describe(row: Any) -> Content:
    text = DetailText().heading(str(row["label"]).strip())
    text.field("operators", count(row["operators"])).field("flagged", count(row["flagged"]))
    text.heading("Time of a step").field("ref", duration(row["ref_ns"])).field("run", duration(row["run_ns"]))
    text.field("ratio", ratio(row["ratio"])).field("impact", duration(row["impact_ns"]))
    text.heading("Worst of them").verdict("parity", row["parity"], PARITY)
    text.field("max abs", number(row["max_abs"])).verdict("overflow", row["overflow"], OVERFLOW)
    return text.content()
