"""The operators that only one side has, summed by side and by why they have no counterpart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from textual.content import Content

from profkit.operator_groups import ONLY_REF, ONLY_RUN, unmatched_operators
from profkit.report.quantities import count, duration
from profkit.session import Session
from profkit.tui.detail_text import DetailText
from profkit.tui.row_filter import FilterWord
from profkit.tui.verdicts import FLAG
from profkit.tui.view import View, place_of_operator
from profkit.tui.views.one_sided import REF_TIME, RUN_TIME
from profkit.tui.views.operator_groups import link_of_groups
from profkit.tui.widgets.table_column import count_column, essential, text_column, verdict_column

COLUMNS = (
    *essential(
        text_column("label", "operator", short="op", max_width=42, keep="ends"),
        count_column("operators", "operators"),
        REF_TIME,
        RUN_TIME,
        verdict_column("flag", "flag", FLAG),
    ),
    text_column("module", "module", max_width=40, keep="tail"),
    text_column("op_class", "class", short="class", max_width=16),
    text_column("phase", "phase", max_width=10),
    text_column("shapes", "input shapes", short="shape", max_width=40),
    text_column("group", "why", short="why", max_width=60),
)

_OF_OPERATORS = ("flag", "module", "op_class", "phase", "shapes")


def _of_side(side: str) -> FilterWord:
    return lambda rows: rows["group"].str.startswith(f"{side}:").to_numpy(dtype=np.bool_)


_WORDS: dict[str, FilterWord] = {
    "ref": _of_side(ONLY_REF),
    "run": _of_side(ONLY_RUN),
    "flagged": lambda rows: rows["flag"].notna().to_numpy(dtype=np.bool_),
}


def unmatched_view(session: Session) -> View:
    """Make the view of what only one side has, a part of the view of the operators."""
    groups = unmatched_operators(session.operators)
    is_sum = (groups["depth"] == 0).to_numpy()
    own = session.operators.iloc[groups["row"]].reset_index(drop=True)
    label = groups["group"].where(is_sum, "  " + own["operator"].astype(object))
    told = {name: own[name].astype(object).mask(is_sum) for name in _OF_OPERATORS}
    frame = groups.assign(**told, label=label.astype("string"), group=groups["group"].astype("string"))
    link = link_of_groups(frame, len(session.operators))
    return View(
        name="unmatched",
        title="Unmatched",
        short="Unm",
        frame=frame,
        columns=COLUMNS,
        flagged=_WORDS["flagged"](frame),
        link=link,
        describe=lambda row: _describe(frame.iloc[row]),
        leads_to=lambda row: place_of_operator(link, row),
        when_empty="No operator is without a counterpart, or nothing was aligned (see 5).",
        words=_WORDS,
        depth=groups["depth"].to_numpy(dtype=np.int64) if len(frame) else None,
        part_of="operators",
        note=_totals(frame[is_sum]),
    )


def _totals(sums: pd.DataFrame) -> str:
    """Say how many operators each side has alone, and what they take in a step."""
    parts = []
    for word, times in (("ref", "ref_ns"), ("run", "run_ns")):
        own = sums[_WORDS[word](sums)]
        parts.append(f"{word} only: {count(own['operators'].sum())}, {duration(own[times].sum())}")
    return " | ".join(parts) if len(sums) else ""


def _describe(row: Any) -> Content:
    text = DetailText().heading(str(row["label"]).strip())
    if row["depth"] == 1:
        text.verdict("flag", row["flag"], FLAG).field("module", row["module"]).field("class", row["op_class"])
        text.field("phase", row["phase"]).field("input shapes", row["shapes"])
    else:
        text.field("operators", count(row["operators"])).field("flagged", count(row["flagged"]))
    text.heading("Time of a step").field("ref", duration(row["ref_ns"])).field("run", duration(row["run_ns"]))
    if row["depth"] == 1:
        text.heading("Why it is here").sentence(row["group"])
    return text.content()
