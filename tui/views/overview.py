"""The first view: a session on one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from textual.content import Content

from profkit.compared_steps import SIDES, compared_step
from profkit.overview import overview
from profkit.report.quantities import count, duration, ratio
from profkit.session import Session
from profkit.tui.charts.bar_text import bar_text
from profkit.tui.detail_text import DetailText
from profkit.tui.links import Link, Rows, link_findings
from profkit.tui.view import Place, View
from profkit.tui.widgets.table_column import (
    TableColumn,
    bar_column,
    blank_unless_known,
    duration_column,
    essential,
    ratio_column,
    text_column,
)

_WHAT = text_column("shown", "what", short="what", max_width=46, keep="ends")
_NOTE = blank_unless_known(text_column("rest", "note", short="note", max_width=80))

COLUMNS = (
    *essential(
        _WHAT,
        blank_unless_known(duration_column("ref_ns", "ref", short="ref")),
        blank_unless_known(duration_column("run_ns", "run", short="run")),
        blank_unless_known(duration_column("delta_ns", "change", short="change", can_be_negative=True)),
        bar_column("bar", "from ref to run"),
        blank_unless_known(ratio_column("ratio", "ratio")),
    ),
    _NOTE,
)

COLUMNS_OF_A_RUN = (
    *essential(
        _WHAT,
        blank_unless_known(duration_column("run_ns", "run", short="run")),
        bar_column("bar", "of the step"),
    ),
    _NOTE,
)

_MOST_LISTED = 12


def overview_view(session: Session) -> View:
    """Make the view of the whole session, as a tree of sections that can be folded."""
    findings = link_findings(session)
    rows = overview(session, pd.Series(findings.operator))
    columns = COLUMNS_OF_A_RUN if _is_of_a_run_alone(session) else COLUMNS
    frame = _with_texts(rows, columns).assign(bar=_bars(rows))
    link = _link(rows)
    return View(
        name="overview",
        title="Overview",
        short="Over",
        frame=frame,
        columns=columns,
        flagged=(rows["finding"] >= 0).to_numpy(dtype=np.bool_),
        link=link,
        describe=lambda row: _describe(session, rows.iloc[row]),
        leads_to=lambda row: _leads_to(rows.iloc[row]),
        when_empty="Nothing is known.",
        words={"findings": lambda frame: (frame["finding"] >= 0).to_numpy(dtype=np.bool_)},
        depth=rows["depth"].to_numpy(dtype=np.int64),
        note=_step_times(session),
    )


def _is_of_a_run_alone(session: Session) -> bool:
    return bool(len(session.sources)) and not (session.sources["side"] == "ref").any()


def _with_texts(rows: pd.DataFrame, columns: Sequence[TableColumn]) -> pd.DataFrame:
    """Add what stands for each row: indented, and with its note where it has no figures; elsewhere that is the rest."""
    figures = rows[[column.name for column in columns if column.is_numeric]]
    is_head_of_findings = (rows["section"] == "findings") & (rows["depth"] == 0)
    is_alone = figures.isna().all(axis="columns") & rows["note"].notna() & ~is_head_of_findings
    told = [
        2 * depth * " " + (f"{item}: {note}" if alone and note != item else item)
        for depth, item, note, alone in zip(rows["depth"], rows["item"], rows["note"], is_alone, strict=True)
    ]
    return rows.assign(shown=told, rest=rows["note"].where(~is_alone))


def _bars(rows: pd.DataFrame) -> list[str]:
    ends = rows[["from_ns", "to_ns"]].max(axis="columns")
    scale = ends.groupby(rows["section"], observed=True).transform("max").fillna(0)
    return [
        "" if pd.isna(begin) else bar_text(int(begin), int(end), int(whole))
        for begin, end, whole in zip(rows["from_ns"], rows["to_ns"], scale, strict=True)
    ]


def _link(rows: pd.DataFrame) -> Link:
    operator = rows["operator"].to_numpy(dtype=np.int64)
    # A part of the bridge stands for many operators: selecting one of them elsewhere must not lead there.
    own = np.where(rows["finding"] >= 0, operator, -1)

    def rows_of(row: int) -> Rows:
        return np.flatnonzero(own == row)

    return Link(operator, rows_of)


def _leads_to(row: Any) -> Place | None:
    if row["section"] == "findings":
        if row["operator"] >= 0:
            return Place("operators", int(row["operator"]))
        return Place("findings", max(int(row["finding"]), 0)) if row["depth"] == 0 or row["finding"] >= 0 else None
    if row["operator"] >= 0:
        return Place("operators", int(row["operator"]), f"part:{row['part']}")
    return Place("sources", 0) if row["section"] == "runs" else None


def _step_times(session: Session) -> str:
    ref, run = (compared_step(session, side) for side in SIDES)
    if ref is None or run is None or not ref.length_ns:
        return ""
    return f"step {duration(ref.length_ns)} to {duration(run.length_ns)}, {ratio(run.length_ns / ref.length_ns)}"


def _describe(session: Session, row: Any) -> Content:
    text = DetailText().heading(row["item"])
    if not pd.isna(row["note"]):
        text.sentence(row["note"])
    for label in ("ref", "run", "delta"):
        value = row[f"{label}_ns"]
        if not pd.isna(value):
            text.field("change" if label == "delta" else label, f"{duration(value)}  ({count(value)} ns)")
    if 0 <= row["finding"] < len(session.findings):
        finding = session.findings.iloc[row["finding"]]
        text.field("operator", finding["op"]).field("module", finding["module"])
        text.heading("What to try").sentence(finding["advice"])
    if not pd.isna(row["part"]):
        _add_part(text, session, row["part"])
    return text.content()


def _add_part(text: DetailText, session: Session, part: str) -> None:
    own = session.bridge[session.bridge["part"] == part]
    largest = own.loc[own["delta_ns"].abs().sort_values(ascending=False, kind="stable").index]
    text.heading("Largest in it").sentence(largest["reason"].iloc[0])
    for operator in largest.iloc[:_MOST_LISTED].to_dict("records"):
        module = "" if pd.isna(operator["module"]) else f" in {operator['module']}"
        text.field(duration(operator["delta_ns"]), f"{operator['operator']}{module}")
    if len(own) > _MOST_LISTED:
        text.sentence(f"and {count(len(own) - _MOST_LISTED)} more")
