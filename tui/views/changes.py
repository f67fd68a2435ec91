"""What changed from an earlier session to this one: step time, findings, modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from textual.content import Content

from profkit.report.quantities import count, duration
from profkit.session import Session
from profkit.session_comparison import compare_sessions
from profkit.tui.detail_text import DetailText
from profkit.tui.links import link_by_module
from profkit.tui.row_filter import FilterWord
from profkit.tui.verdicts import Verdict
from profkit.tui.view import View, place_of_operator
from profkit.tui.widgets.table_column import count_column, duration_column, essential, text_column, verdict_column

CHANGE: Mapping[object, Verdict] = {
    "new": Verdict("+", "new", "bad", 4),
    "still": Verdict("▸", "still", "warning", 3),
    "not_judged": Verdict("?", "not judged", "muted", 2),
    "gone": Verdict("✓", "gone", "good", 1),
}

COLUMNS = (
    *essential(
        text_column("item", "what", short="what", max_width=28, keep="tail"),
        verdict_column("change", "became", CHANGE),
        duration_column("delta_ns", "change", short="change", can_be_negative=True),
        duration_column("before_ns", "before", short="before"),
        duration_column("after_ns", "after", short="after"),
        text_column("op", "operator", short="op", max_width=28, keep="ends"),
    ),
    text_column("section", "section", max_width=8),
    count_column("before_rank", "rank before"),
    count_column("after_rank", "rank after"),
    text_column("module", "module", max_width=40, keep="tail"),
    text_column("note", "note", max_width=80),
)


def changes_view(before: Session, session: Session) -> View:
    """Make the view of what changed."""
    changes = compare_sessions(before, session)
    frame = changes.assign(item=_items(changes))
    link = link_by_module(session.operators, frame)
    return View(
        name="changes",
        title="Changes",
        short="Chg",
        frame=frame,
        columns=COLUMNS,
        flagged=(frame["section"] == "finding").to_numpy(dtype=np.bool_),
        link=link,
        describe=lambda row: _describe(before, frame.iloc[row]),
        leads_to=lambda row: place_of_operator(link, row),
        when_empty="Nothing is known of either session.",
        words=_WORDS,
        note=f"since {before.created}",
    )


def _items(changes: pd.DataFrame) -> pd.Series[str]:
    """Write the parts of a step below it and findings with their module, as the overview does; name the network."""
    items = changes["item"].str.replace("_", " ")
    is_of_module = (changes["section"] == "finding") & changes["module"].notna()
    items = items.where(~is_of_module, items + " " + changes["module"].astype("string"))
    is_part = (changes["section"] == "step") & ~changes["item"].str.startswith("step ")
    named = items.where(~is_part, "  " + items).where(changes["section"] != "module", changes["item"])
    return named.where(named != "", "(whole network)")


def _of_change(change: str) -> FilterWord:
    return lambda frame: (frame["change"] == change).to_numpy(dtype=np.bool_)


_WORDS: dict[str, FilterWord] = {"gone": _of_change("gone"), "new": _of_change("new"), "still": _of_change("still")}


def _describe(before: Session, row: Any) -> Content:
    text = DetailText().heading(row["item"].strip()).verdict("became", row["change"], CHANGE)
    if row["section"] == "finding":
        text.field("module", row["module"]).field("operator", row["op"])
        text.field("rank before", count(row["before_rank"])).field("rank after", count(row["after_rank"]))
    text.heading("Cost of a step" if row["section"] == "finding" else "Time of the run in a step")
    text.field("before", duration(row["before_ns"])).field("after", duration(row["after_ns"]))
    text.field("change", f"{duration(row['delta_ns'])}  ({count(row['delta_ns'])} ns)").sentence(row["note"])
    text.heading("Compared with").field("session", before.title).field("made", before.created)
    return text.content()
